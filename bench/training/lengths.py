"""Token lengths of rows and prompts, estimated from characters before a tokenizer is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from bench.records import Pool

CHARACTERS_PER_TOKEN = 4.0
TEMPLATE_TOKENS = 30  # what a chat template adds to a row


@dataclass(frozen=True)
class Lengths:
    """Token lengths of what is trained on, estimated from characters.

    Attributes:
        pool_rows: Rows of all pools.
        characters: Of their texts.
        rows: Length of each distinct row (each prompt with each teacher's completion).
        completion: Mean tokens of a completion.
        prompts: Length of each eval prompt.
    """

    pool_rows: int
    characters: int
    rows: Sequence[float]
    completion: float
    prompts: Sequence[float]

    @classmethod
    def of(cls, pools: Sequence[Pool], eval_texts: Sequence[str], system: int = 0) -> "Lengths":
        """Estimate the lengths of the rows that the main two teachers' completions make.

        Args:
            pools: Their rows.
            eval_texts: Texts of the eval prompts.
            system: Characters of the longest system prompt that an action puts before rows.
        """
        rows: list[float] = []
        completions: list[float] = []
        characters = 0
        for pool in pools:
            for row in pool.candidates:
                prompt = sum(len(message.content) for message in row.prompt)
                characters += prompt
                for text in dict.fromkeys(row.completions[teacher] for teacher in pool.card.teachers):
                    characters += len(text)
                    completions.append(len(text) / CHARACTERS_PER_TOKEN)
                    rows.append((system + prompt) / CHARACTERS_PER_TOKEN + TEMPLATE_TOKENS + completions[-1])
        prompts = [len(text) / CHARACTERS_PER_TOKEN + TEMPLATE_TOKENS for text in eval_texts]
        count = sum(len(pool.rows) for pool in pools)
        return cls(count, characters, rows, fmean(completions), prompts)

    def padded(self, count: int) -> float:
        """Return the tokens of the largest batch of so many rows, padded to the longest of them."""
        return count * max(self.rows)

    def packed(self, count: int) -> float:
        """Return the same without padding: three standard deviations above the mean, and no more than `padded`."""
        likely: float = count * fmean(self.rows) + 3 * count**0.5 * pstdev(self.rows)
        return min(likely, self.padded(count))
