"""Properties that hold for every optimizer on random spaces, random grouping of tells and random failures."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategy_optimizer.optimizer import create_optimizer, restore_optimizer
from strategy_optimizer.space import ParameterSpace

NAMES = ("random", "grid", "ga")


@st.composite
def spaces(draw: st.DrawFn, finite: bool = False) -> ParameterSpace:
    """Up to four parameters of all kinds, sometimes a condition and a constraint."""
    space = ParameterSpace("drawn")
    kinds = ["discrete", "stepped", "categorical"] + ([] if finite else ["continuous", "log"])
    for index, kind in enumerate(draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=4))):
        name = f"p{index}"
        condition = None
        if index and draw(st.booleans()) and space.parameters["p0"].kind == "discrete":
            condition = "p0 <= 2"
        if kind == "categorical":
            choices = draw(st.sampled_from([["a", "b"], [True, False], ["x", "y", "z"]]))
            space.add_parameter(name, "categorical", choices, condition=condition)
        elif kind == "discrete":
            high = draw(st.integers(1, 7))
            space.add_parameter(name, "discrete", (0, high), condition=condition)
        elif kind == "stepped":
            space.add_parameter(name, "continuous", (0.1, 0.9), step=0.2, condition=condition)
        else:
            space.add_parameter(name, "continuous", (0.01, 10.0), log=kind == "log", condition=condition)
    if space.parameters["p0"].kind == "discrete" and draw(st.booleans()):
        space.add_constraint("p0 != 1")
    return space


def score_of(params: dict[str, Any], failing: int) -> float | None:
    total = sum(0.37 * value if isinstance(value, int | float) else len(value) for value in params.values())
    score = math.sin(3.0 * total)
    return None if int(1000 * abs(score)) % 10 < failing else score


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(space=spaces(), data=st.data(), seed=st.integers(0, 2**32), failing=st.integers(0, 10))
def test_asked_points_are_valid_and_new_whatever_is_told(
    name: str, space: ParameterSpace, data: st.DataObject, seed: int, failing: int
) -> None:
    optimizer = create_optimizer(name, space, seed=seed, budget=60)
    out: list[dict[str, Any]] = []
    asked: list[dict[str, Any]] = []
    for _ in range(8):
        batch = optimizer.ask(data.draw(st.integers(0, 9)))
        assert [space.validate(params) for params in batch] == batch
        asked += batch
        out += batch
        n_told = data.draw(st.integers(0, len(out)))
        told, out = out[:n_told], out[n_told:]
        optimizer.tell(told, [score_of(params, failing) for params in told])
    keys = space.keys(space.from_dicts(asked)) if asked else np.empty(0)
    assert len(np.unique(keys)) == len(asked)
    assert optimizer.n_pending == len(out)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(space=spaces(finite=True), seed=st.integers(0, 2**32), size=st.integers(1, 50))
def test_a_finite_space_is_tried_whole(name: str, space: ParameterSpace, seed: int, size: int) -> None:
    optimizer = create_optimizer(name, space, seed=seed)
    asked = []
    while batch := optimizer.ask(size):
        asked += batch
        optimizer.tell(batch, [score_of(params, 2) for params in batch])
    feasible = space.enumerate(100_000)
    assert feasible is not None
    assert set(space.keys(space.from_dicts(asked)).tolist()) == set(space.keys(feasible).tolist())
    assert len(asked) == len(feasible)
    assert optimizer.finished == "exhausted"


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(space=spaces(), seed=st.integers(0, 2**32), sizes=st.lists(st.integers(1, 12), min_size=1, max_size=8))
def test_a_restored_search_goes_on_alike(
    name: str, space: ParameterSpace, seed: int, sizes: list[int]
) -> None:
    optimizer = create_optimizer(name, space, seed=seed, budget=50)
    for size in sizes:
        batch = optimizer.ask(size)
        told = batch[::2]  # every second one stays out
        optimizer.tell(told, [score_of(params, 1) for params in told])
    twin = restore_optimizer(space, json.loads(json.dumps(optimizer.state(), allow_nan=False)))
    for size in sizes:
        batch = optimizer.ask(size)
        assert twin.ask(size) == batch
        for search in (optimizer, twin):
            search.tell(batch, [score_of(params, 1) for params in batch])


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(
    space=spaces(),
    seed=st.integers(0, 2**32),
    size=st.integers(1, 12),
    order=st.randoms(use_true_random=False),
)
def test_the_order_of_telling_does_not_matter(
    name: str, space: ParameterSpace, seed: int, size: int, order: Any
) -> None:
    one, other = (create_optimizer(name, space, seed=seed, budget=50) for _ in range(2))
    for _ in range(6):
        batch = one.ask(size)
        assert other.ask(size) == batch
        one.tell(batch, [score_of(params, 1) for params in batch])
        shuffled = order.sample(batch, len(batch))
        for params in shuffled:
            other.tell([params], [score_of(params, 1)])
    assert one.ask(size) == other.ask(size)
