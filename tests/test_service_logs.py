"""The log lines of the service."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from strategy_optimizer.service_logs import configure_logs, of_task

KEY = "so_AbCd1234_" + "x" * 43 + "123456"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers, root.level
    stream = io.StringIO()
    configure_logs("info", "json", stream)
    yield stream
    root.handlers, root.level = before, level
    structlog.reset_defaults()


def fail_with(secret: str) -> None:
    raise ValueError(
        f"wrong address postgresql://ada:{secret}@host/db?password={secret}&sslpassword={secret}"
    )


def test_no_secret_gets_into_a_line(lines: io.StringIO) -> None:
    log = structlog.get_logger("test")
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        log.info(
            "login", password="canary", headers={"Authorization": f"Bearer {KEY}"}, path=f"/x?ticket={KEY}"
        )
        try:
            fail_with("canary")
        except ValueError:
            log.exception("failed")
        logging.getLogger("uvicorn.error").warning("closed with %s", KEY)
    text = lines.getvalue()
    assert "canary" not in text
    assert "x" * 43 not in text
    first, failed, foreign = map(json.loads, text.splitlines())
    assert first["password"] == first["headers"]["Authorization"] == "***"
    assert failed["request_id"] == "r1"
    assert "locals" not in text
    assert failed["exception"][0]["exc_type"] == "ValueError"
    assert foreign["event"] == "closed with ***"


def test_lines_about_a_task_have_its_id_as_a_field(lines: io.StringIO) -> None:
    log = logging.getLogger("strategy_optimizer.worker")
    log.info("%s: begins", "opt_1", extra={**of_task("opt_1"), "password": "canary"})
    log.info("nothing of a task")
    first, second = map(json.loads, lines.getvalue().splitlines())
    assert (first["event"], first["task_id"]) == ("opt_1: begins", "opt_1")
    assert "task_id" not in second
    assert "canary" not in lines.getvalue()


def test_people_get_text(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers, root.level
    try:
        configure_logs("warning", "text", stream)
        structlog.get_logger("test").info("not shown")
        structlog.get_logger("test").warning("shown", task_id="opt_1")
    finally:
        root.handlers, root.level = before, level
        structlog.reset_defaults()
    assert "not shown" not in stream.getvalue()
    assert "shown" in stream.getvalue()
    assert "task_id=opt_1" in stream.getvalue()
