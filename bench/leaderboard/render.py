"""Lay the board out as Markdown and as one HTML page that needs nothing but itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from bench.files import write_text
from bench.leaderboard import format as words
from bench.leaderboard import svg
from bench.leaderboard.attribution import report_beside
from bench.leaderboard.board import board_view
from bench.leaderboard.calibration import calibration_near
from bench.leaderboard.comparable import row_key
from bench.leaderboard.curves import removal_by_budget
from bench.leaderboard.export import write_exports
from bench.leaderboard.filter_pages import page_files
from bench.leaderboard.forest import TITLES, ForestRow, forest
from bench.leaderboard.pages import BOARD, Page, environment, pages_of, render
from bench.leaderboard.paired import read_scores
from bench.leaderboard.row import Row, read_rows
from bench.leaderboard.view import BoardView, Budget, row_label
from bench.records import Action
from bench.stats.leakage import Neighbour

FILES = {"rows.csv": "rows as CSV", "rows.json": "rows as JSON", "cite.bib": "citation (BibTeX)"}
IN_PLOT: tuple[Action, ...] = ("drop", "drop_refill", "patch")
PAIRS = 3  # closest pairs of flagged and kept that are shown of each row


@dataclass(frozen=True)
class Links:
    """What lies beside the page and is linked to.

    Attributes:
        index: Address of the index of all boards; empty where there is none.
        files: Address and title of each file of data.
        filters: `row_key` of a row -> address of its page.
    """

    index: str = ""
    files: dict[str, str] = field(default_factory=dict)
    filters: dict[str, str] = field(default_factory=dict)


def links_of(folder: Path, rows: Sequence[Row]) -> Links:
    """Return the links of a board of these rows in a folder to what is there."""
    return Links(
        index="../index.html" if (folder.parent / "index.html").is_file() else "",
        files={name: title for name, title in FILES.items() if (folder / name).is_file()},
        filters={key: quote(page) for key, page in page_files(rows).items() if (folder / page).is_file()},
    )


def render_board(
    rows: Sequence[Row] | str | Path,
    out: str | Path,
    problems: Mapping[str, Sequence[str]] | None = None,
    beside: Sequence[Path] = (),
) -> Path:
    """Write `report.html` and `report.md`, each complete or not at all.

    Args:
        rows: Rows of one suite, of one run or of several; or the folder of a run.
        out: Folder for the two files; made where it is missing.
        problems: `row_key` of a row -> what its evidence does not bear out; such rows are shown as unverified.
        beside: Folders that hold the rows' per-sample scores, besides `out`; differences get their intervals from them.

    Returns:
        The HTML file.

    Raises:
        BenchError: If there are no rows, or the folder cannot be written.
    """
    folder = Path(out)
    if isinstance(rows, str | Path):
        beside = [Path(rows), *beside]
    read = read_rows(rows) if isinstance(rows, str | Path) else rows
    scores = read_scores(read, [folder, *beside])
    view = board_view(read, report_beside(folder), problems, scores, calibration_near(folder))
    write_exports(view.rows, folder)
    write_text(folder / BOARD.file, html(view, pages_of(folder), links_of(folder, read)))
    write_text(folder / "report.md", markdown(view))
    return folder / BOARD.file


def html(view: BoardView, pages: Sequence[Page] = (BOARD,), links: Links | None = None) -> str:
    """Render the board as one HTML page; `pages` are those of the whole report, for the links."""
    return render(
        BOARD,
        "report.html.j2",
        pages,
        board=view,
        links=links or Links(),
        words=words,
        label=row_label,
        key=row_key,
        remark=_remark,
        filters_plot=_filters_plot,
        actions_plot=_actions_plot,
        curves=removal_by_budget,
        titles=TITLES,
        limits=svg.bounds,
        strip=svg.strip,
        axis=svg.strip_axis,
        pairs=PAIRS,
    )


def markdown(view: BoardView) -> str:
    """Render the board as Markdown; texts from outside are escaped so that they stay text."""
    template = environment(html=False).get_template("report.md.j2")
    return template.render(board=view, words=words, label=row_label, titles=TITLES)


def _filters_plot(budget: Budget) -> Markup:
    """Draw every filter's removal by drop, refill and patch."""
    rows = [
        ForestRow(
            line.anchor,
            line.row.filter.name,
            {action: line.removals[action] for action in IN_PLOT if action in line.removals},
            line.versus.text,
            line.bound,
        )
        for line in budget.lines
    ]
    guides = {action: value for action, value in budget.guides.items() if action in IN_PLOT}
    title = f"Removal by filter and action at {words.percent(budget.share)}"
    return forest(rows, guides, "patch minus drop", title)


def _actions_plot(budget: Budget) -> Markup:
    """Draw every action's mean removal over filters, and its difference to patch."""
    rows = [
        ForestRow("", f"{TITLES.get(a.action, a.action)} ({a.filters})", {a.action: a.removal}, a.versus.text)
        for a in budget.actions
    ]
    title = f"Mean removal by action at {words.percent(budget.share)}"
    return forest(rows, {}, "action minus patch", title)


def _remark(near: Neighbour) -> str:
    """Say what is known of the kept example of a pair."""
    remarks = []
    if near.kept_truth is not None:
        remarks.append(f"planted truth: {'no trait' if near.kept_truth == 'none' else near.kept_truth}")
    if (score := words.finite(near.kept_score)) is not None:
        remarks.append(f"judge: {words.decimal(score)}")
    return ", ".join(remarks) or "not judged"
