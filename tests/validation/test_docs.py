"""What docs/validation.md shows is what comes out."""

from __future__ import annotations

import contextlib
import io
import re
from dataclasses import fields
from pathlib import Path

from strategy_optimizer.validation import Overfitting

TEXT = (Path(__file__).parents[2] / "docs" / "validation.md").read_text(encoding="utf-8")
SAID_ELSEWHERE = {"n_trials", "distinct", "counts", "moments", "trials_variance", "expected_best_sharpe"}


def test_the_examples_run() -> None:
    examples = re.findall(r"```python\n(.*?)```\n```text\n(.*?)```", TEXT, re.DOTALL)
    assert len(examples) == 3
    names: dict[str, object] = {}
    for code, expected in examples:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, names)
        assert printed.getvalue() == expected


def test_every_statistic_is_explained() -> None:
    missing = [field.name for field in fields(Overfitting) if f"`{field.name}`" not in TEXT]
    assert set(missing) <= SAID_ELSEWHERE | {"control_trials", "periods_per_year"}
