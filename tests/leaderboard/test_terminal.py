"""The terminal's one table, at 80 columns."""

from io import StringIO

from fixtures_rows import FILTERS, row, trait_result, with_result
from fixtures_scores import scored
from rich.console import Console

from bench.leaderboard.board import board_view
from bench.leaderboard.row import Row
from bench.leaderboard.terminal import terminal_table
from bench.outcomes import Estimate

NAMES = (
    *("keyword", "classifier", "embedding_neighbor", "teacher_swap", "bm25", "oracle", "less", "activation_shift"),
    *("probe", "repsim", "fisher", "persona", "grad_dot", "loss_contrast", "length", "base_loss", "grad_norm"),
)
LONGEST = Estimate(value=-10.55, low=-133.25, high=-10.25)


def renamed(name: str) -> Row:
    result = trait_result("date_confusion", "seed_similarity", 0.1)
    effects = {a: e.model_copy(update={"removal": LONGEST, "lift": LONGEST}) for a, e in result.effects.items()}
    made = with_result("seed_similarity", effects=effects, winner=None)
    return made.model_copy(update={"filter": made.filter.model_copy(update={"name": name})})


def shown(rows: list[Row], width: int = 80) -> list[str]:
    console = Console(width=width, record=True, file=StringIO())
    console.print(terminal_table(board_view(rows), width))
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_no_name_or_number_is_broken_in_80_columns() -> None:
    lines = shown([renamed(name) for name in NAMES])
    assert max(map(len, lines)) <= 80
    table = {line.split()[0]: line for line in lines if line.split() and line.split()[0] in NAMES}
    assert sorted(table) == sorted(NAMES)
    assert all("-10.55 [-133.25, -10.25]" in line for line in table.values())


def test_a_wider_terminal_shows_more_columns() -> None:
    narrow, wide = (" ".join(shown([row(name) for name in FILTERS], width)) for width in (80, 160))
    assert "Leakage" not in narrow and "Leakage" in wide


def test_the_conclusion_stands_above_the_table_and_nothing_below() -> None:
    lines = shown([row(name) for name in FILTERS])
    answer = next(i for i, line in enumerate(lines) if line.startswith("Patching the flagged examples removed"))
    head = next(i for i, line in enumerate(lines) if line.startswith("Filter "))
    assert answer < head and len(lines) == head + 1 + len(FILTERS)
    assert lines[-1].startswith("random_flag")


def test_no_interval_in_a_sentence_is_broken_at_any_width() -> None:
    rows, scores = scored({name: {"drop": 0.5, "drop_refill": 0.5, "patch": 0.2, "mask": 0.6} for name in ("a", "b")})
    for width in (60, 72, 80, 100):
        console = Console(width=width, record=True, file=StringIO())
        console.print(terminal_table(board_view(rows, scores=scores), width))
        lines = console.export_text().splitlines()
        assert sum(line.count("[") for line in lines) > 4
        assert all(line.count("[") == line.count("]") and not line.lstrip().startswith("[") for line in lines)
