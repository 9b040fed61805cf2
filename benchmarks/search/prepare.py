"""Find the best and the median point of each landscape once, and write them to landscapes.json.

    python benchmarks/search/prepare.py [names or groups] [--force] [--check]

Grids are enumerated. On full spaces: 60,000 random trials, then the 64 best distinct ones climb by mutation, at
steps from a fifth down to a thousandth of each range, and crossing over with one another. Entries whose digest
is still right are kept.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

import numpy as np
from landscapes import FACTS, Landscape, definitions, landscapes

N_RANDOM = 60_000
N_CLIMBERS = 64
N_CHILDREN = 24
N_ROUNDS = 48
LARGEST_GRID = 400_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=["all"])
    parser.add_argument("--force", action="store_true", help="find valid entries anew")
    parser.add_argument("--check", action="store_true", help="only evaluate the best points anew")
    arguments = parser.parse_args()
    if arguments.check:
        sys.exit(check(arguments.names))
    for landscape in definitions(arguments.names):
        known = read().get(landscape.name, {}).get("digest") == landscape.digest
        if known and not arguments.force:
            continue
        start = time.perf_counter()
        fact = {"digest": landscape.digest, **find_facts(landscape)}
        print(f"{landscape.name}: {fact} in {time.perf_counter() - start:.0f} s", flush=True)
        write(read() | {landscape.name: fact})


def check(names: list[str]) -> str | None:
    """Return a message when a best point no longer has the score that stands in the file."""
    changed = [
        f"{one.name}: {one.best_known!r} stands in {FACTS.name}, {now!r} is found"
        for one in landscapes(names)
        if not np.isclose(now := float(one.evaluate(one.best_point[None])[0]), one.best_known, atol=1e-12)
    ]
    return "\n".join([*changed, "run prepare.py --force on these"]) if changed else None


def read() -> dict[str, Any]:
    """Return the entries as they are now: another process may have added some."""
    return json.loads(FACTS.read_text()) if FACTS.exists() else {}


def write(facts: dict[str, Any]) -> None:
    """Write the entries of landscapes that exist, one a line."""
    lines = [
        f"{json.dumps(one.name)}: {json.dumps(facts[one.name])}"
        for one in definitions("all")
        if one.name in facts
    ]
    FACTS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def find_facts(landscape: Landscape) -> dict[str, Any]:
    """Return the best score and point, the median random score, the share failed and the points counted."""
    whole = landscape.space.enumerate(LARGEST_GRID) if landscape.group == "grid" else None
    points = landscape.space.sample(N_RANDOM, 0) if whole is None else whole
    scores = landscape.evaluate(points)
    median, failed, n = float(np.nanmedian(scores)), float(np.isnan(scores).mean()), len(points)
    if not landscape.exact:
        points, scores = climb(landscape, points, scores)
    if landscape.best_point is not None:
        points, scores = landscape.best_point[None], np.array([landscape.best_known])
    best = int(np.nanargmax(scores))
    return {
        "best_known": float(scores[best]),
        "best_point": [None if np.isnan(v) else v for v in points[best].tolist()],
        "median_random": median,
        "share_failed": round(failed, 4),
        "n_points": n,
    }


def climb(landscape: Landscape, points: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return climbers (64, d) and their scores, started from the best of the points."""
    space, rng = landscape.space, np.random.default_rng(1)
    first = np.argsort(-np.nan_to_num(scores, nan=-np.inf))[:N_CLIMBERS]
    points, scores = points[first], scores[first]
    for spread in np.geomspace(0.2, 0.001, N_ROUNDS):
        parents = np.repeat(np.arange(len(points)), N_CHILDREN)
        children = _children(space, points, parents, spread, rng)
        values = np.where(space.is_feasible(children), landscape.evaluate(children), np.nan)
        values = np.nan_to_num(values, nan=-np.inf).reshape(len(points), N_CHILDREN)
        best = values.argmax(axis=1)
        better = values[np.arange(len(points)), best] > scores
        chosen = np.arange(len(points)) * N_CHILDREN + best
        points[better], scores[better] = children[chosen[better]], values.max(axis=1)[better]
    return points, scores


def _children(space: Any, points: np.ndarray, parents: np.ndarray, spread: float, rng: Any) -> np.ndarray:
    """Return children of the parents: some genes from another climber, some moved, choices redrawn."""
    unit = space.to_unit(points)
    unit = np.where(np.isnan(unit), rng.random(unit.shape), unit)[parents]
    shape = unit.shape
    other = unit[rng.permutation(len(unit))]
    child = np.where(rng.random(shape) < 0.2 * (rng.random((shape[0], 1)) < 0.5), other, unit)
    moves = rng.random(shape) < np.maximum(rng.choice([0.15, 0.4, 0.8], (shape[0], 1)), 1.0 / shape[1])
    # A whole number moves by a step at least, now and then.
    wide = np.maximum(spread, np.where(np.isfinite(space.sizes), 0.7 / space.sizes, 0.0))
    child = np.where(moves, np.clip(child + wide * rng.standard_normal(shape), 0.0, 1.0), child)
    redrawn = (space.kinds == 2) & (rng.random(shape) < 0.05)
    return space.from_unit(np.where(redrawn, rng.random(shape), child))


if __name__ == "__main__":
    main()
