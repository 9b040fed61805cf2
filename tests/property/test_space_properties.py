"""Laws of every space: round trips, feasibility, identity."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategy_optimizer.space import Categorical, Continuous, Discrete, ParameterSpace

EXAMPLES = settings(max_examples=60, deadline=None)

CONDITIONS = {
    "c0 == 'a'": "c0",
    "c0 != 'b'": "c0",
    "n0 > 3": "n0",
    "n0 <= 4 and c0 == 'b'": "c0",
    "x0 < 0.5": "x0",
}


def decimals(low, high):
    return st.integers(low * 1000, high * 1000).map(lambda k: k / 1000)


@st.composite
def continuous(draw, condition=None):
    low = draw(decimals(-20, 20))
    if draw(st.booleans()):
        step = draw(st.sampled_from([0.001, 0.01, 0.05, 0.1, 0.25, 1 / 3, 1.0, 2.5]))
        origin = draw(st.integers(-50, 50))
        return Continuous(
            origin * step, (origin + draw(st.integers(0, 60))) * step, step=step, condition=condition
        )
    log = draw(st.booleans())
    low = abs(low) + 0.001 if log else low
    return Continuous(low, low + draw(decimals(1, 50)), log=log, condition=condition)


@st.composite
def discrete(draw, condition=None):
    log = draw(st.booleans())
    step = 1 if log else draw(st.integers(1, 7))
    low = draw(st.integers(1, 100) if log else st.integers(-1000, 1000))
    return Discrete(low, low + step * draw(st.integers(0, 3000)), log=log, step=step, condition=condition)


@st.composite
def categorical(draw, condition=None):
    value = st.one_of(st.text(max_size=3), st.booleans(), st.integers(-5, 5), st.floats(-5, 5))
    choices = draw(st.lists(value, min_size=1, max_size=5, unique=True))
    return Categorical(choices, draw(st.sampled_from(choices)), condition=condition)


@st.composite
def spaces(draw):
    """A space with conditions one and two levels deep, in any order of columns."""
    parameters = {"c0": Categorical(["a", "b", "c"]), "n0": Discrete(0, 8), "x0": Continuous(0, 1)}
    for n in range(draw(st.integers(0, 4))):
        condition = draw(st.sampled_from([None, *CONDITIONS]))
        parameters[f"p{n}"] = draw(
            st.one_of(continuous(condition), discrete(condition), categorical(condition))
        )
    if draw(st.booleans()):
        parameters["y0"] = Discrete(0, 5, condition="c0 == 'a'")
        parameters["y1"] = Continuous(0, 1, condition="y0 > 2 or n0 < 3")
    names = draw(st.permutations(sorted(parameters)))
    return ParameterSpace("random", {name: parameters[name] for name in names})


seeds = st.integers(0, 2**32 - 1)


def same(a, b):
    return np.array_equal(a, b, equal_nan=True)


@EXAMPLES
@given(spaces(), seeds)
def test_samples_are_canonical_and_feasible(space, seed):
    for method in ("uniform", "sobol"):
        points = space.sample(20, seed, method)
        assert space.is_feasible(points).all()
        assert same(space.deactivate(points), points)
        assert same(space.snap(points), points)


@EXAMPLES
@given(spaces(), seeds)
def test_the_unit_cube_gives_every_point_back(space, seed):
    points = space.sample(30, seed)
    unit = space.to_unit(points)
    assert np.nanmin(unit) >= 0
    assert np.nanmax(unit) <= 1
    assert same(space.from_unit(unit), points)


@EXAMPLES
@given(spaces(), seeds)
def test_decoding_is_onto_feasible_points(space, seed):
    unit = np.random.default_rng(seed).uniform(-0.2, 1.2, size=(30, space.n_dims))
    assert space.is_feasible(space.from_unit(unit)).all()


@EXAMPLES
@given(spaces(), seeds)
def test_dicts_give_every_point_back(space, seed):
    points = space.sample(20, seed)
    rows = space.to_dicts(points)
    assert same(space.from_dicts(rows), points)
    assert [space.validate(row) for row in rows] == rows
    assert same(space.from_dicts(json.loads(json.dumps(rows))), points)
    for row, point in zip(rows, points, strict=True):
        assert list(row) == [name for name, x in zip(space.names, point, strict=True) if not np.isnan(x)]
        assert {type(value) for value in row.values()} <= {int, float, str, bool}


@EXAMPLES
@given(spaces())
def test_json_gives_the_space_back(space):
    again = ParameterSpace.from_json(json.loads(json.dumps(space.to_json())))
    assert again == space
    assert again.digest == space.digest
    assert same(again.sample(5, 1), space.sample(5, 1))
    assert space.validate(space.defaults()) == space.defaults()


@EXAMPLES
@given(spaces(), seeds)
def test_snapping_dense_points_makes_them_feasible(space, seed):
    rng = np.random.default_rng(seed)
    span = space.highs - space.lows + 1
    dense = rng.uniform(space.lows - span, space.highs + span, size=(30, space.n_dims))
    snapped = space.snap(dense)
    assert space.is_feasible(snapped).all()
    assert same(space.snap(snapped), snapped)
    inside = (dense >= space.lows) & (dense <= space.highs)
    distance = np.abs(snapped - dense)
    assert (distance[inside] <= np.broadcast_to(space.steps, dense.shape)[inside] * 0.5000001).all()


@EXAMPLES
@given(spaces(), seeds)
def test_neighbours_are_feasible_distinct_and_another_point(space, seed):
    space = space.with_constraints("n0 != 5 or x0 < 0.5")
    point = space.sample(1, seed)
    found = space.neighbours(point[0])
    assert space.is_feasible(found).all()
    keys = space.keys(found)
    assert len(set(keys.tolist())) == len(found)
    assert space.keys(point)[0] not in keys


@EXAMPLES
@given(spaces(), seeds)
def test_keys_are_equal_exactly_where_points_are(space, seed):
    points = space.sample(60, seed)
    points = points[np.random.default_rng(seed).integers(60, size=120)]
    equal = ((points[:, None] == points) | (np.isnan(points[:, None]) & np.isnan(points))).all(axis=2)
    keys = space.keys(points)
    assert np.array_equal(keys[:, None] == keys, equal)
    assert np.array_equal(space.keys(np.asfortranarray(points)), keys)


@EXAMPLES
@given(spaces(), seeds)
def test_enumeration_is_what_sampling_can_reach(space, seed):
    finite = space.fix({"x0": 0.25})
    everything = finite.enumerate(3000)
    if everything is None:
        assert finite.cardinality is None or finite.cardinality > 3000
        return
    assert finite.is_feasible(everything).all()
    assert same(finite.distinct(everything), everything)
    assert len(everything) <= finite.cardinality
    assert set(finite.keys(finite.sample(50, seed)).tolist()) <= set(finite.keys(everything).tolist())


@EXAMPLES
@given(spaces(), seeds, st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, unique=True))
def test_fewer_choices_leave_the_points_that_have_them(space, seed, choices):
    narrow = space.override(dict(space.parameters) | {"c0": Categorical(choices)})
    assert narrow.names == tuple(name for name in space.names if name in narrow.names)
    points = [p for p in space.to_dicts(space.sample(200, seed)) if p["c0"] in choices]
    if points:
        assert narrow.to_dicts(narrow.from_dicts(points)) == points
        assert narrow.is_feasible(narrow.from_dicts(points)).all()
    back = narrow.to_dicts(narrow.sample(50, seed))
    assert space.to_dicts(space.from_dicts(back)) == back
    assert space.is_feasible(space.from_dicts(back)).all()


@EXAMPLES
@given(spaces(), seeds)
def test_no_method_changes_its_argument(space, seed):
    points = space.sample(5, seed)
    points.flags.writeable = False
    for method in (
        space.snap,
        space.deactivate,
        space.is_feasible,
        space.to_unit,
        space.from_unit,
        space.keys,
    ):
        method(points)
    space.to_dicts(points)
    space.neighbours(points[0])


@EXAMPLES
@given(st.integers(1, 10**6), st.integers(1, 10**6), st.sampled_from([0.1, 0.01, 0.05, 0.001, 1 / 3, 0.7]))
def test_steps_in_large_ranges_are_exact(first, count, step):
    space = ParameterSpace("s", {"x": Continuous(first * step, (first + count) * step, step=step)})
    points = space.from_unit(np.linspace(0, 1, 101)[:, None])
    assert points[0, 0] == space.lows[0]
    assert points[-1, 0] == space.highs[0]
    assert space.cardinality == count + 1
    assert same(space.from_unit(space.to_unit(points)), points)
    assert points[:, 0] == pytest.approx(np.round(points[:, 0] / step) * step, rel=1e-12)
