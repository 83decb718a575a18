"""Do SFT data filters remove unwanted traits? What a filter file needs; importing it stays light."""

from bench.errors import BenchError
from bench.filtering.context import Context
from bench.filtering.plugins import filter_plugin, patch_plugin
from bench.records import Example, Message, Trait

__version__ = "0.1.0"

__all__ = [
    "BenchError",
    "Context",
    "Example",
    "Message",
    "Trait",
    "__version__",
    "filter_plugin",
    "patch_plugin",
]
