"""How often the verdict on another engine's search is right: a user's function, with and without an edge.

    .venv/bin/python benchmarks/bench_engine_verdict.py run       # half an hour; resumable
    .venv/bin/python benchmarks/bench_engine_verdict.py report > benchmarks/results/engine_verdict.md

The function is one that anybody could have written: it is long while the close is above that of some days ago by a
threshold, with a stop, on twelve years of daily bars in NumPy, and returns metrics and the returns from bar to bar. The
last quarter of the bars is a second function, which the search never calls. 200 trials a search, serial executor.
Markets: a random walk, GARCH with Student noise, regimes of volatility; none has a drift. Without an edge nothing is
paid for trading, which is the harder case; with one, 0.07 % a fill. The searches are independent: no trial ledger.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from strategy_optimizer.engines import CallableEngine
from strategy_optimizer.market.synthetic import Garch, RandomWalk, Regimes, synthetic_market
from strategy_optimizer.tasks import make_engine_task
from strategy_optimizer.validation import run_and_validate

RUNS = Path(__file__).with_name("results") / "engine_verdict.jsonl"
MARKETS = {"random walk": RandomWalk(), "garch": Garch(), "regimes": Regimes(drifts=(0.0, 0.0))}
N_BARS, TRIALS, LOOKBACK, COST = 3024, 200, 20, 0.0007
OPTIMIZERS = ("auto", "ga")
EDGES = {0.0: 0.0, 1.5: 0.1385, 2.0: 0.183}  # as `bench_verdict.py measure` finds them for its strategy
SPACE = {
    "days": {"type": "discrete", "bounds": [5, 100]},
    "threshold": {"type": "continuous", "bounds": [-0.05, 0.05]},
    "stop": {"type": "continuous", "bounds": [0.01, 0.2]},
}


class Momentum:
    """A user's backtest: long while the close has risen by more than a threshold, out below a stop."""

    def __init__(self, close: np.ndarray, cost: float) -> None:
        self.close, self.cost = close, cost

    def __call__(self, parameters: dict[str, Any]) -> dict[str, Any]:
        close, days = self.close, parameters["days"]
        rise, fall = np.zeros(len(close)), np.zeros(len(close))
        rise[days:] = close[days:] / close[:-days] - 1.0
        fall[5:] = 1.0 - close[5:] / close[:-5]
        held = (rise > parameters["threshold"]) & (fall < parameters["stop"])
        held[:days] = False
        changes = np.abs(np.diff(held.astype(float), prepend=0.0))
        returns = held[:-1] * np.diff(close) / close[:-1] - self.cost * changes[:-1]
        deviation = float(returns.std(ddof=1))
        return {
            "sharpe_ratio": float(returns.mean()) / deviation * 252**0.5 if deviation > 0.0 else float("nan"),
            "trades": float(np.ceil(changes.sum() / 2)),
            "returns": returns,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["run", "report"])
    parser.add_argument("--searches", type=int, default=600, help="without an edge")
    parser.add_argument("--planted", type=int, default=60, help="with each edge")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    arguments = parser.parse_args()
    if arguments.what == "report":
        print(report(_read()))
    else:
        run(arguments)


def _read() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RUNS.read_text().splitlines()] if RUNS.exists() else []


def run(arguments: argparse.Namespace) -> None:
    """Run the searches that are not there yet."""
    deadline = time.monotonic() + 60.0 * arguments.minutes
    done = {(r["planted"], r["seed"]) for r in _read()}
    for seed in range(max(arguments.searches, arguments.planted)):
        for planted in EDGES:
            wanted = seed < (arguments.planted if planted else arguments.searches)
            if not wanted or (planted, seed) in done:
                continue
            if time.monotonic() > deadline:
                print("the time is up; run the same command again to go on")
                return
            with RUNS.open("a") as file:
                file.write(json.dumps(search(planted, seed)) + "\n")


def search(planted: float, seed: int) -> dict[str, Any]:
    """Return the verdict on one search and the numbers it rests on."""
    market, optimizer = list(MARKETS)[seed % 3], OPTIMIZERS[seed // 3 % 2]
    bars = synthetic_market(
        N_BARS,
        MARKETS[market],
        seed=seed + 10_000_000 + 1_000_000 * round(100 * planted),
        edge=EDGES[planted],
        lookback=LOOKBACK,
    )
    close, split, cost = bars.close.reshape(-1), N_BARS * 3 // 4, COST if planted else 0.0
    engine = CallableEngine(Momentum(close[:split], cost), held_out=Momentum(close[split:], cost))
    task = make_engine_task(
        engine,
        optimizer,
        space=SPACE,
        evaluations=TRIALS,
        seed=seed,
        executor="serial",
        cache=False,
        ledger=False,
    )
    start = time.perf_counter()
    result = run_and_validate(task)
    found = result.validation.to_dict()  # type: ignore[union-attr]
    overfitting, held_out = found["overfitting"], found["held_out"]
    return {
        "planted": planted,
        "market": market,
        "optimizer": optimizer,
        "seed": seed,
        "decision": found["verdict"]["decision"],
        "luck": _number(found["verdict"]["luck"]),
        "deflated_2012": _number(overfitting["deflated_sharpe_2012"]),
        "psr_held_out": _number(held_out["psr"]),
        "pbo": _number(overfitting["pbo"]),
        "distinct": overfitting["distinct"],
        "effective_rank": _number((overfitting["counts"] or {}).get("effective_rank")),
        "sharpe": result.best.in_sample["sharpe_ratio"],
        "sharpe_held_out": held_out["annual_sharpe"],
        "trades_held_out": held_out["trades"],
        "seconds": round(time.perf_counter() - start, 3),
    }


def _number(value: Any) -> float | None:
    return value if isinstance(value, float) else None


def report(records: list[dict[str, Any]]) -> str:
    """Return the page."""
    sys.path.append(str(Path(__file__).parent))
    from machine import machine_line

    null = [r for r in records if not r["planted"]]
    parts = {"all": null}
    parts |= {market: [r for r in null if r["market"] == market] for market in MARKETS}
    parts |= {name: [r for r in null if r["optimizer"] == name] for name in OPTIMIZERS}
    lines = ["# The verdict on searches of another engine", "", *__doc__.splitlines()[2:], ""]
    lines += [f"Machine: {machine_line()}; {len(records):,} searches.", "", "## Without an edge", ""]
    lines += [
        "| | searches | deploy (1 %) | paper | deflated > 95 % (5 %) | PSR held out > 95 % | PBO |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [f"| {name} | {len(part)} | {_null_cells(part)} |" for name, part in parts.items() if part]
    lines += [
        "",
        "## With a planted edge",
        "",
        "| Sharpe ratio a year, net | searches | deploy | paper or deploy | in sample | held out |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for planted in [p for p in EDGES if p]:
        part = [r for r in records if r["planted"] == planted]
        if part:
            lines.append(
                f"| {planted} | {len(part)} | {_share([r['decision'] == 'deploy' for r in part])} | "
                f"{_share([r['decision'] != 'reject' for r in part])} | "
                f"{statistics.mean(r['sharpe'] for r in part):.2f} | "
                f"{statistics.mean(r['sharpe_held_out'] or 0.0 for r in part):.2f} |"
            )
    seconds = statistics.median(r["seconds"] for r in records)
    lines += ["", f"Median seconds of a search with its validation, one core: {seconds:.2f}."]
    return "\n".join(lines)


def _null_cells(part: list[dict[str, Any]]) -> str:
    pbo = [r["pbo"] for r in part if r["pbo"] is not None]
    return " | ".join(
        [
            _share([r["decision"] == "deploy" for r in part]),
            _share([r["decision"] == "paper" for r in part]),
            _share([(r["deflated_2012"] or 0.0) > 0.95 for r in part]),
            _share([(r["psr_held_out"] or 0.0) > 0.95 for r in part]),
            f"{statistics.mean(pbo):.3f} +- {statistics.stdev(pbo) / len(pbo) ** 0.5:.3f}",
        ]
    )


def _share(holds: list[bool]) -> str:
    p = statistics.mean(holds)
    return f"{p:.1%} +- {(p * (1 - p) / len(holds)) ** 0.5:.1%}"


if __name__ == "__main__":
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    main()
