"""The example in docs/walk-forward.md prints what it says."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

TEXT = (Path(__file__).parents[3] / "docs" / "walk-forward.md").read_text(encoding="utf-8")


def test_the_example_runs() -> None:
    ((code, expected),) = re.findall(r"```python\n(.*?)```\n```text\n(.*?)```", TEXT, re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue() == expected
