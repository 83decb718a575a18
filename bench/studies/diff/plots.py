"""Plots of a diff as small SVG texts, in the manner of `bench.leaderboard.svg`: curves, and students over teachers."""

from collections.abc import Sequence

from bench.leaderboard.format import Cell, finite
from bench.leaderboard.format import estimate as cell
from bench.leaderboard.svg import EDGE, MARGIN, SIDE, Scale, frame, line, numbered, svg, text, ticks, whiskers
from bench.studies.diff.records import InterpolationCurve, TeacherPoint

WIDTH, HEIGHT = 420.0, 280.0


def _limits(cells: Sequence[Cell], scale: tuple[float, float]) -> tuple[float, float]:
    """The score's own scale, widened where an interval reaches beyond it."""
    numbers = [n for c in cells for n in (c.value, c.low, c.high) if n is not None]
    return min([scale[0], *numbers]), max([scale[1], *numbers])


def interpolation(curve: InterpolationCurve, scale: tuple[float, float], title: str) -> str:
    """Score over the share of original completions: dots with intervals, the straight line, the half dose.

    Args:
        curve: What was measured.
        scale: Lowest and highest possible score.
        title: Read to those who cannot see it.
    """
    spots = [(0.0, cell(curve.clean)), *((p.share, cell(p.score)) for p in curve.points), (1.0, cell(curve.original))]
    low, high = _limits([c for _, c in spots], scale)
    x, y = Scale(0, 1, EDGE + 8, WIDTH - 12), Scale(low, high, HEIGHT - 48, 10)
    parts = frame(x, y, [(share / 4, f"{25 * share} %") for share in range(5)], ticks(low, high))
    parts.append(text((x.start + x.end) / 2, HEIGHT - 8, "middle", "prompts with the original completion"))
    ends = spots[0][1].value, spots[-1][1].value
    if ends[0] is not None and ends[1] is not None:
        parts.append(line("diagonal", x(0), y(ends[0]), x(1), y(ends[1])))
    half = finite(curve.half_dose.value)
    if half is not None:
        parts.append(line("half", x(half), y.start, x(half), y.end))
    shown = [(x(share), c) for share, c in spots if c.value is not None]
    path = " ".join(f"{at:g},{y(c.value or 0.0):g}" for at, c in shown)
    parts.append(f'<polyline class="curve patch" points="{path}"/>')
    for at, c in shown:
        if c.low is not None and c.high is not None:
            parts.append(line("whisker patch", at, y(c.low), at, y(c.high)))
        parts.append(f'<circle class="dot patch" cx="{at:g}" cy="{y(c.value or 0.0):g}" r="4"/>')
    return svg(WIDTH, HEIGHT, title, parts)


def students_over_teachers(points: Sequence[TeacherPoint], scale: tuple[float, float]) -> str:
    """Student score over teacher score with intervals on both axes; on the diagonal both are equal."""
    pairs = [(number, p, cell(p.teacher_score), cell(p.student_score)) for number, p in enumerate(points, start=1)]
    pairs = [pair for pair in pairs if pair[2].value is not None and pair[3].value is not None]
    low, high = _limits([c for pair in pairs for c in pair[2:]], scale)
    edge = 0.04 * (high - low)
    low, high = low - edge, high + edge
    x, y = Scale(low, high, MARGIN, SIDE - 12), Scale(low, high, SIDE - MARGIN, 12)
    marks = ticks(low, high)
    parts = frame(x, y, [(value, f"{value:g}") for value in marks], marks)
    parts.append(line("diagonal", x(low), y(low), x(high), y(high)))
    parts.append(text((x.start + x.end) / 2, SIDE - 10, "middle", "teacher's own score"))
    middle = (y.start + y.end) / 2
    parts.append(text(15, middle, "middle", "student's score", f' transform="rotate(-90 15 {middle:g})"'))
    for _, _, teacher, student in pairs:
        parts += whiskers(x, y, teacher, student)
    parts += numbered([(n, p.teacher, x(t.value or 0.0), y(s.value or 0.0)) for n, p, t, s in pairs])
    return svg(SIDE, SIDE, "Student's score over teacher's score; the numbers are those of the list beside it", parts)
