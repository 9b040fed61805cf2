"""The examples of docs/optimizers.md are true."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import numpy as np

from strategy_optimizer.optimizer.cost_policy import THINKING_SECONDS, THOUGHTS

PAGE = Path(__file__).parents[2] / "docs" / "optimizers.md"


def test_the_page_runs() -> None:
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert result.failed == 0
    assert result.attempted >= 10


def test_the_page_says_how_many_trials_a_model_chooses_for_auto() -> None:
    rows = re.findall(r"\| less than (\d+) ms \|.*?([\d,]+) trials", PAGE.read_text())
    said = [(int(ms) / 1e3, int(trials.replace(",", ""))) for ms, trials in rows]
    limits = [(thoughts * THINKING_SECONDS[0], trials) for thoughts, trials in THOUGHTS]
    np.testing.assert_allclose(said, limits)


def test_the_page_says_how_long_a_thought_takes() -> None:
    words = r"takes (\d+) ms. With two it takes (\d+), with three (\d+), with four or more (\d+) ms"
    found = re.search(words, PAGE.read_text())
    assert found is not None
    np.testing.assert_allclose([int(ms) / 1e3 for ms in found.groups()], THINKING_SECONDS)
