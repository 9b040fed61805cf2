"""What the routes that read tasks work with."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path
from starlette.requests import HTTPConnection

from strategy_optimizer.api.answers import Answers
from strategy_optimizer.api.computing import ComputePool, Limits
from strategy_optimizer.api.dependencies import Caller, TheShortReads
from strategy_optimizer.api.downloads import Downloads
from strategy_optimizer.api.service import Service
from strategy_optimizer.reading.history import HistoryReader
from strategy_optimizer.reading.table_files import TableFiles
from strategy_optimizer.storage import TaskRecord

TaskId = Annotated[str, Path(max_length=64, description="id of the task", examples=["opt_4f1c2a90b7d3e865"])]


FILES = Limits(processes=2, of_user=1, seconds=900.0, memory=1 << 30, patience=60.0)
"""Of processes that make files."""
INDEXING = Limits(processes=1, waiting=8)
"""Of the process that reads all trials of a long task, so that these can be sorted and searched."""


class Reading:
    """What reads tasks, and what it keeps from one request to the next.

    Attributes
    ----------
    history : HistoryReader
    computed : Answers
        Of what is computed.
    files : Downloads
        Of what is sent piece by piece.
    data_dir : str
        Where copies of strategies and datasets lie.
    """

    def __init__(self, service: Service) -> None:
        self.data_dir = str(service.settings.data_dir)
        address = service.store.database.url.render_as_string(hide_password=False)
        self._indexing = ComputePool(address, INDEXING)
        self._tables = TableFiles(service.settings.data_dir / "cache", self._indexing.run)
        self.history = HistoryReader(service.store, self._tables)
        self.computed = Answers(ComputePool(address))
        self.files = Downloads(ComputePool(address, FILES), service.settings.data_dir / "cache")

    def close(self) -> None:
        """End all processes."""
        self.computed.close()
        self.files.close()
        self._indexing.close()
        self._tables.close()


async def the_reading(connection: HTTPConnection) -> Reading:
    """Return the reading part of the app."""
    reading: Reading = connection.app.state.reading
    return reading


async def own_task(task_id: TaskId, caller: Caller, reads: TheShortReads) -> TaskRecord:
    """Return the task of the path; somebody else's does not exist."""
    return await reads(
        ("task", task_id, caller.owner), lambda store: store.tasks.get(task_id, owner=caller.owner)
    )


TheReading = Annotated[Reading, Depends(the_reading)]
OwnTask = Annotated[TaskRecord, Depends(own_task)]
