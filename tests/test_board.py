import re
import subprocess
import sys

import pytest
from fixtures_rows import FILTERS, MISSING, PAIR, row, rows_at_one_budget, rows_at_three_budgets, trait_result
from rich.console import Console

from bench.board import board_view
from bench.board_render import html, markdown, terminal_table, write_report
from bench.errors import BenchError
from bench.rows import Row

HOSTILE = '</pre><script>alert("x")</script>\x1b[31m\u202e & | <b>'


def terminal(rows: list[Row]) -> str:
    console = Console(width=160, record=True, quiet=False, file=StringIO())
    console.print(terminal_table(board_view(rows)))
    return console.export_text()


def outputs(rows: list[Row]) -> dict[str, str]:
    view = board_view(rows)
    return {"html": html(view), "markdown": markdown(view), "terminal": terminal(rows)}


def words_of(page: str) -> str:
    return re.sub(r"<[^>]*>", " ", re.sub(r"<(script|style)>.*?</\1>", " ", page, flags=re.DOTALL))
