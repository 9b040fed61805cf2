"""How a request comes to its function: who may not ask is refused before a body is read, and JSON is read strictly."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
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
            strict = StrictRequest(request.scope, request.receive, request._send)
            if self._takes_nothing:
                await _refuse_body(strict)
            try:
                return await answer(strict)
            except HTTPException as error:  # what FastAPI makes of every error of reading but JSON's own
                if isinstance(error.__cause__, RepeatedKeyError):
                    raise error.__cause__ from None
                raise

        return answer_strictly

    @property
    def _takes_nothing(self) -> bool:
        """Whether it makes or changes something and has no body, neither a model's nor one that is only described."""
        return (
            self.body_field is None
            and not self.openapi_extra
            and not (self.methods or set()) & {"GET", "HEAD"}
        )


async def _refuse_body(request: Request) -> None:
    """Refuse what would be ignored: who sends it believes that it counts. An empty object says nothing."""
    if (await request.body()).strip() not in (b"", b"{}", b"null"):
        text = "nothing is expected here, and this would be ignored; leave it out"
        raise RequestValidationError([{"loc": ("body",), "msg": text, "type": "unexpected_body"}])


class Router(APIRouter):
    """A router of such routes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(route_class=Route, **options)
