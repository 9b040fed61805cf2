"""Tasks: making, reading, listing, and what their owners ask of them."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Select, bindparam, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from strategy_optimizer.errors import (
    NotStoredError,
    StorageError,
    TaskExistsError,
    TaskNotFoundError,
    TaskStateError,
)
from strategy_optimizer.storage.column_types import to_text
from strategy_optimizer.storage.database import Database, Transaction
from strategy_optimizer.storage.listing import Place
from strategy_optimizer.storage.states import ENDED, TaskState, check_change
from strategy_optimizer.storage.table_access import beyond, in_order
from strategy_optimizer.storage.tables import idempotency_keys, results, tasks, users
from strategy_optimizer.storage.task_records import Creation, NewTask, ResultRecord, TaskRecord, TaskSort
from strategy_optimizer.storage.task_rows import (
    COLUMNS,
    change_task,
    find_task,
    get_task,
    leave_running,
    state_event,
    tell,
    to_task,
)


class TaskStore:
    """The tasks of a database, for those who own them; workers use the `Queue`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- making ----------------------------------------------------------------------------------------------

    def create(self, new: NewTask, *, idempotency_key: str | None = None) -> Creation:
        """Store a task and queue it.

        Parameters
        ----------
        new : NewTask
        idempotency_key : str, optional
            The same key of the same owner with the same document gives the task that is there.

        Raises
        ------
        TaskExistsError
            When the id is taken, or the key belongs to another document.
        NotStoredError
            When there is no such owner.
        """
        task_id = new.id or f"opt_{uuid4().hex[:16]}"

        def work(transaction: Transaction) -> Creation:
            if idempotency_key is not None:
                found = _same_request(transaction, new.owner, _digest(new), idempotency_key)
                if found is not None:
                    return Creation(found, is_new=False)
            if transaction.is_repeated and _was_made(transaction, task_id):
                return Creation(get_task(transaction, task_id), is_new=True)
            if find_task(transaction, task_id) is not None:
                raise TaskExistsError(f"the id {task_id} is taken by another task; give another one, or none")
            return Creation(_insert(transaction, task_id, new, idempotency_key), is_new=True)

        try:
            return self._database.write(work)
        except StorageError as error:
            # Somebody stored the same id or key in the same moment: now it can be seen.
            if not isinstance(error.__cause__, IntegrityError):
                raise
            return self._database.write(work)

    # -- reading ---------------------------------------------------------------------------------------------

    def find_made(self, owner: str, idempotency_key: str, request: Mapping[str, Any]) -> TaskRecord | None:
        """Return the task that an owner's key has made already.

        Raises
        ------
        TaskExistsError
            When that was another request.
        """
        digest = _digest_of(request)
        return self._database.read(
            lambda transaction: _same_request(transaction, owner, digest, idempotency_key)
        )

    def get(self, task_id: str, *, owner: str | None = None) -> TaskRecord:
        """Return a task; with `owner`, somebody else's does not exist.

        Raises
        ------
        TaskNotFoundError
        """
        task = self._database.read(lambda transaction: get_task(transaction, task_id))
        if owner is not None and task.owner != owner:
            raise TaskNotFoundError(task=task_id)
        return task

    def page(
        self,
        *,
        owner: str | None = None,
        states: Sequence[TaskState] = (),
        strategy: str | None = None,
        sort: TaskSort = "created",
        ascending: bool = False,
        before: Place | None = None,
        limit: int = 50,
    ) -> list[TaskRecord]:
        """Return tasks, the newest first or as `sort` says; `before` is the last place of the page before."""
        filters = owner is not None, tuple(states), strategy is not None
        statement = _page(*filters, sort, ascending, before is not None)
        values: dict[str, Any] = {"owner": owner, "strategy": strategy, "most": limit}
        if before is not None:
            values |= {"value": before.value, "id": before.id}
        return self._database.read(
            lambda transaction: [to_task(row) for row in transaction.connection.execute(statement, values)]
        )

    def count(
        self, *, owner: str | None = None, states: Sequence[TaskState] = (), strategy: str | None = None
    ) -> int:
        """Return how many tasks there are."""
        statement = _count(owner is not None, tuple(states), strategy is not None)
        values = {"owner": owner, "strategy": strategy}
        return self._database.read(
            lambda transaction: int(transaction.connection.execute(statement, values).scalar_one())
        )

    def unfinished(self, owner: str) -> list[TaskRecord]:
        """Return the tasks of an owner that have not ended, the oldest first."""
        statement = select(*COLUMNS).where(tasks.c.owner == owner, tasks.c.state.not_in(ENDED))
        ordered = statement.order_by(tasks.c.created, tasks.c.id)
        return self._database.read(
            lambda transaction: [to_task(row) for row in transaction.connection.execute(ordered)]
        )

    def count_by_state(self) -> dict[str, int]:
        """Return how many tasks there are in each state that any task is in."""
        statement = select(tasks.c.state, func.count()).group_by(tasks.c.state)
        return self._database.read(lambda transaction: dict(transaction.connection.execute(statement).all()))

    def result(self, task_id: str) -> ResultRecord | None:
        """Return the result of a task, None while it has none."""

        def work(transaction: Transaction) -> ResultRecord | None:
            get_task(transaction, task_id)
            row = transaction.connection.execute(
                select(results.c.saved, results.c.document).where(results.c.task_id == task_id)
            ).one_or_none()
            return None if row is None else ResultRecord(task_id, row.saved, unpack_json(row.document))

        return self._database.read(work)

    # -- wishes of the owner ---------------------------------------------------------------------------------

    def cancel(self, task_id: str) -> TaskRecord:
        """End a task: at once when nobody runs it, else its worker is asked to. No change when it has ended."""

        def work(transaction: Transaction) -> TaskRecord:
            task, now = get_task(transaction, task_id, lock=True), transaction.now()
            if task.state in ENDED or task.cancel_requested:
                return task
            if task.state == "running":
                return change_task(transaction, task_id, cancel_requested=True)
            return _move(transaction, task, "cancelled", now, finished=now, stop_reason="cancelled")

        return self._database.write(work)

    def pause(self, task_id: str) -> TaskRecord:
        """Pause a task: at once when nobody runs it, else its worker is asked to."""

        def work(transaction: Transaction) -> TaskRecord:
            task = get_task(transaction, task_id, lock=True)
            if task.state == "paused":
                return task
            check_change(task_id, task.state, "paused")
            if task.state == "running":
                return change_task(transaction, task_id, pause_requested=True)
            return _move(transaction, task, "paused", transaction.now())

        return self._database.write(work)

    def resume(self, task_id: str) -> TaskRecord:
        """Queue a paused task again, or take back the wish to pause it."""

        def work(transaction: Transaction) -> TaskRecord:
            task, now = get_task(transaction, task_id, lock=True), transaction.now()
            if task.state == "queued" or (task.state == "running" and not task.pause_requested):
                return task
            if task.state == "running":
                return change_task(transaction, task_id, pause_requested=False)
            check_change(task_id, task.state, "queued")
            return _move(transaction, task, "queued", now, queued=now)

        return self._database.write(work)

    def set_priority(self, task_id: str, priority: int) -> TaskRecord:
        """Change how early a task is taken from the queue.

        Raises
        ------
        TaskStateError
            When it has ended.
        """

        def work(transaction: Transaction) -> TaskRecord:
            task = get_task(transaction, task_id, lock=True)
            if task.state in ENDED:
                raise TaskStateError(
                    f"the task {task_id} is {task.state} and waits for no worker any more; its priority stays "
                    f"{task.priority}",
                    task=task_id,
                    state=task.state,
                )
            return change_task(transaction, task_id, priority=priority)

        return self._database.write(work)

    def delete(self, task_id: str) -> None:
        """Remove a task that has ended, with its events, trials and result.

        Raises
        ------
        TaskStateError
            When it has not ended.
        """

        def work(transaction: Transaction) -> None:
            task = find_task(transaction, task_id, lock=True)
            if task is None:
                if transaction.is_repeated:
                    return
                raise TaskNotFoundError(task=task_id)
            if task.state not in ENDED:
                raise TaskStateError(
                    f"the task {task_id} is {task.state}; cancel it before it is deleted",
                    task=task_id,
                    state=task.state,
                )
            transaction.connection.execute(delete(tasks).where(tasks.c.id == task_id))

        self._database.write(work)


def pack_json(value: Any) -> bytes:
    """Return a JSON value as compressed bytes."""
    return zlib.compress(to_text(value).encode(), 1)


def unpack_json(data: bytes) -> Any:
    """Return what `pack_json` was given."""
    return json.loads(zlib.decompress(data))


def _filters(by_owner: bool, states: tuple[TaskState, ...], by_strategy: bool) -> list[ColumnElement[bool]]:
    wanted = []
    if by_owner:
        wanted.append(tasks.c.owner == bindparam("owner"))
    if states:
        wanted.append(tasks.c.state.in_(states))
    if by_strategy:
        wanted.append(tasks.c.strategy == bindparam("strategy"))
    return wanted


# Statements that are asked many times a second are kept: making one takes longer than answering it.


@lru_cache(64)
def _page(
    by_owner: bool,
    states: tuple[TaskState, ...],
    by_strategy: bool,
    sort: TaskSort,
    ascending: bool,
    is_later: bool,
) -> Select[Any]:
    wanted = _filters(by_owner, states, by_strategy)
    key = tasks.c[sort]
    if is_later:
        value, task_id = bindparam("value", type_=key.type), bindparam("id", type_=tasks.c.id.type)
        wanted.append(beyond(key, tasks.c.id, (value, task_id), ascending))
    order = in_order(key, tasks.c.id, ascending)
    return select(*COLUMNS).order_by(*order).where(*wanted).limit(bindparam("most"))


@lru_cache(64)
def _count(by_owner: bool, states: tuple[TaskState, ...], by_strategy: bool) -> Select[Any]:
    return select(func.count()).select_from(tasks).where(*_filters(by_owner, states, by_strategy))


def _digest(new: NewTask) -> str:
    if new.request is not None:
        return _digest_of(new.request)
    return _digest_of([new.id, new.strategy, new.document, new.parent, new.priority])


def _digest_of(request: Any) -> str:
    return hashlib.sha256(to_text(request, sort_keys=True).encode()).hexdigest()


def _same_request(transaction: Transaction, owner: str, digest: str, key: str) -> TaskRecord | None:
    row = transaction.connection.execute(
        select(idempotency_keys.c.digest, idempotency_keys.c.task_id).where(
            idempotency_keys.c.owner == owner, idempotency_keys.c.key == key
        )
    ).one_or_none()
    if row is None:
        return None
    if row.digest != digest:
        raise TaskExistsError(
            f"the idempotency key {key!r} was used for the task {row.task_id}, which was another one; "
            "use a new key for a new task"
        )
    return get_task(transaction, row.task_id)


def _was_made(transaction: Transaction, task_id: str) -> bool:
    made_by = transaction.connection.execute(
        select(tasks.c.made_by).where(tasks.c.id == task_id)
    ).scalar_one_or_none()
    return made_by == transaction.request


def _insert(transaction: Transaction, task_id: str, new: NewTask, key: str | None) -> TaskRecord:
    connection, now = transaction.connection, transaction.now()
    if connection.execute(select(users.c.id).where(users.c.id == new.owner)).one_or_none() is None:
        raise NotStoredError(f"there is no user {new.owner!r} to own the task {task_id}")
    values = {
        "id": task_id,
        "owner": new.owner,
        "strategy": new.strategy,
        "document": new.document,
        "parent": new.parent,
        "priority": new.priority,
        "deadline": new.deadline,
        "memory": new.memory,
        "state": "queued",
        "created": now,
        "queued": now,
        "made_by": transaction.request,
    }
    counts = dict.fromkeys(("token", "attempts", "losses", "trials", "events"), 0)
    wishes = dict.fromkeys(("cancel_requested", "pause_requested"), False)
    row = connection.execute(insert(tasks).values(**values, **counts, **wishes).returning(*COLUMNS)).one()
    if key is not None:
        made = {"owner": new.owner, "key": key, "digest": _digest(new), "task_id": task_id, "created": now}
        connection.execute(insert(idempotency_keys).values(made))
    tell(transaction, task_id, [state_event(to_task(row))], now)
    return get_task(transaction, task_id)


def _move(
    transaction: Transaction, task: TaskRecord, state: TaskState, now: datetime, **values: Any
) -> TaskRecord:
    check_change(task.id, task.state, state)
    moved = change_task(transaction, task.id, **leave_running(state, **values))
    tell(transaction, task.id, [state_event(moved)], now)
    return get_task(transaction, task.id)
