"""Answers that are ready to be sent, and those that need not be sent again: ETag, If-None-Match (RFC 9110)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

from fastapi import Request, Response

from strategy_optimizer.models.base import Model
from strategy_optimizer.version import __version__

_TAG = re.compile(r'(?:W/)?"([^"]*)"')
CACHING = "private, no-cache"
"""The caller may keep the answer, and asks each time whether it still holds."""
NOT_MODIFIED = {"description": "as the ETag in If-None-Match says, the caller has it already"}


def etag_of(*parts: Any) -> str:
    """Return the tag of an answer that depends on nothing but these parts and this version.

    >>> etag_of("opt_1", 10) == etag_of("opt_1", 10) != etag_of("opt_1", 11)
    True
    """
    digest = hashlib.sha256(repr((__version__, *parts)).encode()).hexdigest()
    return f'"{digest[:32]}"'


def conditional(request: Request, etag: str, make: Callable[[], Response]) -> Response:
    """Return the answer that `make` gives, or 304 without making it when the caller has it already."""
    if matches(request.headers.get("if-none-match", ""), etag):
        return not_modified(etag)
    response = make()
    response.headers.update(validated_by(etag))
    return response


def not_modified(etag: str) -> Response:
    """Return 304: the caller has the answer of this tag already."""
    return Response(status_code=304, headers=validated_by(etag))


def validated_by(etag: str) -> dict[str, str]:
    """Return the headers of an answer that the caller may keep, and asks about by its tag."""
    return {"ETag": etag, "Cache-Control": CACHING}


def json_of(model: Model) -> Response:
    """Return a model as an answer; FastAPI would validate it again, in another thread."""
    return Response(model.model_dump_json(), media_type="application/json")


def matches(given: str, etag: str) -> bool:
    """Return whether an If-None-Match header names a tag.

    >>> matches('"a", W/"b"', '"b"'), matches("*", '"b"'), matches("", '"b"')
    (True, True, False)
    """
    return given.strip() == "*" or etag.strip('"') in _TAG.findall(given)
