"""Looks for processes that should be gone."""

from __future__ import annotations

import os
import time
from pathlib import Path


def processes_with(text: str) -> list[int]:
    """Return the living processes whose environment or command line holds a text."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                content = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if text.encode() in content:
                found.append(int(folder.name))
    return found


def gone_within(seconds: float, text: str) -> bool:
    """Return whether no such process is left after so many seconds."""
    deadline = time.monotonic() + seconds
    while processes_with(text):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
