"""Which failures of a database pass by themselves, and how long to wait before trying again."""

from __future__ import annotations

import random
import sqlite3

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

SHORTEST_WAIT, LONGEST_WAIT = 0.01, 1.0
"""Seconds; the wait doubles from the one to the other."""

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_FULL = sqlite3.SQLITE_FULL  # somebody makes room; what waits to be written is not given up before
_PASSING = (
    "40001",  # serialization failure
    "40P01",  # deadlock
    "55P03",  # lock not available in time
    "53100",  # the disk is full: somebody makes room
    "53300",  # too many connections
    "57P01",  # the server is shut down
    "57P02",
    "57P03",  # the server starts
    "25P03",  # the transaction stood idle for too long
)


def passes(error: Exception) -> bool:
    """Return whether the same work may succeed a moment later."""
    if isinstance(error, PoolTimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    return error.connection_invalidated or _passes(error.orig)


def _passes(cause: BaseException | None) -> bool:
    if isinstance(cause, sqlite3.OperationalError):
        code = getattr(cause, "sqlite_errorcode", None)
        return code is not None and code & 0xFF in (*_BUSY, _FULL)
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        return str(state) in _PASSING or str(state).startswith("08")
    # psycopg says no state when it cannot reach the server at all, or not in time.
    return any(
        kind.__module__.startswith("psycopg") and kind.__name__ == "OperationalError"
        for kind in type(cause).__mro__
    )


def wait_before(attempt: int) -> float:
    """Return seconds to wait before an attempt, counted from 1; a random part keeps writers apart."""
    longest = min(LONGEST_WAIT, SHORTEST_WAIT * 2.0 ** (attempt - 1))
    return random.uniform(0.5, 1.0) * longest
