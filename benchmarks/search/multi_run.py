"""Pareto search beside its peers: known fronts, speed, real strategies; writes results/multi.md.

    PYTHONPATH=src nice -n 10 .venv-search/bin/python benchmarks/search/multi_run.py functions strategies few speed

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
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from cell_strategies import STRATEGIES
from multi import MultiLandscape, multi_landscapes
from multi_peers import OptunaSearch, OptunaTPESearch, Ours, PymooSearch, Search
from run import ENVIRONMENT

from strategy_optimizer import Costs, ParameterSpace, ParetoObjective, Rules, load_bars
from strategy_optimizer.backtest import PopulationEvaluator
from strategy_optimizer.optimizer.pareto import hypervolume, is_non_dominated, keep_spread

RESULTS = Path(__file__).with_name("results")
FUNCTION_TRIALS, POPULATION = 25_000, 100
STRATEGY_TRIALS, STRATEGY_POPULATION = 2_000, 50
FEW_TRIALS, FEW_POPULATION = (50, 100, 200), 20
OBJECTIVES = ("sharpe_ratio", "max_drawdown", "turnover")
MARKETS = ("nasdaq", "sp500")
COSTS = Costs(commission=0.0005, slippage=0.0002)
SPEED_TRIALS, SPEED_POPULATIONS = 3_000, (100, 400, 1_000)
Evaluate = Callable[[np.ndarray], np.ndarray]
Maker = Callable[[ParameterSpace, int], "Search"]


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
    """Return hypervolumes at 2,000 trials on strategies, a row per strategy, market and seed."""
    m, size = len(OBJECTIVES), STRATEGY_POPULATION
    makers: dict[str, Maker] = {
        "ours": lambda space, seed: Ours(space, m, STRATEGY_TRIALS, seed),
        "pymoo": lambda space, seed: PymooSearch(space, m, size, seed, mixed=True),
        "optuna": lambda space, seed: OptunaSearch(space, m, size, seed),
    }
    rows = []
    for cell, space, evaluate in _cells(OBJECTIVES):
        rows += _compare(cell, space, evaluate, seeds, makers, (STRATEGY_TRIALS,))
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    return {"all": value["all"][0], "seconds": value["seconds"]} if isinstance(value, dict) else value


def few(seeds: int) -> list[dict[str, Any]]:
    """Return hypervolumes at 50, 100 and 200 trials on strategies, for two and for three objectives."""
    rows = []
    for objectives in (OBJECTIVES[:2], OBJECTIVES):
        makers = _few_makers(len(objectives))
        for cell, space, evaluate in _cells(objectives):
            found = _compare(cell, space, evaluate, seeds, makers, FEW_TRIALS)
            rows += [{"objectives": len(objectives)} | row for row in found]
    return rows


def _few_makers(m: int) -> dict[str, Maker]:
    trials, size = FEW_TRIALS[-1], FEW_POPULATION
    return {
        "bo": lambda space, seed: Ours(space, m, trials, seed, name="bo"),
        "nsga2": lambda space, seed: Ours(space, m, trials, seed),
        "pymoo": lambda space, seed: PymooSearch(space, m, size, seed, mixed=True),
        "optuna": lambda space, seed: OptunaSearch(space, m, size, seed),
        "optuna-tpe": lambda space, seed: OptunaTPESearch(space, m, seed),
    }


def _cells(objectives: tuple[str, ...]) -> Iterator[tuple[str, ParameterSpace, Evaluate]]:
    """Return name, space and scores of each strategy on each market."""
    objective = ParetoObjective(objectives)
    signs = np.where(np.array(objective.directions) == "maximize", 1.0, -1.0)
    for market in MARKETS:
        bars = load_bars(market)
        for name, strategy in STRATEGIES.items():
            evaluator = PopulationEvaluator(strategy, bars, Rules(COSTS), threads=1)

            def evaluate(points: np.ndarray, evaluator: Any = evaluator) -> np.ndarray:
                return objective.score_table(evaluator.evaluate(points)).score * signs

            yield f"{name} {market}", evaluator.space, evaluate


def _compare(
    cell: str,
    space: ParameterSpace,
    evaluate: Evaluate,
    seeds: int,
    makers: Mapping[str, Maker],
    marks: tuple[int, ...],
) -> list[dict[str, Any]]:
    """Return a row a seed: of each search the share of the hypervolume of all runs together, after `marks` trials."""
    found: dict[tuple[str, int], np.ndarray] = {}
    seconds: dict[tuple[str, int], float] = {}
    for (name, make), seed in itertools.product(makers.items(), range(seeds)):
        found[name, seed], spent = spend(make(space, seed), space, evaluate, marks[-1])
        seconds[name, seed] = round(spent, 2)
    union = np.concatenate([_front(scores) for scores in found.values()])
    union = union[is_non_dominated(union)]
    low, high = union.min(axis=0), union.max(axis=0)
    best = _scaled_volume(union, low, high)
    rows = []
    for seed in range(seeds):
        row: dict[str, Any] = {"cell": cell, "seed": seed}
        for name in makers:
            shares = [_scaled_volume(_front(found[name, seed][:n]), low, high) / best for n in marks]
            row[name] = {"all": [round(share, 5) for share in shares], "seconds": seconds[name, seed]}
        rows.append(row)
        print(row, flush=True)
    return rows


def _front(scores: np.ndarray) -> np.ndarray:
    scores = scores[~np.isnan(scores).any(axis=1)]
    return scores[is_non_dominated(scores)] if len(scores) else scores


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
    "few": few,
    "functions": functions,
    "speed": speed,
    "strategies": strategies,
}

if __name__ == "__main__":
    main()
