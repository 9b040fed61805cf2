"""Pareto search beside its peers: known fronts, speed, real strategies; writes results/multi.md.

    PYTHONPATH=src nice -n 10 .venv-search/bin/python benchmarks/search/multi_run.py functions strategies speed

Each part is kept in results/multi_PART.json, and the page is written from the parts that are there. One process,
one thread. All hypervolumes are exact and of the front of *all* trials of a run, unless stated.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from cell_strategies import STRATEGIES
from multi import MultiLandscape, multi_landscapes
from multi_peers import OptunaSearch, Ours, PymooSearch, Search
from run import ENVIRONMENT

from strategy_optimizer import Costs, ParameterSpace, ParetoObjective, Rules, load_bars
from strategy_optimizer.backtest import PopulationEvaluator
from strategy_optimizer.optimizer.pareto import hypervolume, is_non_dominated, keep_spread

RESULTS = Path(__file__).with_name("results")
FUNCTION_TRIALS, POPULATION = 25_000, 100
STRATEGY_TRIALS, STRATEGY_POPULATION = 2_000, 50
OBJECTIVES = ("sharpe_ratio", "max_drawdown", "turnover")
MARKETS = ("nasdaq", "sp500")
COSTS = Costs(commission=0.0005, slippage=0.0002)
SPEED_TRIALS, SPEED_POPULATIONS = 3_000, (100, 400, 1_000)
Evaluate = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    if ENVIRONMENT.items() - os.environ.items():  # libraries read it when they are imported
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ENVIRONMENT})
    RESULTS.mkdir(exist_ok=True)
    for part in arguments.parts:
        start = time.perf_counter()
        rows = PARTS[part](arguments.seeds)
        facts = {
            "machine": _machine(),
            "seeds": arguments.seeds,
            "seconds": round(time.perf_counter() - start),
            "rows": rows,
        }
        (RESULTS / f"multi_{part}.json").write_text(json.dumps(facts, indent=1) + "\n")
    from multi_report import write_page

    print(write_page(RESULTS))


def _machine() -> str:
    sys.path.append(str(Path(__file__).parents[1]))
    from machine import machine_line, versions

    return f"{machine_line()}; {versions(('numpy', 'pymoo', 'optuna'))}"


def spend(search: Search, space: ParameterSpace, evaluate: Evaluate, trials: int) -> tuple[np.ndarray, float]:
    """Return the scores (trials, m) of a search, and the seconds it spent asking and telling."""
    found: list[np.ndarray] = []
    seconds, left = 0.0, trials
    while left > 0:
        start = time.perf_counter()
        asked = search.ask()
        seconds += time.perf_counter() - start
        points = search.points(asked)
        feasible = space.is_feasible(points)
        rows = np.flatnonzero(feasible)[:left]
        told = len(points) if len(rows) < left else int(rows[-1]) + 1
        evaluated = evaluate(points[rows])
        scores = np.full((told, evaluated.shape[1]), np.nan)
        scores[rows] = evaluated
        start = time.perf_counter()
        search.tell(scores, feasible[:told])
        seconds += time.perf_counter() - start
        found.append(evaluated)
        left -= len(rows)
    return np.concatenate(found), seconds


# -- known fronts ------------------------------------------------------------------------------------------


def functions(seeds: int) -> list[dict[str, Any]]:
    """Return hypervolumes at 25,000 trials on ZDT and DTLZ, a row per problem and seed."""
    rows = []
    for seed in range(seeds):
        for problem in multi_landscapes():
            space, m = problem.space, problem.n_objectives
            searches = {
                "ours": Ours(space, m, FUNCTION_TRIALS, seed),
                "pymoo": PymooSearch(space, m, POPULATION, seed, mixed=False),
            }
            row: dict[str, Any] = {"problem": problem.name, "seed": seed}
            for name, search in searches.items():
                scores, seconds = spend(search, space, problem.evaluate, FUNCTION_TRIALS)
                row[name] = _volumes(problem, scores) | {"seconds": round(seconds, 2)}
            row["pymoo"]["population"] = _share(problem, -searches["pymoo"].algorithm.pop.get("F"))
            rows.append(row)
            print(row, flush=True)
    return rows


def _volumes(problem: MultiLandscape, scores: np.ndarray) -> dict[str, float]:
    front = scores[is_non_dominated(scores)]
    spread = front[keep_spread(front, POPULATION)] if len(front) > POPULATION else front
    return {
        "all": _share(problem, front),
        "hundred": _share(problem, spread),
        "hundred_to_nadir": round(problem.hypervolume(spread, 1.0), 5),
        "all_to_nadir": round(problem.hypervolume(front, 1.0), 5),
        "points": len(front),
    }


def _share(problem: MultiLandscape, scores: np.ndarray) -> float:
    """Return the hypervolume as a share of that of the whole true front."""
    front = scores[is_non_dominated(scores)]
    ideal, nadir = problem.range_of_front
    volume = hypervolume((front + ideal) / (nadir - ideal), np.full(problem.n_objectives, -1.1))
    return round(problem.score(volume), 5)


# -- real strategies ---------------------------------------------------------------------------------------


def strategies(seeds: int) -> list[dict[str, Any]]:
    """Return hypervolumes at equal trials on strategies, a row per strategy, market and seed."""
    rows = []
    for market in MARKETS:
        bars = load_bars(market)
        for name, strategy in STRATEGIES.items():
            evaluator = PopulationEvaluator(strategy, bars, Rules(COSTS), threads=1)
            objective = ParetoObjective(OBJECTIVES)

            def evaluate(
                points: np.ndarray, evaluator: Any = evaluator, objective: Any = objective
            ) -> np.ndarray:
                scores = objective.score_table(evaluator.evaluate(points)).score
                return scores * np.where(np.array(objective.directions) == "maximize", 1.0, -1.0)

            rows += _compare(f"{name} {market}", evaluator.space, evaluate, seeds)
    return rows


def _compare(cell: str, space: ParameterSpace, evaluate: Evaluate, seeds: int) -> list[dict[str, Any]]:
    m, size = len(OBJECTIVES), STRATEGY_POPULATION
    fronts: dict[tuple[str, int], np.ndarray] = {}
    seconds: dict[tuple[str, int], float] = {}
    for seed in range(seeds):
        searches = {
            "ours": Ours(space, m, STRATEGY_TRIALS, seed),
            "pymoo": PymooSearch(space, m, size, seed, mixed=True),
            "optuna": OptunaSearch(space, m, size, seed),
        }
        for name, search in searches.items():
            scores, spent = spend(search, space, evaluate, STRATEGY_TRIALS)
            scores = scores[~np.isnan(scores).any(axis=1)]
            fronts[name, seed] = scores[is_non_dominated(scores)]
            seconds[name, seed] = round(spent, 2)
    union = np.concatenate(list(fronts.values()))
    union = union[is_non_dominated(union)]
    low, high = union.min(axis=0), union.max(axis=0)
    best = _scaled_volume(union, low, high)
    rows = []
    for seed in range(seeds):
        row: dict[str, Any] = {"cell": cell, "seed": seed}
        for name in ("ours", "pymoo", "optuna"):
            share = _scaled_volume(fronts[name, seed], low, high) / best
            row[name] = {"all": round(share, 5), "seconds": seconds[name, seed]}
        rows.append(row)
        print(row, flush=True)
    return rows


def _scaled_volume(scores: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """Return the hypervolume where the range of the union of all fronts is [0, 1], from 0.1 below it."""
    return hypervolume((scores - low) / np.where(high > low, high - low, 1.0), np.full(scores.shape[1], -0.1))


# -- speed -------------------------------------------------------------------------------------------------


def speed(seeds: int) -> list[dict[str, Any]]:
    """Return trials a second of asking and telling alone, on mixed spaces and on a continuous one."""
    spaces = {name: strategy.space() for name, strategy in STRATEGIES.items()}
    spaces["zdt1"] = MultiLandscape("zdt1").space
    rows = []
    for (name, space), size in itertools.product(spaces.items(), SPEED_POPULATIONS):
        evaluate = _distances(space)
        searches: dict[str, Callable[[int], Search]] = {
            "ours": functools.partial(_ours_of_size, space, size),
            "pymoo": functools.partial(PymooSearch, space, 2, size, mixed=name != "zdt1"),
        }
        row: dict[str, Any] = {"space": name, "parameters": space.n_dims, "population": size}
        for who, make in searches.items():
            n = max(SPEED_TRIALS, 4 * size)
            spend(make(seed=99), space, evaluate, 2 * size)  # warm
            spent = [spend(make(seed=seed), space, evaluate, n)[1] for seed in range(seeds)]
            row[who] = round(n / statistics.median(spent))
        rows.append(row)
        print(row, flush=True)
    return rows


def _ours_of_size(space: ParameterSpace, size: int, seed: int) -> Search:
    return Ours(space, 2, SPEED_TRIALS, seed, population_size=size)


def _distances(space: ParameterSpace) -> Evaluate:
    """Return two objectives that cost next to nothing: minus the squared distances to two points."""
    targets = np.random.default_rng(0).random((space.n_dims, 2))

    def evaluate(points: np.ndarray) -> np.ndarray:
        unit = np.nan_to_num(space.to_unit(points), nan=0.5)
        return -((unit[:, :, None] - targets) ** 2).sum(axis=1)

    return evaluate


PARTS: dict[str, Callable[[int], list[dict[str, Any]]]] = {
    "functions": functions,
    "speed": speed,
    "strategies": strategies,
}

if __name__ == "__main__":
    main()
