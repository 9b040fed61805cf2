"""How a worker died, from its guard's report: in words, and whether a limit was the cause."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from strategy_optimizer.tasks.executors.child.words import death_text

_FATAL = "Fatal Python error: "
_PLACE = re.compile(r'File "([^"]+)", line (\d+) in (\S+)')
_OWN = PurePath("executors", "child", "worker.py").parts
_NO_MEMORY = ("memory allocation of", "std::bad_alloc")
"""What Rust and C++ say when they abort; other languages do not raise an exception that Python could pass on."""


def death_of(report: Mapping[str, Any]) -> str:
    """Return what happened to a worker, and where in the user's code it was.

    >>> tail = 'Fatal Python error: Segmentation fault ... File "/home/me/crossing.py", line 12 in signals'
    >>> death_of({"verdict": "", "status": 11, "tail": tail})
    'was killed by SIGSEGV in crossing.py:12 (signals)'
    """
    if not report:
        return "and its guard were killed"
    if report["verdict"] == "guard":
        return str(report["message"])
    return death_text(report["status"]) + _place(report["tail"])


def death_of_overdue(run: int, limit: float | None) -> dict[str, Any]:
    """Return the report of a guard that could not give any: it was stopped, and its run went on beyond its time."""
    message = f"ran longer than {limit:g} s, and its guard did not end it"
    return {"verdict": "time_limit", "run": run, "message": message, "seconds": limit}


def died_of_hunger(report: Mapping[str, Any]) -> bool:
    """Say whether it ended itself because it got no more memory."""
    return any(words in report.get("tail", "") for words in _NO_MEMORY)


def with_last_words(text: str, report: Mapping[str, Any]) -> str:
    """Add the last line that the worker wrote, if it wrote any."""
    said, _, _ = report.get("tail", "").partition(_FATAL)
    lines = said.strip().splitlines()
    return f"{text}; its last output: {lines[-1].strip()}" if lines else text


def _place(tail: str) -> str:
    """Return the innermost place of the user's code in what Python wrote when it died."""
    _, _, fatal = tail.rpartition(_FATAL)
    for file, line, function in _PLACE.findall(fatal):
        path = PurePath(file)
        if path.parts[-3:] == _OWN:
            return ""
        if "lib" not in path.parts or "site-packages" in path.parts:
            return f" in {path.name}:{line} ({function})"
    return ""
