"""What routes ask for, and the check that each of them passes first.

What reads nothing is `async`: FastAPI hands everything else to a thread, and each such hand-over costs more than most
of these functions.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from fastapi.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from strategy_optimizer.access.policy import SOCKET, rule_of
from strategy_optimizer.access.principal import Principal
from strategy_optimizer.api.authentication import address_of, method_of
from strategy_optimizer.api.hub import Hub
from strategy_optimizer.api.query_names import check_query
from strategy_optimizer.api.service import Service
from strategy_optimizer.api.short_reads import ShortReads
from strategy_optimizer.api.turns import Turns
from strategy_optimizer.errors import NotAuthenticatedError
from strategy_optimizer.storage import Store

WEBSOCKET = SOCKET


async def the_service(connection: HTTPConnection) -> Service:
    """Return the service that the app was made for."""
    service: Service = connection.app.state.service
    return service


async def the_store(connection: HTTPConnection) -> Store:
    """Return the store."""
    service: Service = connection.app.state.service
    return service.store


async def the_short_reads(connection: HTTPConnection) -> ShortReads:
    """Return what reads a few rows of the store."""
    reads: ShortReads = connection.app.state.short_reads
    return reads


async def the_hub(connection: HTTPConnection) -> Hub:
    """Return what brings events to sockets."""
    hub: Hub = connection.app.state.hub
    return hub


async def the_checks(connection: HTTPConnection) -> Turns:
    """Return whose turn it is to have something checked in a process of its own."""
    checks: Turns = connection.app.state.checks
    return checks


async def authorize(connection: HTTPConnection) -> None:
    """Find out who calls, and refuse what the policy does not let them do. Every route passes here first.

    What it asks for is looked at then: nobody learns anything of a route that is not theirs. Routes call it before they
    read the body, see `routing.Route`, and as a dependency, which does nothing then.
    """
    if hasattr(connection.state, "principal"):
        return
    rule = rule_of(method_of(connection), connection.scope["route"].path)
    service: Service = connection.app.state.service
    service.gate.check_address(address_of(connection))
    principal = None
    if rule.scope is not None:
        principal = service.authenticate_from_memory(connection)
        if principal is None:
            principal = await run_in_threadpool(service.authenticate, connection)
    rule.check(principal)
    connection.state.principal = principal
    check_query(connection)


async def current_principal(connection: HTTPConnection) -> Principal:
    """Return who calls; only in routes that need a scope."""
    principal: Principal | None = connection.state.principal
    if principal is None:
        raise NotAuthenticatedError
    return principal


TheService = Annotated[Service, Depends(the_service)]
TheStore = Annotated[Store, Depends(the_store)]
TheShortReads = Annotated[ShortReads, Depends(the_short_reads)]
TheChecks = Annotated[Turns, Depends(the_checks)]
TheHub = Annotated[Hub, Depends(the_hub)]
Caller = Annotated[Principal, Depends(current_principal)]
