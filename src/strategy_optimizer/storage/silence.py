"""Connections to PostgreSQL that do not wait for ever for a server that says nothing.

A machine that hangs, or a network that swallows packets, refuses nothing: without this a statement waits until the
system gives the connection up, which takes minutes.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Engine, event

T = TypeVar("T")


class ImpatientConnection(psycopg.Connection[Any]):
    """A connection that is closed when the server is silent for `silence` seconds while it is waited for."""

    silence = float("inf")

    def wait(self, gen: Generator[Any, Any, T], *given: Any, **others: Any) -> T:
        """Wait for an answer; psycopg waits by this method alone once there is a connection."""
        return super().wait(self._limited(gen), *given, **others)

    def _limited(self, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        """Pass on what psycopg waits for, as long as something comes; it is asked ten times a second."""
        heard = time.monotonic()
        try:
            state = next(gen)
            while True:
                ready = yield state
                now = time.monotonic()
                if ready:
                    heard = now
                elif now - heard > self.silence:
                    self.close()
                    raise psycopg.OperationalError(f"the server said nothing for {self.silence:g} s")
                state = gen.send(ready)
        except StopIteration as end:
            answer: T = end.value
            return answer


def limit_silence(engine: Engine, silence: float) -> None:
    """Have an engine make such connections."""

    def connect(dialect: Any, record: Any, given: list[Any], options: dict[str, Any]) -> ImpatientConnection:
        connection = ImpatientConnection.connect(*given, **options)
        connection.silence = silence
        return connection

    event.listen(engine, "do_connect", connect)
