"""The example in docs/storage.md prints what it says, and the page names every state and way to fail."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from strategy_optimizer.storage import STATES

PAGE = (Path(__file__).parents[2] / "docs" / "storage.md").read_text()
EXAMPLE = re.compile(r"```python\n(.*?)```\n```text\n(.*?)```", re.DOTALL)


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ((code, expected),) = EXAMPLE.findall(PAGE)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue() == expected


def test_every_state_is_named() -> None:
    assert all(f"`{state}`" in PAGE for state in STATES)
