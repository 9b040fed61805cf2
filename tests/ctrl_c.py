"""Ctrl-C in the middle of work, once: a second one would end what is kept, or the tests themselves."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any


def interrupt_once(when: Callable[[Any], bool]) -> Callable[[Any], None]:
    """Return what takes progress and sends one SIGINT to this process at the first event for which `when` holds."""
    sent: list[Any] = []

    def take(event: Any) -> None:
        if not sent and when(event):
            sent.append(event)
            signal.raise_signal(signal.SIGINT)

    return take
