"""docs/robustness.md is true: its examples run, and it names every part."""

from __future__ import annotations

import doctest
from pathlib import Path

from strategy_optimizer.validation.robustness.data_perturbation import KINDS
from strategy_optimizer.validation.robustness.return_metrics import TRADE_METRICS

PAGE = Path(__file__).parents[3] / "docs" / "robustness.md"


def test_the_page_runs():
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert result.failed == 0
    assert result.attempted > 15


def test_every_kind_and_trade_metric_is_mentioned():
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in (*KINDS, *TRADE_METRICS))
