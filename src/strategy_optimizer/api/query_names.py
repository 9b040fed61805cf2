"""Query parameters that would be ignored are refused, such as a mistyped filter, or the first of two: they mislead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, get_origin

from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from starlette.requests import HTTPConnection

from strategy_optimizer.api.authentication import TICKET
from strategy_optimizer.errors import nearest_name

UNKNOWN = "unknown_parameter"
REPEATED = "repeated_parameter"
_MOST = 20
"""So many are named."""


def check_query(connection: HTTPConnection) -> None:
    """Refuse query parameters that the route of a request does not have, or has once and gets twice.

    Raises
    ------
    RequestValidationError, WebSocketRequestValidationError
    """
    if not connection.scope["query_string"]:
        return
    is_socket = connection.scope["type"] == "websocket"
    known = _known(connection.scope["route"], is_socket)
    names = Counter(name for name, _ in connection.query_params.multi_items())
    unknown = [name for name in names if name not in known][:_MOST]  # nearest names take their time
    problems = [_unknown(name[:100], tuple(sorted(known))) for name in unknown]
    problems += [_repeated(name) for name, times in names.items() if times > 1 and known.get(name) is False]
    if problems:
        raise WebSocketRequestValidationError(problems) if is_socket else RequestValidationError(problems)


def _unknown(name: str, known: tuple[str, ...]) -> dict[str, Any]:
    there = f"there are {', '.join(known)}" if known else "there are none here"
    text = f"there is no such parameter{nearest_name(name, known)} ({there})"
    return {"loc": ("query", name), "msg": text, "type": UNKNOWN}


def _repeated(name: str) -> dict[str, Any]:
    return {"loc": ("query", name), "msg": "it stands twice; keep one of them", "type": REPEATED}


def _known(route: Any, is_socket: bool) -> dict[str, bool]:
    """Return the names that a route knows, and whether each may stand several times."""
    return {**dict(_names(route.dependant)), **({TICKET: False} if is_socket else {})}


def _names(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    for field in dependant.query_params:
        yield field.alias, get_origin(field.field_info.annotation) is list
    for each in dependant.dependencies:
        yield from _names(each)
