"""Child processes read both databases, and learn the address over a pipe alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import psutil
from sqlalchemy import make_url

from storage_worlds import leased, make_history, save_all
from strategy_optimizer.api.computing import ComputePool
from strategy_optimizer.reading.history import HistoryReader
from strategy_optimizer.reading.history_query import HistoryQuery
from strategy_optimizer.reading.table_files import TableFiles
from strategy_optimizer.storage import Store

N = 9_000  # more than are sorted in memory


def test_a_long_task_is_sorted_and_exported(store: Store, tmp_path: Path) -> None:
    lease, history = leased(store), make_history(N)
    save_all(store, lease, history, N)
    task = store.tasks.get(lease.task.id)
    pool = ComputePool(store.database.url.render_as_string(hide_password=False))
    files = TableFiles(tmp_path / "cache", pool.run)
    try:
        query = HistoryQuery(sort="score", descending=True)
        found = HistoryReader(store, files).page(task, query, 0, 3, user="ada").entries
        with pool.begin("export", {"task": task.id, "trials": N, "format": "csv"}, user="ada") as call:
            lines = b"".join(call).count(b"\n")
        process = psutil.Process(pool.processes[0])
        shown = json.dumps([process.cmdline(), process.environ()])
    finally:
        pool.close()
        files.close()
    scores = np.sort(history.scores[np.isfinite(history.scores)])[::-1]
    assert [entry["performance"]["composite_score"] for entry in found] == scores[:3].tolist()
    assert lines == N + 1
    assert str(make_url(store.database.url).database) not in shown
