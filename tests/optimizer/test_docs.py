"""The examples of docs/optimizers.md are true."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

from strategy_optimizer.optimizer.cost_policy import THOUGHTS

PAGE = Path(__file__).parents[2] / "docs" / "optimizers.md"


def test_the_page_runs() -> None:
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert result.failed == 0
    assert result.attempted >= 10


def test_the_page_says_how_many_trials_a_model_chooses_for_auto() -> None:
    rows = re.findall(r"\| less than (\d+) ms \|.*?([\d,]+) trials", PAGE.read_text())
    said = tuple((int(ms) / 1e3, int(trials.replace(",", ""))) for ms, trials in rows)
    assert said == THOUGHTS
