"""The scripts in docs/executors.md print what stands below them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[3] / "docs" / "executors.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"```python\n(.*?)```\n```text\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.parametrize("number", range(2))
def test_the_scripts_print_what_is_said(number: int, tmp_path: Path, mark: str) -> None:
    script, expected = SCRIPTS[number]
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.stderr == ""
    # How many there were when they were counted is the scheduler's choice.
    assert re.sub(r"had (9|1[01]) processes", "had 11 processes", done.stdout) == expected


def test_every_limit_is_in_the_table() -> None:
    from strategy_optimizer.tasks.executors import Limits

    assert all(f"| `{name}` |" in PAGE for name in vars(Limits()))
