"""A million strings against the grammar of constraints: none may do anything but be refused or compute.

    make fuzz-expressions

Each string becomes a constraint that is evaluated on 16 points. An audit hook of the interpreter sees imports, files,
processes, sockets and compiled code; an accepted string is looked at again by other code. Time is processor time of the
thread, and interrupts are served at the cost of whoever runs: a string that took more than half of the limit is tried
again when all others are done, and both its first time and the least of the repeats are reported. A string fails when
even the least is beyond the limit. What the fuzzer itself keeps is frozen, so that the collector does not look through
it in a string's time.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import platform
import resource
import sys
import time
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from expression_fuzz import CORPUS, LIMIT, Watch, strings, tried
from strategy_optimizer.space import expressions

MEASURED = 20_000
"""Strings whose memory is measured one by one, which is slow."""
REPEATS = 9
"""How often a slow string is tried again."""


def main() -> None:
    """Try the strings and print a report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--made", type=int, default=20_000, help="strings that Hypothesis makes")
    options = parser.parse_args()
    watch = Watch()
    for text in CORPUS:  # what is loaded when it is first used is loaded now
        tried(text, watch)
    given = strings(options.count, options.seed, made=options.made)
    given = itertools.chain(
        [next(given)], given
    )  # Hypothesis makes its strings, and its heap, before the first
    gc.collect()
    gc.freeze()
    before = _resident()
    began = time.perf_counter()
    seconds = np.empty(options.count)
    late: list[tuple[float, str]] = []
    problems: list[tuple[str, str]] = []
    kinds: Counter[str] = Counter()
    for number, text in enumerate(given):
        outcome = tried(text, watch)
        seconds[number] = outcome.seconds
        if outcome.seconds > LIMIT / 2:
            late.append((outcome.seconds, text))
        kinds["accepted" if outcome.accepted else "refused"] += 1
        if outcome.problem:
            problems.append((outcome.problem, text))
            print(f"problem: {outcome.problem}: {ascii(text)[:300]}", file=sys.stderr)
        if number % 50_000 == 0:
            print(f"{number:,} after {time.perf_counter() - began:.0f} s", file=sys.stderr)
    elapsed = time.perf_counter() - began
    grown = _resident() - before
    slow = [Slow(_least(text, watch), first, text) for first, text in late]
    _report(options, seconds, kinds, problems, slow, elapsed, grown, _memory(options.seed, watch))
    sys.exit(1 if problems or any(each.least > LIMIT for each in slow) else 0)


class Slow(NamedTuple):
    """A string that took more than half of the limit."""

    least: float
    first: float
    text: str


def _least(text: str, watch: Watch) -> float:
    taken = []
    for _ in range(REPEATS):
        expressions._parsed.cache_clear()  # or the text would not be parsed again
        taken.append(tried(text, watch).seconds)
    return min(taken)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _memory(seed: int, watch: Watch) -> int:
    """Return the most that one string takes at a time."""
    most = 0
    tracemalloc.start()
    for text in strings(MEASURED, seed + 1, made=2000):
        tracemalloc.reset_peak()
        start = tracemalloc.get_traced_memory()[0]
        tried(text, watch)
        most = max(most, tracemalloc.get_traced_memory()[1] - start)
    tracemalloc.stop()
    return most


def _report(options, seconds, kinds, problems, slow, elapsed, grown, most) -> None:
    quantiles = np.quantile(seconds, [0.5, 0.99, 0.9999, 1.0]) * 1e3
    print("# Constraint expressions, fuzzed\n")
    asked = f"--count {options.count} --seed {options.seed} --made {options.made}"
    print(f"`python benchmarks/fuzz_expressions.py {asked}`, Python {platform.python_version()}, ", end="")
    print(f"{platform.machine()}; {elapsed:,.0f} s on a machine that others used.\n")
    print("| | |\n|---|---|")
    made = f"{len(CORPUS)} known escapes, {options.made:,} by Hypothesis, the rest made of these"
    print(f"| strings | {len(seconds):,}: {made} |")
    print(f"| accepted, refused with a `SpaceError` | {kinds['accepted']:,}, {kinds['refused']:,} |")
    print(f"| escapes, other exceptions, accepted beyond the grammar | {len(problems)} |")
    print("| processor time of the first attempt: median, 99 %, 99.99 %, longest | ", end="")
    print(", ".join(f"{value:.2f} ms" for value in quantiles) + f" (limit {LIMIT * 1e3:g} ms) |")
    beyond = [each for each in slow if each.first > LIMIT]
    print(f"| first attempts of more than {LIMIT * 500:g} ms, and of more than {LIMIT * 1e3:g} ms | ", end="")
    print(f"{len(slow)}, {len(beyond)} |")
    if slow:
        print(f"| least of {REPEATS} repeats of these: longest of the former, of the latter | ", end="")
        print(
            ", ".join(f"{max((s.least for s in some), default=0) * 1e3:.2f} ms" for some in (slow, beyond))
            + " |"
        )
    print(f"| most memory of one, of {MEASURED:,} measured | {most / 1024:,.0f} KB |")
    print(f"| growth of the process | {grown / 2**20:,.1f} MB |")
    for each in sorted(slow, reverse=True)[:3]:
        print(
            f"\n{each.least * 1e3:.2f} ms at least, {each.first * 1e3:.2f} at first: `{ascii(each.text)[:160]}`"
        )


if __name__ == "__main__":
    main()
