"""docs/backtest.md is true: its examples run, its metrics are ours, and the tests that it names exist."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

from strategy_optimizer.backtest import METRIC_DEFINITIONS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "backtest.md"


def test_the_page_runs():
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert result.failed == 0
    assert result.attempted > 5


def test_the_metrics_table_is_the_definitions():
    section = PAGE.read_text(encoding="utf-8").split("## Metrics")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", section, flags=re.MULTILINE)
    assert rows == [(name, text.replace("|", r"\|")) for name, text in METRIC_DEFINITIONS.items()]


def test_every_test_that_the_page_names_exists():
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text(encoding="utf-8")))
    files = sorted((ROOT / "tests" / "peers").glob("test_*.py"))
    existing = {
        name
        for file in files
        for name in re.findall(r"^def (test_\w+)", file.read_text(), flags=re.MULTILINE)
    }
    assert len(named) > 20
    assert named <= existing
