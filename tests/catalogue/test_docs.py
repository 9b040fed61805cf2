"""The example in docs/datasets-and-strategies.md prints what it says, and the page names every route."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from strategy_optimizer.api.routes import datasets, parameter_spaces, strategies

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "datasets-and-strategies.md").read_text()
EXAMPLE = re.compile(r"```python\n(.*?)```\n```text\n(.*?)```", re.DOTALL)


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ((code, expected),) = EXAMPLE.findall(PAGE)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {"EXAMPLES": ROOT / "examples"})
    assert printed.getvalue() == expected


def test_every_route_is_named() -> None:
    for module in (datasets, parameter_spaces, strategies):
        assert module.router.prefix in PAGE
