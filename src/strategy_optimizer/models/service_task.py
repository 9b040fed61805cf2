"""The task as the store of the service has it."""

from __future__ import annotations

from strategy_optimizer.models.base import Model
from strategy_optimizer.models.task import TaskModel


class StoredTask(Model):
    """A task and what was pinned when it was made, so that it means the same whenever it runs.

    Attributes
    ----------
    task : TaskModel
        As it was posted.
    strategy_version : str or None
        Digest of the strategy's code; None for one that is built in.
    data_digest : str or None
        Of the bars; None for a sample.

    Examples
    --------
    >>> stored = StoredTask(task=TaskModel(strategy_name="momentum"))
    >>> stored.to_json()
    '{"task":{"strategy_name":"momentum"}}'
    """

    task: TaskModel
    strategy_version: str | None = None
    data_digest: str | None = None
