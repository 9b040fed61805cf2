"""How a request comes to its function: who may not ask is refused before a body is read, and JSON is read strictly."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from strategy_optimizer.api.dependencies import authorize
from strategy_optimizer.errors import RepeatedKeyError
from strategy_optimizer.json_files import parse_json_bytes

_LARGE = 1 << 16
"""Bytes from which on a body is read in a thread: a megabyte of small objects takes 60 ms."""


class StrictRequest(Request):
    """A request whose JSON is clear: a key that stands twice is refused, and a number that is none."""

    _json: Any

    async def json(self) -> Any:
        """Return the value of the body."""
        if not hasattr(self, "_json"):
            body = await self.body()
            if len(body) < _LARGE:
                self._json = parse_json_bytes(body, finite=True)
            else:
                self._json = await run_in_threadpool(parse_json_bytes, body, finite=True)
        return self._json


class Route(APIRoute):
    """A route of this service."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        answer = super().get_route_handler()

        async def answer_strictly(request: Request) -> Response:
            await authorize(request)  # FastAPI reads the body before it looks at dependencies
            try:
                return await answer(StrictRequest(request.scope, request.receive, request._send))
            except HTTPException as error:  # what FastAPI makes of every error of reading but JSON's own
                if isinstance(error.__cause__, RepeatedKeyError):
                    raise error.__cause__ from None
                raise

        return answer_strictly


class Router(APIRouter):
    """A router of such routes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(route_class=Route, **options)
