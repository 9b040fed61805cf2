"""Duties are done again and again, whatever becomes of them."""

from __future__ import annotations

import threading

import pytest

from strategy_optimizer.errors import StorageError
from strategy_optimizer.workers.caretaker import Caretaker, Duty


@pytest.mark.parametrize("error", [StorageError("refused"), ValueError("a fault of ours")])
def test_a_duty_that_fails_is_done_again_and_so_are_the_others(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    done, failed, both = [], [], threading.Event()

    def fail() -> None:
        failed.append(1)
        raise error

    def work() -> None:
        done.append(1)
        if len(done) >= 2 and len(failed) >= 2:
            both.set()

    caretaker = Caretaker([Duty("failing", 0.0, fail), Duty("working", 0.0, work)])
    caretaker.start()
    try:
        assert both.wait(60.0)
    finally:
        caretaker.stop()
    assert not caretaker.is_alive()
    assert "failing: " in caplog.text
    assert ("Traceback" in caplog.text) == isinstance(error, ValueError)
