"""Eight functions with a known optimum over mixed types, in the manner of bbob-mixint.

Own code from the published definitions: Hansen et al. (2009), Real-parameter black-box optimization
benchmarking; Tušar, Brockhoff, Hansen (2019), Mixed-integer benchmark problems for single- and bi-objective
optimization. As there, coordinates are partially discretised: an integer stands for one of k equidistant
values in [-4, 4], and the shift puts the optimum on one of them. Differences: categories are added (the
values of one integer dimension in a shuffled order, so that neighbouring names say nothing), the instances
have seeds of their own, and the optimal value is 0.

Notation: x (n, d) inner coordinates in [-5, 5], z = R (x - x_opt).
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from strategy_optimizer import Categorical, Continuous, Discrete, ParameterSpace

Formula = Callable[[np.ndarray], np.ndarray]
REACH = 5.0  # continuous coordinates lie in [-5, 5], discrete ones in [-4, 4]
# name -> (continuous, integers with that many values, choices)
SHAPES: dict[str, tuple[int, tuple[int, ...], tuple[int, ...]]] = {
    "sphere": (2, (5, 9, 17), (4,)),
    "ellipsoid": (3, (7, 15), (3,)),
    "rastrigin": (3, (5, 9), (3, 4)),
    "rosenbrock": (3, (9, 17), (3,)),
    "ackley": (4, (9, 17), (4, 3)),
    "schwefel": (3, (21, 41), (3,)),
    "step_ellipsoid": (3, (9, 17, 33), (3,)),
    "griewank_rosenbrock": (4, (9, 17), (3, 3)),
}
ROTATED = ("ellipsoid", "rastrigin", "ackley", "step_ellipsoid", "griewank_rosenbrock")


@dataclass(frozen=True)
class MixedFunction:
    """A function on a mixed space; called with points (n, d) it returns minus the distance to the optimum."""

    name: str

    @property
    def space(self) -> ParameterSpace:
        """Continuous parameters first, then integers, then choices."""
        n_continuous, levels, choices = SHAPES[self.name]
        parameters: dict[str, Continuous | Discrete | Categorical] = {}
        for i in range(n_continuous):
            parameters[f"x{i}"] = Continuous(-REACH, REACH)
        for i, n in enumerate(levels):
            parameters[f"k{i}"] = Discrete(0, n - 1)
        for i, n in enumerate(choices):
            parameters[f"c{i}"] = Categorical([f"choice{j}" for j in range(n)])
        return ParameterSpace(self.name, parameters)

    @property
    def digest(self) -> str:
        """SHA-256 of this file and the name."""
        source = inspect.getsource(sys.modules[__name__])
        return hashlib.sha256((source + self.name).encode()).hexdigest()

    @property
    def _rng(self) -> np.random.Generator:
        return np.random.default_rng([7, *self.name.encode()])

    @property
    def best_point(self) -> np.ndarray:
        """The optimum, (d,) in natural units."""
        n_continuous, levels, choices = SHAPES[self.name]
        rng = self._rng
        near = rng.uniform(-4.0, 4.0, n_continuous)
        return np.concatenate([near, [rng.integers(n) for n in levels], [rng.integers(n) for n in choices]])

    def _inner(self, points: np.ndarray) -> np.ndarray:
        """Return inner coordinates (n, d): integers spread over [-4, 4], choices too, in a shuffled order."""
        n_continuous, levels, choices = SHAPES[self.name]
        inner = points.astype(np.float64).copy()
        rng = np.random.default_rng([8, *self.name.encode()])
        for column, n in enumerate(levels, n_continuous):
            inner[:, column] = np.linspace(-4.0, 4.0, n)[points[:, column].astype(np.int64)]
        for column, n in enumerate(choices, n_continuous + len(levels)):
            inner[:, column] = rng.permutation(np.linspace(-4.0, 4.0, n))[points[:, column].astype(np.int64)]
        return inner

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return scores (n,), at most 0."""
        points = np.asarray(points, np.float64)
        z = self._inner(points) - self._inner(self.best_point[None])
        if self.name in ROTATED:
            z = z @ rotation(z.shape[1], self._rng).T
        return -FORMULAS[self.name](z)


def rotation(d: int, rng: np.random.Generator) -> np.ndarray:
    """Return a random orthogonal matrix (d, d), between the identity and a uniform one.

    A small angle: as with partial discretisation, a full rotation would leave no axis with a meaning.
    """
    basis, _ = np.linalg.qr(np.eye(d) + 0.35 * rng.standard_normal((d, d)))
    return basis * np.sign(np.diag(basis))


def _weights(d: int, condition: float) -> np.ndarray:
    return condition ** (np.arange(d) / (d - 1))


def sphere(z: np.ndarray) -> np.ndarray:
    """f1."""
    return (z**2).sum(axis=1)


def ellipsoid(z: np.ndarray) -> np.ndarray:
    """f10, with a condition of 1,000."""
    return z**2 @ _weights(z.shape[1], 1e3)


def rastrigin(z: np.ndarray) -> np.ndarray:
    """f15 without its asymmetry."""
    return 10.0 * (1.0 - np.cos(2.0 * np.pi * z)).sum(axis=1) + (z**2).sum(axis=1)


def rosenbrock(z: np.ndarray) -> np.ndarray:
    """f8, scaled to this reach; the optimum is at z = 0."""
    y = 0.5 * z + 1.0
    return (100.0 * (y[:, :-1] ** 2 - y[:, 1:]) ** 2 + (y[:, :-1] - 1.0) ** 2).sum(axis=1)


def ackley(z: np.ndarray) -> np.ndarray:
    """Ackley (1987)."""
    radius, waves = np.sqrt((z**2).mean(axis=1)), np.cos(2.0 * np.pi * z).mean(axis=1)
    return np.maximum(20.0 - 20.0 * np.exp(-0.2 * radius) + np.e - np.exp(waves), 0.0)


def schwefel(z: np.ndarray) -> np.ndarray:
    """Schwefel's function of deep valleys far from one another (f20 without its transformations)."""
    y = 420.9687462275036 - 60.0 * np.abs(z) - 20.0 * z
    return np.maximum((418.9828872724339 - y * np.sin(np.sqrt(np.abs(y)))).mean(axis=1), 0.0)


def step_ellipsoid(z: np.ndarray) -> np.ndarray:
    """f7: plateaus, and a slight slope along the first coordinate."""
    steps = np.where(np.abs(z) > 0.5, np.floor(0.5 + z), np.floor(0.5 + 10.0 * z) / 10.0)
    return 0.1 * np.maximum(np.abs(z[:, 0]) / 1e4, steps**2 @ _weights(z.shape[1], 1e2))


def griewank_rosenbrock(z: np.ndarray) -> np.ndarray:
    """f19: a highly multimodal valley."""
    y = 0.5 * z + 1.0
    s = 100.0 * (y[:, :-1] ** 2 - y[:, 1:]) ** 2 + (y[:, :-1] - 1.0) ** 2
    return 10.0 * (s / 4000.0 - np.cos(s) + 1.0).mean(axis=1)


FORMULAS: dict[str, Formula] = {
    function.__name__: function
    for function in (
        sphere,
        ellipsoid,
        rastrigin,
        rosenbrock,
        ackley,
        schwefel,
        step_ellipsoid,
        griewank_rosenbrock,
    )
}


def mixed_functions() -> list[MixedFunction]:
    """Return all eight."""
    return [MixedFunction(name) for name in FORMULAS]
