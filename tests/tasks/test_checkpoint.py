"""Checkpoints: identity, lock, torn tails, damage, full disks."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strategy_optimizer import ObjectiveFunction
from strategy_optimizer.errors import CheckpointError
from strategy_optimizer.records import CheckpointSaved
from strategy_optimizer.tasks import Checkpoint, TrialHistory, checkpoint, trial_file

IDENTITY = {"data": "abc", "costs": {"commission": 0.0005, "slippage": 0.0}, "seed": 3}


def run(make_loop: Any, folder: Path, *, resume: bool = False, **options: Any) -> Any:
    saved = Checkpoint(folder, IDENTITY, resume=resume)
    try:
        loop = make_loop(checkpoint=saved, **options)
        loop.run()
        return loop
    finally:
        saved.close()


def assert_same(a: TrialHistory, b: TrialHistory) -> None:
    for name in ("points", "metrics", "scores", "states", "feasible", "blocks"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert a.reasons == b.reasons
    assert (a.best, a.best_score, a.n_failed, a.n_infeasible) == (
        b.best,
        b.best_score,
        b.n_failed,
        b.n_infeasible,
    )


def test_everything_comes_back(make_loop: Any, evaluator: Any, space: Any, tmp_path: Path) -> None:
    evaluator.fail_above, evaluator.idle_below = 0.8, 0.1
    objective = ObjectiveFunction("sharpe_ratio", constraints=["trades >= 30"])
    loop = run(make_loop, tmp_path / "a", objective=objective)
    history = TrialHistory(space, n_blocks=4)
    saved = Checkpoint(tmp_path / "a", IDENTITY, resume=True)
    state = saved.load(history)
    saved.close()
    assert state is not None
    assert state["stop_reason"] == "budget"
    assert_same(history, loop.history)
    np.testing.assert_array_equal(history.seconds, loop.history.seconds)


def test_a_finished_search_resumes_to_itself(make_loop: Any, evaluator: Any, tmp_path: Path) -> None:
    first = run(make_loop, tmp_path, optimizer="ga")
    n_calls = len(evaluator.calls)
    again = run(make_loop, tmp_path, resume=True, optimizer="ga")
    assert again.stop_reason == "budget"
    assert len(evaluator.calls) == n_calls
    assert_same(again.history, first.history)


def test_more_evaluations_continue_a_finished_search(make_loop: Any, tmp_path: Path) -> None:
    first = run(make_loop, tmp_path, optimizer="ga")
    more = run(make_loop, tmp_path, resume=True, optimizer="ga", evaluations=450)
    assert len(more.history) == 450
    assert more.n_resumed == 300
    np.testing.assert_array_equal(more.history.points[:300], first.history.points)


def test_seconds_of_earlier_sessions_count(make_loop: Any, evaluator: Any, tmp_path: Path) -> None:
    evaluator.before = lambda call: __import__("time").sleep(0.02)
    first = run(make_loop, tmp_path, planned=10**5, evaluations=None, seconds=0.2)
    again = run(make_loop, tmp_path, resume=True, planned=10**5, evaluations=None, seconds=0.2)
    assert again.stop_reason == "deadline"
    assert len(again.history) == len(first.history)
    longer = run(make_loop, tmp_path, resume=True, planned=10**5, evaluations=None, seconds=0.4)
    assert len(longer.history) > len(first.history)


def test_the_saved_event_names_folder_and_size(make_loop: Any, tmp_path: Path) -> None:
    events: list[Any] = []
    run(make_loop, tmp_path, sink=events.append)
    saved = [event for event in events if isinstance(event, CheckpointSaved)]
    assert saved[-1] == CheckpointSaved(str(tmp_path), 300, (tmp_path / "trials.bin").stat().st_size)


def test_saves_keep_their_distance(make_loop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(np.arange(0.0, 1e6, 0.04))
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: float(next(clock)))
    events: list[Any] = []
    run(make_loop, tmp_path, planned=6000, sink=events.append)
    saves = sum(isinstance(event, CheckpointSaved) for event in events)
    # 24 batches, each a twenty-fifth of a second: a save every 13 or so, one at each end.
    assert 3 <= saves <= 5


# -- what must not be continued -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": "xyz"}, "data: was abc, is xyz"),
        ({"costs": {"commission": 0.001, "slippage": 0.0}}, r"costs.commission: was 0.0005, is 0.001"),
        ({"seed": 4}, "seed: was 3, is 4"),
        ({"fill": "close"}, "fill: was absent, is close"),
    ],
)
def test_another_search_is_refused_and_the_difference_named(
    change: dict[str, Any], message: str, make_loop: Any, tmp_path: Path
) -> None:
    run(make_loop, tmp_path)
    with pytest.raises(CheckpointError, match=message) as caught:
        Checkpoint(tmp_path, IDENTITY | change, resume=True)
    assert str(caught.value).count("was ") == 1
    Checkpoint(tmp_path, IDENTITY, resume=True).close()


def test_every_difference_is_named(make_loop: Any, tmp_path: Path) -> None:
    run(make_loop, tmp_path)
    with pytest.raises(CheckpointError, match=r"data: was abc.*seed: was 3, is 4"):
        Checkpoint(tmp_path, IDENTITY | {"data": "x", "seed": 4}, resume=True)


def test_a_new_search_does_not_overwrite_an_old_one(make_loop: Any, tmp_path: Path) -> None:
    run(make_loop, tmp_path)
    with pytest.raises(CheckpointError, match="holds a search of 300 trials already"):
        Checkpoint(tmp_path, IDENTITY)


def test_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        Checkpoint(tmp_path / "missing", IDENTITY, resume=True)
    assert not (tmp_path / "missing").exists()
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        Checkpoint(tmp_path, IDENTITY, resume=True)
    assert list(tmp_path.iterdir()) == []


def test_killed_before_the_first_save_starts_again(make_loop: Any, tmp_path: Path) -> None:
    (tmp_path / "trials.bin").write_bytes(b"SOTR")
    loop = run(make_loop, tmp_path, resume=True)
    assert loop.n_resumed == 0
    assert len(loop.history) == 300


def test_two_processes_cannot_run_one_checkpoint(tmp_path: Path) -> None:
    held = Checkpoint(tmp_path, IDENTITY)
    with pytest.raises(CheckpointError, match=rf"another process \({os.getpid()}\)"):
        Checkpoint(tmp_path, IDENTITY, resume=True)
    held.close()
    Checkpoint(tmp_path, IDENTITY, resume=True).close()


def test_the_lock_of_a_dead_process_is_no_obstacle(tmp_path: Path) -> None:
    code = (
        "import os, sys; from strategy_optimizer.tasks import Checkpoint;"
        "Checkpoint(sys.argv[1], {}); os.kill(os.getpid(), 9)"
    )
    dead = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert dead.returncode == -9
    assert (tmp_path / "lock").read_text()
    Checkpoint(tmp_path, {}, resume=True).close()


# -- damage ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tail", [b"\x00", b"\xff" * 1000, b"\x10\x00\x00\x00\x00\x00\x00\x00half"])
def test_a_torn_tail_is_cut_off(tail: bytes, make_loop: Any, tmp_path: Path) -> None:
    first = run(make_loop, tmp_path)
    size = (tmp_path / "trials.bin").stat().st_size
    with (tmp_path / "trials.bin").open("ab") as file:
        file.write(tail)
    again = run(make_loop, tmp_path, resume=True)
    assert_same(again.history, first.history)
    assert (tmp_path / "trials.bin").stat().st_size == size


def test_a_whole_record_that_no_state_names_is_cut_off(make_loop: Any, tmp_path: Path) -> None:
    """Killed between the trials and the state: the trials after the state are made again."""
    first = run(make_loop, tmp_path / "a", evaluations=256)
    older = (tmp_path / "a" / "state.json").read_bytes()
    newer = run(make_loop, tmp_path / "a", resume=True, evaluations=300)
    (tmp_path / "a" / "state.json").write_bytes(older)
    again = run(make_loop, tmp_path / "a", resume=True, evaluations=300)
    assert again.n_resumed == len(first.history) == 256
    assert_same(again.history, newer.history)


def test_a_flipped_bit_is_noticed(make_loop: Any, tmp_path: Path) -> None:
    run(make_loop, tmp_path)
    data = bytearray((tmp_path / "trials.bin").read_bytes())
    data[len(data) // 2] ^= 4
    (tmp_path / "trials.bin").write_bytes(data)
    with pytest.raises(CheckpointError, match="damaged: the record that ends at byte"):
        run(make_loop, tmp_path, resume=True)


def test_a_cut_file_is_noticed(make_loop: Any, tmp_path: Path) -> None:
    run(make_loop, tmp_path)
    data = (tmp_path / "trials.bin").read_bytes()
    for size in (len(data) - 1, 8, 3, 0):
        (tmp_path / "trials.bin").write_bytes(data[:size])
        with pytest.raises(CheckpointError, match="damaged"):
            run(make_loop, tmp_path, resume=True)
    (tmp_path / "trials.bin").unlink()
    with pytest.raises(CheckpointError, match="cannot be read") as caught:
        run(make_loop, tmp_path, resume=True)
    assert isinstance(caught.value.__cause__, FileNotFoundError)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1}', '{"format": 99}'])
def test_a_damaged_state_is_an_error(text: str, make_loop: Any, tmp_path: Path) -> None:
    run(make_loop, tmp_path)
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"damaged|format 99"):
        Checkpoint(tmp_path, IDENTITY, resume=True)


def test_a_state_with_another_optimizers_state_is_an_error(make_loop: Any, tmp_path: Path) -> None:
    run(make_loop, tmp_path)
    state = json.loads((tmp_path / "state.json").read_text())
    state["search"]["optimizer"]["space"] = "0"
    (tmp_path / "state.json").write_text(json.dumps(state))
    with pytest.raises(CheckpointError, match="cannot be continued"):
        run(make_loop, tmp_path, resume=True)


def test_the_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot be made") as caught:
        Checkpoint(tmp_path / "file" / "folder", IDENTITY)
    assert isinstance(caught.value.__cause__, OSError)


# -- full disk ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_is_an_error_and_what_was_saved_is_whole(
    call: str, make_loop: Any, evaluator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = make_loop("ga", planned=400)
    expected.run()
    run(make_loop, tmp_path, optimizer="ga", planned=400, evaluations=200)
    real = getattr(os, call)

    def full(descriptor: int, *args: Any) -> Any:
        if call == "write" and len(args[0]) > 40:
            real(descriptor, args[0][:40])  # a part still fits
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(trial_file.os, call, full)
        with pytest.raises(CheckpointError, match="No space left on device") as caught:
            run(make_loop, tmp_path, resume=True, optimizer="ga", planned=400)
    assert isinstance(caught.value.__cause__, OSError)
    again = run(make_loop, tmp_path, resume=True, optimizer="ga", planned=400)
    assert again.n_resumed == 200
    assert_same(again.history, expected.history)


def test_a_state_that_cannot_be_replaced(
    make_loop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(make_loop, tmp_path, evaluations=256)

    def full(self: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(CheckpointError, match="what was saved before is whole"):
            run(make_loop, tmp_path, resume=True)
    assert not (tmp_path / "state.tmp").exists()
    assert len(run(make_loop, tmp_path, resume=True).history) == 300


def test_a_file_size_limit_of_the_system(tmp_path: Path) -> None:
    """The real thing in a process of its own: the kernel refuses to let a file grow."""
    code = """
import resource, signal, sys
import numpy as np
from strategy_optimizer import ParameterSpace
from strategy_optimizer.backtest import METRICS, MetricsTable
from strategy_optimizer.errors import CheckpointError
from strategy_optimizer.objective import ObjectiveFunction
from strategy_optimizer.tasks import Checkpoint, TrialHistory

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
space = ParameterSpace("s").add_parameter("x", "continuous", (0, 1))
table = MetricsTable(np.ones((100, len(METRICS))), np.ones((100, 4, 3)))
history = TrialHistory(space, 4)
checkpoint = Checkpoint(sys.argv[1], {})
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
try:
    while True:
        history.append(space.sample(100, 0), table, ObjectiveFunction("skew").score_table(table), 0.1)
        checkpoint.save(history, dict)
except CheckpointError as error:
    checkpoint.close()
    print(type(error.__cause__).__name__, len(history))
history = TrialHistory(space, 4)
Checkpoint(sys.argv[1], {}, resume=True).load(history)
print(len(history))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    cause, attempted, loaded = done.stdout.split()
    assert cause == "OSError"
    assert int(loaded) == int(attempted) - 100 > 0
