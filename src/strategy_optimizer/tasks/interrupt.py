"""Ctrl-C without losing work: while trials run it stops them, elsewhere it waits for the next safe moment."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class InterruptGuard:
    """Takes SIGINT over inside ``with``; `requested` says that it came.

    Inside `interruptible` Ctrl-C raises KeyboardInterrupt at once. Elsewhere it is noted only: the
    optimizer and the history are never left half written. Signals can be taken over in the main thread
    only, and are left alone when the program has a handler of its own.
    """

    def __init__(self) -> None:
        self.requested = False
        self._interruptible = False
        self._previous: Any = None

    def __enter__(self) -> InterruptGuard:
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._previous = None

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        self.requested = True
        if self._interruptible:
            self._interruptible = False  # a second Ctrl-C must not hit what follows
            raise KeyboardInterrupt

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let Ctrl-C raise KeyboardInterrupt inside."""
        self._interruptible = True
        try:
            yield
        finally:
            self._interruptible = False
