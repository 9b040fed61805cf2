"""What a worker and its child processes say to each other: frames with JSON in them, never pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from strategy_optimizer.tasks.executors.child import frames

TASK, ASK = frames.JOB, 3
"""Worker to child: run this task; stop, for this reason."""
WARM, CHECKING, ENDED = frames.READY, 18, 19
"""Child to worker: ready for a task; the search has ended, its winner is being checked; how the task ended."""
Wish: TypeAlias = Literal["cancel", "pause", "drain", "deadline", "lost"]
"""Why a task is to stop: its owner's wish, the worker's end, its deadline, or another worker has it."""
Ending: TypeAlias = Literal["completed", "failed", "cancelled", "paused", "released", "lost", "fault"]
"""How a child left its task: in a final state, paused, in the queue, with another worker, or for want of a store."""


def pack(kind: int, message: Mapping[str, Any] | None = None) -> bytes:
    """Return the bytes of a message."""
    return frames.pack(kind, payload=json.dumps(message or {}).encode())


def read(file: int) -> tuple[int, dict[str, Any]] | None:
    """Wait for the next message: its kind and content; None when the other side is gone."""
    try:
        frame = frames.read(file)
    except OSError:
        return None
    return None if frame is None else (frame[0], unpack(frame[2]))


def unpack(payload: bytes | memoryview) -> dict[str, Any]:
    """Return the content of a message."""
    message: dict[str, Any] = json.loads(bytes(payload))
    return message
