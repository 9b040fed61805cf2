"""What happens around every request: an id, a line in the log, a limit for its size."""

from __future__ import annotations

import logging
import re
import time
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strategy_optimizer.api.metrics import Metrics

LOG = structlog.get_logger("strategy_optimizer.requests")
_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_TASK = re.compile(r"/api/v1/optimize/([^/]+)")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Sent with every answer that does not say otherwise."""
QUIET = ("/health", "/ready", "/metrics")
"""Routes that machines ask every few seconds: logged at the level debug."""


class RequestContext:
    """Gives each request an id, which its log lines and its answer carry; logs and counts how it ended."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or socket."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else uuid4().hex[:16]
        scope.setdefault("state", {})["request_id"] = request_id
        status, made = 0, ""
        started = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status, made
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                made = headers.get("location", "")
                headers["X-Request-Id"] = request_id
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self.app(scope, receive, send_with_id)
            if scope["type"] == "http":
                self._note(scope, status, time.perf_counter() - started, made)

    def _note(self, scope: Scope, status: int, seconds: float, made: str) -> None:
        method, route = scope["method"], getattr(scope.get("route"), "path", "none")
        self.metrics.count(method, route, status, seconds)
        level = logging.DEBUG if route in QUIET else logging.INFO
        LOG.log(
            level,
            "request",
            method=method,
            path=scope["path"],
            status=status,
            milliseconds=round(1e3 * seconds, 1),
            user=getattr(scope["state"].get("principal"), "name", None),
            **_task_of(scope, made),
        )


def _task_of(scope: Scope, made: str) -> dict[str, str]:
    """Return the id of the task that a request made, by its address, or is about."""
    if found := _TASK.fullmatch(made):
        return {"task_id": found[1]}
    named = scope.get("path_params", {}).get("task_id")
    return {} if named is None else {"task_id": named}


class BodyLimit:
    """Refuses bodies that are larger than allowed, before they are in memory.

    Parameters
    ----------
    app : ASGI app
    size : int
        Bytes.
    larger : dict
        Bytes for paths that take more.
    """

    def __init__(self, app: ASGIApp, size: int, larger: dict[str, int]) -> None:
        self.app = app
        self.size = size
        self.larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; sockets limit their messages themselves."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.larger.get(scope["path"], self.size)
        declared = Headers(scope=scope).get("content-length", "0")
        left = limit - int(declared) if declared.isdigit() and int(declared) > limit else limit

        async def counted() -> Message:
            nonlocal left
            if left >= 0:
                message = await receive()
                left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(
                    413, f"the request is larger than {limit:,} bytes, the most that is taken here"
                )
            return message

        await self.app(scope, counted, send)
