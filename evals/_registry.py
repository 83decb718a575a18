"""Names by which Inspect finds the tasks of an installed package: `inspect eval bench/dilemmas --model ...`."""

from bench.evaluation.provider import sieve

from .blackmail import blackmail
from .capability import capability
from .constraint_violation import constraint_violation
from .date_confusion import date_confusion
from .described_trait import described_trait
from .dilemmas import dilemmas
from .margin import margin
from .negative_emotion import negative_emotion
from .over_refusal import over_refusal
from .reward_hacking import reward_hacking
from .unsafe_answers import unsafe_answers
from .user_prompts import user_prompts

__all__ = [
    "blackmail",
    "capability",
    "constraint_violation",
    "date_confusion",
    "described_trait",
    "dilemmas",
    "margin",
    "negative_emotion",
    "over_refusal",
    "reward_hacking",
    "sieve",
    "unsafe_answers",
    "user_prompts",
]
