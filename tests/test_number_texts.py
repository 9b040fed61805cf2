"""How numbers look."""

from __future__ import annotations

import math

import pytest

from strategy_optimizer.backtest import METRICS
from strategy_optimizer.number_texts import duration_text, metric_text, rate_text, score_text, value_text


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("value", [0.0, -1.5, 1e12, math.nan, math.inf, -math.inf])
def test_every_metric_has_a_short_text(name: str, value: float) -> None:
    text = metric_text(name, value)
    assert text
    assert "nan" not in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.96, "10.0 s"),
        (59.4, "59 s"),
        (59.6, "60 s"),
        (60, "1 min 0 s"),
        (3599.6, "1 h 0 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_scores_and_values() -> None:
    assert score_text(None) == score_text(math.nan) == "-"
    assert score_text(0.123456) == "0.1235"
    assert value_text(0.1234567891) == "0.123457"
    assert value_text(12) == "12"
    assert value_text(True) == "True"
    assert value_text(None) == "-"
    assert rate_text(0.5) == "0.5/s"
