"""The landscapes that search algorithms are compared on, by name or group.

    from landscapes import landscapes
    for landscape in landscapes(["grid", "momentum-sp500-sharpe"]):
        scores = landscape.evaluate(landscape.space.sample(100, 0))

Groups: ``strategy`` (real strategies on their full mixed spaces, best known by search), ``grid`` (real ones on
finite grids, the best known by enumeration), ``mixint`` (functions with a known optimum over mixed types); and
``multi`` with several objectives, from `several_objectives`. What is known of each stands in landscapes.json,
made by prepare.py; a landscape whose space, data or code have changed since is refused. The digest does not
cover the engine: `prepare.py --check` evaluates every best point anew.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from cells import cells
from mixint import mixed_functions
from multi import MultiLandscape, multi_landscapes

from strategy_optimizer import ParameterSpace

FACTS = Path(__file__).with_name("landscapes.json")


@dataclass(frozen=True)
class Landscape:
    """A space, a function of its points, and what is known of the best and of the median random point.

    Attributes
    ----------
    function
        Canonical points (n, d) in natural units to scores (n,); larger is better, NaN is a failed trial.
    best_known, median_random : float
        Scores; the median is that of the random points which do not fail (of the whole grid when `exact`).
    best_point : array, shape (d,)
    exact : bool
        Whether `best_known` is the optimum: by enumeration or by construction.
    logarithmic : bool
        Whether a run's score is measured on a logarithmic scale, down to a hundredth of the median's distance.
    """

    name: str
    group: str
    space: ParameterSpace
    function: Callable[[np.ndarray], np.ndarray]
    digest: str
    exact: bool
    logarithmic: bool = False
    best_known: float = math.nan
    best_point: np.ndarray | None = None
    median_random: float = math.nan

    def evaluate(self, points: np.ndarray) -> np.ndarray:
        """Return the scores (n,) of canonical points (n, d) as `Optimizer.ask_array` gives them."""
        return self.function(np.asarray(points, np.float64))

    def evaluate_dict(self, params: Mapping[str, Any]) -> float:
        """Return the score of one candidate; SpaceError when it is outside the space."""
        self.space.validate(params)
        return float(self.evaluate(self.space.from_dicts([params]))[0])

    def score(self, best_found: float) -> float:
        """Return how far from the median random point (0) to the best known one (1); NaN counts as 0."""
        if math.isnan(best_found):
            return 0.0
        distance, whole = self.best_known - best_found, self.best_known - self.median_random
        if self.logarithmic:
            return math.log(1.01 / (max(distance, 0.0) / whole + 0.01)) / math.log(101.0)
        return 1.0 - distance / whole


def landscapes(names: Iterable[str] | str | None = None) -> list[Landscape]:
    """Return landscapes with one objective and what is known of them.

    Parameters
    ----------
    names : iterable of str, optional
        Names, groups, or "all"; by default all.

    Raises
    ------
    LookupError
        There is no such landscape, or landscapes.json has no valid entry for it.
    """
    facts = json.loads(FACTS.read_text()) if FACTS.exists() else {}
    return [_with_facts(landscape, facts.get(landscape.name)) for landscape in definitions(names)]


def several_objectives(names: Iterable[str] | str | None = None) -> list[MultiLandscape]:
    """Return the landscapes with several objectives; they need no entry in landscapes.json."""
    return _chosen(multi_landscapes(), names)


def definitions(names: Iterable[str] | str | None = None) -> list[Landscape]:
    """Return landscapes with one objective without best and median, for prepare.py."""
    return _chosen(_single_objectives(), names)


def _chosen(everything: list[Any], names: Iterable[str] | str | None) -> list[Any]:
    wanted = {names} if isinstance(names, str) else set(names or ("all",))
    known = {"all", *(one.name for one in everything), *(one.group for one in everything)}
    if wanted - known:
        unknown = ", ".join(sorted(wanted - known))
        raise LookupError(f"there is no landscape or group {unknown}; known: {', '.join(sorted(known))}")
    return [one for one in everything if {one.name, one.group, "all"} & wanted]


def _with_facts(landscape: Landscape, fact: Mapping[str, Any] | None) -> Landscape:
    if fact is None or fact["digest"] != landscape.digest:
        state = "is not in" if fact is None else "has changed since it was entered into"
        raise LookupError(
            f"{landscape.name} {state} {FACTS.name}; run: python benchmarks/search/prepare.py {landscape.name}"
        )
    point = np.array([math.nan if value is None else value for value in fact["best_point"]])
    best, median = fact["best_known"], fact["median_random"]
    return replace(landscape, best_known=best, best_point=point, median_random=median)


@cache
def _single_objectives() -> list[Landscape]:
    real = [
        Landscape(c.name, "grid" if c.finite else "strategy", c.space, c, c.digest, exact=c.finite)
        for c in cells()
    ]
    mixed = [
        Landscape(f.name, "mixint", f.space, f, f.digest, True, True, 0.0, f.best_point)
        for f in mixed_functions()
    ]
    return real + mixed
