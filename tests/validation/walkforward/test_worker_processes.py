"""Windows that are searched in worker processes: the same result, whatever is sent and whatever happens there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ctrl_c import interrupt_once
from strategy_optimizer import Costs, Discrete, Signals, Strategy, load_bars
from strategy_optimizer.errors import ExecutorError, ReproductionError
from strategy_optimizer.tasks.executors import ProcessExecutor
from strategy_optimizer.validation import walk_forward, walk_forward_matrix
from strategy_optimizer.validation.ledger import Ledger
from strategy_optimizer.validation.walkforward import searches
from strategy_optimizer.validation.walkforward.result import WalkForward

QUICK = {"optimizer": "random", "evaluations": 40, "train": 400, "test": 100}


@pytest.fixture
def sent(monkeypatch) -> list[range]:
    """Let short work go to worker processes too; return the windows that went there."""
    trains: list[range] = []

    class Watched(searches.WorkerProcesses):
        def start(self, train: range) -> None:
            trains.append(train)
            super().start(train)

    monkeypatch.setattr(searches, "LOOK", 0.0)
    monkeypatch.setattr(searches, "WORTH", 0.0)
    monkeypatch.setattr(searches, "WorkerProcesses", Watched)
    return trains


def alike(first: WalkForward, second: WalkForward) -> bool:
    """Say whether two results are the same in everything but the seconds they took."""
    return replace(first, seconds=0.0).to_json() == replace(second, seconds=0.0).to_json()


def windows_of(found: WalkForward) -> str:
    """Return the windows as text: NaN is equal to itself there."""
    return str(found.windows)


# -- the same result -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["ga", "auto"])
def test_processes_change_nothing(nasdaq, sent, tmp_path, monkeypatch, optimizer) -> None:
    found, entries = [], []
    settings = {"trial_seconds": 1e-5} if optimizer == "auto" else {}
    for workers in (1, 2, 3):
        monkeypatch.setenv("STRATEGY_OPTIMIZER_DATA", str(tmp_path / str(workers)))
        found.append(
            walk_forward(
                "momentum",
                nasdaq.slice(0, 1000),
                optimizer,
                train=300,
                test=100,
                evaluations=40,
                workers=workers,
                **settings,
            )
        )
        entries.append(Ledger().read().entries)
    assert alike(found[0], found[1])
    assert alike(found[0], found[2])
    assert len(sent) >= 2
    (one,), (two,), (three,) = entries
    for other in (two, three):
        assert other.to_dict() | {"recorded": one.recorded} == one.to_dict()
        assert other.trials.keys.keys.tolist() == one.trials.keys.keys.tolist()
        assert other.trials.sketch.returns.tobytes() == one.trials.sketch.returns.tobytes()
        assert other.trials.spread == one.trials.spread
        assert other.shown.tolist() == one.shown.tolist()


def test_a_matrix_in_processes_is_the_same(nasdaq, sent) -> None:
    found = [
        walk_forward_matrix(
            "ma_cross",
            nasdaq.slice(0, 1200),
            "random",
            train=[300, 600],
            test=[100, 200],
            evaluations=30,
            workers=n,
        )
        for n in (1, 2)
    ]
    first, second = (json.loads(replace(one, seconds=0.0).to_json()) for one in found)
    assert first == second
    assert sent


def test_several_symbols(sent) -> None:
    both = load_bars({"a": "nasdaq", "b": "sp500"}).slice(0, 900)
    one, two = (walk_forward("rotation", both, workers=n, **QUICK) for n in (1, 2))
    assert alike(one, two)
    assert sent


def test_several_objectives_and_a_python_constraint(nasdaq, sent) -> None:
    limit = 50
    arguments = {
        **QUICK,
        "optimizer": "nsga2",
        "objective": ["sharpe_ratio", "max_drawdown"],
        "constraints": [lambda p: p["lookback_period"] < limit],
    }
    one, two = (walk_forward("momentum", nasdaq.slice(0, 900), workers=n, **arguments) for n in (1, 2))
    assert alike(one, two)
    assert all(window.parameters["lookback_period"] < limit for window in two.windows)
    assert sent


def test_a_class_made_inside_a_function(nasdaq, sent) -> None:
    least = 0.01

    class Local(Strategy):
        parameters = {"days": Discrete(2, 30, default=20)}

        def signals(self, bars):
            rise = np.zeros(bars.n_bars)
            rise[self.days :] = bars.close[self.days :] / bars.close[: -self.days] - 1
            return Signals(entries=rise > least, exits=rise < 0)

    one, two = (walk_forward(Local, nasdaq.slice(0, 900), workers=n, **QUICK) for n in (1, 2))
    assert alike(one, two)
    assert sent


FROM_A_FILE = """
from numba import njit
from strategy_optimizer import CompiledStrategy, Discrete
from the_helper import LEAST

@njit
def rises(now, then):
    return now / then - 1 > LEAST

class FromAFile(CompiledStrategy):
    parameters = {"days": Discrete(2, 30, default=20)}

    @staticmethod
    def signals(bars, p, out):
        for t in range(p.days, len(bars.close)):
            out.entries[t] = rises(bars.close[t], bars.close[t - p.days])
            out.exits[t] = bars.close[t] < bars.close[t - p.days]
"""


def test_a_strategy_from_a_file_that_is_edited_meanwhile(nasdaq, sent, tmp_path) -> None:
    path = tmp_path / "from_a_file.py"
    path.write_text(FROM_A_FILE)
    (tmp_path / "the_helper.py").write_text("LEAST = 0.01\n")
    arguments = {"strategy": str(path), "data": nasdaq.slice(0, 900), **QUICK}
    one = walk_forward(workers=1, **arguments)
    changed = []

    def edit(event) -> None:
        if not changed:
            path.write_text("this is no strategy any more")
            changed.append(event)

    two = walk_forward(workers=2, progress=edit, **arguments)
    assert alike(one, two)
    assert sent
    assert changed


SCRIPT = """
    import numpy as np
    from strategy_optimizer import Discrete, Signals, Strategy, load_bars
    from strategy_optimizer.validation import walk_forward
    from strategy_optimizer.validation.walkforward import searches

    sent = []
    class Watched(searches.WorkerProcesses):
        def start(self, train):
            sent.append(train)
            super().start(train)
    searches.LOOK = searches.WORTH = 0.0
    searches.WorkerProcesses = Watched

    class Rise(Strategy):
        parameters = {"days": Discrete(2, 30, default=20)}

        def signals(self, bars):
            rise = np.zeros(bars.n_bars)
            rise[self.days :] = bars.close[self.days :] / bars.close[: -self.days] - 1
            return Signals(entries=rise > 0, exits=rise < 0)

    found = [
        walk_forward(Rise, load_bars("nasdaq").slice(0, 900), "random", train=400, test=100, evaluations=40,
                     constraints=[lambda p: p["days"] != 7], workers=n, ledger=False)
        for n in (1, 2)
    ]
    print(len(sent) > 0, found[0].windows == found[1].windows, found[1].notes == found[0].notes)
"""


@pytest.mark.parametrize("how", ["a script", "standard input"])
def test_a_class_of_the_script_itself(tmp_path, how) -> None:
    script = textwrap.dedent(SCRIPT)
    path = tmp_path / "script.py"
    path.write_text(script)
    command = [sys.executable, *([str(path)] if how == "a script" else ["-"])]
    run = subprocess.run(command, input=script, capture_output=True, text=True, timeout=300)
    assert run.stdout == "True True True\n", run.stderr


# -- what goes wrong -----------------------------------------------------------------------------------------


OF_WORKERS = "STRATEGY_OPTIMIZER_WORKER"


class Dies(Strategy):
    """Ends a worker process, when there is such a file as its class says: that often as it has lines."""

    parameters = {"days": Discrete(2, 30, default=20)}
    tokens: Path

    def signals(self, bars):
        if OF_WORKERS in os.environ and self._takes_a_token():
            os.kill(os.getpid(), signal.SIGKILL)
        rise = np.zeros(bars.n_bars)
        rise[self.days :] = bars.close[self.days :] / bars.close[: -self.days] - 1
        return Signals(entries=rise > 0, exits=rise < 0)

    def _takes_a_token(self) -> bool:
        tokens = list(self.tokens.iterdir())
        for token in tokens[:1]:
            token.unlink()
        return bool(tokens)


def dying(folder: Path, times: int) -> type[Strategy]:
    """Return a strategy that ends so many worker processes."""
    for number in range(times):
        (folder / str(number)).touch()
    return type("Dying", (Dies,), {"tokens": folder, "__module__": __name__})


def test_a_worker_that_dies_once_costs_nothing(nasdaq, sent, tmp_path) -> None:
    bars = nasdaq.slice(0, 900)
    one = walk_forward(dying(tmp_path, 0), bars, workers=1, **QUICK)
    two = walk_forward(dying(tmp_path, 1), bars, workers=2, **QUICK)
    assert not list(tmp_path.iterdir())
    assert windows_of(one) == windows_of(two)
    assert sent


def test_a_worker_that_dies_again_and_again_is_an_error_that_names_the_window(nasdaq, sent, tmp_path) -> None:
    with pytest.raises(ExecutorError) as caught:
        walk_forward(dying(tmp_path, 1000), nasdaq.slice(0, 900), workers=2, **QUICK)
    assert str(caught.value) == (
        "the search in the training window 1999-01-04 to 2000-08-02 (bars 0 to 399) failed: crashed: its process was "
        "killed by SIGKILL, in each of 3 attempts; with workers=1 it runs in this process"
    )


class Random(Strategy):
    """Has other signals each time on the bars of the first window."""

    parameters = {"days": Discrete(2, 30, default=20)}

    def signals(self, bars):
        is_first = bars.timestamp[0] < np.datetime64("1999-01-05", "ns").view(np.int64)
        draw = np.random.default_rng(None if is_first else 0).random(bars.n_bars)
        return Signals(entries=draw > 0.7, exits=draw < 0.3)


def test_a_winner_that_cannot_be_reproduced_ends_it(nasdaq, sent) -> None:
    with pytest.raises(ReproductionError) as caught:
        walk_forward(Random, nasdaq.slice(0, 900), workers=2, **QUICK)
    assert caught.value.__notes__[0].startswith("in a worker process:\nTraceback")


class Prints(Strategy):
    """Says a lot, and fails on later bars."""

    parameters = {"days": Discrete(2, 30, default=20)}

    def signals(self, bars):
        sys.stdout.write("x" * 2**21)
        if bars.timestamp[0] > np.datetime64("2000-01-01", "ns").view(np.int64):
            raise ValueError("no such bar")
        return Signals(entries=bars.close > bars.open, exits=bars.close < bars.open)


def test_a_strategy_that_fails_in_some_windows_is_reported_alike(nasdaq, sent, capsys) -> None:
    one, two = (walk_forward(Prints, nasdaq.slice(0, 900), workers=n, **QUICK) for n in (1, 2))
    assert alike(one, two)
    assert "no such bar" in two.windows[-1].reason
    assert sent


def test_what_cannot_be_sent_is_searched_in_threads(nasdaq, sent) -> None:
    class Locked(Strategy):
        parameters = {"days": Discrete(2, 30, default=20)}
        lock = threading.Lock()

        def signals(self, bars):
            with self.lock:
                return Signals(entries=bars.close > bars.open, exits=bars.close < bars.open)

    one, two = (walk_forward(Locked, nasdaq.slice(0, 900), workers=n, **QUICK) for n in (1, 2))
    assert not sent
    assert windows_of(one) == windows_of(two)
    (note,) = set(two.notes) - set(one.notes)
    assert note.startswith("the windows were searched in threads, which share one core: ")
    assert "lock" in note


def test_what_no_worker_can_load_is_searched_in_threads(nasdaq, sent, tmp_path, monkeypatch) -> None:
    (tmp_path / "loads_once.py").write_text(
        "import os\n"
        f"if {OF_WORKERS!r} in os.environ:\n"
        "    raise RuntimeError('not here')\n"
        "LEAST = 0.0\n"
        "def is_rise(x):\n"
        "    return x > LEAST\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    from loads_once import is_rise  # type: ignore[import-not-found]

    class Loading(Strategy):
        parameters = {"days": Discrete(2, 30, default=20)}

        def signals(self, bars):
            return Signals(entries=is_rise(bars.close - bars.open), exits=bars.close < bars.open)

    one, two = (walk_forward(Loading, nasdaq.slice(0, 900), workers=n, **QUICK) for n in (1, 2))
    assert sent
    assert windows_of(one) == windows_of(two)
    (note,) = set(two.notes) - set(one.notes)
    assert "cannot be loaded in a worker process: RuntimeError: not here" in note


def test_inside_a_worker_there_are_threads(nasdaq, sent) -> None:
    bars = nasdaq.slice(0, 900)

    def run(_: Any) -> Any:
        searches.LOOK = searches.WORTH = 0.0
        found = walk_forward("momentum", bars, workers=2, ledger=False, **QUICK)
        return str(found.windows), found.notes

    here = walk_forward("momentum", bars, workers=1, ledger=False, **QUICK)
    with ProcessExecutor(run, 1) as executor:
        executor.submit(0, None)
        (outcome,) = executor.wait()
    assert outcome.value == (windows_of(here), here.notes)


def test_short_work_stays_in_this_process(nasdaq, monkeypatch) -> None:
    monkeypatch.setattr(searches, "LOOK", 1e9)
    monkeypatch.setattr(searches, "WorkerProcesses", None)
    assert walk_forward("momentum", nasdaq.slice(0, 900), workers=2, **QUICK).complete


# -- while it runs -------------------------------------------------------------------------------------------


def test_progress_comes_from_inside_the_windows(nasdaq, sent) -> None:
    seen: list[Any] = []
    arguments = QUICK | {"optimizer": "ga", "evaluations": 20_000, "test": 250}
    walk_forward("momentum", nasdaq.slice(0, 900), workers=2, progress=seen.append, **arguments)
    assert len(sent) == 1
    assert any(event.done == 0 and event.trials > 0 for event in seen)
    assert [event.done for event in seen] == sorted(event.done for event in seen)
    assert (seen[-1].done, seen[-1].windows, seen[-1].trials) == (2, 2, 40_000)


def test_ctrl_c_keeps_the_windows_that_are_done(nasdaq, sent, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("STRATEGY_OPTIMIZER_DATA", str(tmp_path))

    interrupt = interrupt_once(lambda event: event.done == 3)
    arguments = QUICK | {"optimizer": "ga", "evaluations": 5000}
    found = walk_forward("momentum", nasdaq, workers=3, progress=interrupt, **arguments)
    assert len(sent) >= 2
    assert 3 <= len(found.windows) < found.planned
    assert found.notes[0].startswith(f"interrupted: {len(found.windows)} of {found.planned} windows are done")
    whole = walk_forward("momentum", nasdaq.slice(0, 1400), workers=1, ledger=False, **arguments)
    by_train = {window.train: window for window in whole.windows}
    for window in found.windows:
        if window.train in by_train:
            assert window.parameters == by_train[window.train].parameters
            assert str(window.in_sample) == str(by_train[window.train].in_sample)
    (entry,) = Ledger().read().entries
    assert entry.interrupted
    assert entry.trials.made >= found.trials  # with those of windows that were not finished


def test_costs_are_sent_too(nasdaq, sent) -> None:
    arguments = QUICK | {"costs": Costs(commission=0.01), "fill": "close", "cash": 5000.0}
    one, two = (walk_forward("momentum", nasdaq.slice(0, 900), workers=n, **arguments) for n in (1, 2))
    assert alike(one, two)
    assert sent
