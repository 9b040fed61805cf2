"""The service as a backtest engine: any strategy on any data, by the protocol that `HttpEngine` speaks."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from strategy_optimizer.access.principal import Principal
from strategy_optimizer.api.dependencies import Caller, TheStore
from strategy_optimizer.api.reading import TheReading
from strategy_optimizer.api.routing import Router
from strategy_optimizer.errors import BacktestError, SpaceError
from strategy_optimizer.models.engine import BacktestIn, BacktestOut, EngineHealthOut, RefusedOut
from strategy_optimizer.models.service_task import StoredTask, TaskIn
from strategy_optimizer.storage import Store
from strategy_optimizer.workers.submission import pinned

router = Router(prefix="/api/v1/engines/{strategy}/{data}", tags=["engine"])
Strategy = Annotated[
    str, Path(max_length=200, description="a name that tasks can give", examples=["momentum"])
]
Data = Annotated[
    str, Path(max_length=200, description="a sample, or one of one's datasets", examples=["nasdaq"])
]


@router.get("/health", response_model=EngineHealthOut)
async def engine_health(
    strategy: Strategy, data: Data, caller: Caller, store: TheStore, reading: TheReading, request: Request
) -> Response:
    """Say what this engine is: its parameters, and digests of its code and data."""
    arguments = await run_in_threadpool(_inputs, store, caller, strategy, data)
    arguments["data_dir"] = reading.data_dir
    return _json(await reading.computed.get(request, None, "engine_health", arguments))


@router.post(
    "/backtests",
    response_model=BacktestOut,
    responses={422: {"model": RefusedOut, "description": "these parameters cannot be tested"}},
)
async def run_engine_backtest(
    strategy: Strategy,
    data: Data,
    backtest: BacktestIn,
    caller: Caller,
    store: TheStore,
    reading: TheReading,
    request: Request,
) -> Response:
    """Make one backtest. The same one twice is computed once."""
    arguments = await run_in_threadpool(_inputs, store, caller, strategy, data)
    arguments |= {
        "data_dir": reading.data_dir,
        "parameters": backtest.parameters,
        "window": list(backtest.window),
    }
    try:
        return _json(await reading.computed.get(request, None, "engine_backtest", arguments))
    except (SpaceError, BacktestError) as error:
        return JSONResponse(RefusedOut(error=str(error)).model_dump(), 422)


def _inputs(store: Store, caller: Principal, strategy: str, data: str) -> dict[str, Any]:
    """Return strategy and data with their present versions: another version is another engine."""
    version, digest = pinned(store, caller.user_id, strategy, data)
    task = StoredTask(
        task=TaskIn(strategy_name=strategy, data=data), strategy_version=version, data_digest=digest
    )
    return {"owner": caller.user_id, "task": task.document()}


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")
