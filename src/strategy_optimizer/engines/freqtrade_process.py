"""Runs `freqtrade_runner` in freqtrade's own Python and asks it, one order at a time."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from strategy_optimizer.errors import EngineError

_RUNNER = Path(__file__).with_name("freqtrade_runner.py")
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_MAX_THREADS"), "1")


class Runner:
    """One running program; it ends with the process that started it."""

    def __init__(self, python: Path) -> None:
        self._said = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - lives as long as the program
        try:
            # -P: without the folder of the program, where a module of ours is called freqtrade too.
            self._process = subprocess.Popen(
                [str(python), "-P", str(_RUNNER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env={**os.environ, **_ONE_THREAD},
            )
        except OSError as error:
            self._said.close()
            raise EngineError(f"{python} cannot be started: {error}") from error
        ready = self._answer()
        self.versions: Mapping[str, str] = ready.get("versions", {})
        self.problem: str | None = ready.get("error")

    @property
    def is_alive(self) -> bool:
        """Whether the program can be asked."""
        return not self._said.closed and self._process.poll() is None

    def ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to an order; an EngineError if the program is gone."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer says how it ended
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError:
            self._stop()
            words = self._last_words()
            self.end()
            raise EngineError(
                f"freqtrade's process ended with code {self._process.returncode} and without an answer; "
                f"it said: {words}"
            ) from None
        return answer

    def _last_words(self) -> str:
        self._said.seek(0)
        words = self._said.read().decode(errors="replace").strip()
        return words[-500:] or "nothing"

    def end(self) -> None:
        """End the program, and the backtest it is carrying out."""
        self._stop()
        self._said.close()

    def _stop(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


_lock = threading.Lock()
_idle: dict[tuple[int, Path], list[Runner]] = {}  # by process: a forked one must not share its parent's pipes


@contextmanager
def borrowed_runner(python: Path) -> Iterator[Runner]:
    """Give a program of that Python to one thread; it is kept for the next trial, which saves freqtrade's import."""
    key = (os.getpid(), python)
    with _lock:
        runners = _idle.setdefault(key, [])
        runner = runners.pop() if runners else None
    if runner is not None and not runner.is_alive:
        runner.end()
        runner = None
    runner = runner or Runner(python)
    try:
        yield runner
    except EngineError:
        raise
    except BaseException:  # an interrupted order would leave its answer behind for the next one
        runner.end()
        raise
    finally:
        if runner.is_alive:
            with _lock:
                runners.append(runner)


def end_runners() -> None:
    """End the programs that this process keeps."""
    with _lock:
        runners = [r for (process, _), found in _idle.items() if process == os.getpid() for r in found]
        _idle.clear()
    for runner in runners:
        runner.end()


atexit.register(end_runners)
