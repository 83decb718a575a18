"""Pieces of a row's page that are drawn: texts with changed words marked, and distributions of scores."""

import difflib
import re
from collections.abc import Sequence

from markupsafe import Markup, escape

from bench.leaderboard.example_files import Label, ScoreCounts, Text

ALIKE = 0.5  # changed words are marked in texts that share at least this much; others differ nearly everywhere
LABELS = {"overt": "carry the trait overtly", "mild": "carry it mildly", "none": "do not carry it", "unknown": "rows"}
JUDGED = LABELS | {"overt": "are judged to show the trait", "none": "are judged not to show it"}


def compare(one: Text, other: Text) -> tuple[Markup, Markup]:
    """Escape two texts and mark the words in which they differ, unless they differ nearly everywhere."""
    pair = [re.findall(r"\s*\S+\s*", text.text) for text in (one, other)]
    one_words, other_words = ([word.strip() for word in tokens] for tokens in pair)
    matcher = difflib.SequenceMatcher(None, one_words, other_words, autojunk=False)
    if matcher.ratio() < ALIKE:
        return escape(one.text), escape(other.text)
    return _marked(pair[0], matcher, 0), _marked(pair[1], matcher, 1)


def _marked(tokens: Sequence[str], matcher: "difflib.SequenceMatcher[str]", side: int) -> Markup:
    parts = []
    for tag, *places in matcher.get_opcodes():
        text = "".join(tokens[places[2 * side] : places[2 * side + 1]])
        bare = text.rstrip()
        marked = Markup("<mark>{}</mark>{}").format(bare, text[len(bare) :])
        parts.append(escape(text) if tag == "equal" or not bare else marked)
    return Markup("").join(parts)


def strips(scores: ScoreCounts, by: str) -> list[tuple[Label, str, Markup]]:
    """Draw how the scores of each label are distributed: (label, words, picture), as wide as their place.

    Bars of a label are scaled to its fullest bin, so that few rows are seen beside many; the line is the cut.
    """
    bins = len(next(iter(scores.counts.values())))
    share = (scores.cut - scores.low) / (scores.high - scores.low)
    first = min(max(int(share * bins), 0), bins - 1)
    drawn = []
    for label, found in scores.counts.items():
        said = f"{sum(found)} {(JUDGED if by == 'judge' else LABELS)[label]}"
        top = max(*found, 1)
        bars = (
            f'<rect x="{100 * i / bins:.3f}%" y="{36 - 34 * count / top:.1f}" width="{96 / bins:.3f}%" '
            f'height="{34 * count / top:.1f}"/>'
            for i, count in enumerate(found)
            if count
        )
        line = f'<line class="cut" x1="{100 * first / bins:.3f}%" x2="{100 * first / bins:.3f}%" y1="0" y2="36"/>'
        head = f'<svg class="strip scores {label}" height="36" role="img" aria-label="Scores of the rows that {said}">'
        drawn.append((label, said, Markup(f"{head}{''.join(bars)}{line}</svg>")))
    return drawn
