"""Where the command line writes: results to stdout; progress, notes and errors to stderr."""

from __future__ import annotations

import sys
import textwrap
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to `app.run`, where Rich would end the program with 1."""
        raise BrokenPipeError


def console(stderr: bool = False) -> Console:
    """Return a console for the present stdout or stderr; colours follow the terminal and NO_COLOR."""
    stream = sys.stderr if stderr else sys.stdout
    return _Console(file=stream, highlight=False, markup=False, emoji=False)


def note(message: str) -> None:
    """Write a line for people to stderr."""
    console(stderr=True).print(message, soft_wrap=True)


def error(message: str) -> None:
    """Write ``error: ...`` to stderr."""
    text = Text.assemble(("error: ", "bold red"), message)
    console(stderr=True).print(text, soft_wrap=True)


def wrapped(text: str, target: Console, indent: int = 2) -> str:
    """Return the paragraphs of `text` indented and broken at the width of the console."""
    pad = " " * indent
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    width = min(target.width, 100)
    return "\n\n".join(textwrap.fill(p, width, initial_indent=pad, subsequent_indent=pad) for p in paragraphs)


def plain_table(*headings: str, left: int = 1, **options: Any) -> Table:
    """Return a table without borders, its first `left` columns aligned left and the others right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", **options)
    for i, heading in enumerate(headings):
        justify: Literal["left", "right"] = "left" if i < left else "right"
        table.add_column(heading, justify=justify, overflow="fold", no_wrap=i == 0)
    return table
