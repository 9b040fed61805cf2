"""Machine code is kept between processes, and never used for a strategy that has changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest

HELPERS = """
from numba import njit

LEVEL = {level}

@njit
def enters(change):
    return change > {threshold} + LEVEL
"""

STRATEGY = """
import helpers_{tag}
from strategy_optimizer import CompiledStrategy, Discrete

class Rise(CompiledStrategy):
    # {comment}
    parameters = {{"days": Discrete(2, 30, default=10)}}

    @staticmethod
    def warmup(p):
        return p.days

    @staticmethod
    def signals(bars, p, out):
        for t in range(p.days, bars.close.size):
            change = bars.close[t] / bars.close[t - p.days] - 1.0
            out.entries[t] = helpers_{tag}.enters(change)
            out.exits[t] = change < 0.0
"""

# Evaluates the strategy and reports what Numba had to compile and what it found in its cache.
SCRIPT = """
import json, sys
from strategy_optimizer import evaluate_population, get_strategy, load_bars
from strategy_optimizer.backtest.compiled import simulators, strategy_kernel
strategy = get_strategy(sys.argv[1])
table = evaluate_population(strategy, [{"days": 10}], load_bars("nasdaq"))
stats = [f.stats for f in (strategy_kernel(strategy).compiled_signals, simulators().run_symbol)]
print(json.dumps({
    "trades": table[0]["trades"],
    "hits": sum(sum(s.cache_hits.values()) for s in stats),
    "misses": sum(sum(s.cache_misses.values()) for s in stats),
}))
"""


class Workplace:
    """A strategy file with a helper file beside it, run in a process of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.cache = folder / "cache"

    def write(self, *, threshold=0.02, level=0.0, comment="first"):
        (self.folder / "helpers_a.py").write_text(HELPERS.format(threshold=threshold, level=level))
        (self.folder / "rise.py").write_text(STRATEGY.format(tag="a", comment=comment))

    def run(self):
        environment = {
            **os.environ,
            "STRATEGY_OPTIMIZER_CACHE": str(self.cache),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(SCRIPT), str(self.folder / "rise.py")],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def workplace(tmp_path):
    return Workplace(tmp_path)


def test_a_second_process_compiles_nothing_and_an_edit_in_another_file_is_seen(workplace):
    workplace.write()
    first = workplace.run()
    assert first["misses"] == 2

    second = workplace.run()
    assert second == {**first, "hits": 2, "misses": 0}

    workplace.write(comment="only a comment changed")
    assert workplace.run() == second

    workplace.write(threshold=0.10)  # in the file of the helper; the strategy's own file is untouched
    helper_changed = workplace.run()
    assert helper_changed["trades"] < first["trades"]
    assert helper_changed["misses"] == 1  # the strategy; the simulator knows no strategies

    workplace.write(threshold=0.02, level=0.08)  # a constant that the helper reads
    assert workplace.run()["trades"] == helper_changed["trades"]

    workplace.write()
    assert workplace.run() == second


# Makes the signals of a compiled strategy, where no file may be longer than `limit`: writes fail as on a full disk.
LIMITED = """
import resource, sys
import numpy as np
from strategy_optimizer import get_strategy, load_bars
from strategy_optimizer.backtest.compiled import simulators
from strategy_optimizer.backtest.evaluate import signal_maker
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
maker = signal_maker(get_strategy(sys.argv[1]), load_bars("nasdaq"))
sets = np.zeros((1, 1, 1, 2), np.uint64)
simulators().pack_signals(np.ones((1, 1, 70), np.bool_), sets, 0)
print(int(maker.one({"days": 10}).entries.sum()), sets.tolist())
"""


@pytest.mark.parametrize(("limit", "kept"), [(1_000, set()), (30_000, {".py", ".nbi"})])
def test_a_full_disk_costs_the_cache_and_nothing_else(workplace, nasdaq, limit, kept):
    workplace.write()
    # Python would cut its own bytecode short too, without noticing, and leave that to all later runs.
    environment = {
        **os.environ,
        "STRATEGY_OPTIMIZER_CACHE": str(workplace.cache),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(workplace.folder / "rise.py"), str(limit)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    rises = int((nasdaq.close[10:] / nasdaq.close[:-10] - 1 > 0.02).sum())
    assert done.stdout == f"{rises} {[[[[2**64 - 1, 2**6 - 1]]]]}\n"
    assert {path.suffix for path in workplace.cache.rglob("*.*")} - {".pyc"} == kept


def test_where_no_folder_can_be_nothing_is_kept(tmp_path, monkeypatch):
    from strategy_optimizer.backtest import kernel_cache

    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("STRATEGY_OPTIMIZER_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(kernel_cache, "_key", lambda *parts: "unkept")
    package = kernel_cache.load_simulators()
    assert package.__path__ == [str(kernel_cache.KERNELS)]
    assert package.run_symbol.stats.cache_path is None
    for name in [name for name in sys.modules if "unkept" in name]:
        del sys.modules[name]


def test_a_source_that_a_power_cut_left_empty_is_written_anew(tmp_path):
    from strategy_optimizer.backtest.kernel_cache import _write_once

    path = _write_once(tmp_path / "lanes.py", "x = 1\n")
    stamp = path.stat().st_mtime_ns
    assert _write_once(path, "x = 1\n").stat().st_mtime_ns == stamp
    path.write_text("")
    assert _write_once(path, "x = 1\n").read_text() == "x = 1\n"
    assert list(tmp_path.iterdir()) == [path]


def twice(folder):
    """Return a compiled function whose machine code is kept in `folder`, compiled or loaded."""
    from strategy_optimizer import machine_code
    from strategy_optimizer.backtest.kernel_cache import _import_file, _write_once

    source = "from numba import njit\n\n@njit\ndef twice(x):\n    return 2 * x\n"
    function = _import_file(_write_once(folder / "doubling.py", source), "doubling").twice
    machine_code.keep(function)
    assert function(4) == 8
    return function.stats


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: b"?" * 50]
)
def test_damaged_machine_code_is_made_anew(tmp_path, ending, damage):
    assert twice(tmp_path).cache_misses
    assert twice(tmp_path).cache_hits
    (path,) = (tmp_path / "__pycache__").glob(f"*.{ending}")
    path.write_bytes(damage(path.read_bytes()))
    assert twice(tmp_path).cache_misses
    assert twice(tmp_path).cache_hits


def test_the_first_vectorised_evaluation_of_a_process_may_use_all_threads(workplace):
    script = """
        from strategy_optimizer import evaluate_population, load_bars
        from strategy_optimizer.strategies.momentum import VectorisedMomentum
        table = evaluate_population(VectorisedMomentum, [{}] * 400, load_bars("sp500"), threads=4)
        assert not table.errors
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
