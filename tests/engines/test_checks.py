"""What an engine may return: numbers under texts, and nothing that only looks like it."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from strategy_optimizer.backtest import METRICS
from strategy_optimizer.engines import EngineRun
from strategy_optimizer.engines.checks import _RANGES
from strategy_optimizer.errors import EngineError


def test_every_kind_of_number_becomes_a_float():
    given = {
        "int": 3,
        "float": 0.5,
        "numpy": np.float32(0.25),
        "numpy int": np.int64(7),
        "decimal": Decimal("1.5"),
        "fraction": Fraction(1, 4),
        "nan": float("nan"),
        "infinite": np.inf,
    }
    metrics = EngineRun(given).metrics
    assert all(type(value) is float for value in metrics.values())
    assert metrics["decimal"] == 1.5
    assert np.isnan(metrics["nan"])
    assert given["int"] == 3


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (True, r"the metric 'x' is True \(bool\); expected a number \(int\(...\) makes one of a bool\)"),
        (np.True_, "expected a number"),
        ("1.5", r"the metric 'x' is '1.5' \(str\); expected a number"),
        (
            None,
            r"the metric 'x' is None \(NoneType\); expected a number \(float\('nan'\) where there is none\)",
        ),
        (1 + 2j, r"\(1\+2j\) \(complex\)"),
        (np.array([1.0]), r"array\(\[1\.\]\) \(ndarray\)"),
        ([1.0] * 1000, r"\.\.\. \(list\)"),
        (10**400, "which no float can hold"),
        (Decimal("sNaN"), "which no float can hold"),
    ],
)
def test_what_is_no_number(value, message):
    with pytest.raises(EngineError, match=message):
        EngineRun({"score": 1.0, "x": value})


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (None, r"the backtest returned None \(NoneType\); expected a dict"),
        ([("a", 1.0)], "expected a dict"),
        ({}, "returned no metrics"),
        ({1: 2.0}, r"the metrics have the key 1 \(int\); expected a text"),
        ({"": 2.0}, "expected a text"),
    ],
)
def test_what_is_no_dict_of_metrics(metrics, message):
    with pytest.raises(EngineError, match=message):
        EngineRun(metrics)


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_drawdown", -0.2), ("win_rate", 55.0), ("exposure", 97.0), ("trades", -1), ("volatility", -0.1)],
)
def test_a_metric_of_ours_outside_its_definition(name, value):
    with pytest.raises(EngineError, match=rf"the metric '{name}' is .*expected .*use another name"):
        EngineRun({name: value})
    assert EngineRun({f"my {name}": value}).metrics == {f"my {name}": value}


def test_rounding_and_nan_are_inside_every_definition():
    assert set(_RANGES) <= set(METRICS)
    EngineRun({"max_drawdown": -1e-17, "win_rate": 1.0 + 1e-16, "exposure": float("nan")})
    EngineRun({"max_drawdown": 1.5})  # a short that tripled owes money


def test_returns_become_a_row_of_doubles():
    run = EngineRun({"a": 1}, np.array([1, 0, -1], dtype=np.int8))
    assert run.returns.dtype == np.float64
    assert EngineRun({"a": 1}, [0.5, -0.5]).returns.tolist() == [0.5, -0.5]
    assert EngineRun({"a": 1}).returns is None


@pytest.mark.parametrize(
    ("returns", "message"),
    [
        ([float("nan"), 0.1], "the returns hold nan at place 0 of 2; expected finite numbers: leave out"),
        ([0.1, np.inf], "hold inf at place 1"),
        ([[0.1], [0.2]], r"the shape \(2, 1\)"),
        ([[0.1], [0.2, 0.3]], "expected a row of numbers"),
        (["0.1"], "expected one row of numbers"),
        ([True, False], "the type bool"),
        ([0.1, None], "the type object"),
        (0.1, r"the shape \(\)"),
    ],
)
def test_what_are_no_returns(returns, message):
    with pytest.raises(EngineError, match=message):
        EngineRun({"a": 1}, returns)
