"""One child process of the API, as its parent sees it."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import psutil

from strategy_optimizer.errors import ComputationError
from strategy_optimizer.reading.frames import REQUEST, SETTINGS, Frame, read_frame, write_frame

_KEPT = (
    *("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "VIRTUAL_ENV"),
    *("PYTHONPATH", "PYTHONHOME", "PYTHONUTF8", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "XDG_CACHE_HOME"),
    *("NUMBA_CACHE_DIR", "NUMBA_CPU_NAME", "STRATEGY_OPTIMIZER_CACHE", "STRATEGY_OPTIMIZER_DATA"),
)
"""What a child has of the environment: no secrets."""
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
AHEAD = 8
"""Frames that are read before somebody takes them; then the child waits."""
_GONE: Frame = (b"", b"")


class ChildProcess:
    """A process that runs `strategy_optimizer.reading.child`.

    Parameters
    ----------
    store : str
        The address of the store; it goes over standard input.

    Attributes
    ----------
    was_used : bool
        Whether it was asked for anything.

    Raises
    ------
    ComputationError
        When the system starts no more processes.
    """

    def __init__(self, store: str) -> None:
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        try:
            self._process = subprocess.Popen(
                [sys.executable, *_flags(), "-P", "-m", "strategy_optimizer.reading.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment | dict.fromkeys(_ONE_THREAD, "1"),
                start_new_session=True,
            )
        except OSError as error:
            raise ComputationError(f"no process can be started: {error.strerror or error}") from error
        self._seen: psutil.Process | None = None
        with suppress(psutil.Error):
            self._seen = psutil.Process(self._process.pid)
        self.was_used = False
        self._ended = threading.Event()
        self._frames: queue.Queue[Frame] = queue.Queue(AHEAD)
        self._reader = threading.Thread(target=self._read, daemon=True, name=f"child-{self.pid}")
        self._reader.start()
        self._write(SETTINGS, {"store": store})

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def memory(self) -> int:
        """Resident bytes, 0 when it is gone."""
        try:
            return 0 if self._seen is None else int(self._seen.memory_info().rss)
        except psutil.Error:
            return 0

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def ask(self, function: str, arguments: Mapping[str, Any]) -> None:
        """Send a request."""
        self.was_used = True
        self._write(REQUEST, {"function": function, "arguments": arguments})

    def next(self, seconds: float) -> Frame | None:
        """Return the next frame, None when there is none yet.

        Raises
        ------
        ComputationError
            When the child is gone.
        """
        try:
            frame = self._frames.get(timeout=seconds)
        except queue.Empty:
            if self._ended.is_set():
                raise ComputationError("its process was ended") from None
            return None
        if frame is _GONE:
            self._frames.put(_GONE)
            raise ComputationError(f"its process ended with the code {self._process.wait()}")
        return frame

    def end(self) -> None:
        """End it at once."""
        self._ended.set()
        with suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()

    def _write(self, kind: bytes, value: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # who reads its frames learns that it is gone
            write_frame(self._process.stdin, kind, json.dumps(value).encode())  # type: ignore[arg-type]

    def _read(self) -> None:
        assert self._process.stdout is not None
        frame: Frame | None = (b"", b"")
        while frame is not None and not self._ended.is_set():
            frame = read_frame(self._process.stdout)  # type: ignore[arg-type]
            self._put(_GONE if frame is None else frame)

    def _put(self, frame: Frame) -> None:
        while not self._ended.is_set():
            with suppress(queue.Full):
                self._frames.put(frame, timeout=0.1)
                return


def _flags() -> list[str]:
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return flags
