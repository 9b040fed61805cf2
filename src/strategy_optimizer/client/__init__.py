"""The client of the service for Python, in two forms from one source: `Client` waits, `AsyncClient` is awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strategy_optimizer.lazy import lazy_names

_HOMES = {
    "async_client": ("AsyncClient",),
    "exchange": ("Patience",),
    "sync_client": ("Client",),
}

if TYPE_CHECKING:
    from strategy_optimizer.client.async_client import AsyncClient
    from strategy_optimizer.client.exchange import Patience
    from strategy_optimizer.client.sync_client import Client

__all__ = [
    "AsyncClient",
    "Client",
    "Patience",
]

__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
