"""Importance measures against SALib and Optuna, where those are installed."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from strategy_optimizer.analysis.given_data import classes_of, delta, delta_classes, pawn
from strategy_optimizer.analysis.ped_anova import best_rows, cells_of, divergence
from strategy_optimizer.analysis.sobol import sobol_indices
from strategy_optimizer.space import Continuous, Discrete

N = 800


def ishigami(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.sin(x[:, 0]) + 7.0 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0]))


def sample(n: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).uniform(-np.pi, np.pi, (n, 3))
    return x, ishigami(x)


PROBLEM = {"num_vars": 3, "names": ["a", "b", "c"], "bounds": [[-np.pi, np.pi]] * 3}


def test_pawn_is_salibs() -> None:
    salib = pytest.importorskip("SALib.analyze.pawn")
    x, y = sample(N)
    theirs = salib.analyze(PROBLEM, x, y, S=10)["median"]
    ours = [pawn(classes_of(x[:, j], 10, False), y) for j in range(3)]
    # SALib leaves the trial with the highest value out of the last slice.
    assert ours == pytest.approx(list(theirs), abs=0.01)


def test_delta_is_near_salibs() -> None:
    salib = pytest.importorskip("SALib.analyze.delta")
    x, y = sample(N)
    with warnings.catch_warnings():
        theirs = salib.calc_delta(
            y, np.linspace(y.min(), y.max(), 100), x[:, 0], np.linspace(0, N, delta_classes(N) + 1)
        )
    ours = delta(classes_of(x[:, 0], delta_classes(N), False), y)
    assert ours == pytest.approx(
        theirs, abs=0.03
    )  # their densities are of y itself, ours of its normal scores


def test_sobol_is_salibs() -> None:
    pytest.importorskip("SALib")
    from SALib.analyze import sobol
    from SALib.sample import sobol as design

    x = design.sample(PROBLEM, 4096, calc_second_order=False, seed=1)
    theirs = sobol.analyze(PROBLEM, ishigami(x), calc_second_order=False, seed=1)
    ours = sobol_indices(lambda unit: ishigami(np.pi * (2.0 * unit - 1.0)), 3, n=4096)
    assert ours is not None
    assert ours.first == pytest.approx(theirs["S1"], abs=0.02)
    assert ours.total == pytest.approx(theirs["ST"], abs=0.02)


def test_ped_anova_is_optunas() -> None:
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rng = np.random.default_rng(2)
    columns = {"x": rng.uniform(0.01, 1.0, N), "n": rng.integers(1, 31, N), "z": rng.uniform(0.0, 1.0, N)}
    gains = -((np.log(columns["x"]) + 2.0) ** 2) - 0.01 * (columns["n"] - 9) ** 2
    float_log = optuna.distributions.FloatDistribution(0.01, 1.0, log=True)
    distributions = {
        "x": float_log,
        "n": optuna.distributions.IntDistribution(1, 30),
        "z": optuna.distributions.FloatDistribution(0.0, 1.0),
    }
    study = optuna.create_study(direction="maximize")
    for i in range(N):
        params = {name: column[i].item() for name, column in columns.items()}
        study.add_trial(
            optuna.create_trial(params=params, distributions=distributions, value=float(gains[i]))
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = optuna.importance.get_param_importances(
            study, evaluator=optuna.importance.PedAnovaImportanceEvaluator()
        )
    parameters = {"x": Continuous(0.01, 1.0, log=True), "n": Discrete(1, 30), "z": Continuous(0.0, 1.0)}
    best, ours = best_rows(gains), {}
    for name, parameter in parameters.items():
        cells, n_cells = cells_of(parameter, np.asarray(columns[name], float))
        region = np.bincount(cells, minlength=n_cells).astype(float)
        ours[name] = divergence(np.bincount(cells[best], minlength=n_cells).astype(float), region, False)
    total = sum(ours.values())
    assert {name: value / total for name, value in ours.items()} == pytest.approx(theirs, rel=1e-6)
