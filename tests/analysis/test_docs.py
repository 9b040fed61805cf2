"""docs/analysis.md is true: its examples run, and it names every measure and kind of sentence."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

from strategy_optimizer.analysis import insights
from strategy_optimizer.analysis.importance import MEASURES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "analysis.md"


def test_the_page_runs() -> None:
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert result.failed == 0
    assert result.attempted >= 14


def test_every_measure_and_kind_is_explained() -> None:
    text = PAGE.read_text(encoding="utf-8")
    kinds = re.findall(r"``(\w+)``", insights.Insight.__doc__ or "")
    assert len(kinds) == 7
    assert [name for name in (*MEASURES, *kinds) if f"`{name}`" not in text] == []
