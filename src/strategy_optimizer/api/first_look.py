"""For some seconds after the first start no worker has looked which strategies there are: who asks for them waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Annotated, TypeVar

from anyio import from_thread
from fastapi import Depends
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from strategy_optimizer.catalogue.installed import tell_built_in
from strategy_optimizer.catalogue.strategy_folder import told_file
from strategy_optimizer.errors import NotStoredError, StrategyError
from strategy_optimizer.service_settings import ServiceSettings
from strategy_optimizer.storage import Store

T = TypeVar("T")
PATIENCE = 15.0
"""Seconds after the start of the service for which the first look of the worker beside it is waited for."""
_LOOK = 0.1


class FirstLook:
    """Knows whether the store has been told of the strategies.

    Parameters
    ----------
    store : Store
    settings : ServiceSettings

    Notes
    -----
    The built-in strategies are told by this process where no worker does, so that there is always something to search;
    strategies of a folder or of packages by workers alone, whose child processes run their code.
    """

    def __init__(self, store: Store, settings: ServiceSettings) -> None:
        self._store = store
        self._until = time.monotonic() + (PATIENCE if settings.workers else 0.0)
        self._folder_file = None if settings.strategies is None else told_file(settings.data_dir)
        self._is_over = False
        self._looking = asyncio.Lock()

    async def wait(self) -> None:
        """Return as soon as there is something to see, or nobody can be expected to tell more."""
        if self._is_over:
            return
        async with self._looking:
            while not self._is_over:
                has_built_in = await run_in_threadpool(self._has_built_in)
                is_late = time.monotonic() >= self._until
                if is_late and not has_built_in:
                    await run_in_threadpool(tell_built_in, self._store)
                self._is_over = is_late or (has_built_in and self._has_folder())
                if not self._is_over:
                    await asyncio.sleep(_LOOK)

    def told(self, ask: Callable[[], T]) -> T:
        """Return what `ask` gives; where it misses a strategy, after the first look. For the threads of routes."""
        try:
            return ask()
        except (NotStoredError, StrategyError):
            if self._is_over:
                raise
            from_thread.run(self.wait)
            return ask()

    def _has_built_in(self) -> bool:
        return any(record.source == "built_in" for record in self._store.strategies.all())

    def _has_folder(self) -> bool:
        return self._folder_file is None or self._folder_file.exists()


async def the_first_look(connection: HTTPConnection) -> FirstLook:
    """Return what knows of the first look."""
    first_look: FirstLook = connection.app.state.first_look
    return first_look


TheFirstLook = Annotated[FirstLook, Depends(the_first_look)]


async def after_first_look(first_look: TheFirstLook) -> None:
    """Let a route wait for the first look."""
    await first_look.wait()
