"""Trials are stored exactly once, in few chunks, and read in parts."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import update

from storage_worlds import Clock, assert_same_history, leased, make_history, make_space, save_all
from strategy_optimizer.errors import StorageError, TrialConflictError
from strategy_optimizer.storage import CHUNK_ROWS, NewEvent, Quota, Store, TrialChunk
from strategy_optimizer.storage.tables import trial_chunks
from strategy_optimizer.tasks import TrialHistory


def loaded(store: Store, task_id: str) -> TrialHistory:
    history = TrialHistory(make_space(), 4)
    record = store.trials.load(task_id, history)
    assert record is not None
    assert record.trials == len(history)
    return history


@pytest.mark.parametrize("batch", [1, 7, 64, 150])
def test_a_history_comes_back_as_it_was(store: Store, batch: int) -> None:
    lease, history = leased(store), make_history(150)
    save_all(store, lease, history, batch)
    assert_same_history(loaded(store, lease.task.id), history)
    assert store.tasks.get(lease.task.id).trials == 150
    assert len(store.trials.summaries(lease.task.id)) <= 2 + np.log2(150)


def test_a_new_task_has_nothing_to_load(store: Store) -> None:
    history = TrialHistory(make_space(), 4)
    assert store.trials.load(leased(store).task.id, history) is None
    assert len(history) == 0


def test_the_state_goes_with_its_trials(store: Store) -> None:
    lease, history = leased(store), make_history(20)
    assert store.trials.save(lease, None, {"random": [1, 2]}) == 0
    first = store.trials.checkpoint(lease.task.id)
    assert first is not None
    assert (first.trials, first.state, first.token) == (0, {"random": [1, 2]}, 1)
    total = store.trials.save(
        lease,
        TrialChunk.of(history, 0, 20),
        {"random": [3]},
        progress={"best": 0.5},
        events=[NewEvent("progress")],
    )
    second = store.trials.checkpoint(lease.task.id)
    assert second is not None
    assert (total, second.trials, second.state) == (20, 20, {"random": [3]})
    task = store.tasks.get(lease.task.id)
    assert (task.progress, task.events) == ({"best": 0.5}, 3)


def test_the_same_trials_again_change_nothing(store: Store) -> None:
    lease, history = leased(store), make_history(40)
    save_all(store, lease, history, 10)
    task, checkpoint = store.tasks.get(lease.task.id), store.trials.checkpoint(lease.task.id)
    for start, stop in ((30, 40), (0, 40), (5, 17)):
        chunk = TrialChunk.of(history, start, stop)
        assert store.trials.save(lease, chunk, {"other": 1}, events=[NewEvent("progress")]) == 40
    assert store.tasks.get(lease.task.id) == task
    assert store.trials.checkpoint(lease.task.id) == checkpoint
    assert_same_history(loaded(store, lease.task.id), history)


def test_of_an_overlap_only_what_is_new_is_stored(store: Store) -> None:
    lease, history = leased(store), make_history(40)
    store.trials.save(lease, TrialChunk.of(history, 0, 25), {})
    assert store.trials.save(lease, TrialChunk.of(history, 10, 40), {"told": 40}) == 40
    assert_same_history(loaded(store, lease.task.id), history)
    assert store.accounts.usage("ada").trials_today == 40


def test_trials_run_again_are_the_same_whatever_time_they_took(store: Store) -> None:
    lease, history = leased(store), make_history(10)
    store.trials.save(lease, TrialChunk.of(history, 0, 10), {})
    again = TrialChunk.of(history, 0, 10)
    again.columns.seconds += 1.0
    assert store.trials.save(lease, again, {}) == 10
    assert_same_history(loaded(store, lease.task.id), history)


def test_other_trials_under_the_same_numbers_are_refused(store: Store) -> None:
    lease, history = leased(store), make_history(20)
    store.trials.save(lease, TrialChunk.of(history, 0, 15), {})
    before = store.tasks.get(lease.task.id)
    for other in (
        TrialChunk.of(make_history(20, seed=1), 0, 20),
        TrialChunk.of(make_history(20, seed=1), 14, 20),
    ):
        with pytest.raises(TrialConflictError, match="are stored already, and are not those"):
            store.trials.save(lease, other, {})
    assert store.tasks.get(lease.task.id) == before


def test_another_reason_makes_another_trial(store: Store) -> None:
    lease, history = leased(store), make_history(60)
    store.trials.save(lease, TrialChunk.of(history, 0, 60), {})
    other = TrialChunk.of(history, 0, 60)
    other.head["reasons"][-1] = "another"
    with pytest.raises(TrialConflictError):
        store.trials.save(lease, other, {})


def test_a_gap_is_refused(store: Store) -> None:
    lease, history = leased(store), make_history(20)
    store.trials.save(lease, TrialChunk.of(history, 0, 5), {})
    with pytest.raises(TrialConflictError, match=r"from 11 on cannot be stored: .* has 5"):
        store.trials.save(lease, TrialChunk.of(history, 10, 20), {})


def test_trials_of_another_space_are_refused(store: Store) -> None:
    lease, history = leased(store), make_history(5)
    store.trials.save(lease, TrialChunk.of(history, 0, 5), {})
    foreign = TrialChunk.of(history, 0, 5)
    wider = TrialChunk(5, {**foreign.head, "first": 5, "dims": 4}, foreign.columns)
    with pytest.raises(TrialConflictError, match=r'have the shape .*"dims":4'):
        store.trials.save(lease, wider, {})
    with pytest.raises(StorageError, match="do not follow a history of 0 trials"):
        wider.add_to(TrialHistory(make_space(), 4))


def test_a_long_task_has_few_full_chunks(store: Store) -> None:
    lease, history = leased(store), make_history(3 * CHUNK_ROWS)
    rng = np.random.default_rng(3)
    at = 0
    while at < len(history):
        stop = min(at + int(rng.integers(1, 600)), len(history))
        store.trials.save(lease, TrialChunk.of(history, at, stop), {"told": stop})
        at = stop
    summaries = store.trials.summaries(lease.task.id)
    assert len(summaries) < 3 * 2 + 12
    assert [one.first + one.rows for one in summaries[:-1]] == [one.first for one in summaries[1:]]
    assert max(one.rows for one in summaries) <= CHUNK_ROWS
    assert sum(one.failed for one in summaries) == history.n_failed
    assert sum(one.completed + one.failed + one.pruned for one in summaries) == len(history)
    best = [one.best_trial for one in summaries if one.best_trial is not None]
    assert history.best in best
    assert_same_history(loaded(store, lease.task.id), history)


def test_many_trials_at_once_are_cut_into_chunks(store: Store) -> None:
    lease, history = leased(store), make_history(2 * CHUNK_ROWS + 5)
    store.trials.save(lease, TrialChunk.of(history, 0, len(history)), {})
    assert [one.rows for one in store.trials.summaries(lease.task.id)] == [CHUNK_ROWS, CHUNK_ROWS, 5]
    assert_same_history(loaded(store, lease.task.id), history)


def test_a_page_reads_what_it_needs(store: Store) -> None:
    lease, history = leased(store), make_history(5000)
    save_all(store, lease, history, 700)
    for start, stop in ((0, 1), (690, 720), (4990, 5000), (4990, 9999), (0, 5000)):
        scores = [chunk.columns.scores for chunk in store.trials.read(lease.task.id, start, stop)]
        np.testing.assert_array_equal(np.concatenate(scores), history.scores[start:stop])
    assert list(store.trials.read(lease.task.id, 5000, 5100)) == []
    reasons = [text for chunk in store.trials.read(lease.task.id, 100, 900) for text in chunk.reasons]
    assert reasons == history.reasons[100:900]


@pytest.mark.parametrize(("n", "points"), [(300, 50), (300, 1000), (5000, 40), (5000, 300)])
def test_a_curve_has_the_lows_highs_and_best_of_all_trials(store: Store, n: int, points: int) -> None:
    lease, history = leased(store), make_history(n)
    save_all(store, lease, history, 700)
    curve = store.trials.curve(lease.task.id, points)
    assert len(curve.first) <= points
    assert (curve.first[0], curve.stop[-1]) == (0, n)
    np.testing.assert_array_equal(curve.first[1:], curve.stop[:-1])
    winning = np.where(history.feasible, history.scores, np.nan)
    for first, stop, low, high, best in zip(
        curve.first, curve.stop, curve.low, curve.high, curve.best, strict=True
    ):
        scores = history.scores[first:stop]
        assert (low, high) == (np.fmin.reduce(scores), np.fmax.reduce(scores)) or np.isnan(scores).all()
        np.testing.assert_equal(best, np.fmax.reduce(winning[:stop]))


def test_a_curve_of_nothing(store: Store) -> None:
    assert len(store.trials.curve(leased(store).task.id).first) == 0


def test_damage_is_told(store: Store) -> None:
    lease, history = leased(store), make_history(50)
    save_all(store, lease, history, 50)
    store.database.write(
        lambda transaction: transaction.connection.execute(
            update(trial_chunks).values(payload=b"0123456789abcdef")
        ).close()
    )
    with pytest.raises(StorageError, match="damaged; restore a backup"):
        list(store.trials.read(lease.task.id))


def test_trials_of_a_day_are_counted_for_their_owner(store: Store, clock: Clock) -> None:
    store.accounts.set_quota("ada", Quota(trials_a_day=100))
    save_all(store, leased(store), make_history(30), 7)
    save_all(store, leased(store), make_history(12), 7)
    usage = store.accounts.usage("ada")
    assert (usage.trials_today, usage.running_tasks, usage.queued_tasks, usage.datasets) == (42, 2, 0, 0)
    clock.move(hours=13)
    assert store.accounts.usage("ada").trials_today == 0
    assert store.accounts.usage("ben").trials_today == 0
