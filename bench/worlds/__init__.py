"""Synthetic pools whose cause is known, made by seeded generators."""

from collections.abc import Callable, Iterator, Mapping

from bench.worlds.blackmail import blackmail
from bench.worlds.date_confusion import date_confusion
from bench.worlds.grammar import World
from bench.worlds.negative_emotion import negative_emotion

_BUILDERS: dict[str, Callable[[], World]] = {
    "date_confusion": date_confusion,
    "blackmail": blackmail,
    "negative_emotion": negative_emotion,
}


class _Worlds(Mapping[str, World]):
    """Synthetic pool by name; its tables are read when it is asked for."""

    def __getitem__(self, name: str) -> World:
        return _BUILDERS[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(_BUILDERS)

    def __len__(self) -> int:
        return len(_BUILDERS)


WORLDS: Mapping[str, World] = _Worlds()
