"""Grouped bars: positions from numbers, and a missing value that is never a bar."""

import re

import pytest

from bench.leaderboard.bars import Bar, Group, bars, legend, series
from bench.leaderboard.format import Cell

HALF = Cell("0.50 [0.40, 0.60]", value=0.5, low=0.4, high=0.6)
QUARTER = Cell("0.25 [0.20, 0.30]", value=0.25, low=0.2, high=0.3)
MISSING = Cell("not estimable", "no scores")


def group(*cells: Cell, lines: tuple[tuple[str, Cell], ...] = ()) -> Group:
    return Group("An eval", [Bar(f"m{i}", series(i), cell) for i, cell in enumerate(cells)], lines)


def heights(text: str) -> list[float]:
    return [float(height) for height in re.findall(r'<rect class="bar"[^>]* height="([\d.]+)"', text)]


def test_heights_are_in_proportion_on_one_axis_for_all_groups() -> None:
    first, second = heights(bars([group(HALF), group(QUARTER)]))
    assert first == pytest.approx(2 * second, rel=0.01)


def test_a_missing_value_is_marked_and_has_no_bar() -> None:
    text = bars([group(HALF, MISSING)])
    assert len(heights(text)) == 1
    assert ">not measured<" in text and "m1 not measured (no scores)" in text


def test_a_measured_zero_is_a_bar() -> None:
    text = bars([group(HALF, Cell("0.00 [0.00, 0.00]", value=0.0, low=0.0, high=0.0))])
    assert len(heights(text)) == 2 and "not measured" not in text


def test_nothing_measured_still_draws_an_axis() -> None:
    assert heights(bars([group(MISSING)])) == [] and ">not measured<" in bars([group(MISSING)])


def test_a_negative_value_hangs_below_zero() -> None:
    text = bars([group(Cell("-0.50", value=-0.5), HALF)])
    (below, above) = re.findall(r'<rect class="bar"[^>]* y="([\d.]+)" width="[\d.]+" height="([\d.]+)"', text)
    assert float(below[0]) == pytest.approx(float(above[0]) + float(above[1]))  # both touch the zero line


def test_everything_lies_within_the_picture() -> None:
    wild = Cell("1.30 [-0.70, 2.90]", value=1.3, low=-0.7, high=2.9)
    for number in re.findall(r' y\d?="(-?[\d.]+)"', bars([group(wild, QUARTER)])):
        assert 0 <= float(number) <= 210


def test_reference_lines_are_drawn_and_said() -> None:
    text = bars([group(HALF, lines=(("predicted", QUARTER), ("unknown", MISSING)))])
    assert text.count('<line class="reference') == 1
    assert "predicted 0.25" in text and "unknown not measured (no scores)" in text


def test_labels_are_escaped() -> None:
    text = bars([Group("<b>&", [Bar('"><script>', series(0), HALF)])]) + legend([(series(0), "<i>")])
    assert "<b>" not in text and "<script>" not in text and "<i>" not in text
    assert "&lt;b&gt;&amp;" in text


def test_colours_repeat() -> None:
    assert series(0) == series(6) == "series-1" and series(5) == "series-6"
