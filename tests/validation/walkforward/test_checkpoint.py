"""A walk-forward that was interrupted or killed goes on and gives the same result; another one is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ctrl_c import interrupt_once
from strategy_optimizer import Discrete, Signals, Strategy
from strategy_optimizer.errors import CheckpointError, TaskError
from strategy_optimizer.tasks import checkpoint_folder
from strategy_optimizer.validation import walk_forward, walk_forward_matrix
from strategy_optimizer.validation.ledger import Ledger
from strategy_optimizer.validation.walkforward import choices

QUICK: dict[str, Any] = {"optimizer": "ga", "evaluations": 60, "train": 400, "test": 100, "workers": 1}


def text_of(found: Any) -> str:
    """Return a result as text, without the seconds it took."""
    return json.dumps({**json.loads(found.to_json()), "seconds": 0})


def interrupt_after(windows: int):
    """Return what takes progress and sends Ctrl-C once so many windows are done."""

    return interrupt_once(lambda event: event.done == windows)


def ledger_entry(folder: Path) -> tuple[Any, ...]:
    (entry,) = Ledger(folder / "ledger").read().entries
    about = {name: value for name, value in entry.to_dict().items() if name != "recorded"}
    return about, entry.trials.keys.keys.tolist(), entry.trials.sketch.returns.tobytes(), entry.trials.spread


@pytest.mark.parametrize("outcome_constraints", [[], ["total_return >= 0.3"]])
def test_what_was_interrupted_goes_on(nasdaq, tmp_path, monkeypatch, outcome_constraints) -> None:
    arguments = {
        "strategy": "momentum",
        "data": nasdaq.slice(0, 1000),
        "outcome_constraints": outcome_constraints,
        **QUICK,
    }
    monkeypatch.setenv("STRATEGY_OPTIMIZER_DATA", str(tmp_path / "whole"))
    whole = walk_forward(**arguments)
    monkeypatch.setenv("STRATEGY_OPTIMIZER_DATA", str(tmp_path / "parts"))
    folder = tmp_path / "kept"
    part = walk_forward(**arguments, checkpoint=folder, progress=interrupt_after(2))
    assert 2 <= len(part.windows) < part.planned
    seen: list[Any] = []
    again = walk_forward(**arguments, checkpoint=folder, resume=True, progress=seen.append)
    assert text_of(again) == text_of(whole)
    assert ledger_entry(tmp_path / "parts") == ledger_entry(tmp_path / "whole")
    assert seen[0].done >= len(part.windows)
    assert (seen[-1].done, seen[-1].trials, seen[-1].fraction) == (6, whole.trials, 1.0)
    monkeypatch.setattr(choices.WindowSearch, "run", lambda self: pytest.fail("a window was searched again"))
    assert text_of(walk_forward(**arguments, checkpoint=folder, resume=True)) == text_of(whole)


def test_a_matrix_goes_on(nasdaq, tmp_path) -> None:
    arguments = {
        **QUICK,
        "strategy": "momentum",
        "data": nasdaq.slice(0, 1000),
        "train": [300, 600],
        "test": [100, 200],
        "optimizer": "random",
    }
    whole = walk_forward_matrix(**arguments)
    with pytest.raises(KeyboardInterrupt):
        walk_forward_matrix(**arguments, checkpoint=tmp_path, progress=interrupt_after(2))
    again = walk_forward_matrix(**arguments, checkpoint=tmp_path, resume=True)
    assert text_of(again) == text_of(whole)


def test_what_a_trial_took_is_remembered(nasdaq, tmp_path, monkeypatch) -> None:
    arguments = {"strategy": "momentum", "data": nasdaq.slice(0, 1000), **QUICK, "optimizer": "auto"}
    monkeypatch.setattr(choices, "trial_seconds", lambda *_: 1e-5)
    whole = walk_forward(**arguments)
    walk_forward(**arguments, checkpoint=tmp_path, progress=interrupt_after(2))
    monkeypatch.setattr(choices, "trial_seconds", lambda *_: 10.0)
    assert text_of(walk_forward(**arguments, checkpoint=tmp_path, resume=True)) == text_of(whole)


KILLED = """
import sys
from strategy_optimizer.validation import walk_forward
from strategy_optimizer.validation.walkforward import searches
searches.LOOK = searches.WORTH = 0.0
walk_forward("momentum", "nasdaq", "ga", train="3y", test="6m", evaluations=1500, workers=2,
             checkpoint=sys.argv[1], resume=sys.argv[2] == "resume")
"""


def test_kill_9_costs_the_windows_in_hand_and_nothing_else(tmp_path) -> None:
    folder = tmp_path / "kept"
    environment = {**os.environ, "STRATEGY_OPTIMIZER_DATA": str(tmp_path / "data")}
    for kills, how in ((3, "new"), (7, "resume")):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(folder), how], env=environment)
        end = time.monotonic() + 300
        while len(list(folder.glob("window-*.json"))) < kills and time.monotonic() < end:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        process.wait()
    done = {path: path.stat().st_mtime_ns for path in folder.glob("window-*.json")}
    assert 7 <= len(done) < 34
    arguments: dict[str, Any] = {"train": "3y", "test": "6m", "evaluations": 1500, "ledger": True}
    again = walk_forward("momentum", "nasdaq", "ga", checkpoint=folder, resume=True, **arguments)
    whole = walk_forward("momentum", "nasdaq", "ga", workers=1, **arguments)
    assert again.complete
    assert text_of(again) == text_of(whole)
    assert {path: path.stat().st_mtime_ns for path in done} == done


class Rise(Strategy):
    parameters = {"days": Discrete(2, 30, default=20)}

    def signals(self, bars):
        return Signals(entries=bars.close > bars.open, exits=bars.close < bars.open)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, "belongs to another walk-forward; seed: was 0, is 1. Give the same values"),
        ({"evaluations": 61}, "budget.evaluations: was 60, is 61"),
        ({"choose": "best"}, "choose: was recommended, is best"),
        ({"ledger": False}, "ledger: was true, is false"),
        ({"test": 110}, "windows.test: was 100, is 110; windows.step: was 100, is 110"),
        ({"strategy": Rise}, "strategy: was "),
        ({"optimizer": "random"}, "optimizer.name: was ga, is random"),
        ({"resume": False}, "holds a walk-forward of 6 windows already; resume it (resume=True, --resume)"),
    ],
)
def test_another_walk_forward_is_refused(nasdaq, tmp_path, changes, message) -> None:
    arguments = {"strategy": "momentum", "data": nasdaq.slice(0, 1000), **QUICK, "checkpoint": tmp_path}
    walk_forward(**arguments)
    with pytest.raises(CheckpointError) as caught:
        walk_forward(**(arguments | {"resume": True} | changes))
    assert message in str(caught.value)


def test_mistakes(nasdaq, tmp_path) -> None:
    arguments = {"strategy": "momentum", "data": nasdaq.slice(0, 1000), **QUICK}
    with pytest.raises(TaskError, match="resume needs the checkpoint's folder"):
        walk_forward(**arguments, resume=True)
    with pytest.raises(CheckpointError, match=r"there is no checkpoint .*nowhere to resume"):
        walk_forward(**arguments, checkpoint=tmp_path / "nowhere", resume=True)
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=r"folder .*file cannot be made: File exists"):
        walk_forward(**arguments, checkpoint=tmp_path / "file")


def test_damage_is_named(nasdaq, tmp_path) -> None:
    arguments = {"strategy": "momentum", "data": nasdaq.slice(0, 1000), **QUICK, "checkpoint": tmp_path}
    whole = walk_forward(**arguments)
    path = tmp_path / "window-100-500.json"
    broken = json.loads(path.read_text())
    broken["trials"]["keys"]["deflated"] = "AAAA"
    for text in (path.read_text()[:100], "{}", json.dumps(broken)):
        path.write_text(text)
        with pytest.raises(CheckpointError, match=r"window-100-500.json is damaged: .*remove this file"):
            walk_forward(**arguments, resume=True)
    path.unlink()
    assert text_of(walk_forward(**arguments, resume=True)) == text_of(whole)


def test_a_full_disk_ends_it_and_keeps_what_was_saved(nasdaq, tmp_path, monkeypatch) -> None:
    arguments = {"strategy": "momentum", "data": nasdaq.slice(0, 1000), **QUICK, "checkpoint": tmp_path}
    replace_file = checkpoint_folder.replace_file

    def full(path: Path, data: bytes, temporary: Path) -> None:
        if len(list(tmp_path.glob("window-*.json"))) == 2:
            raise OSError(28, "No space left on device")
        replace_file(path, data, temporary)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_folder, "replace_file", full)
        with pytest.raises(CheckpointError, match=r"cannot be written; .* No space left on device"):
            walk_forward(**arguments)
    assert walk_forward(**arguments, resume=True).complete


def test_two_processes_do_not_share_a_folder(nasdaq, tmp_path) -> None:
    arguments = {"strategy": "momentum", "data": nasdaq.slice(0, 1000), **QUICK, "checkpoint": tmp_path}
    from strategy_optimizer.tasks.lock import FileLock

    lock = FileLock(tmp_path / "lock")
    lock.acquire()
    with pytest.raises(CheckpointError, match="another process"):
        walk_forward(**arguments)
    lock.release()
    assert walk_forward(**arguments).complete
