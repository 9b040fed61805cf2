"""Requests that are sent again until they are answered or patience is at its end."""

from __future__ import annotations

import json
import math
import os
import random
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cached_property
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from strategy_optimizer.errors import EngineError
from strategy_optimizer.version import __version__

LARGEST_BODY = 16 * 2**20
_FORGOTTEN = (404, 410)  # of an order that was accepted: the service was started again since
_BUSY = (429, 502, 503, 504)
_LONGEST_PAUSE = 30.0
_FIRST_POLL, _POLL_GROWTH, _SLOWEST_POLL = 0.1, 1.5, 5.0
_SHOWN = 200
_ADVICE = "; see what the engine does: one that needs longer gets more (read_timeout=), or answers 202"


@dataclass(frozen=True)
class Endpoint:
    """Where an engine answers, and with which key."""

    url: str
    key_variable: str
    key: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str, key: str | None, key_variable: str, allow_plain_http: bool) -> Endpoint:
        """Return the endpoint of a URL.

        Raises
        ------
        EngineError
            When the URL cannot be asked, holds a password, or would carry the key in the open.
        """
        parts = _split(url)
        if parts.username or parts.password:
            raise EngineError("the url holds a user or a password; give a key instead: key=...")
        if parts.query or parts.fragment:
            raise EngineError(f"url is {url!r}; expected an address without '?' and '#'")
        endpoint = cls(url.rstrip("/"), key_variable, key)
        if key is not None:
            _check_key(key)
        safe = parts.scheme == "https" or _is_loopback(parts.hostname or "") or allow_plain_http
        if endpoint.has_key and not safe:
            raise EngineError(
                f"the key would go to {parts.hostname} in the open; use https://, or allow_plain_http=True in a "
                "network that you trust"
            )
        return endpoint

    @property
    def has_key(self) -> bool:
        """Whether requests carry a key."""
        return bool(self.key or os.environ.get(self.key_variable))

    def headers(self) -> dict[str, str]:
        """Return the headers of all requests."""
        headers = {"Accept": "application/json", "User-Agent": f"strategy-optimizer/{__version__}"}
        key = self.key or os.environ.get(self.key_variable)
        if key:
            _check_key(key)
            headers["Authorization"] = f"Bearer {key}"
        return headers


def _split(url: Any) -> SplitResult:
    """Return the parts of an address, or raise an EngineError."""
    wrong = EngineError(f"url is {url!r}; expected an address such as 'http://127.0.0.1:8765'")
    if not isinstance(url, str):
        raise wrong
    try:
        parts = urlsplit(url)
        port = parts.port  # raises where it is no number
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise wrong
    return parts


def _check_key(key: str) -> None:
    if not isinstance(key, str) or not key or not all(32 < ord(sign) < 127 for sign in key):
        raise EngineError("the key is empty or has signs that a header cannot carry (its value is not shown)")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True)
class Patience:
    """How long one trial waits, and how often it asks again."""

    connect_timeout: float
    read_timeout: float
    deadline: float
    retries: int
    backoff: float

    def __post_init__(self) -> None:
        for name in ("connect_timeout", "read_timeout", "deadline", "backoff"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
                raise EngineError(f"{name} is {value!r}; expected seconds above 0")
        if isinstance(self.retries, bool) or not isinstance(self.retries, int) or self.retries < 0:
            raise EngineError(f"retries is {self.retries!r}; expected 0 or more")

    def pause(self, attempt: int) -> float:
        """Return the seconds before the repeat that follows an attempt, counted from 0."""
        longest = min(self.backoff * 2.0**attempt, _LONGEST_PAUSE)
        return longest * random.uniform(0.75, 1.0)  # workers that failed together come back apart


@dataclass(frozen=True)
class Answer:
    """One answer, read to its end."""

    status: int
    body: bytes
    where: str
    location: str | None = None
    retry_after: float | None = None
    with_key: bool = False
    how_to_give_a_key: str = ""

    def json(self) -> Any:
        """Return the content; None of an error that is no JSON.

        Raises
        ------
        EngineError
            When a successful answer is no JSON, or holds NaN or Infinity, which JSON does not have.
        """
        content, error = self._content
        if error is not None and self.status < 400:
            raise EngineError(f"{self.where} answered what is not JSON: {self.shown()}") from error
        return content

    @property
    def is_wrong(self) -> bool:
        """Whether it is no answer at all: an error inside the service, or a success without JSON."""
        return self.status >= 500 or (self.status == 200 and self._content[1] is not None)

    @cached_property
    def _content(self) -> tuple[Any, Exception | None]:
        try:
            return json.loads(self.body, parse_constant=self._refuse_constant), None
        except (ValueError, RecursionError) as error:
            return None, error

    def _refuse_constant(self, text: str) -> Any:
        raise EngineError(
            f"{self.where} answered {text}, which JSON does not have; null says that there is none"
        )

    def shown(self) -> str:
        """Return the beginning of the content, for an error."""
        text = self.body[: 4 * _SHOWN].decode(errors="replace")
        return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...") if text else "nothing"


class Exchange:
    """A connection of one process to an endpoint.

    Parameters
    ----------
    endpoint : Endpoint
    patience : Patience
    repeats_silence : bool
        Whether a request without an answer in time is sent once more.
    """

    def __init__(self, endpoint: Endpoint, patience: Patience, *, repeats_silence: bool = True) -> None:
        import httpx2 as httpx  # a third of a second, only when an engine behind HTTP is used

        self.process = os.getpid()
        self._httpx = httpx
        self._endpoint = endpoint
        self._patience = patience
        self._repeats_silence = repeats_silence
        # A redirect is never followed: it could take the key to another host.
        self._client = httpx.Client(follow_redirects=False)
        self._connection: socket.socket | None = None

    def close(self) -> None:
        """End the connection."""
        self._client.close()
        if self._connection is not None:
            self._connection.close()

    def __del__(self) -> None:
        if hasattr(self, "_client") and self.process == os.getpid():  # a fork has the parent's sockets
            self.close()

    def get(self, path: str) -> Answer:
        """Return the answer to a GET of a path."""
        return self._patiently("GET", self._endpoint.url + path, self._end())

    def post(self, path: str, content: Any, idempotency_key: str) -> Answer:
        """Post a JSON value and return the final answer; where the work takes longer, ask again until it is done."""
        end = self._end()
        body = json.dumps(content, allow_nan=False).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": idempotency_key}
        url = self._endpoint.url + path
        for _ in range(self._patience.retries + 1):
            answer = self._patiently("POST", url, end, content=body, headers=headers)
            if answer.status != 202:
                return answer
            answer = self._result_of(answer, url, end)
            if answer.status not in _FORGOTTEN:
                return answer
        raise EngineError(f"{url}: the engine takes the backtest and forgets it again")

    def _result_of(self, answer: Answer, url: str, end: float) -> Answer:
        """Ask where an accepted order says, until it is done."""
        pause = _FIRST_POLL
        while answer.status == 202:
            url = self._same_origin(answer, url)
            self._sleep(
                pause if answer.retry_after is None else answer.retry_after, end, "it is still computing"
            )
            pause = min(pause * _POLL_GROWTH, _SLOWEST_POLL)
            answer = self._patiently("GET", url, end, last_known="it is still computing; ")
        return answer

    def _end(self) -> float:
        return time.monotonic() + self._patience.deadline

    def _patiently(
        self, method: str, url: str, end: float, *, last_known: str = "", **content: Any
    ) -> Answer:
        """Send a request, again where that may help, and return its answer; an error begins with what is known."""
        # Once either may be chance, and with the same key nothing is computed twice.
        was_wrong, may_be_silent, advice = False, self._repeats_silence, ""
        for attempt in range(self._patience.retries + 1):
            pause = self._patience.pause(attempt)
            limit = min(self._patience.read_timeout, max(end - time.monotonic(), 0.001))
            cause: Exception | None
            try:
                answer = self._once(method, url, limit, **content)
            except self._httpx.TransportError as error:
                reason, cause = self._explained(error, limit), error
                advice = _ADVICE if _is_silence(self._httpx, error) else ""
                if advice and not may_be_silent:
                    break
                may_be_silent = may_be_silent and not advice
            else:
                if answer.status not in _BUSY:
                    if not answer.is_wrong or was_wrong or attempt == self._patience.retries:
                        return answer
                    was_wrong = True
                said = "" if not answer.body else f": {answer.shown()}"
                reason, cause, advice = f"it answered {answer.status}{said}", None, ""
                pause = max(pause, answer.retry_after or 0.0)
            if attempt < self._patience.retries:
                self._sleep(pause, end, last_known + reason)
        times = f"asked {attempt + 1} times" if attempt else "asked once"
        raise EngineError(f"{method} {url}: {reason} ({times}){advice}") from cause

    def _once(self, method: str, url: str, limit: float, **content: Any) -> Answer:
        """Send a request and read its answer within so many seconds."""
        headers = self._endpoint.headers() | content.pop("headers", {})
        httpx = self._httpx
        timeout = httpx.Timeout(limit, connect=min(limit, self._patience.connect_timeout))
        stop = time.monotonic() + limit
        try:
            with self._cut_off_after(limit):
                answer = self._answer(method, url, headers=headers, timeout=timeout, **content)
        except httpx.TransportError as error:
            if time.monotonic() < stop or isinstance(error, httpx.TimeoutException):
                raise
            raise httpx.ReadTimeout("the answer did not end") from error
        if time.monotonic() > stop:  # an answer whose end is that of the connection may be half of it
            raise httpx.ReadTimeout("the answer did not end")
        return answer

    def _answer(self, method: str, url: str, *, headers: Mapping[str, str], **options: Any) -> Answer:
        trace = {"trace": self._note_connection}
        with self._client.stream(method, url, headers=headers, extensions=trace, **options) as response:
            if 300 <= response.status_code < 400:
                raise EngineError(
                    f"{method} {url} is sent on to {response.headers.get('location', 'nowhere')}; "
                    "give the final address: a redirect is not followed"
                )
            body = self._read(response, f"{method} {url}")
            return Answer(
                response.status_code,
                body,
                f"{method} {url}",
                response.headers.get("location"),
                _seconds(response.headers.get("retry-after")),
                "Authorization" in headers,
                f"key=, or the environment variable {self._endpoint.key_variable}",
            )

    # The time limits of httpx are for each piece alone; a service that sends one now and then would never meet them.

    @contextmanager
    def _cut_off_after(self, seconds: float) -> Iterator[None]:
        timer = threading.Timer(seconds, self._cut_off)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _cut_off(self) -> None:
        if self._connection is not None:
            with suppress(OSError):  # it has ended by itself
                self._connection.shutdown(socket.SHUT_RDWR)

    def _note_connection(self, event: str, details: Mapping[str, Any]) -> None:
        if event != "connection.connect_tcp.complete":
            return
        if self._connection is not None:
            self._connection.close()
        # Another handle of the same connection: it stays valid when TLS takes the first one over.
        opened = details["return_value"].get_extra_info("socket")
        self._connection = socket.fromfd(opened.fileno(), opened.family, opened.type)

    def _read(self, response: Any, where: str) -> bytes:
        """Read a body that is not endless."""
        body = bytearray()
        try:
            for chunk in response.iter_bytes():  # as they come: a size would wait for the slow ones
                body += chunk
                if len(body) > LARGEST_BODY:
                    raise EngineError(
                        f"{where} answered more than {LARGEST_BODY >> 20} MB; expected metrics and returns"
                    )
        except self._httpx.DecodingError as error:
            raise EngineError(f"{where} answered what cannot be decompressed: {error}") from error
        return bytes(body)

    def _explained(self, error: Exception, limit: float) -> str:
        httpx = self._httpx
        if isinstance(error, httpx.ConnectTimeout):
            return f"no connection within {min(limit, self._patience.connect_timeout):.3g} s"
        if isinstance(error, httpx.TimeoutException):
            return f"no answer within {limit:.3g} s"
        if isinstance(error, httpx.ConnectError):
            return f"nobody answers ({error}); start the engine or correct the address"
        return f"the connection broke ({error or type(error).__name__})"

    def _sleep(self, seconds: float, end: float, reason: str) -> None:
        if time.monotonic() + seconds > end:
            raise EngineError(
                f"{self._endpoint.url}: the trial's {self._patience.deadline:g} s are over; {reason}"
            )
        time.sleep(seconds)

    def _same_origin(self, answer: Answer, url: str) -> str:
        """Return where to ask for the result; nowhere else than at the host that has the key."""
        if not answer.location:
            raise EngineError(
                f"{answer.where} answered 202 without Location; expected where to ask for the result"
            )
        target = urljoin(url, answer.location)
        if urlsplit(target)[:2] != urlsplit(self._endpoint.url)[:2]:
            raise EngineError(
                f"{answer.where} answered 202 with the Location {target}; expected one of {self._endpoint.url}"
            )
        return target


def _is_silence(httpx: Any, error: Exception) -> bool:
    """Whether a connection was there, and no answer came in time."""
    return isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout)


def _seconds(retry_after: str | None) -> float | None:
    """Return a Retry-After header in seconds from now; None where there is none that can be read.

    >>> _seconds("2"), _seconds("Wed, 21 Oct 2015 07:28:00 GMT"), _seconds("soon"), _seconds(None)
    (2.0, 0.0, None, None)
    """
    if retry_after is None:
        return None
    try:
        if retry_after.strip().isdigit():
            return float(retry_after)
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
