"""The same task through backtesting.py's own optimizer and through our engine: time to the same score.

Run: .venv-peers/bin/python benchmarks/bench_backtesting_py.py [SEEDS] > benchmarks/results/backtesting_py.md
The task is the four-parameter example of backtesting.py's guide (two averages that trade, two that enter and leave) on
its GOOG data, the score its own "Sharpe Ratio". Seeds run in turn, theirs and ours, so that a load on the machine
meets both. The clock starts at the call and includes the start of our worker processes.

Targets are quantiles of the best scores of their whole runs. ERT, the expected running time, is the time that all
seeds spent until the target or until their end, over the number of seeds that reached it. Beside the wall time stands
the processor time (of ours the half, for two cores), which depends less on what else the machine does.
"""

from __future__ import annotations

import sys
import time
import warnings

import backtesting
import numpy as np
from backtesting import Backtest, Strategy
from backtesting.lib import crossover
from backtesting.test import GOOG, SMA

from machine import machine_line, versions
from strategy_optimizer import ParameterSpace, create_optimizer
from strategy_optimizer.engines import BacktestingEngine
from strategy_optimizer.tasks.executors import ProcessExecutor

TRIALS = 200
WORKERS = 2
SCORE = "Sharpe Ratio"
SETTINGS = {"commission": 0.002}
RANGES = {"n1": (10, 100), "n2": (20, 200), "n_enter": (10, 40), "n_exit": (5, 30)}


class Sma4Cross(Strategy):
    n1 = 50
    n2 = 100
    n_enter = 20
    n_exit = 10

    def init(self):
        self.fast = self.I(SMA, self.data.Close, self.n1)
        self.slow = self.I(SMA, self.data.Close, self.n2)
        self.enter = self.I(SMA, self.data.Close, self.n_enter)
        self.leave = self.I(SMA, self.data.Close, self.n_exit)

    def next(self):
        if not self.position:
            if self.fast > self.slow:
                if crossover(self.data.Close, self.enter):
                    self.buy()
            elif crossover(self.enter, self.data.Close):
                self.sell()
        elif self.position.is_long:
            if crossover(self.leave, self.data.Close):
                self.position.close()
        elif crossover(self.data.Close, self.leave):
            self.position.close()


# Of one backtest: seconds since the call, processor seconds on each core, score.
Trials = list[tuple[float, float, float]]
backtesting.backtesting._tqdm = lambda steps, **_: steps  # no bars of progress, which would cost them time


def theirs(seed: int) -> Trials:
    """Let backtesting.py search by itself."""
    trials = []

    def score(stats):
        trials.append((time.perf_counter() - start, time.process_time() - processor, float(stats[SCORE])))
        return stats[SCORE]

    start, processor = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Backtest(GOOG, Sma4Cross, **SETTINGS).optimize(
            method="sambo",
            maximize=score,
            max_tries=TRIALS,
            random_state=seed,
            constraint=lambda p: p.n1 < p.n2 and p.n_exit < p.n_enter,
            **{name: range(low, high + 1) for name, (low, high) in RANGES.items()},
        )
    return trials


def ours(seed: int) -> Trials:
    """Search with two workers and as many trials; a worker that is free gets the next candidate."""
    start, processor = time.perf_counter(), time.process_time()
    space = ParameterSpace("sma4")
    for name, bounds in RANGES.items():
        space.add_parameter(name, "discrete", bounds)
    for constraint in ("n1 < n2", "n_exit < n_enter"):
        space.add_constraint(constraint)
    engine = BacktestingEngine(Sma4Cross, GOOG, **SETTINGS)
    search = create_optimizer("auto", space, budget=TRIALS, seed=seed)
    trials, asked = [], {}
    with ProcessExecutor(engine.run, WORKERS) as executor:
        while len(trials) < TRIALS:
            while len(asked) - len(trials) < WORKERS and len(asked) < TRIALS:
                (point,) = search.ask(1)
                executor.submit(len(asked), point)
                asked[len(asked)] = point
            for outcome in executor.wait():
                score = outcome.value.metrics[SCORE] if outcome.value else float("nan")
                search.tell([asked[outcome.number]], [score], seconds=outcome.seconds)
                spent = time.process_time() - processor + executor.usage().cpu_seconds
                trials.append((time.perf_counter() - start, spent / WORKERS, score))
    return trials


def until(trials: Trials, target: float) -> tuple[float, float, int, bool]:
    """Return seconds, processor seconds and trials until the target or the end, and whether it was reached."""
    for k, (seconds, processor, score) in enumerate(trials):
        if score >= target:
            return seconds, processor, k + 1, True
    return *trials[-1][:2], len(trials), False


def best(trials):
    return np.nanmax([score for *_, score in trials])


def expected(runs, target):
    """Return how many runs reached the target, and the expected seconds, processor seconds and trials."""
    ends = [until(trials, target) for trials in runs]
    reached = sum(hit for *_, hit in ends)
    return reached, *(sum(end[k] for end in ends) / reached if reached else np.inf for k in range(3))


def main(n_seeds: int) -> None:
    line = machine_line()
    runs = {"backtesting.py, sambo": [], "this package, 2 workers": []}
    for seed in range(n_seeds):
        for run, trials in zip((theirs, ours), runs.values(), strict=True):
            trials.append(run(seed))
            print(seed, run.__name__, f"{trials[-1][-1][0]:.1f} s", best(trials[-1]), file=sys.stderr)
    print("# backtesting.py: its own optimizer and ours on its backtests\n")
    print(
        f"{line}; {versions(['backtesting', 'sambo', 'pandas', 'numpy'])}; {n_seeds} seeds, {TRIALS} trials each\n"
    )
    for name, trials in runs.items():
        whole = np.mean([t[-1][0] for t in trials])
        print(
            f"- {name}: {whole:.1f} s a run, {whole / np.mean([len(t) for t in trials]) * 1e3:.0f} ms a trial, "
            f"best score {np.median([best(t) for t in trials]):.4f} (median)"
        )
    print("\n| target | who | reached by | ERT, s | ERT, processor s a core | ERT, trials |")
    print("|---:|---|---:|---:|---:|---:|")
    peer = next(iter(runs.values()))
    ratios = []
    for quantile in (0.25, 0.5, 0.75):
        target = float(np.quantile([best(trials) for trials in peer], quantile))
        found = {name: expected(trials, target) for name, trials in runs.items()}
        for name, (reached, seconds, processor, count) in found.items():
            print(
                f"| {target:.4f} | {name} | {reached} of {n_seeds} | {seconds:.1f} | {processor:.1f} | {count:.0f} |"
            )
        first, second = found.values()
        ratios.append([a / b for a, b in zip(first[1:], second[1:], strict=True)])
    for what, values in zip(
        ("wall time", "processor time a core", "trials"), zip(*ratios, strict=True), strict=True
    ):
        print(f"\nTimes less {what} to the same score: {', '.join(f'{ratio:.1f}' for ratio in values)}.")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
