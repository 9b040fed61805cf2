"""Runs coroutines from plain code: on one event loop in a thread of its own, kept for the life of the process.

One loop for all trials lets a function keep its connections between them, and a thread of its own works where a loop
is running already, as in a notebook.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Awaitable
from typing import Any

_starting = threading.Lock()
_loops: dict[int, asyncio.AbstractEventLoop] = {}  # by process: a fork leaves the thread behind


def finish(awaitable: Awaitable[Any]) -> Any:
    """Wait for an awaitable and return its result, or raise what it raised."""

    async def result() -> Any:
        return await awaitable

    future = asyncio.run_coroutine_threadsafe(result(), _loop())
    try:
        return future.result()
    except BaseException:  # an interrupt too ends what is under way
        future.cancel()
        raise


def _loop() -> asyncio.AbstractEventLoop:
    with _starting:
        loop = _loops.get(os.getpid())
        if loop is None:
            loop = _loops[os.getpid()] = asyncio.new_event_loop()
            thread = threading.Thread(target=loop.run_forever, name="engine coroutines", daemon=True)
            thread.start()
            atexit.register(_end, loop, thread, os.getpid())
        return loop


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread, process: int) -> None:
    if os.getpid() == process:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=1.0)
        if not loop.is_running():
            loop.close()
