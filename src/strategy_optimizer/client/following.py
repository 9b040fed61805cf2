"""Following a task over a websocket: where one is, what a frame means, and whether to come back when it breaks off."""

from __future__ import annotations

from typing import Any, TypeAlias
from urllib.parse import quote

import httpx2
from pydantic import ValidationError
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from strategy_optimizer.client.exchange import (
    Patience,
    checked,
    headers_of,
    passes,
    socket_url,
    unreachable,
)
from strategy_optimizer.errors import ServiceError
from strategy_optimizer.models.frames import (
    ChannelName,
    EndFrame,
    EventsFrame,
    HeartbeatFrame,
    SnapshotFrame,
    read_frame,
)

TaskFrame: TypeAlias = SnapshotFrame | EventsFrame | EndFrame
INTERRUPTIONS = (OSError, InvalidHandshake, ConnectionClosed)
"""What ends a connection; `Following.pause` says which of them are to be told."""
MAX_FRAME = 1 << 26
"""Bytes; the last frame may hold a result."""
_REFUSED = 4000
"""What the service adds to the status with which it ends a socket."""
_FINAL = {
    1008: "the client said too much",
    1009: "a message of the client was too long",
}
_KINDS = {401: "not-authenticated", 403: "not-allowed", 404: "not-found"}


class Following:
    """One who follows a task.

    Parameters
    ----------
    url : str
        Of the service.
    key : str or None
    task_id : str
    channel : {"progress", "results", "convergence"}
    after : int or None
        Number of the last event that is known; None asks for a snapshot first.
    patience : Patience

    Attributes
    ----------
    has_ended : bool
        Whether the task has, and all was told.
    """

    def __init__(
        self,
        url: str,
        key: str | None,
        task_id: str,
        channel: ChannelName,
        after: int | None,
        patience: Patience,
    ) -> None:
        self.has_ended = False
        self._url = url
        self._key = key
        self._path = f"/ws/optimize/{quote(task_id, safe='')}/{channel}"
        self._seq = after
        self._patience = patience
        self._attempt = 0

    @property
    def address(self) -> str:
        """Where to go on."""
        query = "" if self._seq is None else f"?after={self._seq}"
        return socket_url(self._url, self._path) + query

    @property
    def options(self) -> dict[str, Any]:
        """How to connect."""
        return {
            "additional_headers": headers_of(self._key),
            "open_timeout": self._patience.timeout,
            "close_timeout": 1.0,
            "compression": None,
            "max_size": MAX_FRAME,
        }

    def take(self, text: str | bytes) -> TaskFrame | None:
        """Return the frame of a message, None of a heartbeat, and move on.

        Raises
        ------
        ServiceError
            It is no frame, or not the next one.
        """
        try:
            frame = read_frame(text)
        except ValidationError as error:
            raise ServiceError(f"{self._url} sent what is no frame of a task: {text[:100]!r}") from error
        if isinstance(frame, EventsFrame) and self._seq is not None and frame.first != self._seq + 1:
            raise ServiceError(
                f"{self._url} sent the events from {frame.first} on after those up to {self._seq}; some are missing"
            )
        self._attempt = 0
        self._seq = frame.seq
        if isinstance(frame, HeartbeatFrame):
            return None
        self.has_ended = isinstance(frame, EndFrame)
        return frame

    def pause(self, error: Exception) -> float:
        """Return the seconds after which to come back.

        Raises
        ------
        ServiceError
            What the service says is wrong.
        ServiceUnreachableError
            After enough attempts.
        """
        self._attempt += 1
        asked = None
        if isinstance(error, ConnectionClosed):
            _raise_if_final(error)
        elif isinstance(error, InvalidStatus):
            answer = _answer_of(error)
            if not passes(answer.status_code) or self._attempt > self._patience.retries:
                checked(answer)
                raise ServiceError(
                    f"{self._url} answered {answer.status_code} where a websocket was asked for"
                )
            asked = answer.headers.get("retry-after")
        if self._attempt > self._patience.retries:
            raise unreachable(self._url, error, self._attempt) from error
        return self._patience.before(self._attempt + 2, asked)  # a service that is started anew takes seconds


def _raise_if_final(error: ConnectionClosed) -> None:
    code = 1006 if error.rcvd is None else error.rcvd.code
    reason = "" if error.rcvd is None else error.rcvd.reason
    if code in _FINAL:
        raise ServiceError(reason or _FINAL[code]) from error
    if code > _REFUSED:
        status = code - _REFUSED
        raise ServiceError(
            reason or f"the service closed with {code}", status=status, kind=_KINDS.get(status, "")
        ) from error


def _answer_of(error: InvalidStatus) -> httpx2.Response:
    names = ("content-type", "retry-after", "x-request-id")
    headers = {name: error.response.headers[name] for name in names if name in error.response.headers}
    return httpx2.Response(
        error.response.status_code, content=bytes(error.response.body or b""), headers=headers
    )
