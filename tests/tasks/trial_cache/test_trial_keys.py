"""A key changes with every ingredient, and with nothing else."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_optimizer import ParameterSpace, get_strategy
from strategy_optimizer.backtest import Costs, Rules
from strategy_optimizer.engines import Engine, EngineRun
from strategy_optimizer.errors import SpaceError, TaskError
from strategy_optimizer.tasks.trial_cache import TrialKeys, trial_keys
from strategy_optimizer.tasks.trial_cache.trial_keys import content_bytes

RULES = Rules(Costs(commission=0.0005, slippage=0.0002), window=(100, 900))
BASE = {"code": "c0de", "data": "da7a", "rules": RULES, "versions": {"engine": "1.2"}, "seed": 3}
POINT = {"days": 20, "level": 0.5, "kind": "a", "flag": True}


def space() -> ParameterSpace:
    return (
        ParameterSpace("s")
        .add_parameter("days", "discrete", (-50, 50))
        .add_parameter("level", "continuous", (-1.0, 1.0))
        .add_parameter("step", "continuous", (0.0, 1.0), step=0.1)
        .add_parameter("kind", "categorical", ["a", "b"])
        .add_parameter("flag", "categorical", [True, False])
    )


def key(parameters: dict | None = None, **changes: object) -> bytes:
    return TrialKeys(**{**BASE, "space": space(), **changes}).key(parameters or POINT)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"code": "c0df"},
        {"data": "da7b"},
        {"versions": {"engine": "1.3"}},
        {"versions": {"engine": "1.2", "numpy": "2"}},
        {"versions": {}},
        {"seed": 4},
        {"seed": None},
        {"horizon": 5},
        {"rules": replace(RULES, costs=Costs(commission=0.0006, slippage=0.0002))},
        {"rules": replace(RULES, costs=Costs(commission=0.0005, slippage=0.0003))},
        {"rules": replace(RULES, costs=replace(RULES.costs, fixed_fee=1.0))},
        {"rules": replace(RULES, costs=replace(RULES.costs, borrow=0.01))},
        {"rules": replace(RULES, cash=99_999.0)},
        {"rules": replace(RULES, fill="close")},
        {"rules": replace(RULES, reentry="fresh_signal")},
        {"rules": replace(RULES, window=(100, 901))},
        {"rules": replace(RULES, window=None)},
        {"rules": replace(RULES, n_blocks=8)},
        {"rules": replace(RULES, periods_per_year=252.0)},
    ],
    ids=str,
)
def test_every_ingredient_changes_the_key(change: dict) -> None:
    assert key(**change) != key()


@pytest.mark.parametrize(
    "change",
    [{"days": 21}, {"level": math.nextafter(0.5, 1.0)}, {"kind": "b"}, {"flag": False}, {"step": 0.0}],
    ids=str,
)
def test_every_parameter_changes_the_key(change: dict) -> None:
    assert key({**POINT, **change}) != key()


def test_a_parameter_left_out_changes_the_key() -> None:
    keys = {key({name: POINT[name] for name in POINT if name != left_out}) for left_out in POINT}
    assert len(keys | {key()}) == len(POINT) + 1


def test_our_own_version_and_the_format_are_ingredients(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key()
    monkeypatch.setattr(trial_keys, "__version__", "99.0")
    newer = key()
    monkeypatch.setattr(trial_keys, "KEY_FORMAT", 99)
    assert len({before, newer, key()}) == 3


def test_the_digests_of_a_strategy_and_of_bars_tell_changes(nasdaq) -> None:
    momentum, other = get_strategy("momentum"), get_strategy("ma_cross")
    changed = nasdaq.slice(0, 500)
    found = {
        key(code=code.digest(), data=data.digest)
        for code in (momentum, other)
        for data in (nasdaq, changed, nasdaq.slice(0, 501))
    }
    assert len(found) == 6
    assert key(code=momentum.digest(), data=changed.digest) in found


class Callable(Engine):
    """An engine whose digest and versions are given."""

    label = "callable"

    def __init__(self, digest: str, version: str) -> None:
        self._digest, self._version = digest, version

    def run(self, parameters) -> EngineRun:
        return EngineRun({"score": 1.0})

    def digest(self) -> str:
        return self._digest

    def versions(self) -> dict[str, str]:
        return {"package": self._version}


def test_an_engine_is_known_by_its_digest_and_versions() -> None:
    made = [("a", "1", {}), ("b", "1", {}), ("a", "2", {}), ("a", "1", {"fold": 1})]
    keys = {TrialKeys.of_engine(Callable(d, v), space(), **more).key(POINT) for d, v, more in made}
    assert len(keys) == 4
    assert TrialKeys.of_engine(Callable("a", "1"), space()).key(POINT) in keys


def test_bounds_and_order_of_the_space_are_no_part_of_a_key() -> None:
    other = (
        ParameterSpace("t")
        .add_parameter("flag", "categorical", [False, True])
        .add_parameter("kind", "categorical", ["c", "b", "a"])
        .add_parameter("level", "continuous", (0.0, 9.0))
        .add_parameter("days", "discrete", (1, 99))
    )
    assert key(space=other) == key()


def test_another_process_makes_the_same_key() -> None:
    code = (
        "from strategy_optimizer.tasks.trial_cache import TrialKeys\n"
        "print(TrialKeys(code='c', data='d', rules={'a', 'b', 'c'}).key({'x': 1.5, 'k': 'é'}).hex())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
        )
        for environment in ({"PYTHONHASHSEED": str(n), "PYTHONPATH": ":".join(sys.path)} for n in (1, 2))
    ]
    here = TrialKeys(code="c", data="d", rules={"c", "a", "b"}).key({"k": "é", "x": 1.5})
    assert [run.stdout.strip() for run in runs] == [here.hex()] * 2


# -- canonical parameters


points = st.fixed_dictionaries(
    {
        "days": st.integers(-50, 50),
        "level": st.floats(-1, 1),
        "step": st.integers(0, 10).map(lambda k: k / 10),
    },
    optional={"kind": st.sampled_from(["a", "b"]), "flag": st.booleans()},
)


def in_disguise(value: object, draw: st.DataObject) -> object:
    """Return the same value as another type that people have at hand."""
    if isinstance(value, bool):
        return draw.draw(st.sampled_from([value, np.bool_(value)]))
    if isinstance(value, int):
        return draw.draw(
            st.sampled_from([value, float(value), np.int32(value), np.int64(value), np.float64(value)])
        )
    if isinstance(value, float):
        zeros = [0.0, -0.0, 0] if value == 0 else []
        whole = [int(value)] if value.is_integer() else []
        return draw.draw(st.sampled_from([value, np.float64(value), *zeros, *whole]))
    return draw.draw(st.sampled_from([value, np.str_(value)]))


@given(points, st.data())
def test_the_same_point_in_disguise_has_the_same_key(point: dict, data: st.DataObject) -> None:
    names = data.draw(st.permutations(list(point)))
    disguised = {name: in_disguise(point[name], data) for name in names}
    assert key(disguised) == key(point)
    plain = TrialKeys(**BASE, space=space()).canonical(disguised)  # type: ignore[arg-type]
    assert plain == point
    assert {name: type(value) for name, value in plain.items()} == {n: type(v) for n, v in point.items()}
    assert not any(math.copysign(1, plain[name]) < 0 for name in ("level", "step") if plain[name] == 0)


@given(points, points)
def test_different_points_have_different_keys(one: dict, other: dict) -> None:
    assert (key(one) == key(other)) == (one == other)


@given(points)
def test_canonical_parameters_are_those_that_the_space_runs(point: dict) -> None:
    whole_point = {**space().defaults(), **point}
    mine = space()
    assert (
        TrialKeys(**BASE, space=mine).canonical(whole_point)
        == mine.to_dicts(mine.from_dicts([whole_point]))[0]
    )  # type: ignore[arg-type]


def test_a_sum_of_steps_is_the_step() -> None:
    assert key({**POINT, "step": 0.1 + 0.2}) == key({**POINT, "step": 0.3})


def test_without_a_space_types_are_kept_apart() -> None:
    keys = TrialKeys(code="c", data="d")
    values = [True, 1, 1.0, "1", b"1", "True", None, [1], 2**70]
    assert len({keys.key({"x": value}) for value in values}) == len(values)
    assert keys.key({"x": np.float64(0.0)}) == keys.key({"x": -0.0})
    assert keys.key({"x": np.int64(1)}) == keys.key({"x": 1})


@pytest.mark.parametrize("value", [True, 1.5, "a", 99, None, float("nan")])
def test_a_value_of_another_kind_is_refused(value: object) -> None:
    with pytest.raises(SpaceError, match="parameter 'days'"):
        key({**POINT, "days": value})


# -- content as bytes


plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def identity(value: object) -> object:
    """Return the value with its types, as something that can be compared."""
    if isinstance(value, dict):
        return ("m", frozenset((key, identity(item)) for key, item in value.items()))
    if isinstance(value, list):
        return ("l", tuple(map(identity, value)))
    return (type(value).__name__, value)


@given(plain_values, plain_values)
def test_the_same_bytes_mean_the_same_content(one: object, other: object) -> None:
    assert (content_bytes(one) == content_bytes(other)) == (identity(one) == identity(other))


def test_lengths_keep_neighbours_apart() -> None:
    pairs = [(["ab", "c"], ["a", "bc"]), ([["a"], "b"], [["a", "b"]]), ({"a": {"b": 1}}, {"a": {}, "b": 1})]
    assert all(content_bytes(one) != content_bytes(other) for one, other in pairs)


def test_arrays_count_with_type_and_shape() -> None:
    array = np.arange(6.0)
    kinds = [array, array.astype(np.float32), array.reshape(2, 3), array[::-1], array.tolist()]
    assert len({content_bytes(kind) for kind in kinds}) == 5
    assert content_bytes(np.arange(12.0)[::2]) == content_bytes(np.arange(12.0)[::2].copy())


@pytest.mark.parametrize("value", [lambda: 1, object(), np.array(["a"]), Costs, 1j])
def test_what_has_no_content_is_refused(value: object) -> None:
    with pytest.raises(TaskError, match="has no content"):
        TrialKeys(code="c", data="d", thing=value)
