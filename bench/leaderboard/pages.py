"""Frame of all pages of a report: one template environment, one style, the links from page to page, escaping."""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from bench.errors import unwritable

HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True)
class Page:
    """A page of a report: its file, its name in the links, and the data in the same folder that it is made of."""

    file: str
    title: str
    data: str


INDEX = Page("index.html", "All boards", "")
BOARD = Page("report.html", "Board", "rows")
DIFF = Page("diff.html", "Diff and verdicts", "diff.json")
LDS = Page("lds.html", "Attribution", "lds.json")
CAUSES = Page("causes.html", "Verdicts on planted causes", "causes.json")
# The files keep the name that `bench checkpoints` once had: finished folders and links to their pages stay good.
CHECKPOINTS = Page("stages.html", "Checkpoints", "stages.json")
CALIBRATION = Page("calibration.html", "Calibration", "calibration.json")
PAGES = (BOARD, DIFF, LDS, CAUSES, CHECKPOINTS, CALIBRATION)
SPEED_DATA = re.compile(r"(cpu|cuda\d*)-[\w.-]+\.json", re.ASCII)  # DEVICE-SUITE.json of `bench speed`


def pages_of(folder: Path) -> list[Page]:
    """Return the pages that a folder holds the data for.

    Raises:
        BenchError: If the folder may not be entered.
    """
    try:
        return [*(page for page in PAGES if (folder / page.data).exists()), *speed_pages(folder)]
    except OSError as error:
        raise unwritable(folder, error) from error


def speed_pages(folder: Path) -> list[Page]:
    """Return the pages of a folder's timings, one for each device and suite."""
    return [speed_page(file) for file in sorted(folder.glob("*.json")) if SPEED_DATA.fullmatch(file.name)]


def speed_page(file: Path) -> Page:
    """Return the page of a file of timings."""
    return Page(f"{file.stem}.html", f"Speed, {file.stem}", file.name)


def linked_pages(folder: Path) -> list[Page]:
    """Return the pages that those of a folder link to: its own, and the index over it where there is one."""
    above = (folder.parent / INDEX.file).is_file()
    return [*([replace(INDEX, file=f"../{INDEX.file}")] if above else []), *pages_of(folder)]


def render(page: Page, template: str, pages: Sequence[Page], **values: Any) -> str:
    """Render one HTML page that needs nothing but itself.

    Args:
        page: Which page it is.
        template: Its template, which extends `page.html.j2`.
        pages: All pages of the report, for the links.
        **values: What the template shows.
    """
    made = environment(html=True).get_template(template)
    style, script = (Markup(visible(text)) for text in (_style(), _template("board.js")))
    policy = content_policy(style, script)
    return made.render(here=page.file, pages=pages, style=style, script=script, policy=policy, **values)


def content_policy(style: str, script: str) -> Markup:
    """Return a content security policy that allows one style and one script, and nothing from anywhere else.

    >>> str(content_policy("", "")).partition("; script-src ")[0]
    "default-src 'none'; style-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    """
    of_style, of_script = (base64.b64encode(hashlib.sha256(t.encode()).digest()).decode() for t in (style, script))
    return Markup(
        f"default-src 'none'; style-src 'sha256-{of_style}'; script-src 'sha256-{of_script}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _style() -> str:
    """Return the style of all pages: the board's, and what the other pages add."""
    return _template("board.css") + _template("pages.css") + _template("filter.css")


def picture(plot: str) -> str:
    """Make a plot (see `bench.leaderboard.svg.svg`) a file of its own, with the pages' style inside."""
    head, _, rest = plot.partition(">")
    paper = '<rect width="100%" height="100%" style="fill: var(--paper)"/>'
    style = f"<style><![CDATA[{_style()}]]></style>"
    return visible(f'{head} xmlns="http://www.w3.org/2000/svg">{style}{paper}{rest}\n')


@cache
def environment(*, html: bool) -> Environment:
    """Return the template environment, which makes texts from outside visible and, for HTML, escapes them."""
    made = Environment(
        loader=FunctionLoader(_template),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_finalize,
    )
    made.filters["md"] = markdown_text
    made.globals["footnote"] = lambda cell, holder: holder.footnotes.index(cell.note) + 1
    return made


@cache
def _template(name: str) -> str:
    return files("bench.leaderboard").joinpath("templates", name).read_text(encoding="utf-8")


def _finalize(value: Any) -> Any:
    if isinstance(value, Markup):
        return Markup(visible(value))
    return visible(value) if isinstance(value, str) else value


def visible(text: str) -> str:
    """Return text without what could move a cursor, turn a line or break a page."""
    return HIDDEN.sub("\ufffd", text.replace("\r\n", "\n"))


def markdown_text(text: str) -> str:
    r"""Return one line of Markdown that shows the text as it is; names keep their underscores.

    >>> markdown_text("a|b <i>")
    'a\\|b &lt;i>'
    """
    line = " ".join(visible(text).split()).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    for symbol in "|`*":
        line = line.replace(symbol, f"\\{symbol}")
    return line.replace("](", "]\\(")
