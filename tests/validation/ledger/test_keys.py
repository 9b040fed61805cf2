"""Keys name trials whatever they were searched in; sets of them count unions as exact sets do, or nearly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_optimizer.market import Bars
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.strategies import get_strategy
from strategy_optimizer.tasks import FinishedSearch
from strategy_optimizer.tasks.strategy_binding import bind_strategy
from strategy_optimizer.validation.ledger import KeySet, count_beyond, trials_of, union
from strategy_optimizer.validation.ledger.keys import (
    ALL,
    MOST_KEYS,
    are_in,
    hash_rows,
    parameter_keys,
    representative_keys,
)
from strategy_optimizer.validation.statistics import distinct_count

FEW_KEYS = st.lists(st.integers(0, 30), max_size=20).map(lambda keys: np.array(keys, np.uint64))


def random_keys(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, ALL, n, dtype=np.uint64)


@given(own=FEW_KEYS, others=st.lists(FEW_KEYS, max_size=4))
def test_few_keys_are_counted_as_sets_count_them(own: np.ndarray, others: list[np.ndarray]) -> None:
    sets = [set(keys.tolist()) for keys in others]
    kept = [KeySet.of(keys) for keys in others]
    assert count_beyond(KeySet.of(own), kept) == (len(set().union(*sets) - set(own.tolist())), 0.0)
    assert union(kept).count == (len(set().union(*sets)), 0.0)


@pytest.mark.parametrize("n", [MOST_KEYS, MOST_KEYS + 1, 20_000, 200_000])
@pytest.mark.parametrize("overlap", [0.0, 0.5, 1.0])
def test_the_union_of_many_keys_is_within_its_stated_error(n: int, overlap: float) -> None:
    a, b, shared = random_keys(n, 1), random_keys(3 * n, 2), round(n * overlap)
    b[:shared] = a[:shared]
    exact = len(set(a.tolist()) | set(b.tolist()))
    kept = [KeySet.of(a), KeySet.of(b)]
    assert max(len(each.keys) for each in kept) <= MOST_KEYS
    both, beyond = union(kept).count, count_beyond(kept[0], kept[1:])
    assert abs(both.value - exact) <= 4.0 * both.error
    assert abs(beyond.value - (exact - n)) <= 4.0 * beyond.error + 1e-6
    assert both.error <= both.value / np.sqrt(MOST_KEYS)
    assert (both.error == 0.0) == (4 * n - shared <= MOST_KEYS)


def test_the_stated_error_is_the_true_one() -> None:
    deviations = []
    for seed in range(200):
        own, other = KeySet.of(random_keys(3000, seed)), KeySet.of(random_keys(12_000, 1000 + seed))
        found = count_beyond(own, [other])
        deviations.append((found.value - 12_000) / found.error)
    assert abs(np.mean(deviations)) < 0.25
    assert 0.85 < np.std(deviations) < 1.15


def test_the_same_keys_again_add_nothing_however_many() -> None:
    kept = KeySet.of(random_keys(50_000, 1))
    assert count_beyond(kept, [kept, kept]) == (0.0, 0.0)
    assert union([kept, kept]).count == kept.count


def test_nothing_at_all_is_counted_too() -> None:
    none = KeySet.of(np.empty(0, np.uint64))
    assert union([]).count == (0.0, 0.0)
    assert count_beyond(none, []) == (0.0, 0.0)
    assert count_beyond(none, [KeySet.of(np.array([7], np.uint64))]) == (1.0, 0.0)


@given(values=FEW_KEYS, ordered=FEW_KEYS)
def test_membership_is_that_of_numpy(values: np.ndarray, ordered: np.ndarray) -> None:
    assert are_in(values, np.sort(ordered)).tolist() == np.isin(values, ordered).tolist()


def test_hashes_are_spread_evenly_and_differ_in_every_column() -> None:
    rows = np.random.default_rng(0).integers(10, 100, (50_000, 3)).astype(np.float64)
    rows = np.unique(rows, axis=0)
    hashed = hash_rows(rows, 5)
    assert len(np.unique(hashed)) == len(rows)
    counts = np.bincount((hashed >> np.uint64(58)).astype(np.intp), minlength=64)
    chi_square = float(((counts - len(rows) / 64) ** 2 / (len(rows) / 64)).sum())
    assert 25.0 < chi_square < 115.0  # 63 degrees of freedom: 1 in 100,000 on either side
    assert not np.isin(hash_rows(rows, 6), hashed).any()


def test_zeros_and_missing_values_have_one_hash_each() -> None:
    odd_nan = np.array([0x7FF8000000000001], np.uint64).view(np.float64)[0]
    hashed = hash_rows(np.array([[0.0, np.nan], [-0.0, odd_nan]]), 0)
    assert hashed[0] == hashed[1]


def keys_of(name: str, space: ParameterSpace, points: np.ndarray) -> np.ndarray:
    strategy = get_strategy(name)
    return parameter_keys(strategy.digest(), bind_strategy(strategy, space).space(), space, points)


def test_keys_do_not_depend_on_bounds_fixed_parameters_or_the_order_of_choices() -> None:
    own = get_strategy("ma_cross").space()
    narrow = own.fix({"fast": 12})
    rows = [row | {"fast": 12} for row in own.to_dicts(own.sample(40, 1))]
    rows = [row for row in rows if own.is_feasible(own.from_dicts([row]))[0]]
    assert len(rows) > 5
    one = keys_of("ma_cross", own, own.from_dicts(rows))
    other = keys_of("ma_cross", narrow, narrow.from_dicts(rows))
    assert one.tolist() == other.tolist()
    entries = own.to_json()["parameter_space"]
    entries["ma"]["choices"] = entries["ma"]["choices"][::-1]
    turned = own.override(entries)
    assert turned.from_dicts(rows).tolist() != own.from_dicts(rows).tolist()
    assert keys_of("ma_cross", turned, turned.from_dicts(rows)).tolist() == one.tolist()


def test_a_parameter_that_is_left_out_has_its_default() -> None:
    own = get_strategy("momentum").space()
    part = own.override({"lookback_period": {"type": "discrete", "bounds": [5, 200]}})
    row = own.defaults() | {"lookback_period": 33}
    one = keys_of("momentum", own, own.from_dicts([row]))
    other = keys_of("momentum", part, part.from_dicts([row]))
    assert one.tolist() == other.tolist()
    only = ParameterSpace("momentum", {"lookback_period": own.parameters["lookback_period"]})
    assert keys_of("momentum", only, only.from_dicts([{"lookback_period": 33}])).tolist() == one.tolist()


def test_another_strategy_has_other_keys() -> None:
    own = get_strategy("momentum").space()
    points = own.sample(50, 1)
    other = parameter_keys("0" * 64, own, own, points)
    assert not np.isin(keys_of("momentum", own, points), other).any()


def test_there_are_as_many_keys_as_trials_with_different_returns(
    market: Bars, search_of: Callable[..., FinishedSearch]
) -> None:
    search = search_of(market, "ma_cross", evaluations=400)
    blocks = search.history.blocks[:, :, 1]
    found = trials_of(search)
    assert found.distinct == len(found.keys.keys) == distinct_count(blocks) < 400


def test_the_smallest_key_of_equal_returns_stands_for_them() -> None:
    keys = np.array([9, 4, 7, 5], np.uint64)
    returns = np.array([[0.1, 0.2], [0.3, 0.0], [0.1, 0.2], [0.3, -0.0]])
    assert sorted(representative_keys(keys, returns).tolist()) == [4, 7]
