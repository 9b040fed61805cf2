"""What both forms of the client share: addresses, keys, what is tried again, and what an answer means."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import httpx2

from strategy_optimizer.errors import ServiceError, ServiceUnreachableError
from strategy_optimizer.json_files import read_json_file

KEY_VARIABLE = "STRATEGY_OPTIMIZER_KEY"
_PASSING = (429, 502, 503, 504)
_SAFE_TO_REPEAT = ("GET", "HEAD", "PUT", "DELETE")
COMPUTING = 150.0
"""Seconds that the service may take for what it computes first, the waiting for a process included."""
LONG_POLL = 20.0
"""Seconds for which the service may hold a request that waits for news."""


@dataclass(frozen=True)
class Patience:
    """How long the client waits and how often it asks again.

    Attributes
    ----------
    timeout : float
        Seconds for one answer; for what is computed first, such as a report, at least 150.
    retries : int
        Attempts after the first, for requests that may be repeated: reading, deleting, and making tasks, which carry a
        key of their own.
    pause : float
        Seconds before the second attempt; doubled each time, up to ten, and as long as the service asks for.
    """

    timeout: float = 30.0
    retries: int = 4
    pause: float = 0.25

    def before(self, attempt: int, asked: str | None) -> float:
        """Return the seconds to wait before an attempt, from 1; `asked` is the header ``Retry-After``."""
        wanted = min(10.0, self.pause * 2.0 ** (attempt - 1)) * random.uniform(0.5, 1.0)
        return max(wanted, min(60.0, float(asked))) if asked and asked.isdigit() else wanted


def base_url(url: str) -> str:
    """Return the address of a service without what does not belong to it.

    >>> base_url("http://127.0.0.1:8000/")
    'http://127.0.0.1:8000'
    >>> base_url("127.0.0.1:8000")
    Traceback (most recent call last):
    strategy_optimizer.errors.ServiceError: '127.0.0.1:8000' is no address of a service; expected http://HOST:PORT
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ServiceError(f"{url!r} is no address of a service; expected http://HOST:PORT")
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def socket_url(url: str, path: str) -> str:
    """Return the address of a websocket.

    >>> socket_url("https://host/so", "/ws/x")
    'wss://host/so/ws/x'
    """
    return "ws" + base_url(url).removeprefix("http") + path


def find_key(key: str | None) -> str | None:
    """Return the key that is given, else that of the variable ``STRATEGY_OPTIMIZER_KEY``."""
    return key or os.environ.get(KEY_VARIABLE) or None


def headers_of(key: str | None) -> dict[str, str]:
    """Return what every request carries."""
    if key and not key.isascii():
        raise ServiceError("the key has letters that no key has; expected so_ and 58 letters and digits")
    return {"Authorization": f"Bearer {key}"} if key else {}


def path_of(*parts: str) -> str:
    """Return a path of the API; ids are quoted.

    >>> path_of("optimize", "a/b", "status")
    '/api/v1/optimize/a%2Fb/status'
    """
    return "/api/v1/" + "/".join(quote(part, safe="") for part in parts)


def given(**values: Any) -> dict[str, Any]:
    """Return the arguments that say something."""
    return {name: value for name, value in values.items() if value is not None}


def may_repeat(method: str, headers: Mapping[str, str]) -> bool:
    """Return whether a request does no more when it arrives twice."""
    return method in _SAFE_TO_REPEAT or "Idempotency-Key" in headers


def passes(status: int) -> bool:
    """Return whether an answer says that the same request may succeed later."""
    return status in _PASSING


def checked(response: httpx2.Response) -> httpx2.Response:
    """Return an answer, or raise what it says went wrong.

    Raises
    ------
    ServiceError
    """
    if response.status_code < 400:
        return response
    problem = _problem(response)
    raise ServiceError(
        str(problem.get("detail") or f"the service answered {response.status_code}"),
        status=response.status_code,
        kind=str(problem.get("type", "")).removeprefix("/problems/"),
        details=problem.get("details") or {},
        request_id=problem.get("request_id") or response.headers.get("x-request-id"),
    )


def _problem(response: httpx2.Response) -> Mapping[str, Any]:
    try:
        problem = response.json()
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def unreachable(url: str, error: Exception, attempts: int) -> ServiceUnreachableError:
    """Return the error for a service that does not answer."""
    asked = "asked once" if attempts == 1 else f"asked {attempts} times"
    reason = str(error) or type(error).__name__
    if isinstance(error, httpx2.TimeoutException):
        reason += "; a longer Patience(timeout=...) waits longer"
    return ServiceUnreachableError(f"the service at {url} does not answer ({asked}): {reason}")


def body_of(document: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what a request carries as JSON; NumPy's numbers are sent as plain ones.

    >>> body_of({"budget": 20})
    {'content': '{"budget": 20}', 'headers': {'Content-Type': 'application/json'}}
    >>> body_of({"data": Path("bars.csv")})
    Traceback (most recent call last):
    strategy_optimizer.errors.ServiceError: a PosixPath cannot be sent as JSON; expected texts, numbers, lists, mappings
    """
    if document is None:
        return {}
    try:
        content = json.dumps(document, default=_plain, allow_nan=False)
    except ValueError as error:
        raise ServiceError(f"this cannot be sent as JSON: {error}") from error
    return {"content": content, "headers": {"Content-Type": "application/json"}}


def _plain(value: Any) -> Any:
    """Return a value that JSON has no word for as one that it has."""
    if hasattr(value, "tolist"):  # of NumPy
        return value.tolist()
    kind = type(value).__name__
    raise ServiceError(f"a {kind} cannot be sent as JSON; expected texts, numbers, lists, mappings")


def as_document(task: Mapping[str, Any] | str | Path) -> dict[str, Any]:
    """Return a task as JSON has it: a mapping, or the path of a task file."""
    if isinstance(task, Mapping):
        return dict(task)
    document = read_json_file(Path(task), "task file", ServiceError)
    if not isinstance(document, dict):
        raise ServiceError(f"the task file {task} holds {type(document).__name__}; expected an object")
    return document
