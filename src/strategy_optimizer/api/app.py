"""Puts the routes together."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from strategy_optimizer.access.policy import POLICY, RouteName
from strategy_optimizer.api import problems, sockets
from strategy_optimizer.api.auditing import Auditing
from strategy_optimizer.api.dependencies import WEBSOCKET, authorize
from strategy_optimizer.api.first_look import FirstLook
from strategy_optimizer.api.hub import Hub
from strategy_optimizer.api.middleware import BodyLimit, RequestContext
from strategy_optimizer.api.reading import Reading
from strategy_optimizer.api.routes import (
    accounts,
    analysis,
    datasets,
    engine,
    events,
    exports,
    history,
    ledger,
    parameter_spaces,
    schedules,
    server,
    sessions,
    strategies,
    tasks,
    webhooks,
)
from strategy_optimizer.api.service import Service
from strategy_optimizer.api.short_reads import ShortReads
from strategy_optimizer.api.turns import Turns
from strategy_optimizer.errors import SettingsError
from strategy_optimizer.service_settings import MEGABYTE
from strategy_optimizer.version import __version__

ROUTERS: Sequence[APIRouter] = (
    server.router,
    parameter_spaces.router,  # before the tasks, whose ids would match "parameter-space"
    tasks.router,
    history.router,
    exports.router,
    engine.router,
    schedules.router,
    webhooks.router,
    ledger.router,
    strategies.router,
    datasets.router,
    analysis.router,
    sessions.router,
    accounts.router,
    events.router,
    sockets.router,
)
CHECKS, CHECKS_WAITING, CHECKS_PATIENCE = 2, 16, 60.0
"""Uploads and spaces that are checked at once: each may take gigabytes. How many wait, and for how many seconds.

One at once may be of one user: a file that was made to be read slowly takes two minutes. Each that waits holds one of
the forty threads in which most routes run.
"""


def create_app(service: Service) -> FastAPI:
    """Return the app.

    Raises
    ------
    SettingsError
        When a route has no rule in the policy.
    """
    check_policy()
    app = bare_app()
    app.state.service = service
    app.state.hub = Hub(
        service.store,
        most=service.settings.sockets,
        most_of_user=service.settings.sockets_of_user,
        authenticate_again=service.authenticate_again,
        count=service.metrics.sockets.inc,
        pace=service.pace,
    )
    app.state.reading = Reading(service)
    app.state.checks = Turns(CHECKS, of_user=1, waiting=CHECKS_WAITING, patience=CHECKS_PATIENCE)
    app.state.first_look = FirstLook(service.store, service.settings)
    app.state.uploading = Counter()
    app.state.short_reads = ShortReads(service.store)
    problems.install(app)
    app.add_middleware(
        BodyLimit,
        size=service.settings.body_size * MEGABYTE,
        larger={"/api/v1/datasets": service.settings.upload_size * MEGABYTE},
    )
    app.add_middleware(Auditing, service=service)
    app.add_middleware(RequestContext, metrics=service.metrics)
    return app


def bare_app() -> FastAPI:
    """Return the routes alone, which can be described and not called."""
    app = FastAPI(
        title="strategy-optimizer",
        version=__version__,
        description="Finds the best parameters of trading strategies and says whether they can be believed.",
        openapi_url=None,  # it is a route of ours, under the policy
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(authorize)],
        generate_unique_id_function=lambda route: route.name,
        separate_input_output_schemas=False,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    for router in ROUTERS:
        app.include_router(router)
    app.router.default = _no_such_route
    return app


async def _no_such_route(scope: Scope, receive: Receive, send: Send) -> None:
    """Say that nothing is there, also to who opens a socket, whom Starlette would leave without a word."""
    raise HTTPException(404)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.short_reads.close()
    app.state.reading.close()


def route_names(routers: Sequence[APIRouter] = ROUTERS) -> Iterator[RouteName]:
    """Yield method and path of every route and socket."""
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIWebSocketRoute):
                yield WEBSOCKET, route.path
            elif isinstance(route, APIRoute):
                yield from ((method, route.path) for method in sorted(route.methods or ()))
            else:
                raise SettingsError(f"{route!r} is neither a route nor a socket; the policy cannot guard it")


def check_policy(routers: Sequence[APIRouter] = ROUTERS) -> None:
    """Refuse routes without a rule.

    Raises
    ------
    SettingsError
    """
    missing = [" ".join(name) for name in route_names(routers) if name not in POLICY]
    if missing:
        raise SettingsError(f"these routes have no rule in access/policy.py: {', '.join(missing)}")
