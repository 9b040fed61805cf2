"""The first and the last frame of a socket: how a task is, and what came of it."""

from __future__ import annotations

import math
from typing import Any

from strategy_optimizer.api.channels import Ending, to_text
from strategy_optimizer.api.task_views import status_of
from strategy_optimizer.models.frames import ChannelName
from strategy_optimizer.storage import ScoreCurve, Store, TaskRecord

POINTS = 500
"""At most so many points of convergence a snapshot has."""


def snapshot_frame(store: Store, task: TaskRecord, channel: ChannelName) -> str:
    """Return how a task is after its newest event, as text."""
    parts = [
        f'"type":"snapshot","seq":{task.events},"channel":"{channel}"',
        f'"task":{status_of(task).model_dump_json()}',
    ]
    if channel == "convergence":
        parts.append(f'"points":{to_text(points_of(store.trials.curve(task.id, POINTS)))}')
    return "{" + ",".join(parts) + "}"


def end_frame(store: Store, task_id: str, ending: Ending, channel: ChannelName) -> str:
    """Return that a task has ended, and its result where the channel shows it, as text."""
    frame: dict[str, Any] = {"type": "end", "seq": ending.seq, "status": ending.state}
    if channel != "progress":
        record = store.tasks.result(task_id)
        result = None if record is None else dict(record.document)
        if result is not None and channel == "results":
            result.pop("optimization_history", None)
            frame["result"] = result
        elif result is not None:
            frame["convergence_analysis"] = result.get("convergence_analysis")
    return to_text(frame)


def points_of(curve: ScoreCurve) -> list[dict[str, Any]]:
    """Return where the best score grew.

    >>> import numpy as np
    >>> column = np.array([np.nan, 1.0, 1.0, 2.0])
    >>> points_of(ScoreCurve(np.arange(4), np.arange(1, 5), column, column, column))
    [{'iteration': 2, 'best_score': 1.0}, {'iteration': 4, 'best_score': 2.0}]
    """
    points: list[dict[str, Any]] = []
    for stop, best in zip(curve.stop.tolist(), curve.best.tolist(), strict=True):
        if not math.isnan(best) and (not points or best != points[-1]["best_score"]):
            points.append({"iteration": stop, "best_score": best})
    return points
