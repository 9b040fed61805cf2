"""How often the verdict is right: whole searches on markets without an edge and with a planted one.

    .venv/bin/python benchmarks/bench_verdict.py run --searches 1000 --planted 100   # hours of one core; resumable
    .venv/bin/python benchmarks/bench_verdict.py report > benchmarks/results/verdict.md

Twelve years of daily bars, the last quarter held out; 1,000 trials of the genetic algorithm a search. Markets: a random
walk, GARCH with Student noise, regimes of volatility; none has a drift. Strategies: the built-in momentum (compiled),
and the same rule written with NumPy. Without an edge nothing is paid for trading, so that no strategy loses on
average: the harder case. With one, the costs are those of the command line.

A planted edge: the Sharpe ratio a year, net of costs, that the best of 512 evenly spread parameter sets has over 60,000
bars of such a market, in the mean over six of them (`measure`).
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from strategy_optimizer import Continuous, Costs, Discrete, Rules, Signals, Strategy, get_strategy
from strategy_optimizer.backtest import PopulationEvaluator
from strategy_optimizer.market.synthetic import Garch, RandomWalk, Regimes, synthetic_market
from strategy_optimizer.tasks import make_task
from strategy_optimizer.validation import validate_search
from strategy_optimizer.validation.statistics import NotEnough

RUNS = Path(__file__).with_name("results") / "verdict.jsonl"
MARKETS = {
    "random walk": RandomWalk(),
    "garch": Garch(),
    "regimes": Regimes(drifts=(0.0, 0.0)),
}
N_BARS, TRIALS, LOOKBACK = 3024, 1000, 20
FIRST_SEED = 500_000
EVERY = 10  # searches without an edge for one with each edge
THOROUGH = (
    5  # every so many searches run their trials again, for the statistics that the verdict does not rest on
)
FREE, COSTS = Costs(), Costs(commission=0.0005, slippage=0.0002)
# Planted Sharpe ratios a year, and the edge a bar that `measure` finds to give them.
EDGES = {0.5: 0.048, 1.0: 0.094, 1.5: 0.1385, 2.0: 0.183}


class VectorisedMomentum(Strategy):
    """The built-in momentum rule in NumPy."""

    name = "vectorised_momentum"
    parameters = {
        "lookback_period": Discrete(10, 100, default=20),
        "threshold": Continuous(0.01, 0.05, default=0.02),
        "stop_loss": Continuous(0.01, 0.1, default=0.05),
        "take_profit": Continuous(0.02, 0.2, default=0.1),
    }

    def signals(self, bars: Any) -> Signals:
        change = np.zeros(len(bars.close))
        n = self.lookback_period
        change[n:] = bars.close[n:] / bars.close[:-n] - 1.0
        return Signals(
            entries=change > self.threshold,
            exits=change < 0.0,
            stop_loss=self.stop_loss,
            take_profit=self.take_profit,
        )


STRATEGIES = {"compiled": get_strategy("momentum"), "vectorised": VectorisedMomentum}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["run", "report", "measure"])
    parser.add_argument("--searches", type=int, default=1000, help="without an edge")
    parser.add_argument("--planted", type=int, default=100, help="with each edge")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    arguments = parser.parse_args()
    if arguments.what == "measure":
        measure()
    elif arguments.what == "report":
        print(report(_read()))
    else:
        run(arguments)


def _read() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RUNS.read_text().splitlines()] if RUNS.exists() else []


def run(arguments: argparse.Namespace) -> None:
    """Run the searches that are not there yet."""
    deadline = time.monotonic() + 60.0 * arguments.minutes
    done = {(r["planted"], r["market"], r["style"], r["seed"]) for r in _read()}
    for cell in _cells(arguments.searches, arguments.planted):
        if tuple(cell.values()) in done:
            continue
        if time.monotonic() > deadline:
            print("the time is up; run the same command again to go on")
            return
        with RUNS.open("a") as file:
            file.write(json.dumps(cell | search(**cell)) + "\n")


def _cells(n_null: int, n_planted: int) -> Iterator[dict[str, Any]]:
    """Yield the searches; edges, markets and styles take turns, so that a part of them is a fair sample."""
    names, styles = list(MARKETS), list(STRATEGIES)
    for seed in range(max(n_null, n_planted * EVERY)):
        for planted in (0.0, *EDGES):
            number = seed if planted == 0.0 else seed // EVERY
            wanted = number < n_null if planted == 0.0 else seed % EVERY == 0 and number < n_planted
            if wanted:
                market, style = names[number % 3], styles[number % 2]
                yield {"planted": planted, "market": market, "style": style, "seed": number}


def search(planted: float, market: str, style: str, seed: int) -> dict[str, Any]:
    """Return the verdict on one search and the numbers it may rest on."""
    edge = EDGES[planted] if planted else 0.0
    bars = synthetic_market(N_BARS, MARKETS[market], seed=_seed(seed, planted), edge=edge, lookback=LOOKBACK)
    costs = COSTS if planted else FREE
    task = make_task(STRATEGIES[style], bars, "ga", evaluations=TRIALS, seed=seed, costs=costs, workers=1)
    start = time.perf_counter()
    result = task.run()
    searched = time.perf_counter() - start
    assert task.search is not None
    found = validate_search(task.search, threads=1, most_trials=0 if seed % THOROUGH else 1000)
    overfitting, held_out = found.overfitting, found.held_out
    assert held_out is not None
    return {
        "decision": found.verdict.decision,
        "luck": _number(found.verdict.luck),
        "deflated_null": _number(overfitting.deflated_sharpe_null),
        "deflated_2012": _number(overfitting.deflated_sharpe_2012),
        "deflated_h0": _number(overfitting.deflated_sharpe_h0),
        "deflated_by_count": {name: _number(value) for name, value in overfitting.deflated_by_count.items()},
        "psr_held_out": _number(held_out.psr),
        "pbo": _number(overfitting.pbo),
        "control_pbo": _number(overfitting.control_pbo),
        "maximum": _number(overfitting.maximum_p_value),
        "spa_cash": _number(getattr(overfitting.superior.get("cash"), "p_consistent", None)),
        "sharpe": result.best.in_sample["sharpe_ratio"],
        "sharpe_held_out": held_out.annual_sharpe,
        "trades_held_out": held_out.trades,
        "seconds": [round(searched, 3), round(time.perf_counter() - start - searched, 3)],
    }


def _seed(seed: int, planted: float) -> int:
    """Return a market's seed that no other edge has, nor the markets that the rule was chosen on."""
    return seed + FIRST_SEED + 1_000_000 * round(100 * planted)


def _number(value: Any) -> float | None:
    return None if value is None or isinstance(value, NotEnough) else float(value)


def measure() -> None:
    """Print the best long-run Sharpe ratio a year for some edges a bar."""
    for edge in np.linspace(0.02, 0.22, 11):
        best = []
        for model, seed in itertools.product(MARKETS.values(), range(2)):
            bars = synthetic_market(60_000, model, seed=seed, edge=float(edge), lookback=LOOKBACK)
            evaluator = PopulationEvaluator(get_strategy("momentum"), bars, Rules(COSTS))
            points = evaluator.space.sample(512, np.random.default_rng(0), "sobol")
            best.append(float(np.nanmax(evaluator.evaluate(points)["sharpe_ratio"])))
        print(f"{edge:.3f} {statistics.mean(best):.3f} {[round(b, 2) for b in best]}", flush=True)


def report(records: list[dict[str, Any]]) -> str:
    """Return the page."""
    sys.path.append(str(Path(__file__).parent))
    from machine import machine_line

    null = [r for r in records if not r["planted"]]
    lines = ["# The verdict on markets with and without an edge", "", *__doc__.splitlines()[2:], ""]
    lines += [f"Machine: {machine_line()}; {len(records):,} searches.", "", "## Without an edge", ""]
    lines += _null_table(null)
    lines += ["", "## With a planted edge: power", "", *_power_table(records)]
    search, checked = np.median([r["seconds"] for r in records], axis=0)
    lines += ["", f"Median seconds, one core: search {search:.2f}, validation {checked:.2f}."]
    return "\n".join(lines)


def _null_table(null: list[dict[str, Any]]) -> list[str]:
    parts = {"all": null}
    parts |= {market: [r for r in null if r["market"] == market] for market in MARKETS}
    parts |= {style: [r for r in null if r["style"] == style] for style in STRATEGIES}
    head = "| | searches | deploy (1 %) | paper | deflated > 95 % (5 %) | by the trials' variance | the same, h0 "
    head += "| by effective rank | by clusters | PSR held out > 95 % | SPA, cash < 5 % (6.5 %) "
    head += "| bootstrap maximum < 5 % | PBO | control PBO (0.5 +- 0.03) |"
    lines = [head, "|---|" + "---:|" * (head.count("|") - 2)]
    for name, part in parts.items():
        if part:
            lines.append(f"| {name} | {len(part)} | " + " | ".join(_null_cells(part)) + " |")
    return lines


def _null_cells(part: list[dict[str, Any]]) -> list[str]:
    def share(holds: list[bool]) -> str:
        if not holds:
            return "-"
        p = statistics.mean(holds)
        return f"{p:.1%} +- {(p * (1 - p) / len(holds)) ** 0.5:.1%}"

    def above(values: list[float | None]) -> str:
        return share([value > 0.95 for value in values if value is not None])

    def below(values: list[float | None]) -> str:
        return share([value < 0.05 for value in values if value is not None])

    def mean(values: list[float | None]) -> str:
        known = [value for value in values if value is not None]
        return f"{statistics.mean(known):.3f} +- {statistics.stdev(known) / len(known) ** 0.5:.3f}"

    return [
        share([r["decision"] == "deploy" for r in part]),
        share([r["decision"] == "paper" for r in part]),
        above([r["deflated_null"] for r in part]),
        above([r["deflated_2012"] for r in part]),
        above([r["deflated_h0"] for r in part]),
        above([r["deflated_by_count"].get("effective_rank") for r in part]),
        above([r["deflated_by_count"].get("clusters") for r in part]),
        above([r["psr_held_out"] for r in part]),
        below([r["spa_cash"] for r in part]),
        below([r["maximum"] for r in part]),
        mean([r["pbo"] for r in part]),
        mean([r["control_pbo"] for r in part]),
    ]


def _power_table(records: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| Sharpe ratio a year, net | searches | deploy | paper or deploy | both at 95 % | in sample | held out |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for planted in EDGES:
        part = [r for r in records if r["planted"] == planted]
        if part:
            both = [(r["deflated_null"] or 0.0) > 0.95 and (r["psr_held_out"] or 0.0) > 0.95 for r in part]
            lines.append(
                f"| {planted} | {len(part)} | {statistics.mean(r['decision'] == 'deploy' for r in part):.0%} | "
                f"{statistics.mean(r['decision'] != 'reject' for r in part):.0%} | {statistics.mean(both):.0%} | "
                f"{statistics.mean(r['sharpe'] for r in part):.2f} | "
                f"{statistics.mean(r['sharpe_held_out'] for r in part):.2f} |"
            )
    return lines


if __name__ == "__main__":
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    main()
