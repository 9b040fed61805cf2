"""What each channel shows of a task's events, as the text that is sent.

Each event is turned into text once, however many clients there are, and shared by the channels that show it alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias, get_args

from strategy_optimizer.models.frames import ChannelName
from strategy_optimizer.storage import EventRecord

CHANNELS: tuple[ChannelName, ...] = get_args(ChannelName)
Texts: TypeAlias = Mapping[ChannelName, list[tuple[int, str]]]
"""Of each channel the events that it shows: their numbers and texts."""

_KINDS: Mapping[ChannelName, frozenset[str]] = {
    "progress": frozenset({"state", "progress"}),
    "results": frozenset({"state", "improvement", "verdict"}),
    "convergence": frozenset({"state"}),
}


@dataclass(frozen=True)
class Ending:
    """How and with which event a task ended."""

    seq: int
    state: str


def texts_of(events: Iterable[EventRecord]) -> Texts:
    """Return the texts of some events by channel.

    >>> event = EventRecord(1, "t", 7, 7, "progress", datetime(2026, 1, 5, tzinfo=UTC),
    ...     {"trials": 40, "best_score": 0.5})
    >>> texts_of([event])["results"], texts_of([event])["convergence"][0][1]
    ([], '{"seq":7,"kind":"point","at":"2026-01-05T00:00:00Z","data":{"iteration":40,"best_score":0.5}}')
    """
    texts: dict[ChannelName, list[tuple[int, str]]] = {channel: [] for channel in CHANNELS}
    for event in events:
        text = None
        for channel, kinds in _KINDS.items():
            if event.kind in kinds:
                text = text or _text(event, event.kind, event.data)
                texts[channel].append((event.seq, text))
        point = _point(event)
        if point is not None:
            texts["convergence"].append((event.seq, _text(event, "point", point)))
    return texts


def to_text(value: Any) -> str:
    """Return JSON without spaces."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def moment(at: datetime) -> str:
    """Return a moment as the rest of the service writes it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _text(event: EventRecord, kind: str, data: Mapping[str, Any]) -> str:
    return to_text({"seq": event.seq, "kind": kind, "at": moment(event.at), "data": data})


def _point(event: EventRecord) -> dict[str, Any] | None:
    """Return what an event says of the best score."""
    data = event.data
    if event.kind == "progress":
        iteration, score = data.get("trials"), data.get("best_score")
    elif event.kind == "improvement":
        iteration, score = data.get("iteration"), (data.get("performance") or {}).get("composite_score")
    else:
        return None
    if iteration is None or score is None:
        return None
    return {"iteration": iteration, "best_score": score}
