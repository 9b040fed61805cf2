"""The program as a process of its own: signals, pipes, terminals, full disks."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from strategy_optimizer.models import ResultModel

PROGRAM = [sys.executable, "-c", "from strategy_optimizer.cli.program import main; main()"]
# Slow enough to be caught at work: each trial sleeps.
SLOW = """
import time
import numpy as np
from strategy_optimizer import Continuous, Discrete, Signals, Strategy


class Slow(Strategy):
    parameters = {"days": Discrete(2, 90, default=10), "level": Continuous(0.0, 0.1, default=0.02)}

    def signals(self, bars):
        time.sleep(0.005)
        rise = np.zeros(bars.n_bars)
        rise[self.days:] = bars.close[self.days:] / bars.close[:-self.days] - 1
        return Signals(rise > self.level, rise < 0)
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "slow.py").write_text(SLOW)
    return {**os.environ, "STRATEGY_OPTIMIZER_STATE": str(tmp_path / "state"), "COLUMNS": "80"}


@pytest.fixture
def start(tmp_path: Path, environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    with ExitStack() as started:

        def run(*arguments: str, **options: object) -> subprocess.Popen[str]:
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
            process = subprocess.Popen(
                [*PROGRAM, *arguments], cwd=tmp_path, env=environment, text=True, **pipes
            )
            started.enter_context(process)
            started.callback(process.kill)
            return process

        yield run


WALK_FORWARD = ("walk-forward", "slow.py", "--from", "2008", "--train", "2y", "--evaluations", "60", "--json")
SEARCH = ("optimize", "slow.py", "--from", "2014", "--evaluations", "300", "--json")


def saved_trials(tmp_path: Path) -> int:
    """Return how many trials the checkpoint holds."""
    for state in (tmp_path / "state").glob("runs/*/state.json"):
        return int(json.loads(state.read_text())["log"]["trials"])
    return 0


def wait_for_trials(process: subprocess.Popen[str], tmp_path: Path, n: int) -> None:
    limit = time.monotonic() + 120
    while saved_trials(tmp_path) < n:
        assert process.poll() is None, process.stderr.read()  # type: ignore[union-attr]
        assert time.monotonic() < limit
        time.sleep(0.02)


def outcome_of(text: str) -> dict[str, object]:
    """Return what must not depend on interruptions."""
    result = json.loads(text)
    trials = [{k: v for k, v in t.items() if k != "seconds"} for t in result["optimization_history"]]
    return {"trials": trials} | {
        k: result[k] for k in ("best_parameters", "best", "convergence_analysis", "notes")
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Return the outcome of the search that nobody interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "slow.py").write_text(SLOW)
    environment = {**os.environ, "STRATEGY_OPTIMIZER_STATE": str(folder / "state")}
    done = subprocess.run(
        [*PROGRAM, *SEARCH], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return outcome_of(done.stdout)


def test_ctrl_c_then_resume_by_the_printed_command(start, tmp_path: Path, whole: dict[str, object]) -> None:
    process = start(*SEARCH)
    wait_for_trials(process, tmp_path, 60)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    part = json.loads(out)
    assert part["stop_reason"] == "interrupted"
    assert 60 <= part["counts"]["trials"] < 300
    command = err.strip().splitlines()[-1].removeprefix("continue with: strategy-optimizer ").split()
    process = start(*command)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert json.loads(out)["counts"]["resumed"] == part["counts"]["trials"]
    assert outcome_of(out) == whole
    assert list((tmp_path / "state").glob("runs/*")) == []


def test_ctrl_c_in_a_walk_forward_shows_the_windows_that_are_done(start) -> None:
    process = start(*WALK_FORWARD)
    for line in process.stderr:
        if int(line.split()[0]) >= 2:  # windows done
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    found = json.loads(out)
    assert 2 <= len(found["windows"]) < found["planned"]
    assert not found["complete"]
    assert {window["trials"] for window in found["windows"]} == {60}


def test_kill_then_resume(start, tmp_path: Path, whole: dict[str, object]) -> None:
    process = start(*SEARCH)
    wait_for_trials(process, tmp_path, 60)
    process.kill()
    assert process.communicate()[0] == ""
    saved = saved_trials(tmp_path)
    process = start(*SEARCH, "--resume")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert json.loads(out)["counts"]["resumed"] == saved
    assert outcome_of(out) == whole


def test_two_at_once_do_not_share_a_checkpoint(start, tmp_path: Path) -> None:
    long = (*SEARCH, "--evaluations", "100000")
    first = start(*long)
    wait_for_trials(first, tmp_path, 20)
    second = start(*long)
    _, err = second.communicate(timeout=60)
    assert second.returncode == 2
    assert "another process" in err
    first.kill()
    first.communicate()


def test_without_a_terminal_there_are_plain_lines(start) -> None:
    process = start("optimize", "momentum", "--from", "2012", "--evaluations", "100", "--json")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0
    assert ResultModel.from_json(out).reproduced
    assert "\x1b" not in err
    assert "\r" not in err
    assert 1 <= len(err.splitlines()) <= 4


def test_a_closed_pipe_is_no_error(start) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = start("strategies", stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=60)
    assert err == ""
    assert process.returncode == 141


def test_on_a_terminal_there_is_a_live_line(start, tmp_path: Path) -> None:
    import pty

    controller, terminal = pty.openpty()
    process = start(*SEARCH[:-1], "--quiet", stderr=terminal)
    quiet, _ = process.communicate(timeout=120)
    process = start(*SEARCH[:-1], stderr=terminal)
    os.close(terminal)
    shown = b""
    while chunk := _read(controller):
        shown += chunk
    out, _ = process.communicate(timeout=120)
    text = shown.decode()
    assert "\r" in text
    assert "/300 trials" in text
    assert "best " in text
    assert "left" in text
    assert out.split("trials ")[0] == quiet.split("trials ")[0]


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other end is closed
        return b""


def test_a_full_disk(start, tmp_path: Path) -> None:
    """A limit on the size of files refuses writes as a full disk does."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (80_000, 80_000))

    process = start(*SEARCH, "--export", "trials.csv", preexec_fn=limit)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 2, err
    assert err.splitlines()[-1].startswith("error: ")
    assert "cannot be written" in err
    assert "Traceback" not in err
    assert out == ""
    assert not (tmp_path / "trials.csv").exists()
    assert 0 < saved_trials(tmp_path) < 300
    assert not list((tmp_path / "state").glob("runs/*/*.tmp"))


def test_help_needs_nothing_heavy(start) -> None:
    process = start("--help")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "optimize" in out


AT_THE_END = """
import atexit, sys, tempfile, threading, time
from strategy_optimizer.strategies.momentum import Momentum

atexit.register(lambda: print("registered", file=sys.stderr))
kept = tempfile.TemporaryDirectory(dir=".", prefix="kept-")
threading.Thread(target=lambda: (time.sleep(0.5), print("thread", file=sys.stderr))).start()


class Tidy(Momentum):
    pass
"""


def test_the_end_waits_for_threads_and_runs_what_is_registered(start, tmp_path: Path) -> None:
    (tmp_path / "tidy.py").write_text(AT_THE_END)
    process = start("strategies", "tidy.py", "--json")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, "Tidy" in out or "lookback_period" in out) == (0, True)
    assert err.splitlines()[-2:] == ["thread", "registered"]
    assert not list(tmp_path.glob("kept-*"))
