"""Arrays of points: the unit cube, samples, enumeration, neighbours, keys."""

import numpy as np
import pytest

from strategy_optimizer.errors import SpaceError
from strategy_optimizer.space import Categorical, Continuous, Discrete, ParameterSpace


def mixed(constraints=()):
    return ParameterSpace(
        "mixed",
        {
            "n": Discrete(1, 1000, log=True),
            "m": Discrete(0, 20, step=5),
            "x": Continuous(0.001, 1.0, log=True),
            "y": Continuous(-1, 1),
            "z": Continuous(0, 1, step=0.1),
            "c": Categorical(["a", "b", "c"]),
            "t": Continuous(0, 1, 0.25, condition="c == 'b'"),
        },
        constraints,
    )


# -- unit cube -------------------------------------------------------------------------------------


def test_grid_values_have_equal_shares_of_the_cube():
    space = ParameterSpace("s", {"m": Discrete(0, 20, step=5), "c": Categorical(["a", "b", "c", "d"])})
    edges = np.linspace(0, 1, 100_001)[:-1] + 5e-6
    points = space.from_unit(np.column_stack([edges, edges]))
    assert np.unique(points[:, 0], return_counts=True)[1].tolist() == [20_000] * 5
    assert np.unique(points[:, 1], return_counts=True)[1].tolist() == [25_000] * 4
    assert space.to_unit([[0, 0], [20, 3]]) == pytest.approx(np.array([[0.1, 0.125], [0.9, 0.875]]))


def test_whole_numbers_on_a_log_scale_have_cells_of_equal_ratio():
    space = ParameterSpace("s", {"n": Discrete(1, 100, log=True)})
    points = space.from_unit(np.linspace(0, 1, 200_001)[:, None])[:, 0]
    values, counts = np.unique(points, return_counts=True)
    share = np.log((values + 0.5) / (values - 0.5)) / np.log(100.5 / 0.5)
    assert values.tolist() == list(range(1, 101))
    assert counts / len(points) == pytest.approx(share, abs=2e-5)


def test_bounds_are_reached_and_never_crossed():
    space = mixed()
    corners = space.from_unit(np.array([[0.0] * 7, [1.0] * 7, [-3.0] * 7, [5.0] * 7]))
    columns = space.names.index("t")
    assert np.array_equal(corners[0, :columns], space.lows[:columns])
    assert np.array_equal(corners[1, :columns], space.highs[:columns])
    assert np.array_equal(corners[:2], corners[2:], equal_nan=True)


def test_nan_passes_through_the_cube():
    space = mixed()
    points = space.sample(100, 0)
    inactive = np.isnan(points)
    assert inactive.any()
    assert np.array_equal(np.isnan(space.to_unit(points)), inactive)
    assert np.array_equal(space.from_unit(space.to_unit(points)), points, equal_nan=True)


@pytest.mark.parametrize(
    "parameter",
    [
        Continuous(1e-12, 1e12, log=True),  # too wide for decimals
        Continuous(1e6, 1e6 + 1e-3),
        Continuous(-1e200, 1e250),
        Continuous(1e-30, 3e-30),
        Discrete(0, 2**53),
        Discrete(2**53 - 10, 2**53),
    ],
)
def test_extreme_ranges_survive_the_cube(parameter):
    space = ParameterSpace("s", {"x": parameter})
    points = space.sample(1000, 0)
    again = space.from_unit(space.to_unit(points))
    assert space.is_feasible(points).all()
    assert space.is_feasible(again).all()
    assert again == pytest.approx(points, rel=1e-12)


# -- samples ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["uniform", "sobol"])
@pytest.mark.parametrize("n", [0, 1, 7, 64, 1000])
def test_samples_are_feasible_and_repeatable(method, n):
    space = mixed(["m > 0 or y < 0", "x < 0.5", "z + t <= 1.2", lambda p: p["n"] > 2])
    points = space.sample(n, np.random.default_rng(5), method)
    assert points.shape == (n, 7)
    assert points.flags.c_contiguous
    assert space.is_feasible(points).all()
    assert np.array_equal(points, space.sample(n, 5, method), equal_nan=True)
    assert np.array_equal(points, space.deactivate(points), equal_nan=True)


def test_sobol_is_more_even_than_chance():
    space = ParameterSpace("s", {"x": Continuous(0, 1), "y": Continuous(0, 1)})
    counts = np.histogramdd(space.sample(256, 3, "sobol"), bins=(16, 16), range=((0, 1), (0, 1)))[0]
    assert counts.max() == counts.min() == 1  # a (0, 2)-net: every elementary cell holds one point


def test_uniform_samples_are_uniform():
    space = ParameterSpace("s", {"n": Discrete(0, 9), "x": Continuous(1, 100, log=True)})
    points = space.sample(20_000, 11)
    assert np.bincount(points[:, 0].astype(int)) == pytest.approx(np.full(10, 2000), abs=180)
    assert np.mean(points[:, 1] < 10) == pytest.approx(0.5, abs=0.02)


def simplex(d):
    parameters = {f"w{i}": Continuous(0, 1) for i in range(d)}
    return ParameterSpace("simplex", parameters, [" + ".join(parameters) + " <= 1"])


def test_a_region_that_chance_never_meets_is_filled():
    """The simplex in 10 dimensions is 2.8e-7 of the cube."""
    space = simplex(10)
    points = space.sample(2000, 0)
    assert space.is_feasible(points).all()
    assert len(space.distinct(points)) > 1990
    assert points.sum(axis=1).mean() == pytest.approx(10 / 11, abs=0.02)  # exact mean of the uniform law
    assert points.std(axis=0).min() > 0.02


@pytest.mark.parametrize("method", ["uniform", "sobol"])
def test_a_thin_band_is_filled(method):
    space = ParameterSpace("s", {"a": Continuous(0, 1), "b": Continuous(0, 1)}, ["abs(a - b) < 1e-6"])
    points = space.sample(300, 0, method)
    assert space.is_feasible(points).all()
    assert len(space.distinct(points)) > 290
    assert np.ptp(points[:, 0]) > 0.8


def test_an_equality_between_whole_numbers_is_met():
    parameters = {f"w{i}": Discrete(0, 100) for i in range(6)}
    space = ParameterSpace("s", parameters, [" + ".join(parameters) + " == 100"])
    points = space.sample(200, 0)
    assert (points.sum(axis=1) == 100).all()
    assert len(space.distinct(points)) > 150


def test_a_needle_in_a_finite_space_is_found_by_enumeration():
    parameters = {f"n{i}": Discrete(0, 49) for i in range(3)}
    space = ParameterSpace("s", parameters, ["n0 * 2500 + n1 * 50 + n2 == 77777 or n0 + n1 + n2 == 0"])
    points = space.sample(10, 0)
    assert {tuple(row) for row in points} == {(0.0, 0.0, 0.0), (31.0, 5.0, 27.0)}
    assert np.array_equal(space.sample(4, 1, "sobol"), space.sample(4, 1, "sobol"))


@pytest.mark.parametrize(
    ("parameters", "constraint", "message", "parameter"),
    [
        (
            {"a": Discrete(0, 1), "b": Discrete(2, 5)},
            "a > b",
            "none of the space's 8 points is feasible",
            "a",
        ),
        ({"a": Continuous(0, 1), "b": Discrete(2, 5)}, "b < a", "no feasible point was found", "b"),
        ({"a": Continuous(0, 1)}, "a / (a - a) > 0", "refuses 100.0%", "a"),
    ],
)
def test_a_space_without_a_feasible_point_says_which_constraint(parameters, constraint, message, parameter):
    space = ParameterSpace("s", parameters, ["a >= 0", constraint])
    with pytest.raises(SpaceError, match=message) as caught:
        space.sample_random(0)
    assert constraint in str(caught.value)
    assert caught.value.parameter == parameter


def test_wrong_calls_of_sample():
    with pytest.raises(SpaceError, match="did you mean 'sobol'"):
        mixed().sample(5, 0, "sobl")
    with pytest.raises(SpaceError, match="negative"):
        mixed().sample(-1, 0)
    with pytest.raises(SpaceError, match=r"whole number, found 1\.5"):
        mixed().sample(1.5, 0)


# -- enumeration -----------------------------------------------------------------------------------


def test_enumerate_lists_each_feasible_point_once():
    space = ParameterSpace(
        "s",
        {
            "c": Categorical(["off", "on"]),
            "n": Discrete(0, 4, step=2, condition="c == 'on'"),
            "k": Discrete(1, 2, condition="n > 0"),
        },
        ["n != 4 or k == 1"],
    )
    assert space.cardinality == 2 * 3 * 2
    assert space.to_dicts(space.enumerate(12)) == [
        {"c": "off"},
        {"c": "on", "n": 0},
        {"c": "on", "n": 2, "k": 1},
        {"c": "on", "n": 2, "k": 2},
        {"c": "on", "n": 4, "k": 1},
    ]
    assert space.enumerate(11) is None


def test_enumerate_crosses_chunks():
    space = ParameterSpace("s", {"a": Discrete(1, 300), "b": Discrete(1, 300)}, ["a + b > 3"])
    points = space.enumerate(100_000)
    assert len(points) == 90_000 - 3
    assert len(space.distinct(points)) == len(points)


def test_an_infinite_space_is_not_enumerated():
    assert mixed().cardinality is None
    assert mixed().enumerate(10**9) is None


# -- neighbours ------------------------------------------------------------------------------------


def test_neighbours_are_one_move_away():
    space = ParameterSpace(
        "s",
        {
            "n": Discrete(0, 10, step=5),
            "z": Continuous(0, 1, step=0.1),
            "c": Categorical(["a", "b", "c"]),
            "t": Discrete(1, 9, 4, condition="c == 'b'"),
            "x": Continuous(0, 10),
        },
        ["z < 0.35"],
    )
    found = space.to_dicts(space.neighbours({"n": 0, "z": 0.3, "c": "a", "x": 0.2}))
    base = {"n": 0, "z": 0.3, "c": "a", "x": 0.2}
    expected = [
        {**base, "n": 5},
        {**base, "z": 0.2},
        {"n": 0, "z": 0.3, "c": "b", "t": 4, "x": 0.2},
        {**base, "c": "c"},
        {**base, "x": 0.0},
        {**base, "x": 0.7},
    ]
    assert found == expected
    again = space.neighbours(space.from_dicts([base])[0])
    assert np.array_equal(again, space.from_dicts(expected), equal_nan=True)


def test_a_point_without_neighbours():
    space = ParameterSpace("s", {"n": Discrete(3, 3), "c": Categorical(["a"])})
    assert space.neighbours({"n": 3, "c": "a"}).shape == (0, 2)


# -- keys ------------------------------------------------------------------------------------------


def test_keys_ignore_the_sign_of_zero_and_the_bits_of_nan():
    space = ParameterSpace("s", {"x": Continuous(-1, 1), "y": Continuous(-1, 1)})
    odd_nan = np.array([0xFFF8000000000001], dtype=np.uint64).view(np.float64)[0]
    keys = space.keys([[0.0, np.nan], [-0.0, odd_nan], [np.nan, 0.0]])
    assert keys[0] == keys[1]
    assert keys[0] != keys[2]
    assert keys.dtype == np.uint64


def test_keys_of_small_whole_numbers_do_not_collide():
    space = ParameterSpace("s", {f"n{i}": Discrete(0, 9) for i in range(6)})
    keys = space.keys(space.enumerate(10**6))
    assert len(np.unique(keys)) == 10**6
    bits = (keys[:4096, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    assert bits.mean(axis=0) == pytest.approx(np.full(64, 0.5), abs=0.05)  # every bit is used


def test_distinct_keeps_the_first_appearance():
    space = ParameterSpace("s", {"n": Discrete(0, 9)})
    assert space.distinct([[5], [3], [5], [9], [3]]).tolist() == [[5], [3], [9]]
