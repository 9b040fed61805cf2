"""What became of a run: its outcome from what its worker said, or from the report on its worker's death."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from strategy_optimizer.tasks.executors.base import FailureKind, Outcome
from strategy_optimizer.tasks.executors.child import frames
from strategy_optimizer.tasks.executors.child.words import one_line, size_text
from strategy_optimizer.tasks.executors.deaths import with_last_words
from strategy_optimizer.tasks.executors.guarded_process import Frame
from strategy_optimizer.tasks.executors.sending import received_value
from strategy_optimizer.tasks.executors.worker_process import Run, WorkerProcess


def outcome_said(run: Run, worker: WorkerProcess, frame: Frame, memory: int | None) -> Outcome:
    """Return the outcome that a worker tells of; `memory` is its limit in bytes."""
    number, seconds = run.number, frame.seconds
    if frame.kind == frames.VALUE:
        value, problem = received_value(frame.payload)
        kind: FailureKind | None = "unreadable" if problem else None
        return Outcome(number, value, kind, problem, seconds, worker.name)
    message, details = json.loads(bytes(frame.payload))
    kind = "raised"
    if frame.kind == frames.UNREADABLE:
        kind, message = "unreadable", f"its value cannot be sent back: {message}"
    elif frame.kind == frames.OUT_OF_MEMORY and memory is not None:
        kind = "memory_limit"
        message = f"an allocation beyond the limit of {size_text(memory)} failed: {message}"
    return Outcome(number, None, kind, one_line(message), seconds, worker.name, details)


def outcome_of_death(
    run: Run, worker: WorkerProcess, report: Mapping[str, Any], kind: FailureKind, message: str
) -> Outcome:
    """Return the outcome of a run that ended with its worker, whose guard gave `report`."""
    seconds = float(report.get("seconds", 0.0))
    details = report.get("tail", "")
    return Outcome(run.number, None, kind, one_line(message), seconds, worker.name, details)


def crash_text(run: Run, report: Mapping[str, Any]) -> str:
    """Say how the run's workers died, in all its attempts, and what the last one wrote."""
    ways = list(dict.fromkeys(run.lost))
    text = f"its process {' and '.join(ways)}"
    if run.attempts > 1:
        text += f", in each of {run.attempts} attempts"
    return with_last_words(text, report)
