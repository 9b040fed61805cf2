"""Time and memory of the overfitting statistics, and how often tests reject markets without skill.

    .venv/bin/python benchmarks/bench_statistics.py [--markets 1000] [--output benchmarks/results/statistics.md]

PBO: N trials, 16 blocks, 12,870 splits. SPA: T = 1,250 returns, 1,000 replications of the stationary bootstrap, beside
arch with the same benchmark, block length and seed (its p-values are the same). Each case is a fresh process; the
fastest of three runs counts, arch runs once. Whole validation: of a search of sp500, 5,031 bars, momentum, by the
genetic algorithm: recommendation, statistics, held-out record, look-ahead, verdict. Size: markets of 20 models without
skill, of unequal risks, with a part in common and a moving average, tested at 5 %.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from machine import machine_line, peak_megabytes, versions
from strategy_optimizer.tasks import make_task
from strategy_optimizer.validation import validate_search
from strategy_optimizer.validation.statistics import (
    cluster_count,
    maximum_distribution,
    overfitting_probability,
    superior_models,
    superior_predictive_ability,
)

N_RETURNS = 1250
RESULTS = Path(__file__).parent / "results" / "statistics.md"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--markets", type=int, default=1000)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--case", nargs=2, help="run one case in this process: its name and its size")
    arguments = parser.parse_args()
    if arguments.case:
        print(*CASES[arguments.case[0]](int(arguments.case[1])))
        return
    text = (
        "\n".join([*_head(), *_whole_rows(), *_pbo_rows(), *_spa_rows(), *_size_rows(arguments.markets)])
        + "\n"
    )
    print(text)
    arguments.output.write_text(text)


def _timed(work, repeats: int = 3) -> tuple[float, float]:
    """Return the fastest wall time and its processor time."""
    found = []
    for _ in range(repeats):
        begin, cpu = time.perf_counter(), time.process_time()
        work()
        found.append((time.perf_counter() - begin, time.process_time() - cpu))
    return min(found)


def _pbo(n_trials: int) -> tuple[float, ...]:
    rng = np.random.default_rng(0)
    blocks = np.empty((n_trials, 16, 3))
    blocks[:, :, 0] = 314.0
    blocks[:, :, 1] = rng.normal(0.0, 0.01 * 314**0.5, (n_trials, 16))
    blocks[:, :, 2] = 314 * 1e-4 * rng.uniform(0.5, 2.0, (n_trials, 16))
    before = peak_megabytes()
    return *_timed(lambda: overfitting_probability(blocks)), before, peak_megabytes()


def _models(k: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((N_RETURNS, k)) * 0.01


def _case(statistic):
    def run(k: int) -> tuple[float, ...]:
        models = _models(k)
        before = peak_megabytes()
        return *_timed(lambda: statistic(models)), before, peak_megabytes()

    return run


def _arch(k: int) -> tuple[float, ...]:
    from arch.bootstrap import SPA

    models = _models(k)
    before = peak_megabytes()
    seconds = _timed(lambda: SPA(np.zeros(N_RETURNS), -models, reps=1000, seed=0).compute(), repeats=1)
    return *seconds, before, peak_megabytes()


def _whole(n_trials: int) -> tuple[float, ...]:
    task = make_task("momentum", "sp500", "ga", evaluations=n_trials)
    task.run()
    assert task.search is not None
    before = peak_megabytes()
    return *_timed(lambda: validate_search(task.search)), before, peak_megabytes()


CASES = {
    "whole": _whole,
    "pbo": _pbo,
    "spa": _case(lambda models: superior_predictive_ability(models, np.zeros(N_RETURNS))),
    "same": _case(lambda models: superior_predictive_ability(models, np.zeros(N_RETURNS), scale="none")),
    "stepm": _case(lambda models: superior_models(models, np.zeros(N_RETURNS))),
    "maximum": _case(maximum_distribution),
    "clusters": _case(lambda models: cluster_count(models.T)),
    "arch": _arch,
}


def _measure(name: str, size: int) -> list[float]:
    command = [sys.executable, __file__, "--case", name, str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return [float(word) for word in done.stdout.split()]


def _head() -> list[str]:
    return [
        "# Overfitting statistics",
        "",
        *__doc__.strip().splitlines()[2:],
        "",
        f"Machine: {machine_line()}",
        f"Versions: {versions(('strategy-optimizer', 'numpy', 'arch'))}",
    ]


def _row(label: str, found: list[float]) -> str:
    seconds, cpu, before, peak = found
    return f"| {label} | {seconds:.2f} | {cpu:.2f} | {before:.0f} | {peak:.0f} |"


HEADER = ("| seconds | CPU seconds | MB before | peak MB |", "|---|---:|---:|---:|---:|")


def _pbo_rows() -> list[str]:
    rows = [_row(f"{n:,} trials, 16 blocks", _measure("pbo", n)) for n in (1000, 5000, 20_000)]
    return ["", f"| PBO {HEADER[0]}", HEADER[1], *rows]


def _whole_rows() -> list[str]:
    rows = [_row(f"{n:,} trials", _measure("whole", n)) for n in (2000, 20_000)]
    return ["", f"| whole validation {HEADER[0]}", HEADER[1], *rows]


def _spa_rows() -> list[str]:
    rows = []
    for name, label in (("spa", "SPA"), ("stepm", "StepM"), ("maximum", "maximum of the Sharpe ratios")):
        rows += [_row(f"{label}, {k:,} models", _measure(name, k)) for k in (1000, 4000)]
    rows += [_row(f"clusters of {k:,} trials (1,000 of them)", _measure("clusters", k)) for k in (4000,)]
    ratios = []
    for k in (200, 1000):
        ours, theirs = _measure("same", k), _measure("arch", k)
        rows += [_row(f"SPA without a scale, {k:,} models", ours), _row(f"arch SPA, {k:,} models", theirs)]
        ratios.append(f"{theirs[1] / ours[1]:.0f} times the processor time for {k:,} models")
    return [
        "",
        f"| T = {N_RETURNS:,} {HEADER[0]}",
        HEADER[1],
        *rows,
        "",
        f"The same work, with the same p-values, takes arch {', '.join(ratios)}.",
    ]


def _size_rows(n_markets: int) -> list[str]:
    rows = []
    for n in (150, 500, N_RETURNS):
        for moving_average in (-0.1, 0.0, 0.2):
            shares = [
                f"{100 * _rejected(n, moving_average, scale, n_markets):.1f}"
                for scale in ("deviation", "long_run", "none")
            ]
            rows.append(f"| {n:,} | {moving_average} | {' | '.join(shares)} |")
    error = 100 * (0.05 * 0.95 / n_markets) ** 0.5
    return [
        "",
        f"Rejections at 5 %, in per cent of {n_markets:,} markets (standard error {error:.1f}), by scale:",
        "",
        "| T | moving average | deviation (default) | long_run (Hansen) | none (White) |",
        "|---:|---:|---:|---:|---:|",
        *rows,
    ]


def _rejected(n: int, moving_average: float, scale: str, n_markets: int) -> float:
    """Return the share of markets whose consistent p-value is below 5 %."""
    rejected = 0
    for seed in range(n_markets):
        rng = np.random.default_rng(seed)
        noise = rng.standard_normal((n + 1, 20)) * rng.uniform(0.3, 3.0, 20) + rng.standard_normal((n + 1, 1))
        models = noise[1:] + moving_average * noise[:-1]
        found = superior_predictive_ability(models, np.zeros(n), replications=300, seed=seed, scale=scale)
        rejected += found.p_consistent < 0.05
    return rejected / n_markets


if __name__ == "__main__":
    main()
