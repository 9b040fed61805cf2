"""How limits and deaths are said, in one line."""

from __future__ import annotations

import os
import signal

LONGEST = 500


def size_text(size: float) -> str:
    """Return bytes for people.

    >>> size_text(4 * 2**30), size_text(1.5e6), size_text(800)
    ('4 GB', '1.4 MB', '800 bytes')
    """
    for unit, name in ((2**30, "GB"), (2**20, "MB"), (2**10, "KB")):
        if size >= unit:
            return f"{size / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{size:.0f} bytes"


def one_line(text: str) -> str:
    """Return a text without line breaks, cut where it gets too long.

    >>> one_line(" a   b ")
    'a b'
    """
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."


def error_text(error: BaseException) -> str:
    """Return an exception's type and text.

    >>> error_text(KeyError("fast"))
    "KeyError: 'fast'"
    """
    try:
        text = str(error)
    except (Exception, SystemExit):
        text = "(its text cannot be made)"
    return one_line(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def death_text(status: int) -> str:
    """Return how a process ended, from its wait status.

    >>> death_text(11), death_text(7 << 8)
    ('was killed by SIGSEGV', 'ended itself with exit code 7')
    """
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"ended itself with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
