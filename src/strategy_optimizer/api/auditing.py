"""Writes the audit log: each thing that was done has its line before its answer is sent."""

from __future__ import annotations

from typing import Any

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strategy_optimizer.access.policy import POLICY
from strategy_optimizer.access.principal import Principal
from strategy_optimizer.api.authentication import address_of
from strategy_optimizer.api.service import Service
from strategy_optimizer.errors import StorageError

LOG = structlog.get_logger(__name__)


class Auditing:
    """Notes what the policy calls an action, when it succeeded.

    Parameters
    ----------
    app : ASGI app
    service : Service
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""

        async def send_when_noted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                action = _action(scope)
                if action:
                    await run_in_threadpool(self._note, action, scope, message)
            await send(message)

        await self.app(scope, receive, send_when_noted if scope["type"] == "http" else send)

    def _note(self, action: str, scope: Scope, message: Message) -> None:
        state: dict[str, Any] = scope.get("state", {})
        actor: Principal | None = state.get("principal")
        try:
            self.service.gate.audit.note(
                actor,
                action,
                _target(scope, message),
                address=address_of(HTTPConnection(scope)),
                details={"request": state.get("request_id"), **state.get("audit", {})},
            )
        except StorageError as error:  # it is done already; the log of the service has the line
            LOG.error("the audit log could not be written", action=action, error=str(error))


def _action(scope: Scope) -> str:
    rule = POLICY.get((scope["method"], getattr(scope.get("route"), "path", "")))
    return "" if rule is None else rule.action


def _target(scope: Scope, message: Message) -> str:
    """Return what was made, by its address, or what the path names."""
    for name, value in message.get("headers", ()):
        if name.lower() == b"location":
            return str(value.decode("latin-1").rsplit("/", 1)[-1])
    return "/".join(str(value) for value in scope.get("path_params", {}).values())
