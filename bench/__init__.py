"""Do SFT data filters remove unwanted traits? The public API; importing it stays light, as names load on first use."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.config.suite import load_suite
    from bench.data.pool import load_pool
    from bench.data.trait import load_trait
    from bench.errors import BenchError
    from bench.filtering.check import check_filter
    from bench.filtering.context import Context
    from bench.filtering.plugin import filter_plugin, patch_plugin
    from bench.filtering.plugins import list_filters
    from bench.leaderboard.render import render_board
    from bench.leaderboard.row import read_rows
    from bench.records import Example, Message, Query, TrainingRow, Trait
    from bench.run import Results, run_suite
    from bench.studies.diff.run import run_diff

__version__ = "0.1.0"

__all__ = [
    "BenchError",
    "Context",
    "Example",
    "Message",
    "Query",
    "Results",
    "TrainingRow",
    "Trait",
    "__version__",
    "check_filter",
    "filter_plugin",
    "list_filters",
    "load_pool",
    "load_suite",
    "load_trait",
    "patch_plugin",
    "read_rows",
    "render_board",
    "run_diff",
    "run_suite",
]

_HOMES = {
    "BenchError": "bench.errors",
    "Context": "bench.filtering.context",
    "Example": "bench.records",
    "Message": "bench.records",
    "Query": "bench.records",
    "Results": "bench.run",
    "TrainingRow": "bench.records",
    "Trait": "bench.records",
    "check_filter": "bench.filtering.check",
    "filter_plugin": "bench.filtering.plugin",
    "list_filters": "bench.filtering.plugins",
    "load_pool": "bench.data.pool",
    "load_suite": "bench.config.suite",
    "load_trait": "bench.data.trait",
    "patch_plugin": "bench.filtering.plugin",
    "read_rows": "bench.leaderboard.row",
    "render_board": "bench.leaderboard.render",
    "run_diff": "bench.studies.diff.run",
    "run_suite": "bench.run",
}


def __getattr__(name: str) -> object:
    """Import a public name from its module when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'bench' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__
