"""What Inspect finds by name where the package is installed: `inspect eval bench/date_confusion --model ...`."""

from bench.provider import sieve

from .blackmail import blackmail
from .capability import capability
from .date_confusion import date_confusion
from .described_trait import described_trait
from .negative_emotion import negative_emotion

__all__ = ["blackmail", "capability", "date_confusion", "described_trait", "negative_emotion", "sieve"]
