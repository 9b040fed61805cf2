"""Which trials are stopped before their last fold, and how sure that is."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from strategy_optimizer.errors import TaskError
from strategy_optimizer.tasks.pruning import LOWER_HALF, PRIOR_FREEDOM, Estimate, FoldPruner, fold_order

FOLDS = 8
scores = st.lists(st.floats(-3, 3), min_size=FOLDS, max_size=FOLDS)


def market(n: int, seed: int = 0, spread: float = 1.0, noise: float = 1.0) -> np.ndarray:
    """Return the scores (n, FOLDS) of trials: how good each is, how hard each fold is, and luck."""
    rng = np.random.default_rng(seed)
    good, hard = spread * rng.standard_normal((n, 1)), 2.0 * rng.standard_normal(FOLDS)
    return good + hard + noise * rng.standard_normal((n, FOLDS))


@pytest.fixture
def complete() -> np.ndarray:
    return market(30)


@pytest.fixture
def incumbent(complete: np.ndarray) -> np.ndarray:
    return complete[complete.mean(axis=1).argmax()]


@pytest.fixture
def pruner() -> FoldPruner:
    return FoldPruner(FOLDS)


def first(row: np.ndarray, k: int) -> list[float]:
    return row[:k].tolist()


# -- the order


@given(st.integers(1, 100))
def test_every_fold_is_run_once(n: int) -> None:
    assert sorted(fold_order(n)) == list(range(n))


@pytest.mark.parametrize("n", [4, 8, 16, 32])
def test_any_first_folds_are_spread_over_all(n: int) -> None:
    for k in range(2, n):
        gaps = np.diff([*sorted(fold_order(n)[:k]), n])
        assert max(gaps) <= 2 * n / k


# -- the chance


def test_the_chance_is_that_of_the_moderated_test_with_a_finite_population(
    complete, incumbent, pruner
) -> None:
    """The slow direct way: every step as the module says it."""
    for k in range(2, FOLDS):
        for trial in market(5, seed=k):
            differences = trial[:k] - incumbent[:k]
            usual = [np.var(row - incumbent, ddof=1) for row in complete if np.any(row != incumbent)]
            freedom = PRIOR_FREEDOM + k - 1
            variance = (PRIOR_FREEDOM * np.median(usual) + (k - 1) * np.var(differences, ddof=1)) / freedom
            error = np.sqrt(variance / k * (1 - k / FOLDS))
            expected = student.sf(0, freedom, np.mean(differences), error)
            assert pruner.chance(first(trial, k), incumbent, complete) == pytest.approx(expected, rel=1e-9)


def test_one_difference_has_the_usual_variance(complete, incumbent, pruner) -> None:
    usual = np.median([np.var(row - incumbent, ddof=1) for row in complete if np.any(row != incumbent)])
    behind = -1.0
    expected = student.sf(0, PRIOR_FREEDOM, behind, np.sqrt(usual * (1 - 1 / FOLDS)))
    chance = pruner.chance([incumbent[0] - 1.0], incumbent, complete)
    assert chance == pytest.approx(expected, rel=1e-9)


def test_after_the_last_fold_nothing_is_uncertain(complete, incumbent, pruner) -> None:
    assert pruner.chance(first(incumbent - 1e-6, FOLDS), incumbent, complete) == 0
    assert pruner.chance(first(incumbent + 1e-6, FOLDS), incumbent, complete) == 1
    assert pruner.chance(first(incumbent, FOLDS), incumbent, complete) == 0.5


def test_what_all_trials_share_does_not_matter(complete, incumbent, pruner) -> None:
    """A fold in which everything loses ten is no reason to stop anything."""
    hard = np.zeros(FOLDS)
    hard[:2] = -10.0
    trial = market(1, seed=5)[0]
    for k in (2, 3, 5):
        before = pruner.chance(first(trial, k), incumbent, complete)
        after = pruner.chance(first(trial + hard, k), incumbent + hard, complete + hard)
        assert after == pytest.approx(before, rel=1e-9)


@given(scores, st.integers(2, FOLDS - 1), st.floats(0.01, 100), st.floats(-10, 10))
def test_units_do_not_matter(trial: list[float], k: int, scale: float, shift: float) -> None:
    complete = market(10)
    best, row = complete[0], np.array(trial)
    pruner = FoldPruner(FOLDS)
    before = pruner.chance(first(row, k), best, complete)
    after = pruner.chance(first(scale * row + shift, k), scale * best + shift, scale * complete + shift)
    assert after == pytest.approx(before, rel=1e-4, abs=1e-9)


def test_the_chance_is_calibrated() -> None:
    """Of trials that are given a chance near p, about p overtake, where trials differ by more than their luck."""
    chances, overtook = [], []
    for seed in range(100):
        rows = market(420, seed=seed, spread=4.0)
        known, others = rows[:20], rows[20:]
        best = known[seed % 20]  # one that was not chosen for being the best
        for trial in others:
            chances.append(FoldPruner(FOLDS).chance(first(trial, 3), best, known))
            overtook.append(trial.mean() > best.mean())
    found, true = np.array(chances), np.array(overtook)
    for low, high in ((0.0, 0.03), (0.03, 0.1), (0.1, 0.3), (0.3, 0.7)):
        inside = (found >= low) & (found < high)
        assert inside.sum() > 100
        assert true[inside].mean() == pytest.approx(found[inside].mean(), abs=0.05)


# -- the verdict


def test_a_hopeless_trial_is_stopped_and_says_why(complete, incumbent, pruner) -> None:
    reason = pruner.verdict(first(incumbent - 20, 2), incumbent, complete)
    assert reason is not None
    assert reason.startswith("pruned after 2 of 8 folds: 20 below the best trial so far")


def test_a_trial_that_leads_is_never_stopped(complete, incumbent, pruner) -> None:
    for k in range(1, FOLDS + 1):
        assert pruner.verdict(first(incumbent + 0.01, k), incumbent, complete) is None


def test_it_waits_for_folds_trials_and_an_incumbent(complete, incumbent) -> None:
    bad = incumbent - 20
    patient = FoldPruner(FOLDS, min_folds=4, min_trials=10)
    assert [patient.verdict(first(bad, k), incumbent, complete) is None for k in range(1, 6)] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert patient.verdict(first(bad, 4), incumbent, complete[:9]) is None
    assert patient.verdict(first(bad, 4), None, complete) is None
    assert patient.verdict(first(bad, 4), None, np.empty((0, FOLDS))) is None
    assert patient.verdict(first(bad, FOLDS), incumbent, complete) is None  # it is complete


def test_rungs_double() -> None:
    assert {n: FoldPruner(n).rungs for n in (2, 3, 4, 5, 8, 9, 16)} == {
        2: (), 3: (2,), 4: (2,), 5: (2, 4), 8: (2, 4), 9: (2, 4, 8), 16: (2, 4, 8)
    }  # fmt: skip


def test_the_lower_half_of_a_rung_must_be_surer(complete, incumbent) -> None:
    """Every trial between the two limits, at every k: it is stopped where it is in the lower half of a rung."""
    seen = set()
    for error in (0.001, 0.01, 0.02, 0.09, 0.2):
        pruner = FoldPruner(FOLDS, error)
        for trial in market(400, seed=11):
            for k in range(2, FOLDS):
                scores = first(trial, k)
                chance = pruner.chance(scores, incumbent, complete)
                is_low = k in (2, 4) and np.mean(scores) < np.median(complete[:, :k].mean(axis=1))
                limit = min(0.5, LOWER_HALF * error) if is_low else error
                reason = pruner.verdict(scores, incumbent, complete)
                assert (reason is not None) == (chance < limit)
                if reason is not None and is_low:
                    assert reason.endswith(", and in the lower half of all")
                seen.add((is_low, error <= chance < LOWER_HALF * error, reason is not None))
    assert {(True, True, True), (False, True, False), (True, False, False)} <= seen


def test_those_that_were_stopped_count_at_the_rungs_they_came_to(complete, incumbent, pruner) -> None:
    stopped = [first(row, k) for row, k in zip(market(40, seed=3) - 5, [2, 3, 5, 7] * 10, strict=True)]
    race, plain = pruner.race(incumbent, [*complete.tolist(), *stopped]), pruner.race(incumbent, complete)
    for k in (2, 4):
        came = [*complete.tolist(), *(row for row in stopped if len(row) >= k)]
        assert race.middles[k] == pytest.approx(np.median([np.mean(row[:k]) for row in came]))
        assert race.middles[k] < plain.middles[k]
    assert (race.usual, race.variance, race.n_complete) == (plain.usual, plain.variance, plain.n_complete)
    table = np.full((70, FOLDS), np.nan)
    for place, row in enumerate([*complete.tolist(), *stopped]):
        table[place, : len(row)] = row
    assert pruner.race(incumbent, table) == race


def test_a_rung_that_few_have_reached_has_no_half(complete, incumbent) -> None:
    pruner = FoldPruner(FOLDS, min_trials=5)
    for n, known in ((4, False), (5, True)):
        ended = complete[:n].tolist()
        assert np.isfinite(list(pruner.race(incumbent, ended).middles.values())).all() == known


def test_a_smaller_error_stops_less(complete, incumbent) -> None:
    trials = market(200, seed=9)
    stopped = [
        {
            n
            for n, trial in enumerate(trials)
            if FoldPruner(FOLDS, error).verdict(first(trial, 3), incumbent, complete)
        }
        for error in (0.2, 0.05, 0.01, 0.001)
    ]
    assert all(fewer <= more for more, fewer in pairwise(stopped))
    assert len(stopped[0]) > len(stopped[-1])


def test_scores_that_are_not_finite_are_left_to_the_caller(complete, incumbent, pruner) -> None:
    for bad in (float("nan"), float("inf"), -float("inf")):
        assert pruner.verdict([bad, -20.0], incumbent, complete) is None


def test_without_any_spread_nothing_is_known(pruner) -> None:
    same = np.zeros((10, FOLDS))
    assert pruner.verdict([-1.0, -1.0], same[0], same) is None


def test_another_process_judges_alike(complete, incumbent, pruner) -> None:
    trial = first(market(1, seed=3)[0], 3)
    here = [
        pruner.chance(trial, incumbent, complete),
        *vars(pruner.estimate(trial, incumbent, complete)).values(),
    ]
    code = (
        "import json, sys\nfrom strategy_optimizer.tasks.pruning import FoldPruner\n"
        "arguments = json.load(sys.stdin)\npruner = FoldPruner(8)\n"
        "print(json.dumps([pruner.chance(*arguments), *vars(pruner.estimate(*arguments)).values()]))"
    )
    text = json.dumps([trial, incumbent.tolist(), complete.tolist()])
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=text,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert json.loads(done.stdout) == here


# -- a whole search


def test_few_searches_lose_their_winner_and_much_is_saved() -> None:
    lost, spent, n_searches, n_trials = 0, 0, 200, 100
    for seed in range(n_searches):
        rows = market(n_trials, seed=1000 + seed)
        n_folds, best, stopped = search(rows)
        spent += n_folds
        lost += max(stopped, default=-np.inf) > best
    saved = 1 - spent / (n_searches * n_trials * FOLDS)
    assert saved > 0.3
    assert lost / n_searches <= 0.05


def search(rows: np.ndarray) -> tuple[int, float, list[float]]:
    """Return folds spent, the winner's score, and what the stopped trials would have had."""
    pruner, ended, incumbent = FoldPruner(FOLDS), [], None
    stopped = []
    for row in rows:
        for k in range(1, FOLDS + 1):
            if pruner.verdict(first(row, k), incumbent, ended):
                assert pruner.estimate(first(row, k), incumbent, ended).score < incumbent.mean()
                stopped.append(float(row.mean()))
                break
        else:
            if incumbent is None or row.mean() > incumbent.mean():
                incumbent = row
        ended.append(first(row, k))
    return sum(map(len, ended)), float(incumbent.mean()), stopped


# -- the estimate


def test_the_estimate_knows_which_folds_are_hard(pruner) -> None:
    """Without luck, two folds say all: the mean of those two would be far off."""
    rows = market(20, noise=0.0)
    rows += 1e-9 * np.random.default_rng(1).standard_normal(rows.shape)
    best = rows[rows.mean(axis=1).argmax()]
    trial = best - 3.0
    found = pruner.estimate(first(trial, 2), best, rows)
    assert found.score == pytest.approx(trial.mean(), abs=1e-6)
    assert abs(np.mean(first(trial, 2)) - trial.mean()) > 0.1


def test_the_estimate_is_unbiased_and_its_error_honest() -> None:
    misses, errors = [], []
    for seed in range(200):
        rows = market(31, seed=seed)
        known, trial = rows[:30], rows[30]
        best = known[known.mean(axis=1).argmax()] + 100.0  # so that no estimate is cut
        found = FoldPruner(FOLDS).estimate(first(trial, 3), best, known)
        misses.append(found.score - trial.mean())
        errors.append(found.std_error)
    assert abs(np.mean(misses)) < 3 * np.std(misses) / np.sqrt(200)
    assert np.mean(np.abs(misses) < 2 * np.array(errors)) > 0.9


def test_a_stopped_trial_never_equals_the_winner(complete, incumbent, pruner) -> None:
    assert pruner.estimate(first(incumbent + 5, 2), incumbent, complete).score < incumbent.mean()
    assert isinstance(pruner.estimate(first(incumbent, 2), incumbent, complete), Estimate)


# -- bad input


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_folds": 1}, "at least 2, or no pruning"),
        ({"n_folds": 8, "error": 0.0}, "above 0 and below 0.5"),
        ({"n_folds": 8, "error": float("nan")}, "above 0 and below 0.5"),
        ({"n_folds": 8, "min_folds": 9}, "expected 1 to 8"),
        ({"n_folds": 8, "min_folds": 0}, "expected 1 to 8"),
        ({"n_folds": 8, "min_trials": 1}, "at least 2"),
    ],
)
def test_settings_out_of_range(settings: dict, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        FoldPruner(**settings)


def test_shapes_that_do_not_match(complete, incumbent, pruner) -> None:
    with pytest.raises(TaskError, match="a trial that has ended has 9 scores; expected at most 8"):
        pruner.verdict([-90.0] * 3, incumbent, [[1.0] * 9])
    with pytest.raises(TaskError, match=r"found 9 scores; expected 1 to 8"):
        pruner.chance([0.0] * 9, incumbent, complete)
    with pytest.raises(TaskError, match=r"the incumbent has 7 scores"):
        pruner.verdict([-90.0] * 3, incumbent[:7], complete)
