"""What a user may use. The queue obeys what is for running tasks; the rest is asked here when something is made."""

from __future__ import annotations

from collections.abc import Callable

from strategy_optimizer.errors import QuotaError
from strategy_optimizer.storage import Store

MEGABYTE = 2**20


class Quotas:
    """The quotas of all users.

    Notes
    -----
    Two requests of one user at the same moment may both be let in where there is room for one; what is counted
    afterwards is exact, so the next is refused.
    """

    def __init__(self, store: Store) -> None:
        self._accounts = store.accounts

    def check_task(
        self,
        user_id: str,
        *,
        trials: int | None = None,
        memory: int | None = None,
        planned: Callable[[], int] = int,
    ) -> None:
        """Raise a `QuotaError` unless a user may put one more task into the queue.

        Parameters
        ----------
        user_id : str
        trials : int, optional
            Trials that it plans; without, it is let in when there is room for one today.
        memory : int, optional
            Bytes that it may take. Where they fit in the quota, the queue sees to it that there is room.
        planned : callable, optional
            Returns the trials that their other tasks are still to make, which count as if they were made today.
        """
        quota = self._accounts.quota(user_id)
        if quota.memory is not None and memory is not None and memory > quota.memory:
            raise QuotaError(
                f"the task may take {memory / MEGABYTE:,.0f} MB; your quota memory is "
                f"{quota.memory / MEGABYTE:,.0f} MB for all that run at once; give it less with its field memory "
                "(in bytes), or ask an administrator for more",
                quota="memory",
                limit=quota.memory,
                asked=memory,
            )
        if quota.queued_tasks is None and quota.trials_a_day is None:
            return
        usage = self._accounts.usage(user_id)
        _check("queued_tasks", quota.queued_tasks, usage.queued_tasks, 1, "tasks wait", "cancel one, or wait")
        if quota.trials_a_day is None:
            return
        waiting = planned()
        more = f", {waiting:,} more are planned by tasks that have not ended" if waiting else ""
        _check(
            "trials_a_day",
            quota.trials_a_day,
            usage.trials_today + waiting,
            trials or 1,
            f"trials were made today{more}",
            "plan fewer, or go on after midnight UTC",
            shown=usage.trials_today,
        )


def _check(
    quota: str, limit: int | None, used: int, asked: int, what: str, advice: str, *, shown: int | None = None
) -> None:
    if limit is not None and used + asked > limit:
        more = "" if asked == 1 else f", {asked:,} more are asked for"
        raise QuotaError(
            f"your quota {quota} is {limit:,}: {used if shown is None else shown:,} {what}{more}; {advice}",
            quota=quota,
            limit=limit,
            used=used,
            asked=asked,
        )
