"""How often something may be asked: buckets of tokens, and a count of failures. In memory, of this process alone."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from strategy_optimizer.errors import TooManyRequestsError

_MOST = 10_000
"""So many addresses or users are remembered; the ones seen longest ago are forgotten first."""


@dataclass(frozen=True)
class Rate:
    """So many a second, and so many at once."""

    a_second: float
    at_once: int


class TokenBuckets:
    """A bucket of tokens for each name: one goes with each request, `rate.a_second` come back.

    Examples
    --------
    >>> buckets = TokenBuckets(Rate(2, at_once=3), clock=lambda: 0.0)
    >>> [buckets.take("ada") for _ in range(5)]
    [0.0, 0.0, 0.0, 0.5, 0.5]
    """

    def __init__(self, rate: Rate, *, most: int = _MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._most = most
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, when they were counted
        self._lock = Lock()

    def take(self, name: str) -> float:
        """Take a token and return 0; or the seconds until there is one."""
        with self._lock:
            now = self._clock()
            tokens, counted = self._buckets.get(name, (float(self._rate.at_once), now))
            tokens = min(float(self._rate.at_once), tokens + (now - counted) * self._rate.a_second)
            wait = 0.0 if tokens >= 1.0 else (1.0 - tokens) / self._rate.a_second
            self._buckets[name] = (tokens if wait else tokens - 1.0, now)
            self._buckets.move_to_end(name)
            while len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
            return wait

    def check(self, name: str) -> None:
        """Take a token, or raise a `TooManyRequestsError` that says when there is one."""
        wait = self.take(name)
        if wait:
            raise TooManyRequestsError(
                f"more than {self._rate.a_second:g} requests a second", retry_after=math.ceil(wait)
            )

    def __len__(self) -> int:
        return len(self._buckets)


class Failures:
    """Counts failures by name: after `limit` of them within `seconds`, no more attempts until one is that old.

    Examples
    --------
    >>> failures = Failures(2, 60.0, clock=lambda: 0.0)
    >>> failures.note("10.0.0.1"); failures.note("10.0.0.1")
    >>> failures.check("10.0.0.2"); failures.check("10.0.0.1")
    Traceback (most recent call last):
    strategy_optimizer.errors.TooManyRequestsError: 2 failed attempts within 60 seconds; try again in 60
    """

    def __init__(
        self,
        limit: int,
        seconds: float,
        *,
        most: int = _MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = Lock()

    def note(self, name: str) -> None:
        """Count a failure."""
        with self._lock:
            times = self._failures.setdefault(name, deque(maxlen=self._limit))
            times.append(self._clock())
            self._failures.move_to_end(name)
            while len(self._failures) > self._most:
                self._failures.popitem(last=False)

    def forget(self, name: str) -> None:
        """Begin to count anew."""
        with self._lock:
            self._failures.pop(name, None)

    def check(self, name: str) -> None:
        """Raise a `TooManyRequestsError` when there were too many."""
        wait = self._wait(name)
        if wait > 0:
            raise TooManyRequestsError(
                f"{self._limit} failed attempts within {self._seconds:g} seconds; "
                f"try again in {math.ceil(wait)}",
                retry_after=math.ceil(wait),
            )

    def _wait(self, name: str) -> float:
        with self._lock:
            times = self._failures.get(name)
            if times is None or len(times) < self._limit:
                return 0.0
            return times[0] + self._seconds - self._clock()

    def __len__(self) -> int:
        return len(self._failures)


def network_of(address: str) -> str:
    """Return what is counted as one: an address of IPv4, a /64 of IPv6, of which one user has all.

    >>> network_of("10.0.0.1"), network_of("2001:db8::1:2:3:4"), network_of("::ffff:10.0.0.1"), network_of("pipe")
    ('10.0.0.1', '2001:db8::/64', '10.0.0.1', 'pipe')
    """
    try:
        read = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(read, ipaddress.IPv4Address):
        return str(read)
    if read.ipv4_mapped is not None:
        return str(read.ipv4_mapped)
    return str(ipaddress.ip_network((int(read) >> 64 << 64, 64)))
