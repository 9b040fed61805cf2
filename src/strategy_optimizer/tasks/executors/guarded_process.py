"""The outer side of a process that a guard watches: the guard, and the two sockets to it and to the process."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from strategy_optimizer.errors import ExecutorError
from strategy_optimizer.tasks.executors.child import frames
from strategy_optimizer.tasks.executors.child.page import Page

MARK = "STRATEGY_OPTIMIZER_WORKER"
"""The environment variable that all descendants of a guard carry."""
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
)
_CHILD = Path(__file__).parent / "child"
_BOOT = (
    "import sys, types; package = types.ModuleType('_strategy_optimizer_child'); "
    "package.__path__ = [sys.argv[1]]; sys.modules[package.__name__] = package; "
    "from _strategy_optimizer_child.{module} import main; main(sys.argv[2])"
)


class Frame(NamedTuple):
    """What a process said."""

    kind: int
    number: int
    seconds: float
    memory: int
    payload: memoryview


class GuardedProcess(ABC):
    """A guard with the process that it started.

    Parameters
    ----------
    page : Page
        Where the process and its guard write.
    mark : str
        What all descendants of the guard carry in their environment, see `MARK`.
    group : str, optional
        The control group below which the guard makes one.

    Raises
    ------
    ExecutorError
        When the system starts no more processes.
    """

    def __init__(self, page: Page, mark: str, group: str | None) -> None:
        self.page = page
        self.mark = mark
        self.group = group
        self.heard = b""
        self._buffer = memoryview(bytearray(2**16))
        self._incoming = bytearray()
        self._outgoing = bytearray()
        page.clear()
        self.jobs, jobs = socket.socketpair()
        self.control, control = socket.socketpair()
        try:
            self.guard = self._start(jobs.fileno(), control.fileno())
        except OSError as error:
            self.jobs.close()
            self.control.close()
            raise ExecutorError(f"no worker process can be started: {error.strerror or error}") from error
        finally:
            jobs.close()
            control.close()
        self.jobs.setblocking(False)
        self.control.setblocking(False)

    @abstractmethod
    def _start(self, jobs: int, control: int) -> subprocess.Popen[bytes]:
        """Start the guard; it inherits the other ends of both sockets."""

    # -- sending ---------------------------------------------------------------------------------------------

    def send(self, frame: bytes) -> None:
        """Send a frame as soon as the process takes it."""
        self._outgoing += frame
        self.flush()

    def stop(self) -> None:
        """Have it killed at once, with all that it started."""
        try:
            self.control.send(b"s")
        except OSError:
            return  # its guard is going already

    def flush(self) -> bool:
        """Send what waits; returns whether all of it is gone."""
        try:
            while self._outgoing:
                del self._outgoing[: self.jobs.send(self._outgoing)]
        except BlockingIOError:
            return False
        except OSError:
            self._outgoing.clear()  # it is dead; its guard will say so
        return True

    # -- receiving -------------------------------------------------------------------------------------------

    def receive(self) -> tuple[list[Frame], bool]:
        """Return the frames that have arrived whole, and whether more can come."""
        is_open = True
        while True:
            try:
                size = self.jobs.recv_into(self._buffer)
            except BlockingIOError:
                break
            except OSError:
                size = 0
            if not size:
                is_open = False
                break
            self._incoming += self._buffer[:size]
            if size < len(self._buffer):
                break
        return list(self._frames()), is_open

    def _frames(self) -> Iterator[Frame]:
        size = frames.HEADER.size
        while len(self._incoming) >= size:
            kind, number, length, seconds, memory = frames.HEADER.unpack_from(self._incoming)
            if len(self._incoming) < size + length:
                return
            payload = bytes(self._incoming[size : size + length])
            del self._incoming[: size + length]
            yield Frame(kind, number, seconds, memory, memoryview(payload))

    def listen(self) -> dict[str, Any] | None:
        """Read what the guard says; returns its report when it has ended, an empty one if it had no time for any."""
        while True:
            try:
                part = self.control.recv(65536)
            except BlockingIOError:
                return None
            except OSError:
                part = b""
            if not part:
                break
            self.heard += part
        try:
            report: dict[str, Any] = json.loads(self.heard)
        except ValueError:
            return {}
        return report

    # -- the end ---------------------------------------------------------------------------------------------

    def hang_up(self) -> None:
        """Close both sockets, upon which the guard ends everything and itself."""
        self.jobs.close()
        self.control.close()

    def join(self, seconds: float) -> bool:
        """Wait for the guard's end; returns whether it was killed and may have left something behind."""
        try:
            return self.guard.wait(seconds) != 0
        except subprocess.TimeoutExpired:
            self.guard.kill()
            self.guard.wait()
            return True


def start_guard(
    settings: Mapping[str, Any],
    files: Mapping[str, int],
    environment: Mapping[str, str],
) -> subprocess.Popen[bytes]:
    """Start a guard.

    Parameters
    ----------
    settings : mapping
        What `child.guard.Guard` reads, as JSON values; ``"command"`` starts the process.
    files : mapping
        Open files that it inherits, by the name that `settings` are to have for them.
    environment : mapping
        Of the guard and of the process.
    """
    return subprocess.Popen(
        child_command([*interpreter_flags(), "-S", "-P"], "guard", {**settings, **files}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=dict(environment),
        pass_fds=tuple(files.values()),
        start_new_session=True,
    )


def interpreter_flags() -> list[str]:
    """Return the flags that this interpreter was started with."""
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return flags


def child_command(flags: list[str], module: str, settings: Mapping[str, Any]) -> list[str]:
    """Return the command that runs a module of the folder `child` without the package."""
    return [sys.executable, *flags, "-c", _BOOT.format(module=module), str(_CHILD), json.dumps(settings)]
