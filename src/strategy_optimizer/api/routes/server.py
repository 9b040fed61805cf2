"""Whether the service is there, whether it can work, and what it is."""

from __future__ import annotations

import asyncio
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Literal

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import Field

from strategy_optimizer.api.dependencies import Caller, TheService, TheStore
from strategy_optimizer.api.description import describe
from strategy_optimizer.api.routing import Router
from strategy_optimizer.errors import StorageError
from strategy_optimizer.models.base import Model
from strategy_optimizer.version import __version__

router = Router(tags=["server"])
PATIENCE = 4.0
"""Seconds after which a database that has not said that it is there is not."""
_PINGS = ThreadPoolExecutor(2, thread_name_prefix="ready")
_STARTED = time.monotonic()


class HealthOut(Model):
    """The process answers."""

    status: Literal["ok"] = "ok"
    version: str = __version__


class ReadyOut(Model):
    """Whether the service can do its work: its database answers."""

    ready: bool
    database: Literal["ok", "unavailable"]


class ServerOut(Model):
    """What this service is, and the settings that are in force; passwords are masked."""

    version: str
    python: str
    database: Literal["sqlite", "postgresql"]
    uptime: Annotated[float, Field(description="seconds")]
    settings: dict[str, Any] | None = Field(description="for administrators only")


@router.get("/health")
async def health() -> HealthOut:
    """Say that the process answers."""
    return HealthOut()


@router.get("/ready", responses={503: {"model": ReadyOut}})
async def ready(store: TheStore, response: Response) -> ReadyOut:
    """Say whether the database answers."""
    # Apart from the threads of requests, which may all wait for the same database.
    answer = asyncio.get_running_loop().run_in_executor(_PINGS, store.ping)
    try:
        await asyncio.wait_for(answer, PATIENCE)
    except (StorageError, TimeoutError):
        response.status_code = 503
        return ReadyOut(ready=False, database="unavailable")
    return ReadyOut(ready=True, database="ok")


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request) -> JSONResponse:
    """Return the description of all routes."""
    return JSONResponse(describe(request.app))


_METRICS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            CONTENT_TYPE_LATEST: {
                "schema": {"type": "string"},
                "example": "# HELP strategy_optimizer_database_up Whether the database answers\n"
                "# TYPE strategy_optimizer_database_up gauge\nstrategy_optimizer_database_up 1.0\n",
            }
        }
    }
}


@router.get("/metrics", response_class=Response, responses=_METRICS)
def metrics(service: TheService) -> Response:
    """Return counts and times in Prometheus's text format."""
    return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)


@router.get("/api/v1/server")
def server(caller: Caller, service: TheService) -> ServerOut:
    """Return what this service is."""
    url = str(service.store.database.url)
    return ServerOut(
        version=__version__,
        python=platform.python_version(),
        database="postgresql" if url.startswith("postgresql") else "sqlite",
        uptime=time.monotonic() - _STARTED,
        settings=service.settings.effective() if "admin" in caller.scopes else None,
    )
