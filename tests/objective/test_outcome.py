"""Outcome constraints: strict reading, margins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_optimizer.errors import ObjectiveError
from strategy_optimizer.objective.outcome import OutcomeConstraint, parse_constraints


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("trades >= 30", ("trades", ">=", 30.0)),
        ("max_drawdown<=0.25", ("max_drawdown", "<=", 0.25)),
        ("  sharpe_ratio   >=  -1e-3 ", ("sharpe_ratio", ">=", -0.001)),
    ],
)
def test_reading(text: str, expected: tuple[str, str, float]) -> None:
    constraint = OutcomeConstraint.parse(text)
    assert (constraint.metric, constraint.relation, constraint.bound) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trade >= 30", "did you mean 'trades'"),
        ("trades > 30", "uses '>'"),
        ("trades == 30", "uses '=='"),
        ("trades = 30", "uses '='"),
        ("trades >= 30 and skew >= 0", "cannot be read"),
        ("30 <= trades", "cannot be read"),
        ("trades >= many", "'many', which is not a number"),
        ("trades >= nan", "'nan', which is not a number"),
        ("trades >= inf", "'inf', which is not a number"),
        ("trades >= 1_000", "'1_000', which is not a number"),
        ("max_drawdown <= 25%", "25 % is 0.25"),
        ("trades", "cannot be read"),
        ("", "cannot be read"),
        ("trades >= __import__('os')", "not a number"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(ObjectiveError, match=message):
        parse_constraints([text])


def test_other_engines_have_other_metrics() -> None:
    (constraint,) = parse_constraints(["SQN >= 1"], ("SQN", "score"))
    assert constraint.metric == "SQN"
    with pytest.raises(ObjectiveError, match="did you mean 'SQN'"):
        parse_constraints(["SQNN >= 1"], ("SQN", "score"))


def test_a_text_instead_of_a_list_is_refused() -> None:
    with pytest.raises(ObjectiveError, match="expected a list"):
        parse_constraints("trades >= 30")


@pytest.mark.parametrize("bad", [("trades", ">", 1.0), ("trades", ">=", float("nan"))])
def test_the_constructor_checks_too(bad: tuple[str, str, float]) -> None:
    with pytest.raises(ObjectiveError):
        OutcomeConstraint(*bad)


finite = st.floats(-1e6, 1e6)


@given(finite, finite, st.sampled_from([">=", "<="]))
def test_the_margin_is_feasible_exactly_where_the_relation_holds(
    value: float, bound: float, relation: str
) -> None:
    margin = OutcomeConstraint("skew", relation, bound).margin(np.array([value]))[0]
    assert (margin >= 0) == (value >= bound if relation == ">=" else value <= bound)


def test_margins_are_in_units_of_the_bound() -> None:
    drawdown = OutcomeConstraint.parse("max_drawdown <= 0.2").margin(np.array([0.3]))
    trades = OutcomeConstraint.parse("trades >= 40").margin(np.array([20.0]))
    np.testing.assert_allclose([drawdown[0], trades[0]], [-0.5, -0.5])
    assert OutcomeConstraint.parse("sharpe_ratio >= 0").margin(np.array([-2.0]))[0] == -2.0


def test_text_round_trip() -> None:
    constraint = OutcomeConstraint("calmar_ratio", ">=", 0.1)
    assert OutcomeConstraint.parse(str(constraint)) == constraint
