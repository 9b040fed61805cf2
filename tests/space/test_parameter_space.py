"""The space as its users see it: defaults, validation, conditions, constraints, copies, JSON."""

import json
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from strategy_optimizer.errors import SpaceError
from strategy_optimizer.space import Categorical, Continuous, Discrete, ParameterSpace


def momentum():
    space = ParameterSpace("momentum_strategy")
    space.add_parameter("lookback_period", "discrete", (10, 100), 20)
    space.add_parameter("threshold", "continuous", (0.01, 0.05), 0.02)
    space.add_parameter("position_size", "continuous", (0.1, 1.0), 0.5)
    space.add_parameter("stop_loss", "continuous", (0.01, 0.10), 0.05)
    space.add_parameter("take_profit", "continuous", (0.02, 0.20), 0.10)
    return space


def nested():
    return ParameterSpace(
        "nested",
        {
            "speed": Continuous(
                0.1, 10, 1.0, log=True, condition="trail > 0.1"
            ),  # named before what it needs
            "trail": Continuous(0.01, 0.2, 0.15, condition="stop == 'trailing'"),
            "stop": Categorical(["none", "fixed", "trailing"]),
            "level": Discrete(1, 9, 5, condition="stop != 'none'"),
        },
        ["trail < 0.19", "level != 7 or stop == 'fixed'"],
    )


def test_the_five_parameter_example():
    space = momentum()
    assert space.names == ("lookback_period", "threshold", "position_size", "stop_loss", "take_profit")
    assert space.n_dims == 5
    assert space.defaults() == {
        "lookback_period": 20,
        "threshold": 0.02,
        "position_size": 0.5,
        "stop_loss": 0.05,
        "take_profit": 0.10,
    }
    point = space.sample_random(rng=7)
    assert point == space.sample_random(np.random.default_rng(7)) == space.validate(point)
    assert [type(value) for value in point.values()] == [int, float, float, float, float]
    assert set(space.sample_random()) == set(space.names)


def test_inactive_parameters_are_absent():
    space = nested()
    assert space.defaults() == {"stop": "none"}
    assert space.validate({"stop": "fixed", "level": 7, "trail": 0.1}) == {"stop": "fixed", "level": 7}
    deep = {"stop": "trailing", "trail": 0.15, "speed": 2.0, "level": 3}
    assert space.validate(deep) == dict(sorted(deep.items(), key=lambda item: space.names.index(item[0])))
    assert space.validate({**deep, "trail": 0.05}) == {"stop": "trailing", "trail": 0.05, "level": 3}


def test_nested_inactivity_reaches_all_levels():
    space = nested()
    dense = np.array([[2.0, 0.15, stop, 3.0] for stop in (0, 1, 2)])
    expected = [[np.nan, np.nan, 0, np.nan], [np.nan, np.nan, 1, 3], [2.0, 0.15, 2, 3]]
    points = space.deactivate(dense)
    assert np.array_equal(points, expected, equal_nan=True)
    assert np.array_equal(space.deactivate(points), points, equal_nan=True)
    assert not np.isnan(dense).any()


def test_a_constraint_holds_where_it_names_an_inactive_parameter():
    space = nested()
    points = space.from_dicts(
        [{"stop": "none"}, {"stop": "trailing", "trail": 0.195, "speed": 1, "level": 1}]
    )
    assert space.is_feasible(points).tolist() == [True, False]


def test_a_callable_holds_where_it_asks_for_an_inactive_parameter():
    space = nested().with_constraints(lambda p: p["level"] > 4)
    points = space.from_dicts(
        [{"stop": "none"}, {"stop": "fixed", "level": 4}, {"stop": "fixed", "level": 5}]
    )
    assert space.is_feasible(points).tolist() == [True, False, True]


def test_callables_receive_plain_dicts():
    seen = []
    space = momentum().add_constraint(lambda p: bool(seen.append(p)) or p["stop_loss"] < p["take_profit"])
    points = space.sample(20, 3)
    assert space.is_feasible(points).all()
    assert {type(row) for row in seen} == {dict}
    assert type(seen[0]["lookback_period"]) is int


def broken(params):
    return params["no_such_name"] > 1


def test_an_exception_in_a_callable_names_it():
    with pytest.raises(SpaceError, match=r"broken.*KeyError") as caught:
        momentum().with_constraints(broken).sample_random(0)
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(SpaceError, match="must return True or False, found None"):
        momentum().with_constraints(lambda p: None).sample_random(0)


@pytest.mark.parametrize(
    ("params", "message", "parameter"),
    [
        ({"fast": 5, "sloww": 9}, "did you mean 'slow'", "sloww"),
        ({"fast": 5}, "'slow' is missing", "slow"),
        ({"fast": 5, "slow": None}, "'slow' is missing", "slow"),
        ({"fast": 5.5, "slow": 9}, "whole number", "fast"),
        ({"fast": True, "slow": 9}, "must be a number", "fast"),
        ({"fast": "5", "slow": 9}, "must be a number", "fast"),
        ({"fast": 5, "slow": 99}, "outside the bounds", "slow"),
        ({"fast": 5, "slow": float("nan")}, "finite", "slow"),
        ({"fast": 5, "slow": 10**400}, "finite", "slow"),
        ({"fast": 9, "slow": 5}, "violate the constraint 'fast < slow'", "fast"),
        ([5, 9], "must be a dict", None),
        ({"fast": 5, "slow": [9]}, "must be a number", "slow"),
    ],
)
def test_validate_names_what_is_wrong(params, message, parameter):
    space = ParameterSpace("s", {"fast": Discrete(1, 20), "slow": Discrete(1, 20)}, ["fast < slow"])
    with pytest.raises(SpaceError, match=message) as caught:
        space.validate(params)
    assert caught.value.parameter == parameter


def test_from_dicts_names_the_row():
    with pytest.raises(SpaceError, match="row 2: parameter 'x'"):
        ParameterSpace("s", {"x": Discrete(0, 9)}).from_dicts([{"x": 1}, {"x": 2}, {"x": 30}])


def test_from_dicts_converts_what_means_the_same():
    space = ParameterSpace("s", {"n": Discrete(0, 9), "x": Continuous(0, 9), "c": Categorical([1, 2.5, "a"])})
    rows = [{"n": 2.0, "x": 3, "c": np.int64(1)}, {"n": np.int8(2), "x": np.float32(3), "c": 1.0}]
    assert space.from_dicts(rows).tolist() == [[2.0, 3.0, 0.0]] * 2
    assert space.to_dicts([[2.0, 3.0, 0.0]]) == [{"n": 2, "x": 3.0, "c": 1}]
    with pytest.raises(SpaceError, match="not one of the choices"):
        space.from_dicts([{"n": 2, "x": 3, "c": True}])


def test_is_feasible_checks_domain_and_activity():
    space = nested()
    good = [2.0, 0.15, 2.0, 3.0]
    variants = {
        "good": (good, True),
        "below": ([0.01, 0.15, 2.0, 3.0], False),
        "half a step": ([2.0, 0.15, 2.0, 3.5], False),
        "no such choice": ([2.0, 0.15, 3.0, 3.0], False),
        "missing": ([np.nan, 0.15, 2.0, 3.0], False),
        "missing choice": ([np.nan, np.nan, np.nan, np.nan], False),
        "inactive values are ignored": ([99.0, 99.0, 0.0, 99.0], True),
        "infinite": ([np.inf, 0.15, 2.0, 3.0], False),
    }
    points = np.array([row for row, _ in variants.values()])
    expected = [answer for _, answer in variants.values()]
    assert space.is_feasible(points).tolist() == expected


@pytest.mark.parametrize("points", [[1.0, 2.0], [[1.0]], [[[1.0, 2.0]]], 5.0])
def test_a_wrong_shape_is_refused(points):
    space = ParameterSpace("s", {"a": Continuous(0, 1), "b": Continuous(0, 1)})
    for method in (space.is_feasible, space.snap, space.keys, space.to_unit, space.from_unit, space.to_dicts):
        with pytest.raises(SpaceError, match=r"shape \(n, 2\)"):
            method(points)


def test_conditions_that_depend_on_each_other_are_refused():
    parameters = {"a": Continuous(0, 1, condition="b > 0"), "b": Continuous(0, 1, condition="a > 0")}
    with pytest.raises(SpaceError, match="cycle: a -> b -> a") as caught:
        ParameterSpace("s", parameters)
    assert caught.value.parameter == "a"
    with pytest.raises(SpaceError, match="unknown parameter 'c'") as caught:
        ParameterSpace("s", {"a": Continuous(0, 1, condition="c > 0")})
    assert caught.value.parameter == "a"


def test_a_space_without_parameters():
    space = ParameterSpace()
    assert (space.n_dims, space.defaults(), space.validate({})) == (0, {}, {})
    with pytest.raises(SpaceError, match="no parameters"):
        space.sample_random()
    with pytest.raises(SpaceError, match="finitely many"):
        space.enumerate(10)


def test_constructor_refuses_what_is_not_a_parameter():
    with pytest.raises(SpaceError, match="expected Continuous"):
        ParameterSpace("s", {"a": (0, 1)})
    with pytest.raises(SpaceError, match="must be a list"):
        ParameterSpace("s", {"a": Discrete(0, 1)}, "a > 0")


# -- JSON, digest, copies --------------------------------------------------------------------------


def test_json_form():
    space = ParameterSpace("s").add_parameter("n", "discrete", [10, 100], 20, step=5)
    space.add_parameter("x", "continuous", (0.01, 0.1), log=True, condition="n > 20")
    space.add_parameter("ma", "categorical", ["sma", "ema"])
    space.add_constraint("n < 90")
    document = {
        "parameter_space": {
            "n": {"type": "discrete", "bounds": [10, 100], "default": 20, "step": 5, "log": False},
            "x": {"type": "continuous", "bounds": [0.01, 0.1], "log": True, "condition": "n > 20"},
            "ma": {"type": "categorical", "choices": ["sma", "ema"]},
        },
        "constraints": ["n < 90"],
    }
    assert space.to_json() == document
    again = ParameterSpace.from_json(json.loads(json.dumps(document)), name="again")
    assert again == space
    assert again.name == "again"
    assert again.digest == space.digest
    assert ParameterSpace.from_json(document["parameter_space"], constraints=["n < 90"]) == space


def test_json_accepts_bounds_for_choices_and_nulls():
    spec = {"type": "categorical", "bounds": ["a", "b"], "default": None, "condition": None, "log": None}
    assert ParameterSpace.from_json({"c": spec}).parameters["c"] == Categorical(["a", "b"])
    named = ParameterSpace.from_json({"parameter_space": {"type": "discrete", "bounds": [1, 2]}})
    assert named.names == ("parameter_space",)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "must be an object"),
        ({"x": 5}, "parameter 'x': expected an object"),
        ({"x": {"bounds": [0, 1]}}, "'type' is missing"),
        ({"x": {"type": "continuous"}}, "expected the field 'bounds', found neither"),
        ({"x": {"type": "continuous", "choices": [0, 1]}}, "expected the field 'bounds', found choices"),
        ({"x": {"type": "continuous", "bounds": [0, 1], "defalt": 0}}, "did you mean 'default'"),
        ({"x": {"type": "continuous", "bounds": [1, 0]}}, "reversed"),
        ({"x": {"type": {}, "bounds": [1, 0]}}, "unknown kind"),
        ({"parameter_space": []}, "'parameter_space' must be an object"),
        ({"parameter_space": {}, "constraint": []}, "did you mean 'constraints'"),
        ({"parameter_space": {}, "constraints": "a < b"}, "must be a list"),
        ({"parameter_space": {}, "constraints": [5]}, "must be text"),
        ({"parameter_space": {}, "constraints": ["a < b"]}, "unknown parameter 'a'"),
    ],
)
def test_wrong_json_is_refused(data, message):
    with pytest.raises(SpaceError, match=message):
        ParameterSpace.from_json(data)


def test_python_constraints_have_no_json():
    space = momentum().with_constraints(broken)
    with pytest.raises(SpaceError, match=r"broken.*write it as an expression"):
        space.to_json()
    assert len(space.digest) == 64
    assert space.digest != momentum().digest
    assert space.digest == momentum().with_constraints(broken).digest


def test_the_digest_covers_everything_but_the_name():
    base = ParameterSpace("s", {"a": Discrete(0, 9), "b": Discrete(0, 9)})
    others = [
        ParameterSpace("s", {"b": Discrete(0, 9), "a": Discrete(0, 9)}),
        ParameterSpace("s", {"a": Discrete(0, 9, 1), "b": Discrete(0, 9)}),
        base.with_constraints("a < b"),
        base.with_constraints(lambda p: p["a"] < p["b"]),
    ]
    assert len({space.digest for space in [base, *others]}) == 5
    assert ParameterSpace("other name", base.parameters).digest == base.digest


def test_pickle_and_threads():
    space = nested()
    again = pickle.loads(pickle.dumps(space))
    assert again == space
    with ThreadPoolExecutor(4) as pool:
        samples = list(pool.map(lambda _: again.sample(50, 1), range(8)))
    assert all(np.array_equal(points, samples[0], equal_nan=True) for points in samples)


def test_copies_are_independent():
    space = momentum()
    copy = space.copy()
    narrower = space.with_constraints("stop_loss < take_profit")
    copy.add_parameter("extra", "discrete", (0, 1))
    assert space.n_dims == 5
    assert (space.constraints, narrower.constraints) == ((), ("stop_loss < take_profit",))
    with pytest.raises(TypeError):
        space.parameters["x"] = Discrete(0, 1)
    with pytest.raises(ValueError, match="read-only"):
        space.lows[0] = 5


def test_adding_a_parameter_renews_the_bound_form():
    space = ParameterSpace().add_parameter("a", "discrete", (0, 1))
    assert space.sample(2, 0).shape == (2, 1)
    space.add_parameter("b", "discrete", (0, 1))
    assert space.sample(2, 0).shape == (2, 2)


def test_override_replaces_bounds_and_fixes_the_rest():
    space = momentum().with_constraints("stop_loss < take_profit")
    narrow = space.override(
        {"lookback_period": {"type": "discrete", "bounds": [5, 50]}, "threshold": Continuous(0.03, 0.04)},
        ["lookback_period > 6"],
    )
    assert narrow.names == space.names
    assert narrow.constraints == ("stop_loss < take_profit", "lookback_period > 6")
    assert narrow.parameters["lookback_period"].default == 20
    assert narrow.parameters["threshold"].default_value == pytest.approx(0.035)
    points = narrow.sample(50, 0)
    assert points[:, 0].min() >= 7
    assert points[:, 2:].tolist() == [[0.5, 0.05, 0.10]] * 50


def test_override_takes_a_document():
    data = {"parameter_space": {"n": {"type": "discrete", "bounds": [0, 99]}}, "constraints": ["n > 90"]}
    space = ParameterSpace("s", {"n": Discrete(0, 9), "c": Categorical(["a", "b"], condition="n > 95")})
    assert space.override(data).sample(20, 0)[:, 0].min() > 90
    assert space.override(data).parameters["c"] == Categorical(["a"], "a", condition="n > 95")


@pytest.mark.parametrize(
    ("data", "message", "parameter"),
    [
        ({"lookback": {"type": "discrete", "bounds": [5, 50]}}, "did you mean 'lookback_period'", "lookback"),
        ({"lookback_period": {"type": "continuous", "bounds": [5, 50]}}, "is discrete", "lookback_period"),
        ({"ma": {"type": "categorical", "choices": ["sma", "wma"]}}, "'wma' is not one", "ma"),
        ({"ma": {"type": "categorical", "choices": []}}, "empty", "ma"),
    ],
)
def test_override_refuses_another_strategys_file(data, message, parameter):
    space = momentum().add_parameter("ma", "categorical", ["sma", "ema"])
    with pytest.raises(SpaceError, match=message) as caught:
        space.override(data)
    assert caught.value.parameter == parameter


def test_override_with_nothing_is_refused():
    for data in ({}, {"parameter_space": {}}, {"parameter_space": {}, "constraints": ["threshold > 0"]}):
        with pytest.raises(SpaceError, match=r"empty: it names no parameter to search.*with_constraints"):
            momentum().override(data)


STOPS = ParameterSpace(
    "stops",
    {
        "fast": Discrete(1, 9, default=3),
        "stop": Categorical(["none", "fixed", "trailing"]),
        "level": Continuous(0.01, 0.2, condition="stop != 'none'"),
        "trail": Continuous(0.01, 0.2, condition="stop == 'trailing' and fast > 2"),
        "pace": Continuous(0.0, 1.0, condition="trail > 0.1"),
    },
    constraints=["fast > 1", "trail < 0.15", "not stop == 'fixed' or fast < 8"],
)


def test_parameters_that_could_never_be_active_are_left_out():
    narrow = STOPS.override({"fast": Discrete(1, 5)})  # `stop` keeps its default, 'none'
    assert narrow.names == ("fast", "stop")
    assert narrow.constraints == ("fast > 1", "not stop != stop or fast < 8")
    assert narrow == STOPS.fix({"stop": "none"}).override({"fast": Discrete(1, 5)})
    assert narrow.override(dict(narrow.parameters)).parameters == narrow.parameters
    assert ParameterSpace.from_json(narrow.to_json()) == narrow


def test_conditions_name_the_choices_that_are_left():
    narrow = STOPS.override({"stop": Categorical(["trailing", "fixed"]), "level": Continuous(0.05, 0.1)})
    assert narrow.names == STOPS.names
    assert narrow.parameters["level"].condition == "stop == stop"
    assert narrow.parameters["trail"].condition == "stop == 'trailing' and fast > 2"
    assert not np.isnan(narrow.sample(50, 0)[:, 2]).any()
    assert STOPS.fix({"stop": "fixed"}).names == ("fast", "stop", "level")


def test_a_parameter_that_is_asked_for_needs_what_it_depends_on():
    message = r"'level' would never be active: .*keeps its default \(stop = 'none'\); name that too, or leave"
    with pytest.raises(SpaceError, match=message) as caught:
        STOPS.override({"level": Continuous(0.01, 0.1)})
    assert caught.value.parameter == "level"
    with pytest.raises(SpaceError, match=r"'pace' would never be active: .*\(stop = 'none'\)"):
        STOPS.override({"pace": Continuous(0, 1)})
    fixed = STOPS.override({"stop": Categorical(["fixed"]), "trail": Continuous(0.01, 0.1)})
    assert fixed.names == ("fast", "stop", "level")  # without the choice that `trail` needs it was not wanted
    whole = dict(STOPS.parameters) | {"stop": Categorical(["none", "fixed"])}
    assert STOPS.override(whole).names == ("fast", "stop", "level")
    assert STOPS.fix({"stop": "none", "level": 0.1}).names == ("fast", "stop")


def test_flags_and_numbers_as_choices():
    space = ParameterSpace(
        "s",
        {
            "on": Categorical([True, False]),
            "kind": Categorical(["off", 1, 2]),
            "a": Discrete(1, 5, condition="on"),
            "b": Discrete(1, 5, condition="not on or kind == 1"),
            "c": Discrete(1, 5, condition="kind != 'off'"),
        },
    )
    assert space.fix({"on": False}).names == ("on", "kind", "b", "c")
    assert space.fix({"on": True, "kind": 2}).names == ("on", "kind", "a", "c")
    numbers = space.override({"kind": Categorical([2, 1]), "on": Categorical([True, False])})
    assert numbers.parameters["c"].condition == "kind == kind"
    assert numbers.sample(40, 0).shape == (40, 5)


def test_a_choice_that_never_was_is_still_a_mistake():
    with pytest.raises(SpaceError, match="'trailling' is not one of the choices"):
        STOPS.override({"trail": Continuous(0.01, 0.1, condition="stop == 'trailling'")})
    with pytest.raises(SpaceError, match="'trailling' is not one of the choices"):
        STOPS.override({"fast": Discrete(1, 5)}, ["stop != 'trailling' or trail > 0.1"])


def test_fix_holds_a_value():
    space = momentum().fix({"lookback_period": 30, "threshold": 0.025})
    assert space.sample(5, 0)[:, :2].tolist() == [[30.0, 0.025]] * 5
    with pytest.raises(SpaceError, match="outside the bounds") as caught:
        momentum().fix({"threshold": 1.0})
    assert caught.value.parameter == "threshold"


def test_arrays_for_operators():
    space = ParameterSpace(
        "s",
        {
            "x": Continuous(0.1, 2, log=True),
            "y": Continuous(0, 1, 0.5, step=0.25),
            "n": Discrete(2, 10, step=2),
            "c": Categorical(["a", "b", "c"], "b"),
        },
    )
    assert space.kinds.tolist() == [0, 0, 1, 2]
    assert space.lows.tolist() == [0.1, 0, 2, 0]
    assert space.highs.tolist() == [2, 1, 10, 2]
    assert space.steps.tolist() == [0, 0.25, 2, 1]
    assert space.sizes.tolist() == [np.inf, 5, 5, 3]
    assert space.is_log.tolist() == [True, False, False, False]
    assert space.default_values[1:].tolist() == [0.5, 6.0, 1.0]
