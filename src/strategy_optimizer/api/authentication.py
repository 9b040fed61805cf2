"""What a request shows of itself, read from its headers; and what OpenAPI says of that."""

from __future__ import annotations

from typing import Any

from starlette.requests import HTTPConnection

from strategy_optimizer.access.gate import Call, Gate
from strategy_optimizer.access.policy import POLICY, SOCKET
from strategy_optimizer.access.principal import Principal
from strategy_optimizer.access.sessions import COOKIE
from strategy_optimizer.errors import NotAuthenticatedError

TICKET = "ticket"
"""The query parameter of sockets."""
SCHEMES: dict[str, Any] = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "an API key: so_, an id of 8 letters, and a secret",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "the cookie of POST /api/v1/sessions",
    },
}


def address_of(connection: HTTPConnection) -> str:
    """Return where a request comes from; the server has looked at what trusted proxies say."""
    return connection.client.host if connection.client else ""


def method_of(connection: HTTPConnection) -> str:
    """Return the method of a request as the policy has it."""
    return SOCKET if connection.scope["type"] == "websocket" else str(connection.scope["method"])


def authenticate(gate: Gate, connection: HTTPConnection) -> Principal | None:
    """Return who calls; None where nothing was shown."""
    return gate.identify(_call(connection))


def authenticate_from_memory(gate: Gate, connection: HTTPConnection) -> Principal | None:
    """Return who calls, when that was looked up a moment ago; None says that `authenticate` is to be asked."""
    return gate.identify_from_memory(_call(connection))


def _call(connection: HTTPConnection) -> Call:
    return Call(
        method_of(connection),
        address_of(connection),
        key=_key(connection),
        cookie=connection.cookies.get(COOKIE),
        ticket=connection.query_params.get(TICKET),
        origin=connection.headers.get("origin"),
        host=connection.headers.get("host"),
    )


def describe_security(document: dict[str, Any]) -> dict[str, Any]:
    """Add to an OpenAPI document what the policy asks of each operation."""
    document.setdefault("components", {})["securitySchemes"] = SCHEMES
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            rule = POLICY.get((method.upper(), path))
            if rule is not None:
                operation["security"] = [] if rule.scope is None else [{name: []} for name in SCHEMES]
                if rule.scope is not None:
                    operation["x-scope"] = rule.scope
    return document


def _key(connection: HTTPConnection) -> str | None:
    header = connection.headers.get("authorization")
    if header is None:
        return None
    scheme, _, key = header.partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise NotAuthenticatedError("the header Authorization is to be 'Bearer KEY'")
    return key.strip()
