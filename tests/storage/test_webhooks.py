"""Webhooks: what is delivered, once for each event, and how attempts are shared and settled."""

from __future__ import annotations

from datetime import timedelta

import pytest

from storage_worlds import Clock, add_task
from strategy_optimizer.errors import LeaseLostError, NotStoredError, StorageError
from strategy_optimizer.storage import DeliveryRecord, NewEvent, NewTask, Store, WebhookRecord


@pytest.fixture
def hook(store: Store) -> WebhookRecord:
    return store.webhooks.add(
        "ada", url="https://example.com/x", secret="canary", events=["task.ended", "verdict"]
    )


def test_a_webhook_is_kept_changed_and_removed(store: Store, hook: WebhookRecord) -> None:
    assert store.webhooks.get(hook.id, owner="ada") == hook
    assert store.webhooks.all(owner="ben") == []
    with pytest.raises(NotStoredError, match="there is no webhook"):
        store.webhooks.get(hook.id, owner="ben")
    changed = store.webhooks.change(hook.id, enabled=False, events=["verdict"])
    assert (changed.enabled, changed.events) == (False, ("verdict",))
    with pytest.raises(StorageError, match="secret of a webhook cannot be changed"):
        store.webhooks.change(hook.id, secret="other")
    assert "canary" not in repr(hook)
    store.webhooks.remove(hook.id)
    assert store.webhooks.all() == []
    with pytest.raises(NotStoredError):
        store.webhooks.add("nobody", url="https://example.com", secret="s", events=["verdict"])


def test_what_ends_is_delivered_to_those_who_want_it(store: Store, hook: WebhookRecord) -> None:
    ended = store.webhooks.add("ada", url="https://example.com/y", secret="s", events=["task.ended"])
    off = store.webhooks.add("ada", url="https://example.com/z", secret="s", events=["task.ended"])
    store.webhooks.change(off.id, enabled=False)
    foreign = store.webhooks.add(
        "ben", url="https://example.com/b", secret="s", events=["task.ended", "verdict"]
    )
    task = add_task(store)
    lease = store.queue.lease("worker-1", 12)
    assert lease is not None
    store.queue.finish(lease, "completed", events=[NewEvent("verdict", {"decision": "paper"})])
    found = {
        h.id: sorted(d.event for d in store.webhooks.deliveries(h.id)) for h in (hook, ended, off, foreign)
    }
    assert found == {hook.id: ["task.ended", "verdict"], ended.id: ["task.ended"], off.id: [], foreign.id: []}
    assert {d.task_id for d in store.webhooks.deliveries(hook.id)} == {task}


def test_every_way_to_end_is_told(store: Store, hook: WebhookRecord, clock: Clock) -> None:
    queued = store.tasks.create(NewTask("ada", "momentum", {}, id="opt_q")).task
    store.tasks.cancel(queued.id)
    store.tasks.cancel(queued.id)
    failed = store.tasks.create(NewTask("ada", "momentum", {}, id="opt_f")).task
    lease = store.queue.lease("worker-1", 12)
    assert lease is not None
    store.queue.finish(lease, "failed", error="no bars")
    with pytest.raises(LeaseLostError):
        store.queue.finish(lease, "failed", error="again")
    assert sorted(d.task_id for d in store.webhooks.deliveries(hook.id)) == sorted([failed.id, queued.id])


def test_one_attempt_at_a_time(store: Store, hook: WebhookRecord, clock: Clock) -> None:
    store.tasks.cancel(add_task(store))
    (first,) = store.webhooks.take_due(hold=30)
    assert (first.attempts, first.webhook_id) == (1, hook.id)
    assert store.webhooks.take_due(hold=30) == []
    clock.move(seconds=31)  # whoever took it died
    (again,) = store.webhooks.take_due(hold=30)
    assert (again.id, again.attempts) == (first.id, 2)
    store.webhooks.settle(
        again.id, status=503, error="it answered 503", again=clock.now + timedelta(minutes=1)
    )
    assert store.webhooks.take_due(hold=30) == []
    clock.move(minutes=2)
    (last,) = store.webhooks.take_due(hold=30)
    store.webhooks.settle(last.id, status=204, error=None, again=None)
    (done,) = store.webhooks.deliveries(hook.id)
    assert (done.due, done.delivered, done.status, done.error) == (None, clock.now, 204, None)
    assert isinstance(done, DeliveryRecord)
    clock.move(days=1)
    assert store.webhooks.take_due(hold=30) == []


def test_a_webhook_takes_its_deliveries_with_it(store: Store, hook: WebhookRecord) -> None:
    store.tasks.cancel(add_task(store))
    store.webhooks.remove(hook.id)
    assert store.webhooks.take_due(hold=30) == []
