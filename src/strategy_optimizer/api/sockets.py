"""The websockets of a task: a snapshot or the place to resume at, then events, until the task has ended.

docs/websockets.md says what clients see.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Query, WebSocket
from starlette.websockets import WebSocketDisconnect

from strategy_optimizer.api.dependencies import Caller, TheHub, TheStore
from strategy_optimizer.api.feed import events_frame
from strategy_optimizer.api.first_and_last import snapshot_frame
from strategy_optimizer.api.hub import Hub
from strategy_optimizer.api.problems import short
from strategy_optimizer.api.reading import TaskId
from strategy_optimizer.api.watcher import DROP, Watcher
from strategy_optimizer.models.frames import ChannelName
from strategy_optimizer.storage import Store

LOG = structlog.get_logger(__name__)
router = APIRouter(prefix="/ws/optimize")
After = Annotated[int | None, Query(ge=0, description="resume after this event; without it a snapshot comes")]
FRAMES, WITHIN = 10, 1.0
"""So many frames within so many seconds at most."""
MESSAGE_SIZE, MESSAGES = 1024, 100
"""Letters of a client's message, and messages between two frames, at most."""
FINISHED, TOO_MUCH, TOO_LARGE, FAULT = 1000, 1008, 1009, 1011


@router.websocket("/{task_id}/progress")
async def progress_socket(
    socket: WebSocket, task_id: TaskId, caller: Caller, store: TheStore, hub: TheHub, after: After = None
) -> None:
    """Send states and progress of a task."""
    await _serve(socket, task_id, caller, store, hub, "progress", after)


@router.websocket("/{task_id}/results")
async def results_socket(
    socket: WebSocket, task_id: TaskId, caller: Caller, store: TheStore, hub: TheHub, after: After = None
) -> None:
    """Send states, improvements and the verdict of a task, and its result in the end."""
    await _serve(socket, task_id, caller, store, hub, "results", after)


@router.websocket("/{task_id}/convergence")
async def convergence_socket(
    socket: WebSocket, task_id: TaskId, caller: Caller, store: TheStore, hub: TheHub, after: After = None
) -> None:
    """Send states of a task and how its best score grows, and the analysis of that in the end."""
    await _serve(socket, task_id, caller, store, hub, "convergence", after)


async def _serve(
    socket: WebSocket,
    task_id: str,
    caller: Caller,
    store: Store,
    hub: Hub,
    channel: ChannelName,
    after: int | None,
) -> None:
    task = await hub.in_thread(lambda: store.tasks.get(task_id, owner=caller.owner))
    # A number that the task has not reached is of a database that was restored since: tell how things are now.
    snapshot = None
    if after is None or after > task.events:
        snapshot, after = await hub.in_thread(snapshot_frame, store, task, channel), task.events
    with hub.watching(task, caller, channel, after) as watcher:
        await socket.accept()
        connection = Connection(socket, hub, watcher, channel)
        await connection.run(snapshot)


class Connection:
    """One open socket."""

    def __init__(self, socket: WebSocket, hub: Hub, watcher: Watcher, channel: ChannelName) -> None:
        self._socket = socket
        self._hub = hub
        self._watcher = watcher
        self._channel = channel
        self._clock = asyncio.get_running_loop().time
        self._sent: deque[float] = deque(maxlen=FRAMES)
        self._unanswered = 0

    async def run(self, snapshot: str | None) -> None:
        """Serve the client until one of both sides closes."""
        sender = asyncio.create_task(self._send_all(snapshot))
        jobs = {sender, asyncio.create_task(self._receive_all())}

        def give_up(code: int, reason: str) -> None:
            sender.cancel()  # of a server that knows no better way

        self._watcher.drop = self._socket.scope.get("extensions", {}).get(DROP, give_up)
        try:
            await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.wait(jobs)  # `gather` would hide who cancels us

    # -- what the client says --------------------------------------------------------------------------------

    async def _receive_all(self) -> None:
        """Answer pings with heartbeats, and ignore everything else."""
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text") or ""
            self._unanswered += 1
            if len(text) > MESSAGE_SIZE or len(message.get("bytes") or b"") > MESSAGE_SIZE:
                self._watcher.close(TOO_LARGE, f"messages have at most {MESSAGE_SIZE} letters here")
            elif self._unanswered > MESSAGES:
                self._watcher.close(
                    TOO_MUCH, "too many messages; nothing is expected here but now and then a ping"
                )
            elif is_ping(text):
                self._watcher.needs_heartbeat = True
                self._watcher.wake()

    # -- what is sent ----------------------------------------------------------------------------------------

    async def _send_all(self, snapshot: str | None) -> None:
        with contextlib.suppress(WebSocketDisconnect):
            try:
                if snapshot is not None:
                    await self._send(snapshot)
                while (closing := await self._send_what_is_new()) is None:
                    await self._watcher.news()
            except WebSocketDisconnect:
                raise
            except Exception as error:
                if self._watcher.closing is not None:
                    return  # it was dropped while a frame was on its way
                LOG.error("a fault of a socket", task_id=self._watcher.feed.task_id, exc_info=error)
                closing = FAULT, "a fault of the service; its log says more"
            await self._socket.close(*closing)

    async def _send_what_is_new(self) -> tuple[int, str] | None:
        """Send frames as long as there is something to send; return with what to close, if so."""
        watcher = self._watcher
        while watcher.closing is None:
            if (wait := self._wait()) > 0:
                await asyncio.sleep(wait)
                continue
            frame = self._next_events()
            if frame is None and self._is_over():
                return await self._finish()
            if frame is None and watcher.needs_heartbeat:
                frame = self._heartbeat()
            if frame is None:
                return None
            await self._send(frame)
        return watcher.closing.code, short(watcher.closing.reason)

    def _next_events(self) -> str | None:
        """Return the next frame of events, and move to its end; None where nothing more is known."""
        watcher, feed = self._watcher, self._watcher.feed
        while watcher.place < feed.seq:
            stretch = feed.stretch(self._channel, watcher.place)
            if stretch is None:
                self._hub.want_page(feed, watcher.place)
                return None
            cut = stretch.after(watcher.sent)
            watcher.place = max(watcher.place, stretch.until if cut is None else cut.seq)
            if cut is not None:
                watcher.sent = cut.seq
                return cut.text
        return None

    def _is_over(self) -> bool:
        ending = self._watcher.feed.ending
        return ending is not None and self._watcher.place >= ending.seq

    async def _finish(self) -> tuple[int, str] | None:
        watcher, feed = self._watcher, self._watcher.feed
        assert feed.ending is not None
        if self._channel not in feed.end_texts:
            self._hub.want_end(feed, self._channel)
            if watcher.needs_heartbeat:
                await self._send(self._heartbeat())
            return None
        await self._send(feed.end_texts[self._channel])
        return FINISHED, f"the task is {feed.ending.state}"

    def _heartbeat(self) -> str:
        """Return a heartbeat; before it comes what tells how far the client is, where events of others have been."""
        watcher = self._watcher
        if watcher.place > watcher.sent:
            first, watcher.sent = watcher.sent + 1, watcher.place
            return events_frame(first, watcher.sent)
        watcher.needs_heartbeat = False
        self._unanswered = 0
        return f'{{"type":"heartbeat","seq":{watcher.sent}}}'

    async def _send(self, text: str) -> None:
        watcher = self._watcher
        watcher.sending_since = watcher.heard = self._clock()
        await self._socket.send({"type": "websocket.send", "text": text})
        watcher.sending_since = None
        self._sent.append(self._clock())

    def _wait(self) -> float:
        """Return the seconds until another frame may be sent."""
        if len(self._sent) < FRAMES:
            return 0.0
        return self._sent[0] + WITHIN - self._clock()


def is_ping(text: str) -> bool:
    """Return whether a client's message is a ping.

    >>> is_ping("ping"), is_ping('{"type": "ping"}'), is_ping('["ping"]'), is_ping("")
    (True, True, False, False)
    """
    if text == "ping":
        return True
    try:
        message: Any = json.loads(text) if text.startswith("{") else None
    except ValueError:
        return False
    return isinstance(message, dict) and message.get("type") == "ping"
