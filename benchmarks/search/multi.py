"""Problems with several objectives whose fronts are known: ZDT1-4, 6 and DTLZ1-4, 7.

Own code from Zitzler, Deb, Thiele (2000), Comparison of multiobjective evolutionary algorithms, and Deb, Thiele,
Laumanns, Zitzler (2005), Scalable test problems. Objectives are minimised there; `evaluate` returns their
negatives, so that larger is better as everywhere else.

Hypervolumes are *normalised*: objectives are scaled so that the true front spans [0, 1] in each, and measured
to the reference point (r, ..., r), r = 1.1 by default. `known_hypervolume` is that of the whole true front.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from dataclasses import dataclass
from functools import cache

import numpy as np

from strategy_optimizer import Continuous, ParameterSpace

REFERENCE = 1.1
_FINE = {2: 400_001, 3: 2_001}  # points an axis when a front is integrated
# problem -> parameters: the published ones; for DTLZ those beside the m - 1 that place a point on the front
SIZES = {"zdt1": 30, "zdt2": 30, "zdt3": 30, "zdt4": 10, "zdt6": 10}
DISTANCES = {"dtlz1": 5, "dtlz2": 10, "dtlz3": 10, "dtlz4": 10, "dtlz7": 20}


@dataclass(frozen=True)
class MultiLandscape:
    """A problem with `n_objectives`; its run's score is the share of the known hypervolume."""

    problem: str
    n_objectives: int = 2
    group: str = "multi"
    exact: bool = True
    median_random: float = 0.0

    @property
    def name(self) -> str:
        """Such as ``zdt1`` or ``dtlz2-3`` (three objectives)."""
        return self.problem if self.problem in SIZES else f"{self.problem}-{self.n_objectives}"

    @property
    def n_dims(self) -> int:
        """Number of parameters."""
        return SIZES.get(self.problem) or self.n_objectives - 1 + DISTANCES[self.problem]

    @property
    def space(self) -> ParameterSpace:
        """Continuous parameters only."""
        wide = self.problem == "zdt4"
        bounds = [(-5.0, 5.0) if wide and i else (0.0, 1.0) for i in range(self.n_dims)]
        return ParameterSpace(self.name, {f"x{i}": Continuous(*pair) for i, pair in enumerate(bounds)})

    @property
    def digest(self) -> str:
        """SHA-256 of this file and the name."""
        return hashlib.sha256((inspect.getsource(sys.modules[__name__]) + self.name).encode()).hexdigest()

    def evaluate(self, points: np.ndarray) -> np.ndarray:
        """Return scores (n, m) of points (n, d), larger is better."""
        points = np.asarray(points, np.float64)
        if self.problem in SIZES:
            return -_zdt(self.problem, points)
        return -_dtlz(self.problem, points, self.n_objectives)

    @property
    def best_known(self) -> float:
        """The hypervolume of the true front."""
        return self.known_hypervolume(REFERENCE)

    def hypervolume(self, scores: np.ndarray, reference: float = REFERENCE) -> float:
        """Return the normalised hypervolume of scores (n, m), two or three objectives."""
        ideal, nadir = self.range_of_front
        return hypervolume((-np.asarray(scores) - ideal) / (nadir - ideal), reference)

    def score(self, best_found: float) -> float:
        """Return a hypervolume as a share of the known one."""
        return best_found / self.best_known

    @property
    def range_of_front(self) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest value of each (minimised) objective on the true front."""
        m = self.n_objectives
        if self.problem in ("zdt3", "zdt6", "dtlz7"):
            front = _front(self.problem, np.linspace(0.0, 1.0, _FINE[2]))
            first, last = front[front[:, 1] <= np.minimum.accumulate(front[:, 1])][[0, -1]]
            if self.problem != "dtlz7":
                return np.array([first[0], last[1]]), np.array([last[0], first[1]])
            low, high = 2.0 * m - (m - 1) * (4.0 - last[1]), 2.0 * m
            return np.array([0.0] * (m - 1) + [low]), np.array([last[0]] * (m - 1) + [high])
        return np.zeros(m), np.full(m, 0.5 if self.problem == "dtlz1" else 1.0)

    def known_hypervolume(self, reference: float = REFERENCE) -> float:
        """Return the normalised hypervolume of the whole true front."""
        return _known_hypervolume(self, reference)


@cache
def _known_hypervolume(problem: MultiLandscape, reference: float) -> float:
    r, m = reference, problem.n_objectives
    under = {
        "zdt1": 1.0 / 3.0,
        "zdt2": 2.0 / 3.0,
        "zdt4": 1.0 / 3.0,
        "dtlz1": 1.0 / 2.0 if m == 2 else 1.0 / 6.0,
    } | dict.fromkeys(("dtlz2", "dtlz3", "dtlz4"), np.pi / 4.0 if m == 2 else np.pi / 6.0)
    if problem.problem in under:
        return float(r**m - under[problem.problem])
    return _integrated(problem, reference)


def _integrated(problem: MultiLandscape, r: float) -> float:
    """Integrate over all objectives but the last what the front leaves below r in the last one."""
    ideal, nadir = problem.range_of_front
    axis = np.linspace(0.0, r, _FINE[problem.n_objectives])
    raw = ideal[0] + axis * (nadir[0] - ideal[0])
    if problem.n_objectives == 2:
        last = _front(problem.problem, raw)[:, 1]
    else:
        drop = 4.0 - _front(problem.problem, raw)[:, 1]
        last = 2.0 * 3 - drop[:, None] - drop[None, :]
    last = (last - ideal[-1]) / (nadir[-1] - ideal[-1])
    for direction in range(last.ndim):  # the best value at any smaller or equal first objectives
        last = np.minimum.accumulate(last, axis=direction)
        last = 0.5 * (np.delete(last, 0, direction) + np.delete(last, -1, direction))
    return float(np.clip(r - last, 0.0, None).mean() * r ** (problem.n_objectives - 1))


def _front(problem: str, t: np.ndarray) -> np.ndarray:
    """Return the curve (n, 2) that holds the front of two objectives, at first objectives `t`."""
    if problem == "zdt3":
        last = 1.0 - np.sqrt(t) - t * np.sin(10.0 * np.pi * t)
    elif problem == "zdt6":
        x = np.linspace(0.0, 1.0, 100_001)
        least = (1.0 - np.exp(-4.0 * x) * np.sin(6.0 * np.pi * x) ** 6).min()
        t = np.maximum(t, least)
        last = 1.0 - t**2
    else:  # dtlz7, two objectives
        last = 4.0 - t * (1.0 + np.sin(3.0 * np.pi * t))
    return np.column_stack([t, np.where(t > 1.0, np.inf, last)])


def _zdt(problem: str, x: np.ndarray) -> np.ndarray:
    """Return the two objectives (n, 2), minimised."""
    d, first, rest = x.shape[1], x[:, 0], x[:, 1:]
    g = 1.0 + 9.0 * rest.sum(axis=1) / (d - 1)
    if problem == "zdt4":
        g = 1.0 + 10.0 * (d - 1) + (rest**2 - 10.0 * np.cos(4.0 * np.pi * rest)).sum(axis=1)
    if problem == "zdt6":
        g = 1.0 + 9.0 * (rest.sum(axis=1) / (d - 1)) ** 0.25
        first = 1.0 - np.exp(-4.0 * first) * np.sin(6.0 * np.pi * first) ** 6
    share = first / g
    h = 1.0 - share**2 if problem in ("zdt2", "zdt6") else 1.0 - np.sqrt(share)
    if problem == "zdt3":
        h = h - share * np.sin(10.0 * np.pi * first)
    return np.column_stack([first, g * h])


def _dtlz(problem: str, x: np.ndarray, m: int) -> np.ndarray:
    """Return the m objectives (n, m), minimised."""
    place, rest = x[:, : m - 1], x[:, m - 1 :]
    if problem == "dtlz7":
        g = 1.0 + 9.0 * rest.mean(axis=1)
        h = m - (place / (1.0 + g[:, None]) * (1.0 + np.sin(3.0 * np.pi * place))).sum(axis=1)
        return np.column_stack([place, (1.0 + g) * h])
    if problem in ("dtlz1", "dtlz3"):
        waves = (rest - 0.5) ** 2 - np.cos(20.0 * np.pi * (rest - 0.5))
        g = 100.0 * (rest.shape[1] + waves.sum(axis=1))
    else:
        g = ((rest - 0.5) ** 2).sum(axis=1)
    if problem == "dtlz1":
        return 0.5 * (1.0 + g[:, None]) * _products(place, 1.0 - place)
    angle = 0.5 * np.pi * (place**100 if problem == "dtlz4" else place)
    return (1.0 + g[:, None]) * _products(np.cos(angle), np.sin(angle))


def _products(towards: np.ndarray, away: np.ndarray) -> np.ndarray:
    """Return (n, m): objective i is the product of the first m - 1 - i of `towards`, times one of `away`."""
    n = len(towards)
    leading = np.column_stack([np.ones(n), np.cumprod(towards, axis=1)])[:, ::-1]
    return leading * np.column_stack([np.ones(n), away[:, ::-1]])


def hypervolume(losses: np.ndarray, reference: float) -> float:
    """Return the volume that points (n, m), minimised, dominate below (reference, ..., reference); m is 2 or 3.

    Three objectives are cut into slices between one third objective and the next.
    """
    losses = losses[(losses < reference).all(axis=1)]
    if len(losses) == 0:
        return 0.0
    if losses.shape[1] == 2:
        return _area(losses, reference)
    losses = losses[np.argsort(losses[:, 2])]
    heights = np.diff(np.append(losses[:, 2], reference))
    return float(sum(_area(losses[: i + 1, :2], reference) * h for i, h in enumerate(heights) if h > 0.0))


def _area(losses: np.ndarray, reference: float) -> float:
    ordered = losses[np.lexsort((losses[:, 1], losses[:, 0]))]
    lowest = np.minimum.accumulate(ordered[:, 1])
    widths = np.diff(np.append(ordered[:, 0], reference))
    return float((widths * (reference - lowest)).sum())


def multi_landscapes() -> list[MultiLandscape]:
    """Return ZDT, and DTLZ with two and three objectives."""
    zdt = [MultiLandscape(problem) for problem in SIZES]
    return zdt + [MultiLandscape(problem, m) for m in (2, 3) for problem in DISTANCES]
