"""Make the README's picture, the forest plot of a board's page, as an SVG of its own.

`python docs/make_picture.py` from the root of the repository writes docs/board.svg out of leaderboards/laptop.
"""

import re
import tempfile
from pathlib import Path

from bench.leaderboard.pages import picture
from bench.leaderboard.render import render_board

ROOT = Path(__file__).parents[1]
BOARD = ROOT / "leaderboards/laptop"
PICTURE = ROOT / "docs/board.svg"
LINK = r'<a href="[^"]*"( class="reference")? data-row="[^"]*" aria-label="[^"]*">'
SAID = re.compile(r' aria-label="([^"]*)"')
PLOT = re.compile(r'<svg class="plot forest.*?</svg>', re.DOTALL)


def board_picture(page: str) -> str:
    """Return the first forest plot of a board's HTML page, with the pages' style inside.

    Raises:
        ValueError: If the page has none.
    """
    plot = PLOT.search(page)
    if plot is None:
        raise ValueError("the page has no <svg class='plot forest ...'>: has bench/leaderboard renamed it?")
    drawn = plot.group().replace('class="plot forest wide"', 'class="plot forest"', 1)  # shown at any width
    said = "; ".join(SAID.findall(drawn))
    for found, put in (
        (LINK, r"<g\1>"),
        ("</a>", "</g>"),
        ('role="group"', 'role="img"'),
    ):  # there is no table to go to
        drawn = re.sub(found, put, drawn)
    return picture(drawn.replace("</title>", f"</title><desc>{said}</desc>", 1) if said else drawn)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        PICTURE.write_text(board_picture(render_board(BOARD, folder).read_text(encoding="utf-8")), encoding="utf-8")
