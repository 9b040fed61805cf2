"""Query parameters that nobody knows are refused: one that is ignored, such as a mistyped filter, misleads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from starlette.requests import HTTPConnection

from strategy_optimizer.api.authentication import TICKET
from strategy_optimizer.errors import nearest_name

UNKNOWN = "unknown_parameter"
_MOST = 20
"""So many are named."""


def check_query(connection: HTTPConnection) -> None:
    """Refuse query parameters that the route of a request does not have.

    Raises
    ------
    RequestValidationError, WebSocketRequestValidationError
    """
    if not connection.scope["query_string"]:
        return
    is_socket = connection.scope["type"] == "websocket"
    known = _known(connection.scope["route"], is_socket)
    unknown = [name for name in dict.fromkeys(connection.query_params) if name not in known]
    if unknown:
        problems = [_problem(name[:100], known) for name in unknown[:_MOST]]
        raise WebSocketRequestValidationError(problems) if is_socket else RequestValidationError(problems)


def _problem(name: str, known: tuple[str, ...]) -> dict[str, Any]:
    there = f"there are {', '.join(known)}" if known else "there are none here"
    text = f"there is no such parameter{nearest_name(name, known)} ({there})"
    return {"loc": ("query", name), "msg": text, "type": UNKNOWN}


def _known(route: Any, is_socket: bool) -> tuple[str, ...]:
    """Return the names that a route knows."""
    names = {*_names(route.dependant), *([TICKET] if is_socket else [])}
    return tuple(sorted(names))


def _names(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for each in dependant.dependencies:
        yield from _names(each)
