"""Files that child processes make and clients read at their own pace: no process waits for a client."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Send

from strategy_optimizer.api.answers import asker_of, unless_gone
from strategy_optimizer.api.computing import ComputePool
from strategy_optimizer.api.spool import Space, Spool
from strategy_optimizer.api.turns import CallCancelledError
from strategy_optimizer.errors import StrategyOptimizerError, TooManyRequestsError

LOG = structlog.get_logger(__name__)

MOST = 4
"""Downloads of one user at once."""
SPACE = 1 << 30
"""Bytes on the disk that were made for one user and not read yet; a million trials as CSV are a third."""
STALLED = 60.0
"""Seconds after which a client that takes nothing of a file is given up."""
RETRY = 5.0
"""Seconds after which to ask again, for who has too many downloads."""


class FileResponse(StreamingResponse):
    """The answer that sends a file; where it cannot go on, the server breaks the connection off."""

    async def stream_response(self, send: Send) -> None:
        """Send the file, as far as there is one."""
        try:
            await super().stream_response(send)
        except (StrategyOptimizerError, CallCancelledError) as error:  # the status has been sent
            LOG.warning("a download broke off", error=str(error) or type(error).__name__)


class _Download:
    """A file on its way to a user.

    Attributes
    ----------
    cancelled : Event
        Set when nobody wants it any more.
    """

    def __init__(self, user: str, folder: Path, space: Space) -> None:
        self.user = user
        self.cancelled = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._has_news = asyncio.Event()
        self.spool = Spool(folder, space, user, self._tell)

    def _tell(self) -> None:
        with suppress(RuntimeError):  # the service has ended
            self._loop.call_soon_threadsafe(self._has_news.set)

    async def next(self) -> bytes | None:
        """Return the next bytes as soon as there are some, None at the end."""
        while True:
            self._has_news.clear()
            piece = await run_in_threadpool(self.spool.read)
            if piece != b"":
                return piece
            await self._has_news.wait()


class Downloads:
    """Sends files that functions make in the child processes of a pool; used by one event loop.

    Parameters
    ----------
    pool : ComputePool
    folder : Path
        Where lies what clients have not read yet.
    most, space : int
        How many downloads one user may have at once, and how many bytes of them on the disk.
    stalled : float
        Seconds after which a client that takes nothing is given up.

    Notes
    -----
    A process makes its file as fast as it can and is free then, however slowly its client reads; only who leaves more
    unread than `space` lets a process wait, and that is one of theirs, see `Limits.of_user`.
    """

    def __init__(
        self,
        pool: ComputePool,
        folder: Path,
        *,
        most: int = MOST,
        space: int = SPACE,
        stalled: float = STALLED,
    ) -> None:
        self.pool = pool
        self.space = Space(space)
        self._folder = folder
        self._most = most
        self._stalled = stalled
        self._open: set[_Download] = set()
        limits = pool.limits
        # Threads of their own, one for each that is made or waits: those of the other routes must not wait with them.
        self._threads = ThreadPoolExecutor(2 * limits.processes + limits.waiting, "downloading")

    async def stream(
        self, request: Request, function: str, arguments: Mapping[str, Any]
    ) -> AsyncIterator[bytes]:
        """Return the file that a function makes, piece by piece.

        Raises
        ------
        StrategyOptimizerError
            Before the first piece, so that the answer can still say so.
        """
        download = self._begin(asker_of(request), function, arguments)
        first = asyncio.ensure_future(download.next())
        try:
            piece = await unless_gone(request, first)
        except BaseException:
            first.cancel()
            self._end(download)
            raise
        # An answer that never begins would otherwise be kept for ever.
        unread = asyncio.get_running_loop().call_later(self._stalled, self._end, download)
        return self._pieces(download, piece, unread)

    def _begin(self, user: str, function: str, arguments: Mapping[str, Any]) -> _Download:
        own = sum(download.user == user for download in self._open)
        if own >= self._most:
            raise TooManyRequestsError(
                f"{own} downloads of yours are not read to their ends yet, as many as one user may have; read them, or "
                "ask again later",
                retry_after=RETRY,
            )
        download = _Download(user, self._folder, self.space)
        self._open.add(download)
        self._threads.submit(self._make, download, function, arguments)
        return download

    def _make(self, download: _Download, function: str, arguments: Mapping[str, Any]) -> None:
        """Let a process make a file; runs in a thread."""
        error: BaseException | None = None
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self.pool.begin(
                function, arguments, user=download.user, cancelled=download.cancelled
            ) as call:
                for block in call:
                    while not download.spool.put(block):
                        call.wait_a_little()
        except BaseException as caught:
            error = caught
        download.spool.finish(error)

    async def _pieces(
        self, download: _Download, piece: bytes | None, unread: asyncio.TimerHandle
    ) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        unread.cancel()
        try:
            while piece is not None:
                stalled = loop.call_later(self._stalled, self._end, download)
                yield piece
                stalled.cancel()
                piece = await download.next()
        finally:
            self._end(download)

    def _end(self, download: _Download) -> None:
        """End a download, also one that is being made."""
        if download in self._open:
            self._open.discard(download)
            download.cancelled.set()
            # In a thread: its other side may be writing.
            asyncio.get_running_loop().run_in_executor(None, download.spool.close)

    def close(self) -> None:
        """End all downloads."""
        for download in self._open:
            download.cancelled.set()
            download.spool.close()
        self.pool.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
