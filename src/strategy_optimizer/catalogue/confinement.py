"""Calls a function of this package in a process of its own, with limits, for what cannot be trusted to end well.

The process has none of the caller's environment but what it needs to run, so no secrets, and an empty folder as its
working directory. It and everything that it starts is gone when the call returns. This contains accidents and hostile
files; it is no sandbox against code: what a strategy's file may do, its user's account may do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from strategy_optimizer.errors import ExecutorError, TooManyRequestsError
from strategy_optimizer.tasks.executors import child
from strategy_optimizer.tasks.executors.base import Outcome
from strategy_optimizer.tasks.executors.guarded_process import THREADS

KEPT = (
    *("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT"),
    *("PYTHONPATH", "PYTHONHOME", "PYTHONUTF8", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV"),
    *("NUMBA_CACHE_DIR", "NUMBA_CPU_NAME", "XDG_CACHE_HOME", "STRATEGY_OPTIMIZER_CACHE"),
)
"""Environment variables that a confined process inherits, beside LC_*."""
_GUARD = Path(child.__file__).parent
_BOOT = (
    "import sys, types; package = types.ModuleType('_strategy_optimizer_child'); "
    "package.__path__ = [sys.argv[1]]; sys.modules[package.__name__] = package; "
    "from _strategy_optimizer_child.call_guard import main; main(sys.argv[2])"
)
_CALL = "import sys; from strategy_optimizer.catalogue.confined_call import main; main(sys.argv[1])"


_TURNS = threading.BoundedSemaphore(2)
"""What runs at once in all threads: each may take gigabytes."""
_PATIENCE = 60.0


@dataclass(frozen=True)
class Confinement:
    """What one call may use.

    Parameters
    ----------
    seconds : float
        Wall time.
    memory : int
        Resident bytes of its process and of all that it starts.
    processes : int
        At once, itself included.
    output : int
        Bytes to its standard output and error.
    file_size : int
        Bytes of each file that it writes.
    answer : int
        Bytes of what it returns, as JSON.
    variables : tuple of str
        Of the caller's environment, beside those that every process needs.
    """

    seconds: float = 30.0
    memory: int = 2**30
    processes: int = 16
    output: int = 2**20
    file_size: int = 2**28
    answer: int = 2**22
    variables: tuple[str, ...] = ()


def run_confined(
    target: str,
    request: Mapping[str, Any],
    limits: Confinement = Confinement(),  # frozen
    *,
    turn: AbstractContextManager[object] | None = None,
) -> Outcome:
    """Return how a call ended.

    Parameters
    ----------
    target : str
        ``module:function``: a function of this package that takes one JSON value and returns one.
    request : JSON value
    limits : Confinement
    turn : context manager, optional
        Entered while the process runs, and may wait for it, for callers who see to it that few run at once and who is
        next. Without it two run at once, and nobody is preferred.

    Returns
    -------
    Outcome
        With its value, or with the way in which it failed.

    Raises
    ------
    ExecutorError
        When the system starts no more processes.
    TooManyRequestsError
        When others are at it, and no turn came within a minute; `turn` may raise something else.

    Examples
    --------
    >>> run_confined("json:dumps", {"a": 1}).value
    '{"a": 1}'
    >>> run_confined("json:loads", {"a": 1}).message
    'TypeError: the JSON object must be str, bytes or bytearray, not dict'
    """
    with _one_of_all() if turn is None else turn:
        return _run(target, request, limits)


@contextmanager
def _one_of_all() -> Iterator[None]:
    if not _TURNS.acquire(timeout=_PATIENCE):
        raise TooManyRequestsError(
            "too many files are being checked; try again in half a minute", retry_after=30.0
        )
    try:
        yield
    finally:
        _TURNS.release()


def _run(target: str, request: Mapping[str, Any], limits: Confinement) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="so-confined-") as folder, tempfile.TemporaryFile() as asked:
        asked.write(json.dumps(request).encode())
        asked.seek(0)
        with tempfile.TemporaryFile() as answer:
            report = _guarded(target, limits, folder, asked, answer)
            return _outcome(report, limits, answer)


def _guarded(
    target: str, limits: Confinement, folder: str, asked: BinaryIO, answer: BinaryIO
) -> dict[str, Any]:
    files = [asked.fileno(), answer.fileno()]
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    settings = {"limits": asdict(limits), "parent": os.getpid(), "files": files, "target": target}
    settings["command"] = [sys.executable, *flags, "-P", "-c", _CALL, json.dumps(settings)]
    command = [sys.executable, *flags, "-S", "-P", "-c", _BOOT, str(_GUARD), json.dumps(settings)]
    try:
        guard = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # it stays open: the guard knows by it that somebody waits
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**clean_environment(), **_chosen(limits.variables)},
            cwd=folder,
            pass_fds=files,
            start_new_session=True,
        )
    except OSError as error:
        raise ExecutorError(f"no process can be started: {error.strerror or error}") from error
    with guard:
        assert guard.stdout is not None
        try:
            said = guard.stdout.read()
        finally:
            assert guard.stdin is not None
            guard.stdin.close()
    try:
        report: dict[str, Any] = json.loads(said)
    except ValueError:
        report = {"failure": "crashed", "message": "its guard was killed"}
    return report


def _outcome(report: Mapping[str, Any], limits: Confinement, answer: BinaryIO) -> Outcome:
    seconds, tail = report.get("seconds", 0.0), report.get("tail", "")
    if report["failure"]:
        return Outcome(0, None, report["failure"], report["message"], seconds, details=tail)
    answer.seek(0)
    written = answer.read(limits.answer + 1)
    if len(written) > limits.answer:
        return Outcome(0, None, "unreadable", f"returned more than {limits.answer:,} bytes", seconds)
    try:
        found = json.loads(written)
        failure, message = found.get("failure"), found.get("message", "")
        return Outcome(0, found.get("value"), failure, message, seconds, details=found.get("details", ""))
    except (ValueError, AttributeError, RecursionError):
        return Outcome(0, None, "unreadable", "ended without an answer", seconds, details=tail)


def _chosen(names: tuple[str, ...]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}


def clean_environment() -> dict[str, str]:
    """Return the environment of a confined process: without secrets, and with one thread for libraries."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    kept |= {name: value for name, value in os.environ.items() if name.startswith("LC_")}
    return {**kept, **dict.fromkeys(THREADS, "1")}
