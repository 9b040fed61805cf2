from __future__ import annotations

import doctest
import re
from pathlib import Path

from strategy_optimizer.market import REPAIRS, SAMPLES

DOCS = Path(__file__).parents[2] / "docs" / "data.md"
PACKAGE = Path(__file__).parents[2] / "src" / "strategy_optimizer" / "market"


def test_the_examples_are_true() -> None:
    failures, tried = doctest.testfile(str(DOCS), module_relative=False)
    assert tried > 5
    assert failures == 0


def test_every_kind_of_problem_repair_and_sample_is_mentioned() -> None:
    text = DOCS.read_text(encoding="utf-8")
    source = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.glob("*.py"))
    kinds = set(re.findall(r'make_problem\(\s*"(\w+)"', source)) | {"spike"}
    assert len(kinds) > 20
    for name in (*kinds - {"ragged"}, *REPAIRS, *SAMPLES):
        assert f"`{name}`" in text or f'"{name}"' in text, name
