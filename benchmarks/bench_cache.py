"""What it costs to find a trial, not to find one, and to keep one, with 100,000 trials in the cache.

    .venv/bin/python benchmarks/bench_cache.py > benchmarks/results/cache.md   # some minutes of one core

A trial has 17 metrics; with returns it also has 2,500 float32, ten years of days. Keys are looked up in random order.
The file is in a temporary folder. "full" is a cache at its limit of 48 MB: what is kept makes older trials leave.
Writing and reading are timed over 5,000 calls each; the slowest call tells what a search may have to wait for.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from machine import machine_line
from strategy_optimizer import get_strategy, load_bars
from strategy_optimizer.backtest import METRICS, Costs, Rules
from strategy_optimizer.tasks.trial_cache import CachedTrial, MemoryCache, TrialCache, TrialKeys

ENTRIES, TIMED = 100_000, 5_000
RETURNS = np.random.default_rng(0).standard_normal(2_500).astype(np.float32)
HEADINGS = """\
| cache | trials | size, MB | operation | us, median | us, mean | ms, slowest |
|---|---:|---:|---|---:|---:|---:|"""
WRITER = """
import hashlib, sys, time
from strategy_optimizer.tasks.trial_cache import CachedTrial, TrialCache
trial = CachedTrial({str(k): float(k) for k in range(17)}, 1.0)
with TrialCache(sys.argv[1]) as cache:
    begin = time.perf_counter()
    for number in range(2000):
        cache.put(hashlib.sha256(f"{sys.argv[2]} {number}".encode()).digest(), trial)
    print(time.perf_counter() - begin)
"""


def main() -> None:
    print("# The trial cache", "", *__doc__.splitlines()[2:], "", sep="\n")
    print(f"Machine: {machine_line()}.\n")
    keys = make_keys(2 * ENTRIES)
    print(f"A key takes {key_microseconds():.1f} us.\n")
    print(HEADINGS)
    with tempfile.TemporaryDirectory() as folder:
        for name, trial, limit in (
            ("metrics", with_returns(False), 2**30),
            ("metrics, full", with_returns(False), 48 * 2**20),
            ("metrics and returns", with_returns(True), 2**31),
        ):
            with TrialCache(Path(folder) / f"{name}.sqlite", max_bytes=limit) as cache:
                report(name, cache, trial, keys)
        report("in memory", MemoryCache(2**40), with_returns(False), keys)
        shared = together(Path(folder))
        print(f"\nFour processes that write 2,000 trials each at once: {shared:.0f} us a trial and process.")


def with_returns(wanted: bool) -> CachedTrial:
    values = np.random.default_rng(1).standard_normal(len(METRICS)).tolist()
    return CachedTrial(dict(zip(METRICS, values, strict=True)), 1.0, {"returns": RETURNS} if wanted else {})


def make_keys(n: int) -> list[bytes]:
    data = np.random.default_rng(2).bytes(32 * n)
    return [data[32 * k : 32 * (k + 1)] for k in range(n)]


def key_microseconds() -> float:
    momentum, bars = get_strategy("momentum"), load_bars("nasdaq")
    space = momentum.space()
    keys = TrialKeys(
        code=momentum.digest(), data=bars.digest, rules=Rules(Costs(commission=0.0005)), space=space
    )
    points = space.to_dicts(space.sample(TIMED, np.random.default_rng(3)))
    return float(np.median(timed(lambda k: keys.key(points[k]), range(TIMED))))


def report(name: str, cache: TrialCache | MemoryCache, trial: CachedTrial, keys: Sequence[bytes]) -> None:
    for key in keys[: ENTRIES - TIMED]:
        cache.put(key, trial)
    kept = keys[ENTRIES - TIMED : ENTRIES]
    writing = timed(lambda k: cache.put(kept[k], trial), range(TIMED))
    known = [key for key in keys[:ENTRIES] if cache.get(key) is not None]
    order = np.random.default_rng(4).permutation(len(known))[:TIMED].tolist()
    found = timed(lambda k: cache.get(known[k]), order)
    missed = timed(lambda k: cache.get(keys[ENTRIES + k]), range(TIMED))
    for operation, times in (("put", writing), ("get, known", found), ("get, unknown", missed)):
        print(
            f"| {name} | {len(cache):,} | {cache.size / 2**20:.0f} | {operation} | {np.median(times):.1f} | "
            f"{np.mean(times):.1f} | {np.max(times) / 1e3:.1f} |"
        )


def timed(function: Callable[[int], object], arguments: Sequence[int]) -> list[float]:
    """Return the microseconds of each call."""
    times = []
    for argument in arguments:
        begin = time.perf_counter()
        function(argument)
        times.append(1e6 * (time.perf_counter() - begin))
    return times


def together(folder: Path) -> float:
    """Return the microseconds that a process needs for a trial while three others write too."""
    calls = [[sys.executable, "-c", WRITER, str(folder / "shared.sqlite"), str(k)] for k in range(4)]
    runs = [subprocess.Popen(call, stdout=subprocess.PIPE, text=True) for call in calls]
    return 1e6 * float(np.mean([float(run.communicate()[0]) for run in runs])) / 2000


if __name__ == "__main__":
    main()
