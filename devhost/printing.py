"""Printing: how the commands show what a Tocsin answers, to people and to programs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_answer(answer: Any, options: argparse.Namespace) -> bool:
    """Print it for programs if they ask; whether they did."""
    if options.json:
        print(pretty(answer))
    return bool(options.json)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Sequence[str] = ()) -> None:
    """Print the rows beneath these headings; the columns of those in `numbers` end at their right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in numbers else "left", overflow="fold")
    for cells in rows:
        table.add_row(*[Text(printable(str(cell))) for cell in cells])
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 10_000  # what reads a pipe wants a line for each
    console.print(table)


def pretty(value: Any) -> str:
    """The value as JSON for people."""
    return json.dumps(value, indent=2)


def second(instant: str) -> str:
    """An instant of an answer, to the second."""
    return instant[:19].replace("T", " ")


def printable(text: str) -> str:
    """What a sender wrote must not steer the terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)
