"""Random sequences of everything that can happen to a few tasks, compared with a plain model of the rules."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from storage_worlds import Clock, add_task, make_history
from strategy_optimizer.errors import LeaseLostError, TaskStateError
from strategy_optimizer.storage import ENDED, FOLLOWERS, Lease, NewEvent, Store, TrialChunk
from strategy_optimizer.storage.queue import MOST_LOSSES

HISTORY = make_history(2000)
LEASE = 12.0


class Tasks(RuleBasedStateMachine):
    """The model: the newest token of each task, and how many trials it has; states are compared step by step."""

    make_url: ClassVar[Callable[[], str]]

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.store = Store(type(self).make_url(), clock=self.clock)
        for name in ("ada", "ben"):
            self.store.accounts.add_user(name, "operator", user_id=name)
        self.leases: list[Lease] = []
        self.newest: dict[str, int] = {}
        self.trials: dict[str, int] = {}
        self.states: dict[str, str] = {}
        self.events: dict[str, int] = {}

    def teardown(self) -> None:
        self.store.close()

    def a_task(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.trials)))

    def a_lease(self, data: st.DataObject) -> Lease:
        return data.draw(st.sampled_from(self.leases))

    def may_write(self, lease: Lease) -> bool:
        return self.states[lease.task.id] == "running" and self.newest[lease.task.id] == lease.token

    def write(self, lease: Lease, call: Callable[[], Any]) -> bool:
        """Make a write and return whether it was allowed; the model has to agree."""
        allowed = self.may_write(lease)
        if allowed:
            call()
        else:
            with pytest.raises(LeaseLostError):
                call()
        return allowed

    @precondition(lambda self: len(self.trials) < 4)
    @rule(owner=st.sampled_from(["ada", "ben"]), priority=st.integers(0, 1))
    def add(self, owner: str, priority: int) -> None:
        task_id = add_task(self.store, owner=owner, priority=priority, id=f"opt_{len(self.trials)}")
        self.trials[task_id], self.newest[task_id] = 0, 0

    @rule()
    def lease(self) -> None:
        waiting = [
            task
            for task in self.store.tasks.page(states=["queued", "running"])
            if task.state == "queued" or (task.lease_ends is not None and task.lease_ends <= self.clock.now)
        ]
        settled = {
            task.id
            for task in waiting
            if task.state == "running"
            and (task.cancel_requested or task.pause_requested or task.losses + 1 >= MOST_LOSSES)
        }
        lease = self.store.queue.lease("worker", LEASE)
        able = {task.id: task for task in waiting if task.id not in settled}
        assert (lease is None) == (not able)
        if lease is not None:
            task_id = lease.task.id
            assert able[task_id].priority == max(task.priority for task in able.values())
            assert lease.token == self.newest[task_id] + 1
            self.newest[task_id] = lease.token
            self.leases.append(lease)

    @rule(seconds=st.sampled_from([1.0, 5.0, 13.0]))
    def wait(self, seconds: float) -> None:
        self.clock.move(seconds=seconds)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def heartbeat(self, data: st.DataObject) -> None:
        lease = self.a_lease(data)
        self.write(lease, lambda: self.store.queue.heartbeat(lease, LEASE))

    @rule()
    def heartbeats(self) -> None:
        allowed = {lease.task.id for lease in self.leases if self.may_write(lease)}
        assert self.store.queue.wishes(self.leases).keys() == allowed
        assert self.store.queue.heartbeats(self.leases, LEASE).keys() == allowed

    @rule()
    def settle(self) -> None:
        self.store.queue.settle()

    @rule()
    def reclaim(self) -> None:
        self.store.queue.reclaim("worker", "it died")

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), n=st.integers(1, 40), again=st.integers(0, 10))
    def save(self, data: st.DataObject, n: int, again: int) -> None:
        lease = self.a_lease(data)
        at = self.trials[lease.task.id]
        chunk = TrialChunk.of(HISTORY, max(at - again, 0), at + n)
        if self.write(lease, lambda: self.store.trials.save(lease, chunk, {}, events=[NewEvent("progress")])):
            self.trials[lease.task.id] = at + n

    @precondition(lambda self: self.leases)
    @rule(
        data=st.data(), state=st.sampled_from(FOLLOWERS["running"]), lost=st.sampled_from([None, "it died"])
    )
    def end(self, data: st.DataObject, state: Any, lost: str | None) -> None:
        lease = self.a_lease(data)
        if state == "queued":
            self.write(lease, lambda: self.store.queue.release(lease, lost=lost))
        else:
            self.write(lease, lambda: self.store.queue.finish(lease, state))

    @precondition(lambda self: self.trials)
    @rule(data=st.data(), wish=st.sampled_from(["cancel", "pause", "resume"]))
    def wish(self, data: st.DataObject, wish: str) -> None:
        task_id = self.a_task(data)
        if self.states[task_id] in ENDED and wish != "cancel":
            with pytest.raises(TaskStateError):
                getattr(self.store.tasks, wish)(task_id)
        else:
            getattr(self.store.tasks, wish)(task_id)

    @precondition(lambda self: self.trials)
    @rule(data=st.data())
    def thin_out(self, data: st.DataObject) -> None:
        self.store.events.thin_out(self.a_task(data), before=self.clock.now)

    @invariant()
    def what_is_stored_is_what_was_done(self) -> None:
        for task in self.store.tasks.page():
            before = self.states.get(task.id, "queued")
            assert task.state == before or task.state in FOLLOWERS[before]  # type: ignore[index]
            assert (task.token, task.trials) == (self.newest[task.id], self.trials[task.id])
            assert (task.finished is not None) == (task.state in ENDED)
            assert task.events >= self.events.get(task.id, 0)
            self.states[task.id], self.events[task.id] = task.state, task.events
        self.events_have_no_gap_and_tell_the_state()

    def events_have_no_gap_and_tell_the_state(self) -> None:
        for task_id, state in self.states.items():
            events = self.store.events.read(task_id)
            assert [event.first for event in events] == [1, *(event.seq + 1 for event in events[:-1])]
            assert events[-1].seq == self.events[task_id]
            assert [event for event in events if event.kind == "state"][-1].data["state"] == state


def test_tasks_keep_their_rules(
    engine_name: str, new_url: Callable[..., str], request: pytest.FixtureRequest
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if engine_name == "sqlite":
            template = request.getfixturevalue("sqlite_template")
            made = iter(range(10**6))

            def make_url() -> str:
                return f"sqlite:///{shutil.copy(template, Path(folder) / f'{next(made)}.db')}"

        else:

            def make_url() -> str:
                return new_url("postgresql")

        machine = type("TasksOn" + engine_name, (Tasks,), {"make_url": staticmethod(make_url)})
        run_state_machine_as_test(
            machine,
            settings=settings(max_examples=12, stateful_step_count=25, deadline=None, derandomize=True),
        )
