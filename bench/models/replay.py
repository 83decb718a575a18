"""Work on a CUDA device that is recorded once per shape, as a CUDA graph, and replayed by a single launch.

Steps of small kernels are bound by the CPU that launches them. A recorded step reads its inputs from tensors that stay
where they are; new inputs are copied into them before it is replayed.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import torch

Inputs = Mapping[str, torch.Tensor]
Work = Callable[..., torch.Tensor]  # called with inputs and constants; launches kernels, and never waits for one
Recorder = Callable[[Callable[[], torch.Tensor]], tuple[Callable[[], None], torch.Tensor]]


class RecordingError(RuntimeError):
    """Work could not be recorded."""


class Replay:
    """Do work of a few fixed shapes many times."""

    def __init__(self, work: Work, record: Recorder) -> None:
        """Nothing is recorded yet.

        Args:
            work: What is done; called once with inputs of each shape before, so that its kernels are loaded and
                compiled when it is recorded.
            record: Runs a piece of work under recording; returns what repeats it, and the tensor that it writes.
        """
        self._work, self._record = work, record
        self._known: dict[Any, tuple[Inputs, Callable[[], None], torch.Tensor]] = {}

    def __call__(self, inputs: Inputs, *constants: Any) -> torch.Tensor:
        """Do the work; the result is overwritten by the next call with inputs of the same shapes.

        Raises:
            RecordingError: If it cannot be recorded.
        """
        key = (constants, *((name, tensor.shape, tensor.dtype) for name, tensor in inputs.items()))
        if key in self._known:
            own, replay, result = self._known[key]
            for name, tensor in own.items():
                tensor.copy_(inputs[name])
        else:
            own = {name: tensor.clone() for name, tensor in inputs.items()}
            try:
                replay, result = self._record(functools.partial(self._work, own, *constants))
            except Exception as error:
                # What ends the recording raises too, and says less than the work that could not be recorded.
                raise RecordingError(f"a CUDA graph could not be recorded: {error.__context__ or error}") from error
            self._known[key] = own, replay, result
        replay()
        return result


def cuda_recorder() -> Recorder:
    """Return a recorder of CUDA graphs that share one memory pool: they are replayed one after the other."""
    pool = torch.cuda.graph_pool_handle()

    def record(work: Callable[[], torch.Tensor]) -> tuple[Callable[[], None], torch.Tensor]:
        graph = torch.cuda.CUDAGraph()
        # Threads beside this one may use the device meanwhile.
        here = torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph, pool=pool, stream=here, capture_error_mode="thread_local"):
                result = work()
        except Exception:
            # A recording that CUDA refused to end stays open in PyTorch's allocator, which then frees nothing any more.
            with suppress(RuntimeError):
                torch._C._cuda_endAllocateToPool(here.device_index, pool)
            raise
        return graph.replay, result

    return record


@functools.cache
def _stream(device: torch.device) -> Any:
    # One for all: memory that is freed on a stream is used again there.
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


@contextmanager
def side_stream(device: torch.device) -> Iterator[None]:
    """Work on a stream of its own, where CUDA can record it; what comes before and after keeps its order."""
    if device.type != "cuda":
        yield
        return
    stream, outer = _stream(device), torch.cuda.current_stream(device)
    stream.wait_stream(outer)
    try:
        with torch.cuda.stream(stream):
            yield
    finally:
        outer.wait_stream(stream)  # after an error too: memory of the stream's last kernels may be given away
