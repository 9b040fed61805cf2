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


def test_the_folder_can_be_read_only(workplace, monkeypatch):
    from strategy_optimizer.backtest import kernel_cache

    blocked = workplace.folder / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("STRATEGY_OPTIMIZER_CACHE", str(blocked))
    assert kernel_cache.cache_folder().is_dir()


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
