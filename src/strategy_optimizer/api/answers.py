"""Answers that child processes compute: once for all who ask for the same, and ended when nobody waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from fastapi import Request
from starlette.exceptions import HTTPException

from strategy_optimizer.access.principal import Principal
from strategy_optimizer.api.computing import ComputePool
from strategy_optimizer.reading.bounded import BoundedCache

T = TypeVar("T")
KEPT = 32 << 20
"""Bytes of the answers that are kept."""
CALLER_GONE = 499
"""For the log: nobody receives it."""
_LOOK = 0.25


@dataclass
class _Flight:
    """An answer that is being computed, and how many wait for it."""

    future: asyncio.Future[bytes]
    cancelled: threading.Event = field(default_factory=threading.Event)
    waiting: int = 0


class Answers:
    """Computes answers in the child processes of a pool; used by one event loop.

    Parameters
    ----------
    pool : ComputePool
    """

    def __init__(self, pool: ComputePool) -> None:
        self.pool = pool
        self._kept = BoundedCache[Hashable, bytes](KEPT, len)
        self._flights: dict[Hashable, _Flight] = {}
        limits = pool.limits
        # Threads of their own: those of the other routes must not wait with them.
        self._threads = ThreadPoolExecutor(2 * limits.processes + limits.waiting, "computing")

    async def get(
        self, request: Request, key: Hashable, function: str, arguments: Mapping[str, Any]
    ) -> bytes:
        """Return what a function finds, as JSON.

        Parameters
        ----------
        request : Request
            Whose caller waits, and whose turn it is. The function is ended when all who wait for this answer have gone.
        key : hashable
            What the answer depends on, beside function and arguments: the task and how many trials it has.
        function : str
        arguments : mapping
            JSON values.

        Raises
        ------
        StrategyOptimizerError
            What the function raised, a `ComputationError` or a `TooManyRequestsError`.
        """
        whole = (function, key, repr(sorted(arguments.items())))
        kept = self._kept.find(whole)
        if kept is not None:
            return kept
        flight = self._flights.get(whole)
        if flight is None:
            flight = self._begin(whole, function, arguments, asker_of(request))
        flight.waiting += 1
        try:
            return await unless_gone(request, flight.future)
        finally:
            flight.waiting -= 1
            if flight.waiting == 0 and not flight.future.done():
                flight.cancelled.set()
                self._flights.pop(whole, None)

    def _begin(self, whole: Hashable, function: str, arguments: Mapping[str, Any], user: str) -> _Flight:
        cancelled = threading.Event()
        run = partial(self.pool.run, function, arguments, user=user, cancelled=cancelled)
        future = asyncio.get_running_loop().run_in_executor(self._threads, run)
        flight = self._flights[whole] = _Flight(future, cancelled)

        def landed(done: asyncio.Future[bytes]) -> None:
            if self._flights.get(whole) is flight:
                del self._flights[whole]
            if not done.cancelled() and done.exception() is None:
                self._kept.keep(whole, done.result())

        future.add_done_callback(landed)
        return flight

    def close(self) -> None:
        """End all that is computed."""
        self.pool.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


def asker_of(request: Request) -> str:
    """Return the user for whom something is computed."""
    principal: Principal = request.state.principal  # only users may ask for what is computed
    return principal.user_id


async def unless_gone(request: Request, future: asyncio.Future[T]) -> T:
    """Return the result of a future while the caller is there."""
    while not future.done():
        await asyncio.wait({future}, timeout=_LOOK)
        if not future.done() and await request.is_disconnected():
            raise HTTPException(CALLER_GONE, "the caller has gone")
    return future.result()
