"""Which task a worker gets next.

Tasks of a higher priority go first; among these the owner who has fewest tasks running; among these the one that waits
longest. An owner at the quota of running tasks waits, and so does a task whose memory has no room in the quota beside
that of its owner's running ones: smaller ones may go before it until it has waited for `OVERTAKEN`, then its owner's
later ones wait, too. A task whose worker was silent until its lease ended counts as waiting.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, func, or_, select, tuple_

from strategy_optimizer.storage.tables import quotas, tasks
from strategy_optimizer.storage.task_records import TASK_MEMORY
from strategy_optimizer.storage.task_rows import COLUMNS

OVERTAKEN = timedelta(minutes=10)
_MEMORY = func.coalesce(tasks.c.memory, TASK_MEMORY)
ANY_WAITS = (
    select(tasks.c.id)
    .where(
        or_(
            tasks.c.state == "queued",
            and_(tasks.c.state == "running", tasks.c.lease_ends <= bindparam("now")),
        )
    )
    .limit(1)
)
"""Finds a task that waits at the time ``now``, or has lost its worker; it locks nothing."""


def next_task(now: datetime) -> Select[Any]:
    """Return the statement that finds the next task and locks it; the module says by which rule."""
    lost = and_(tasks.c.state == "running", tasks.c.lease_ends <= now)
    running = (
        select(tasks.c.owner, func.count().label("tasks"), func.sum(_MEMORY).label("memory"))
        .where(tasks.c.state == "running", tasks.c.lease_ends > now)
        .group_by(tasks.c.owner)
        .subquery("running")
    )
    at_work = func.coalesce(running.c.tasks, 0)
    taken = func.coalesce(running.c.memory, 0)
    ends_now = and_(lost, or_(tasks.c.cancel_requested, tasks.c.pause_requested))
    return (
        select(*COLUMNS)
        .outerjoin_from(tasks, running, running.c.owner == tasks.c.owner)
        .outerjoin(quotas, quotas.c.user_id == tasks.c.owner)
        .where(
            or_(tasks.c.state == "queued", lost),
            or_(quotas.c.running_tasks.is_(None), at_work < quotas.c.running_tasks, ends_now),
            or_(
                quotas.c.memory.is_(None),
                and_(taken + _MEMORY <= quotas.c.memory, ~_has_larger_before(now, taken)),
                ends_now,
            ),
        )
        .order_by(tasks.c.priority.desc(), at_work, tasks.c.queued, tasks.c.id)
        .limit(1)
        .with_for_update(of=tasks, skip_locked=True)
    )


def _has_larger_before(now: datetime, taken: ColumnElement[int]) -> ColumnElement[bool]:
    """Return the condition that another task of the owner has waited long enough for room that smaller ones took."""
    other = tasks.alias("larger")
    memory = func.coalesce(other.c.memory, TASK_MEMORY)
    is_before = or_(
        other.c.priority > tasks.c.priority,
        and_(
            other.c.priority == tasks.c.priority,
            tuple_(other.c.queued, other.c.id) < tuple_(tasks.c.queued, tasks.c.id),
        ),
    )
    return exists().where(
        other.c.owner == tasks.c.owner,
        other.c.state == "queued",
        other.c.queued <= now - OVERTAKEN,
        memory <= quotas.c.memory,  # else it never has room, and waits for another quota
        taken + memory > quotas.c.memory,
        is_before,
    )
