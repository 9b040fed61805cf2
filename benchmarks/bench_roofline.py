"""Where the nanoseconds of a backtest go, and the least that the processor could do it in.

    .venv/bin/python benchmarks/bench_roofline.py > benchmarks/results/roofline.md

The momentum strategy on daily S&P 500 bars, stop-loss, take-profit, costs, close fills, one thread. Parameter sets that
differ in how long they are in a position and how often they trade are timed one by one, each simulated many times over
(processor time, the least of the repeats), and the time is put together from four prices by least squares: one of every
backtest, one of every bar, one of every bar in a position, one of every trade. A set that is simulated again and again
is one whose branches the processor has learnt; all sets one after the other, as a search has them, take longer. Beside
them: what the same processor needs for the operations that cannot be left out, timed in the same run with NumPy on
arrays that stay in the first-level cache (the difference between long and short ones, so that calls do not count).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import numpy as np
from scipy.optimize import nnls

from machine import machine_line, versions
from strategy_optimizer import Costs, get_strategy, load_bars
from strategy_optimizer.backtest import PopulationEvaluator, Rules

SETS, COPIES, REPEATS = 60, 100, 9
COSTS = Costs(commission=0.0005, slippage=0.0002)
SHARES = (1.0, 0.5, 0.25)  # of the bars: the latest
FEW, MANY = 256, 1280  # elements; three arrays of these fit into the first-level cache
READING = """A trade is two fills, each a chain of dependent operations (price, costs, size, cash), at a place in the
prices that the processor could not foresee. A bar in a position is a division and the comparisons with two levels, and
its equity is read again for the metrics and the sums by block. A bar without one is one of thirty-two seen together."""
PARTS = ("a backtest", "a bar", "a bar in a position", "a trade")


def main() -> None:
    design, taken = [], []
    for share in SHARES:
        for row, nanoseconds in _timed(_evaluator(share)):
            design.append(row)
            taken.append(nanoseconds)
    evaluator = _evaluator(1.0)
    others = evaluator.space.sample(SETS * COPIES, 1, "uniform")
    different = _nanoseconds(lambda: evaluator.evaluate(others), len(others))
    print(_report(np.array(design), np.array(taken), different))


def _evaluator(share: float) -> PopulationEvaluator:
    bars = load_bars("sp500")
    bars = bars.slice(bars.n_bars - round(share * bars.n_bars), bars.n_bars)
    return PopulationEvaluator(get_strategy("momentum"), bars, Rules(costs=COSTS, fill="close"), threads=1)


def _timed(evaluator: PopulationEvaluator) -> Iterator[tuple[tuple[float, ...], float]]:
    """Yield (1, bars, bars in a position, trades) and the nanoseconds of each parameter set."""
    bars = evaluator.bars
    points = evaluator.space.sample(SETS, 0, "sobol")
    table = evaluator.evaluate(points)
    for point, exposure, trades in zip(points, table["exposure"], table["trades"], strict=True):
        copies = np.repeat(point[None, :], COPIES, axis=0)
        row = (1.0, float(bars.n_bars), float(exposure) * bars.n_bars, float(trades))
        yield row, _nanoseconds(lambda copies=copies: evaluator.evaluate(copies), COPIES)


def _nanoseconds(work: Callable[[], object], operations: int) -> float:
    """Return the least processor time of some repeats, ns an operation."""
    work()
    least = math.inf
    for _ in range(REPEATS):
        begin = time.process_time_ns()
        work()
        least = min(least, time.process_time_ns() - begin)
    return least / operations


def _bounds() -> dict[str, float]:
    """Return what the processor needs for single operations, ns an element."""
    return {
        "one comparison": _each(np.greater, np.bool_),
        "one multiplication": _each(np.multiply, np.float64),
        "one division": _each(np.divide, np.float64),
    }


def _each(operation: np.ufunc, kind: type) -> float:
    x = np.random.default_rng(0).random((2, MANY)) + 0.5
    out = np.empty(MANY, kind)

    def rounds(n: int) -> float:
        first, second, result = x[0, :n], x[1, :n], out[:n]
        return _nanoseconds(lambda: [operation(first, second, out=result) for _ in range(2000)], 2000)

    return (rounds(MANY) - rounds(FEW)) / (MANY - FEW)


def _report(design: np.ndarray, taken: np.ndarray, different: float) -> str:
    prices = nnls(design, taken)[0]
    left = taken - design @ prices
    explained = 1.0 - float(left @ left) / float(((taken - taken.mean()) ** 2).sum())
    whole = design[:SETS]  # of all bars
    shares = whole.mean(axis=0) * prices
    n_bars, bounds = whole[0, 1], _bounds()
    least = bounds["one comparison"] + whole[:, 2].mean() / n_bars * bounds["one division"]
    measured = taken[:SETS].mean() / n_bars
    lines = [
        *_head(),
        "| of the time of a backtest | how many, in the mean | ns each | us | share |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {part} | {count:,.0f} | {price:,.2f} | {total / 1e3:.2f} | {total / shares.sum():.0%} |"
            for part, count, price, total in zip(PARTS, whole.mean(axis=0), prices, shares, strict=True)
        ),
        "",
        f"The four prices explain {explained:.1%} of the variation of {len(taken)} times.",
        "",
        "| NumPy, first-level cache | ns an element |",
        "|---|---:|",
        *(f"| {name} | {cost:.3f} |" for name, cost in bounds.items()),
        "",
        f"**The bound**: a comparison a bar and a division a bar in a position, {least:.2f} ns a bar. Measured: "
        f"{measured:.2f} ns a bar where a set is simulated again and again, {measured / least:.1f} times as much, "
        f"{measured - shares[3] / n_bars:.2f} without the trades; {different / n_bars:.2f} where each set is another.",
        "",
        READING,
    ]
    return "\n".join(lines)


def _head() -> list[str]:
    title = __doc__.split("\n\n", 1)
    return [
        "# The roofline of a backtest",
        "",
        title[0],
        "",
        title[1],
        f"Machine: {machine_line()}; {versions(('strategy-optimizer', 'numba', 'numpy'))}.",
        "",
    ]


if __name__ == "__main__":
    main()
