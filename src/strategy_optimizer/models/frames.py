"""What the websockets of a task send: frames of JSON, told apart by ``type``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field, TypeAdapter

from strategy_optimizer.models.base import Model, Number
from strategy_optimizer.models.result import ConvergenceModel, ResultModel
from strategy_optimizer.models.service_task import State, StatusOut

ChannelName = Literal["progress", "results", "convergence"]


class PointModel(Model):
    """The best score after some trials; null while no trial is feasible."""

    iteration: int
    best_score: Number


class EventModel(Model):
    """An event of a task; what ``data`` has depends on ``kind``."""

    seq: int = Field(description="its number among the events of the task, from 1")
    kind: str = Field(examples=["state", "progress", "improvement", "verdict", "note", "point"])
    at: datetime
    data: dict[str, Any]


class SnapshotFrame(Model):
    """How the task is after its event ``seq``: the first frame of a socket that does not resume."""

    type: Literal["snapshot"] = "snapshot"
    seq: int
    channel: ChannelName
    task: StatusOut
    points: tuple[PointModel, ...] | None = Field(
        default=None, description="of the channel convergence alone: how the best score grew so far"
    )


class EventsFrame(Model):
    """All events of the channel among those numbered `first` to `seq`; `first` is the `seq` before it plus one."""

    type: Literal["events"] = "events"
    first: int
    seq: int
    events: tuple[EventModel, ...]


class HeartbeatFrame(Model):
    """The connection lives; nothing is missing up to ``seq``."""

    type: Literal["heartbeat"] = "heartbeat"
    seq: int


class EndFrame(Model):
    """The task has ended and nothing comes any more; the socket closes with the code 1000."""

    type: Literal["end"] = "end"
    seq: int
    status: State
    result: ResultModel | None = Field(
        default=None, description="of the channel results alone; without the history, which has routes"
    )
    convergence_analysis: ConvergenceModel | None = Field(
        default=None, description="of the channel convergence alone"
    )


Frame: TypeAlias = Annotated[
    SnapshotFrame | EventsFrame | HeartbeatFrame | EndFrame, Field(discriminator="type")
]
_FRAME: TypeAdapter[SnapshotFrame | EventsFrame | HeartbeatFrame | EndFrame] = TypeAdapter(Frame)


def read_frame(text: str | bytes) -> SnapshotFrame | EventsFrame | HeartbeatFrame | EndFrame:
    """Return the frame of a text that a socket sent.

    >>> read_frame('{"type": "heartbeat", "seq": 7}')
    HeartbeatFrame(type='heartbeat', seq=7)
    """
    return _FRAME.validate_json(text)


class EventPageOut(Model):
    """Events of a task after a number, for those who cannot keep a websocket open."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "task_id": "opt_4f1c2a90b7d3e865",
                    "first": 8,
                    "seq": 9,
                    "newest": 9,
                    "ended": True,
                    "events": [
                        {
                            "seq": 9,
                            "kind": "state",
                            "at": "2026-01-05T12:00:00.250000Z",
                            "data": {"state": "completed", "stop_reason": "budget"},
                        }
                    ],
                }
            ]
        }
    )

    task_id: str
    first: int = Field(description="these are all events numbered from here ...")
    seq: int = Field(description="... to here; `after` of the next request")
    newest: int = Field(description="number of the newest event of the task")
    ended: bool = Field(description="whether the task has ended, and `seq` is its last event")
    events: tuple[EventModel, ...]
