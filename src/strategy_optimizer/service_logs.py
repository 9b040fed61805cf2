"""The logs of the service: one line an event, with the ids of the request and the task, and no secrets."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import Processor

_SECRET_NAMES = re.compile(r"authorization|cookie|password|secret|token|ticket", re.IGNORECASE)
_SECRETS = re.compile(
    r"so_[A-Za-z0-9]{8}_[A-Za-z0-9_-]{16,}|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)|(?<=ticket=)[^&\s\"']+"
    r"|(?<=password=)[^&\s\"']+"
)
MASK = "***"
IDS = ("task_id",)
"""What lines of the standard library may carry beside their text (``extra=``), which says it to people already."""
_NOISY = ("uvicorn", "httpx2", "httpcore2", "alembic")
_HANDED_ON = ("opentelemetry", "instrumentation", "auto_instrumentation")


def configure_logs(
    level: str = "info", form: Literal["auto", "json", "text"] = "auto", stream: TextIO | None = None
) -> None:
    """Let this process write its log lines to standard error.

    Parameters
    ----------
    level : {"debug", "info", "warning", "error"}
    form : {"auto", "json", "text"}
        JSON for machines, text for people; by default text on a terminal.
    stream : file, optional
        Instead of standard error.
    """
    out = stream or sys.stderr
    for_people = form == "text" or (form == "auto" and out.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
        # A traceback shows no values of variables: they may be secrets, or a user's data.
        structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        )
        if not for_people
        else structlog.processors.format_exc_info,
        mask_secrets,
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if for_people
        else structlog.processors.JSONRenderer(default=str)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared if for_people else [structlog.stdlib.ExtraAdder(allow=IDS), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


def of_task(task_id: str) -> dict[str, str]:
    """Return what a line of the standard library carries that is about a task: ``LOG.info(..., extra=of_task(id))``."""
    return {"task_id": task_id}


def mask_secrets(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace keys, passwords and tickets, by the names of fields and by what they look like.

    >>> mask_secrets(None, "info", {"password": "x", "event": "key so_AbCd1234_0123456789abcdefgh was used"})
    {'password': '***', 'event': 'key *** was used'}
    """
    for name, value in event.items():
        event[name] = MASK if _SECRET_NAMES.search(name) and value else _masked(value)
    return event


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return _SECRETS.sub(MASK, value)
    if isinstance(value, dict):
        return {
            key: MASK if _SECRET_NAMES.search(str(key)) else _masked(inner) for key, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_masked(inner) for inner in value]
    return value


def trace_here_alone(environment: MutableMapping[str, str] = os.environ) -> None:
    """Keep OpenTelemetry in this process, where ``opentelemetry-instrument`` has started it.

    It hands itself on to every process that is started from here, through the path; those run code of users, have none
    of its settings, and would only write that they miss them.

    >>> begun = {"PYTHONPATH": "/x/opentelemetry/instrumentation/auto_instrumentation:/mine"}
    >>> trace_here_alone(begun)
    >>> begun
    {'PYTHONPATH': '/mine'}
    """
    if "PYTHONPATH" in environment:
        places = environment["PYTHONPATH"].split(os.pathsep)
        environment["PYTHONPATH"] = os.pathsep.join(p for p in places if Path(p).parts[-3:] != _HANDED_ON)
