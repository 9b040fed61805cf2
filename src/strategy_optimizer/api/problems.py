"""Every error of the service as ``application/problem+json`` (RFC 9457), with a type that does not change."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from strategy_optimizer import errors
from strategy_optimizer.api.field_names import unknown_field
from strategy_optimizer.models.problem import ProblemModel

MEDIA_TYPE = "application/problem+json"
_LONGEST_REASON = 123
"""Bytes that the frame which closes a websocket has room for."""
_MOST_PROBLEMS = 100
"""So many of one request are told: a body may have a hundred thousand, and each is compared with what was meant."""
LOG = structlog.get_logger(__name__)

KINDS: Sequence[tuple[type[errors.StrategyOptimizerError], int, str]] = (
    (errors.TaskNotFoundError, 404, "not-found"),
    (errors.NotStoredError, 404, "not-found"),
    (errors.TaskExistsError, 409, "already-exists"),
    (errors.DuplicateError, 409, "already-exists"),
    (errors.TaskStateError, 409, "wrong-state"),
    (errors.DatasetInUseError, 409, "in-use"),
    (errors.NotAuthenticatedError, 401, "not-authenticated"),
    (errors.NotAllowedError, 403, "not-allowed"),
    (errors.TooManyRequestsError, 429, "too-many-requests"),
    (errors.LastAdminError, 409, "last-admin"),
    (errors.AccountError, 422, "invalid-account"),
    (errors.QuotaError, 429, "quota-exceeded"),
    (errors.StorageUnavailableError, 503, "store-unavailable"),
    (errors.StorageError, 500, "store-failed"),
    (errors.ComputationBusyError, 503, "busy"),
    (errors.ComputationTimeError, 504, "computation-too-long"),
    (errors.ComputationMemoryError, 503, "computation-too-large"),
    (errors.ComputationError, 500, "computation-failed"),
    (errors.SpaceError, 422, "invalid-space"),
    (errors.ObjectiveError, 422, "invalid-objective"),
    (errors.DataError, 422, "invalid-data"),
    (errors.StrategyError, 422, "invalid-strategy"),
    (errors.ScheduleError, 422, "invalid-schedule"),
    (errors.WebhookError, 422, "invalid-webhook"),
    (errors.StrategyOptimizerError, 422, "invalid-request"),
)
"""The first line that fits an error decides."""


def problem_response(
    request: Request,
    status: int,
    kind: str,
    detail: str,
    *,
    details: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return one problem.

    Parameters
    ----------
    request : Request
    status : int
    kind : str
        What ``type`` ends in; programs compare it.
    detail : str
        What was found, what was expected, what to do.
    details : mapping, optional
        The same for programs.
    headers : mapping, optional
    """
    problem = ProblemModel(
        type=f"/problems/{kind}",
        title=kind.replace("-", " "),
        status=status,
        detail=detail,
        details=dict(details or {}),
        instance=request.url.path,
        request_id=getattr(request.state, "request_id", None),
    )
    is_of_page = request.scope["type"] == "websocket" and "origin" in request.headers
    answer = RefusedSocket if is_of_page else JSONResponse
    return answer(problem.model_dump(mode="json"), status, headers, MEDIA_TYPE)


class RefusedSocket(JSONResponse):
    """The answer to a page that opens a websocket: browsers tell pages how a socket closed, not why none opened."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open the socket and close it with 4000 and the status, such as 4404."""
        detail = json.loads(bytes(self.body))["detail"]
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4000 + self.status_code, "reason": short(detail)})


def short(reason: str) -> str:
    """Return as much of a reason as the end of a websocket has room for.

    >>> len(short("ä" * 100).encode())
    122
    """
    return reason.encode()[:_LONGEST_REASON].decode(errors="ignore")


def install(app: FastAPI) -> None:
    """Let the app answer every error with a problem."""
    app.add_exception_handler(errors.StrategyOptimizerError, _of_ours)
    app.add_exception_handler(RequestValidationError, _of_request)
    app.add_exception_handler(WebSocketRequestValidationError, _of_request)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(Exception, _of_fault)


def kind_of(error: errors.StrategyOptimizerError) -> tuple[int, str]:
    """Return the status and the type of one of our errors.

    >>> kind_of(errors.TaskNotFoundError(task="t"))
    (404, 'not-found')
    """
    return next((status, kind) for cls, status, kind in KINDS if isinstance(error, cls))


def _of_ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.StrategyOptimizerError)
    status, kind = kind_of(error)
    headers = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if (wait := getattr(error, "retry_after", None)) is not None:
        headers["Retry-After"] = str(max(1, round(wait)))
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "5"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        is_away = isinstance(
            error, errors.StorageUnavailableError
        )  # every request says so: one line is enough
        LOG.error("request failed", kind=kind, error=str(error), exc_info=None if is_away else error)
        return problem_response(request, status, kind, _public(kind, error), headers=headers)
    return problem_response(request, status, kind, str(error), details=_attributes(error), headers=headers)


def _public(kind: str, error: Exception) -> str:
    """Return what callers may know of a fault that is ours; the log has the rest."""
    texts = {
        "store-unavailable": "the database does not answer; the same request may succeed in a few seconds",
        "store-failed": "the database refused; the log of the service says why, under this request_id",
        "computation-failed": "it could not be computed; the log of the service says why, under this request_id",
    }
    return texts.get(kind, str(error))


def _attributes(error: errors.StrategyOptimizerError) -> dict[str, Any]:
    """Return what an error knows besides its sentence."""
    return {
        name: value
        for name, value in vars(error).items()
        if not name.startswith("_")
        and isinstance(value, (str, int, float, list, tuple))
        and value not in ("", ())
    }


def _of_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, (RequestValidationError, WebSocketRequestValidationError))
    is_unread = any(
        p["loc"] == ("body",) and p["type"] not in ("missing", "unexpected_body") for p in error.errors()
    )
    if is_unread and (media := _other_media(request)):
        detail = (
            f"the body is {media}, and JSON is expected: send the header 'Content-Type: application/json'"
        )
        return problem_response(request, 415, _OF_STATUS[415], detail)
    problems = error.errors()
    found = [_found(request, problem) for problem in problems[:_MOST_PROBLEMS]]
    text = "; ".join(f"{'.'.join(problem['where'])}: {problem['problem']}" for problem in found[:5])
    more = f"; and {len(problems) - 5:,} more" if len(problems) > 5 else ""
    return problem_response(request, 422, "invalid-request", text + more, details={"errors": found})


def _other_media(request: Request) -> str | None:
    """Return what a request says that its body is, when that is not JSON; such a body is not read as JSON."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = media == "application/json" or (media.startswith("application/") and media.endswith("+json"))
    return None if is_json else media[:80] or "of a type that was not said"


def _found(request: Request, problem: Mapping[str, Any]) -> dict[str, Any]:
    """Return a problem of a request as it is told: where, what, and its kind."""
    where, text = [str(part) for part in problem["loc"]], problem["msg"]
    if problem["type"] == "json_invalid":
        place = where.pop()
        text = f"it is no JSON: {problem['ctx']['error']} (character {place})"
    elif where == ["body"] and problem["type"] == "missing":
        text = "a JSON document is expected, and there is none"
    elif problem["type"] == "model_attributes_type":
        text = "a JSON object is expected: {...}"
    elif problem["type"] == "extra_forbidden":
        text = unknown_field(request, where)
    return {"where": where, "problem": text, "kind": problem["type"]}


_OF_STATUS = {
    400: "invalid-request",
    401: "not-authenticated",
    403: "not-allowed",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    413: "too-large",
    415: "unsupported-media-type",
    429: "too-many-requests",
}


def _of_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    kind = _OF_STATUS.get(error.status_code, "request-failed")
    detail = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND and detail == "Not Found":
        method = request.scope.get("method", "WS")
        detail = f"there is no {method} {request.url.path}; GET /openapi.json lists what there is"
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "")
        detail = f"{request.scope.get('method')} is not possible here; {allowed} is"
    return problem_response(request, error.status_code, kind, str(detail), headers=error.headers)


def _of_fault(request: Request, error: Exception) -> JSONResponse:
    LOG.error("a fault of the service", path=request.url.path, exc_info=error)
    detail = "a fault of the service; its log says more, under this request_id"
    return problem_response(request, 500, "internal-error", detail)
