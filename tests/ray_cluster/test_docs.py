"""The example of docs/ray.md prints what it says."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLE = re.compile(r"```python\n(.*?)```\n```text\n(.*?)```", re.DOTALL)


def test_the_example_runs() -> None:
    ((code, expected),) = EXAMPLE.findall((DOCS / "ray.md").read_text())
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {"__name__": "__example__"})
    assert printed.getvalue() == expected
