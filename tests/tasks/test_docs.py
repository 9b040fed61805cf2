"""The examples in the documentation of tasks and objectives print what they say."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from strategy_optimizer.objective.directions import TURNED
from strategy_optimizer.records import STOP_REASONS
from strategy_optimizer.tasks import Result

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLE = re.compile(r"```python\n(.*?)```\n```text\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("name", ["objectives.md", "tasks.md", "trial-cache.md", "pruning.md"])
def test_the_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # for the files that they write
    names: dict[str, object] = {}
    examples = EXAMPLE.findall((DOCS / name).read_text())
    assert examples
    for code, expected in examples:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, names)
        assert printed.getvalue() == expected


def test_every_direction_stop_reason_and_field_is_mentioned() -> None:
    objectives, tasks = (DOCS / "objectives.md").read_text(), (DOCS / "tasks.md").read_text()
    assert all(f"`{metric}`" in objectives for metric in TURNED)
    assert all(f"`{reason}`" in tasks for reason in STOP_REASONS)
    renamed = {"history", "convergence"}
    assert all(f"`{field}`" in tasks for field in Result.__dataclass_fields__ if field not in renamed)
