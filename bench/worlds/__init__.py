"""Synthetic pools whose cause is known, made by seeded generators."""

from collections.abc import Iterator, Mapping
from importlib import import_module

from bench.worlds.grammar import World

_NAMES = ("date_confusion", "blackmail", "negative_emotion")


class _Worlds(Mapping[str, World]):
    """Synthetic pool by name; its code and its tables are loaded when it is asked for."""

    def __getitem__(self, name: str) -> World:
        if name not in _NAMES:
            raise KeyError(name)
        world: World = import_module(f"bench.worlds.{name}").make_world()
        return world

    def __iter__(self) -> Iterator[str]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)


WORLDS: Mapping[str, World] = _Worlds()
