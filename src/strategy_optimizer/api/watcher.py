"""One who watches a task: where they are, and what they are told apart from events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from strategy_optimizer.access.principal import Principal
from strategy_optimizer.api.feed import Feed
from strategy_optimizer.models.frames import ChannelName

DROP = "strategy_optimizer.drop"
"""Name of the ASGI extension that closes a socket whose client leaves its frames unread."""


@dataclass(frozen=True)
class Closing:
    """With what a socket is closed."""

    code: int
    reason: str


class Watcher:
    """One open socket, or one request that waits for events.

    Parameters
    ----------
    feed : Feed
    channel : str or None
        None for all events.
    principal : Principal
    owner : str
        Whose the task is.
    seq : int
        The last event that they have.

    Attributes
    ----------
    sent : int
        ``seq`` of the last frame.
    place : int
        Up to where there is nothing more for them; it is ahead of `sent` while others' events come.
    sending_since : float or None
        Since when a frame waits for the client to read; seconds of the loop.
    heard : float
        When the last frame was sent.
    needs_heartbeat : bool
    drop : callable or None
        Ends the connection of a client that does not read.
    closing : Closing or None
        What to close with, as soon as possible.
    """

    def __init__(
        self,
        feed: Feed,
        channel: ChannelName | None,
        principal: Principal,
        owner: str,
        seq: int,
    ) -> None:
        self.feed = feed
        self.channel = channel
        self.principal = principal
        self.owner = owner
        self.sent = self.place = seq
        self.sending_since: float | None = None
        self.heard = 0.0
        self.needs_heartbeat = False
        self.closing: Closing | None = None
        self.drop: Callable[[int, str], None] | None = None
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Let them look what is new."""
        self._news.set()

    async def news(self) -> None:
        """Wait until there may be something new."""
        await self._news.wait()
        self._news.clear()

    def close(self, code: int, reason: str) -> None:
        """Close the socket; at once where the client does not read."""
        if self.closing is None:
            self.closing = Closing(code, reason)
            if self.sending_since is not None and self.drop is not None:
                self.drop(code, reason)
        self.wake()
