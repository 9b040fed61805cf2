"""Points around a point: moves by hand, and properties over spaces of all kinds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategy_optimizer import Categorical, Continuous, Discrete, ParameterSpace
from strategy_optimizer.validation.robustness.perturbed_points import BOX, perturbed_points


def _moves(space, params, n_box=0):
    found = perturbed_points(space, space.from_dicts([params])[0], n_box, 0)
    names = space.names
    return {
        name: sorted(
            space.to_dicts(found.points[found.columns == i])[k][name]
            for k in range(int((found.columns == i).sum()))
        )
        for i, name in enumerate(names)
    }, found


def test_moves_are_steps_and_shares_of_the_range():
    space = ParameterSpace("s", {
        "days": Discrete(10, 110), "few": Discrete(0, 3), "stepped": Discrete(0, 100, step=5),
        "level": Continuous(0.0, 1.0), "log": Continuous(0.01, 1.0, log=True), "kind": Categorical(["a", "b", "c"]),
    })  # fmt: skip
    moves, found = _moves(space, {"days": 60, "few": 1, "stepped": 50, "level": 0.5, "log": 0.1, "kind": "b"})
    assert moves["days"] == [50, 55, 59, 61, 65, 70]
    assert moves["few"] == [0, 2]  # a share of the range would be no step
    assert moves["stepped"] == [40, 45, 55, 60]  # 5 % is one step
    assert moves["level"] == pytest.approx([0.4, 0.45, 0.55, 0.6])
    assert moves["log"] == pytest.approx([0.1 * 100**share for share in (-0.1, -0.05, 0.05, 0.1)])
    assert moves["kind"] == ["a", "c"]
    assert not found.infeasible.any()


def test_moves_end_at_the_bounds():
    moves, _ = _moves(
        ParameterSpace("s", {"n": Discrete(0, 100), "x": Continuous(0.0, 1.0)}), {"n": 97, "x": 0.0}
    )
    assert moves["n"] == [87, 92, 96, 98, 100]
    assert moves["x"] == pytest.approx([0.05, 0.1])


def test_infeasible_moves_are_counted_and_left_out():
    space = ParameterSpace("s", {"fast": Discrete(0, 100), "slow": Discrete(0, 100)}, ["fast < slow"])
    moves, found = _moves(space, {"fast": 50, "slow": 53}, n_box=50)
    assert moves == {"fast": [40, 45, 49, 51], "slow": [52, 54, 58, 63]}
    assert found.infeasible[:2].tolist() == [2, 2]
    assert found.infeasible[2] > 5
    assert (found.columns == -1).sum() == 50


def test_a_parameter_that_a_move_activates_takes_its_default():
    space = ParameterSpace("s", {"stop": Categorical(["none", "trailing"])})
    space.add_parameter("trail", "continuous", (0.0, 1.0), 0.3, condition="stop == 'trailing'")
    found = perturbed_points(space, space.from_dicts([{"stop": "none"}])[0], 50, 0)
    assert space.to_dicts(found.points) == [{"stop": "trailing", "trail": 0.3}]
    back = perturbed_points(space, space.from_dicts([{"stop": "trailing", "trail": 0.3}])[0], 50, 0)
    assert {"stop": "none"} in space.to_dicts(back.points)
    box = space.to_dicts(back.points[back.columns == -1])
    assert all(point["stop"] == "trailing" and 0.2 <= point["trail"] <= 0.4 for point in box)


def _space(kinds):
    space = ParameterSpace("s")
    for i, kind in enumerate(kinds):
        if kind == "categorical":
            space.add_parameter(f"p{i}", "categorical", ["a", "b", "c"])
        elif kind == "log":
            space.add_parameter(f"p{i}", "continuous", (0.001, 10.0), log=True)
        elif kind == "log_discrete":
            space.add_parameter(f"p{i}", "discrete", (1, 500), log=True)
        else:
            space.add_parameter(f"p{i}", kind, (0, 40), step=4 if kind == "discrete" else None)
    return space


KINDS = st.lists(
    st.sampled_from(["categorical", "log", "log_discrete", "discrete", "continuous"]), min_size=1, max_size=5
)


@settings(deadline=None)
@given(kinds=KINDS, seed=st.integers(0, 1000), constrained=st.booleans())
def test_points_are_feasible_new_distinct_and_near(kinds, seed, constrained):
    space = _space(kinds)
    if constrained and kinds[0] != "categorical":
        space.add_constraint("p0 <= 20")
    point = space.sample(1, seed)[0]
    found = perturbed_points(space, point, 50, seed)
    assert space.is_feasible(found.points).all()
    keys = space.keys(np.vstack([point, found.points]))
    assert len(np.unique(keys)) == len(keys)
    unit, center = space.to_unit(found.points), space.to_unit(point[None, :])[0]
    one_step = space.to_unit(space.snap(point + np.array([[-1.0], [1.0]]) * space.steps)) - center
    reach = np.maximum(BOX, np.abs(one_step).max(axis=0))
    for k, column in enumerate(found.columns.tolist()):
        far = np.abs(unit[k] - center)
        if column >= 0:
            assert (np.delete(found.points[k], column) == np.delete(point, column)).all()
            assert (
                kinds[column] == "categorical" or far[column] <= reach[column] * 1.35
            )  # rounded to the grid
        else:
            categorical = np.array([kind == "categorical" for kind in kinds])
            assert (found.points[k, categorical] == point[categorical]).all()
            assert (far[~categorical] <= reach[~categorical] * 1.35).all()


@settings(deadline=None)
@given(kinds=KINDS, most=st.integers(0, 80))
def test_a_cap_keeps_single_steps_longest(kinds, most):
    space = _space(kinds)
    found = perturbed_points(space, space.default_values, 50, 0)
    capped = found.first(most)
    assert len(capped.points) == len(capped.columns) == min(most, len(found.points))
    alone = capped.columns[capped.columns >= 0]
    assert (alone == found.columns[: len(alone)]).all()


def test_the_box_is_filled_evenly():
    space = ParameterSpace("s", {"x": Continuous(0.0, 1.0), "n": Discrete(0, 1000)})
    found = perturbed_points(space, np.array([0.5, 500.0]), 64, 0)
    box = found.points[found.columns == -1]
    assert len(box) == 64
    counts, _, _ = np.histogram2d(box[:, 0], box[:, 1], bins=4, range=[[0.4, 0.6], [400, 600]])
    assert counts.min() >= 3  # a random shift keeps 64 Sobol points at 4 a cell, but for the borders
