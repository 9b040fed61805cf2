"""Purged K-fold and CPCV against skfolio's tables and the definition, bar by bar."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_optimizer.errors import SplitError
from strategy_optimizer.splits import combinatorial_purged, purged_k_fold


@pytest.mark.parametrize(
    ("gaps", "trains"),
    [
        ({}, [[8, 9, 10, 11], [4, 5, 6, 7], [0, 1, 2, 3]]),
        ({"purge": 1}, [[9, 10, 11], [5, 6], [0, 1, 2]]),
        ({"embargo": 1}, [[9, 10, 11], [5, 6, 7], [0, 1, 2, 3]]),
        ({"purge": 1, "embargo": 1}, [[10, 11], [6], [0, 1, 2]]),  # by hand
    ],
)
def test_skfolios_documented_splits(gaps, trains):
    splits = combinatorial_purged(12, 3, 2, **gaps)
    assert [split.train.tolist() for split in splits] == trains
    blocks = [range(4), range(4, 8), range(8, 12)]
    assert [split.tests for split in splits] == [
        tuple(blocks[i] for i in pair) for pair in [(0, 1), (0, 2), (1, 2)]
    ]


@pytest.mark.parametrize(
    ("folds", "test_folds", "n_splits", "n_paths"), [(6, 2, 15, 5), (10, 2, 45, 9), (10, 8, 45, 36)]
)
def test_number_of_splits_and_paths(folds, test_folds, n_splits, n_paths):
    splits = combinatorial_purged(100, folds, test_folds)
    assert len(splits) == n_splits
    assert splits.n_paths == len(splits.paths) == n_paths


def test_the_paths_of_six_folds_two_tested():
    """López de Prado (2018), figure 12.1: fold f of path p is the p-th time that f is tested."""
    paths = combinatorial_purged(6, 6, 2).paths
    assert paths.tolist() == [
        [0, 0, 1, 2, 3, 4],
        [1, 5, 5, 6, 7, 8],
        [2, 6, 9, 9, 10, 11],
        [3, 7, 10, 12, 12, 13],
        [4, 8, 11, 13, 14, 14],
    ]


def test_purged_k_fold_tests_each_fold_once():
    splits = purged_k_fold(10, 5, purge=1, embargo=1)
    assert [split.tests for split in splits] == [(range(2 * k, 2 * k + 2),) for k in range(5)]
    assert splits[2].train.tolist() == [0, 1, 2, 8, 9]
    assert splits.paths.tolist() == [[0, 1, 2, 3, 4]]


def test_splits_are_a_sequence():
    splits = combinatorial_purged(12, 3, 2)
    assert splits[-1].train.tolist() == [0, 1, 2, 3]
    assert [split.train.tolist() for split in splits[1:]] == [[4, 5, 6, 7], [0, 1, 2, 3]]
    with pytest.raises(IndexError):
        splits[3]
    with pytest.raises(ValueError, match="read-only"):
        splits[0].train[0] = 5


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((100, 40, 20), {}, "137,846,528,820 ways; expected at most 100,000"),
        ((100, 5, 5), {}, "test_folds is 5 of 5 folds"),
        ((100, 1, 1), {}, "folds is 1; expected a whole number of at least 2"),
        ((4, 5, 1), {}, "5 folds need as many bars, found 4"),
        ((12, 3, 2), {"purge": 4}, "no training bar of 12 is left"),
        ((30, 10, 9), {"embargo": 3}, "no training bar"),
        ((12, 3, 2), {"embargo": -1}, "embargo is -1"),
    ],
)
def test_what_cannot_be_split_is_said_before_anything_runs(arguments, options, message):
    with pytest.raises(SplitError, match=message):
        combinatorial_purged(*arguments, **options)


@given(
    n=st.integers(10, 80),
    folds=st.integers(2, 7),
    data=st.data(),
    purge=st.integers(0, 3),
    embargo=st.integers(0, 3),
)
def test_what_holds_for_every_combinatorial_split(n, folds, data, purge, embargo):
    test_folds = data.draw(st.integers(1, folds - 1))
    try:
        splits = combinatorial_purged(n, folds, test_folds, purge=purge, embargo=embargo)
    except SplitError:
        assert purge or embargo
        return
    times_tested = np.zeros(n, dtype=int)
    for split in splits:
        tested = np.concatenate([np.array(block) for block in split.tests])
        times_tested[tested] += 1
        _check_gaps(n, split, set(tested.tolist()), purge, embargo)
    assert (times_tested == comb(folds - 1, test_folds - 1)).all()
    _check_paths(splits)


def _check_gaps(n, split, tested, purge, embargo):
    """A bar trains unless it is tested or within the gap of a tested bar: checked bar by bar."""
    trained = set(split.train.tolist())
    for bar in range(n):
        near = range(bar - purge - embargo, bar + purge + 1)
        assert (bar in trained) == (not tested.intersection(near))


def _check_paths(splits):
    """Every path takes each fold from a split that tests it, and no tested block is taken twice."""
    taken = set()
    for path in splits.paths:
        for fold, split in enumerate(path):
            assert splits.folds[fold] in splits[int(split)].tests
            taken.add((int(split), fold))
    assert len(taken) == len(splits) * splits.test_folds
