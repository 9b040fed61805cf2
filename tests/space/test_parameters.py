"""Definitions: what each kind accepts, what it becomes, and what it refuses."""

import math

import numpy as np
import pytest

from strategy_optimizer.errors import SpaceError
from strategy_optimizer.space import Categorical, Continuous, Discrete, ParameterSpace


@pytest.mark.parametrize(
    ("kind", "domain", "options", "message"),
    [
        ("continuous", (1, 0), {}, "reversed"),
        ("discrete", (10, 2), {}, "reversed"),
        ("continuous", (0, math.nan), {}, "finite"),
        ("continuous", (-math.inf, 0), {}, "finite"),
        ("continuous", (0, 1e301), {}, "finite"),
        ("continuous", (0, 10**400), {}, "finite"),
        ("continuous", ("0", 1), {}, "must be a number"),
        ("continuous", (False, 1), {}, "must be a number"),
        ("continuous", (0, 1, 2), {}, "must be a pair"),
        ("continuous", 5, {}, "must be a pair"),
        ("continuous", "01", {}, "must be a pair"),
        ("continuous", (0, 1), {"default": 1.5}, "outside the bounds"),
        ("continuous", (0, 1), {"default": "x"}, "must be a number"),
        ("continuous", (0, 1), {"step": 0.3}, r"nearest upper bounds that do are 0\.9 and 1\.2"),
        ("continuous", (0, 1), {"step": 0}, "above 0"),
        ("continuous", (0, 1), {"step": -0.1}, "above 0"),
        ("continuous", (0, 1e9), {"step": 1e-9}, "too fine"),
        ("continuous", (0, 1), {"step": 0.1, "default": 0.25}, "does not lie on the step"),
        ("continuous", (0, 1), {"log": True}, "above 0"),
        ("continuous", (1, 2), {"log": True, "step": 0.5}, "exclude each other"),
        ("continuous", (1, 2), {"log": "yes"}, "true or false"),
        ("discrete", (1.5, 3), {}, "whole number"),
        ("discrete", (0, 2**60), {}, "whole number"),
        ("discrete", (10, 99), {"step": 20}, "are 90 and 110"),
        ("discrete", (1, 9), {"step": 0}, "at least 1"),
        ("discrete", (0, 9), {"log": True}, "above 0"),
        ("discrete", (1, 9), {"log": True, "step": 2}, "exclude each other"),
        ("discrete", (1, 9), {"default": 10}, "outside the bounds"),
        ("discrete", (0, 10), {"step": 5, "default": 7}, "nearest that does is 5"),
        ("categorical", [], {}, "empty"),
        ("categorical", ["a", "b", "a"], {}, "'a' appears twice"),
        ("categorical", [1, True], {}, "appears twice"),
        ("categorical", "abc", {}, "must be a list"),
        ("categorical", [None], {}, "text, a number or true/false"),
        ("categorical", [math.nan], {}, "finite"),
        ("categorical", ["sma", "ema"], {"default": "smaa"}, "did you mean 'sma'"),
        ("categorical", ["a"], {"log": True}, "no log"),
        ("categorical", ["a"], {"step": 1}, "no step"),
        ("continous", (0, 1), {}, "did you mean 'continuous'"),
        (["continuous"], (0, 1), {}, "unknown kind"),
        ("continuous", (0, 1), {"condition": "other > 1"}, "add that parameter first"),
        ("continuous", (0, 1), {"condition": "x > 1"}, "may not depend on itself"),
        ("continuous", (0, 1), {"condition": "1 +"}, "cannot be read"),
        ("continuous", (0, 1), {"condition": 7}, "must be text"),
    ],
)
def test_a_wrong_definition_is_one_error_that_names_the_parameter(kind, domain, options, message):
    with pytest.raises(SpaceError, match=message) as caught:
        ParameterSpace().add_parameter("x", kind, domain, **options)
    assert caught.value.parameter == "x"
    assert "'x'" in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "1a", "a.b", "if", "True", "min", "é", 3, None, "x" * 101])
def test_a_name_is_an_identifier(name):
    with pytest.raises(SpaceError):
        ParameterSpace().add_parameter(name, "continuous", (0, 1))


def test_a_name_is_taken_once():
    space = ParameterSpace().add_parameter("x", "continuous", (0, 1))
    with pytest.raises(SpaceError, match="already has") as caught:
        space.add_parameter("x", "discrete", (0, 1))
    assert caught.value.parameter == "x"
    assert space.parameters["x"].kind == "continuous"


@pytest.mark.parametrize(
    ("parameter", "default"),
    [
        (Continuous(0.01, 0.05), 0.03),
        (Continuous(0.01, 1.0, log=True), 0.1),
        (Continuous(0, 1, step=0.1), 0.5),
        (Continuous(-1, 1), 0.0),
        (Discrete(10, 100), 55),
        (Discrete(1, 10_000, log=True), 100),
        (Discrete(0, 10, step=5), 5),
        (Categorical(["a", "b"]), "a"),
    ],
)
def test_the_default_is_the_middle_of_the_scale(parameter, default):
    assert parameter.default_value == pytest.approx(default, abs=1e-15) if default != "a" else "a"
    assert type(parameter.default_value) is type(default)


@pytest.mark.parametrize(
    ("low", "high", "step", "values"),
    [
        (0.1, 0.5, 0.1, [0.1, 0.2, 0.3, 0.4, 0.5]),
        (-0.3, 0.3, 0.1, [-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3]),
        (0, 1, 1 / 3, [0.0, 1 / 3, 2 / 3, 1.0]),
        (0.05, 0.2, 0.05, [0.05, 0.1, 0.15, 0.2]),
        (1e-8, 3e-8, 1e-8, [1e-8, 2e-8, 3e-8]),
        (0, 0.1 + 0.2, 0.1, [0.0, 0.1, 0.2, 0.3]),  # the bound 0.30000000000000004 is meant as 0.3
    ],
)
def test_stepped_values_are_the_floats_a_person_writes(low, high, step, values):
    space = ParameterSpace("s", {"x": Continuous(low, high, step=step)})
    assert space.enumerate(100)[:, 0].tolist() == values
    noisy = np.array(values)[:, None] + 0.3 * step * np.where(np.arange(len(values)) % 2, 1, -1)[:, None]
    assert space.snap(noisy)[:, 0].tolist() == values
    assert space.from_unit(space.to_unit(noisy))[:, 0].tolist() == values
    assert space.from_dicts([{"x": v + 1e-12 * step} for v in values])[:, 0].tolist() == values


def test_numpy_values_become_plain_python():
    discrete = Discrete(np.int64(1), np.float64(9.0), np.int32(3), step=np.int8(2))
    assert [type(v) for v in (discrete.low, discrete.high, discrete.default, discrete.step)] == [int] * 4
    categorical = Categorical(np.array(["a", "b"]), np.str_("b"))
    assert type(categorical.default) is str
    assert type(Continuous(np.float32(0), 1, np.int64(1)).default) is float


def test_a_fixed_parameter_has_one_value():
    space = ParameterSpace("s", {"a": Continuous(2, 2), "b": Discrete(3, 3), "c": Continuous(5, 5, log=True)})
    assert space.cardinality == 1
    assert space.sample(3, 0).tolist() == [[2.0, 3.0, 5.0]] * 3
    assert np.array_equal(space.to_unit([[2.0, 3.0, 5.0]]), [[0.5, 0.5, 0.5]])
