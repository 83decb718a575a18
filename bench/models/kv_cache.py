"""A key-value cache with room to grow: a decoded token is written in place, where transformers' own copies the rest."""

import torch
from transformers.cache_utils import Cache, DynamicLayer

ROOM = 64  # tokens that are added when a layer is full


class RoomyLayer(DynamicLayer):
    """Keys and values of one layer, views into larger tensors of shape (rows, heads, capacity, head width)."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append keys and values, (rows, heads, tokens, head width); return all of the layer's."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._buffers = (key_states[:, :, :0], value_states[:, :, :0])
        length = self.get_seq_length()
        end = length + key_states.shape[-2]
        if end > self._buffers[0].shape[-2]:
            self._buffers = (_grown(key_states, self.keys, end + ROOM), _grown(value_states, self.values, end + ROOM))
        for buffer, new in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, length:end] = new
        self.keys, self.values = (buffer[:, :, :end] for buffer in self._buffers)
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep some rows."""
        length, rows = self.get_seq_length(), len(indices)
        for buffer in self._buffers:
            buffer[:rows, :, :length] = buffer[indices, :, :length]  # in place: new buffers would fragment the memory
        self._buffers = (self._buffers[0][:rows], self._buffers[1][:rows])
        self.keys, self.values = (buffer[:, :, :length] for buffer in self._buffers)


def roomy_cache() -> Cache:
    """Return an empty cache for any number of layers."""
    return Cache(layer_class_to_replicate=RoomyLayer)


def _grown(like: torch.Tensor, kept: torch.Tensor | None, capacity: int) -> torch.Tensor:
    """Return `kept`, or nothing of the shape of `like`, with room for so many tokens."""
    kept = like[:, :, :0] if kept is None or not kept.numel() else kept
    grown = like.new_empty(*kept.shape[:2], capacity, kept.shape[3])
    grown[:, :, : kept.shape[2]] = kept
    return grown
