"""Bayesian optimisation with several objectives."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from strategy_optimizer.optimizer import Optimizer, create_optimizer, restore_optimizer
from strategy_optimizer.space import ParameterSpace

BOTH = ["maximize", "minimize"]


def space() -> ParameterSpace:
    return (
        ParameterSpace("two_bowls")
        .add_parameter("x", "continuous", (-2.0, 2.0))
        .add_parameter("y", "continuous", (-2.0, 2.0))
        .add_parameter("z", "continuous", (-2.0, 2.0))
        .add_parameter("kind", "categorical", ["a", "b", "c"])
    )


def bowls(params: dict[str, Any]) -> tuple[float, float]:
    """The front: y = z = 0, kind b, x between 0 and 1."""
    off = params["y"] ** 2 + params["z"] ** 2 + (params["kind"] != "b")
    return -(params["x"] ** 2) - off, (params["x"] - 1.0) ** 2 + off


def spend(optimizer: Optimizer, n: int) -> Optimizer:
    while optimizer.n_told < n:
        batch = optimizer.ask(1)
        optimizer.tell(batch, [bowls(params) for params in batch])
    return optimizer


def volume(optimizer: Optimizer) -> float:
    return optimizer.pareto_front.hypervolume((-1.1, 1.1))


def test_it_finds_far_more_than_nsga2_and_random_search_in_few_trials() -> None:
    volumes = {
        name: [
            volume(spend(create_optimizer(name, space(), budget=60, seed=seed, directions=BOTH), 60))
            for seed in range(3)
        ]
        for name in ("bo", "nsga2", "random")
    }
    # The whole front dominates 1.1 x 1.1 less the area under sqrt(a) + sqrt(b) = 1.
    assert min(volumes["bo"]) > 0.9 * (1.21 - 1.0 / 6.0)
    assert min(volumes["bo"]) > 1.2 * max(*volumes["nsga2"], *volumes["random"])


def test_a_saved_search_goes_on_as_the_unsaved_one() -> None:
    optimizer = spend(create_optimizer("bo", space(), budget=80, seed=4, directions=BOTH), 30)
    again = restore_optimizer(space(), json.loads(json.dumps(optimizer.state())))
    for _ in range(4):
        batch = optimizer.ask(2)
        assert batch == again.ask(2)
        for each in (optimizer, again):
            each.tell(batch, [bowls(params) for params in batch])


def test_grouping_and_order_of_telling_change_nothing() -> None:
    one, other = (create_optimizer("bo", space(), budget=80, seed=4, directions=BOTH) for _ in range(2))
    for _ in range(6):
        batch = one.ask(5)
        assert batch == other.ask(5)
        one.tell(batch, [bowls(params) for params in batch])
        for params in batch[::-1]:
            other.tell([params], [bowls(params)])


def test_failed_and_infeasible_trials_are_not_on_the_front_and_not_sought() -> None:
    optimizer = create_optimizer("bo", space(), budget=80, seed=1, directions=BOTH)
    for _ in range(70):
        (params,) = optimizer.ask(1)
        score = None if params["kind"] == "c" else bowls(params)
        optimizer.tell([params], [score], constraints=[[params["x"] - 0.5]])
    late = optimizer.log.points[30:]
    assert np.mean(late[:, 3] == 2.0) < 0.2
    assert np.mean(late[:, 0] >= 0.5) > 0.6
    assert all(params["x"] >= 0.5 and params["kind"] != "c" for params in optimizer.pareto_front.params)


def test_points_that_are_out_are_not_asked_for_again_nor_beside_each_other() -> None:
    optimizer = spend(create_optimizer("bo", space(), budget=200, seed=2, directions=BOTH), 40)
    batch = optimizer.ask(8)
    points = np.array([[params["x"], params["y"], params["z"]] for params in batch])
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)[np.triu_indices(8, 1)]
    assert distances.min() > 1e-3
    assert np.median(distances) > 0.05


@pytest.mark.parametrize("m", [3, 5])
def test_more_objectives(m: int) -> None:
    optimizer = create_optimizer("bo", space(), budget=40, seed=0, directions=["maximize"] * m)
    centres = np.linspace(-1.0, 1.0, m)
    while optimizer.n_told < 30:
        (params,) = optimizer.ask(1)
        scores = [-((params["x"] - centre) ** 2) - params["y"] ** 2 for centre in centres]
        optimizer.tell([params], [scores])
    assert all(math.isfinite(score) for score in optimizer.best_score)


def test_told_noise_of_each_objective_is_believed() -> None:
    optimizer = create_optimizer("bo", space(), budget=60, seed=3, directions=BOTH)
    rng = np.random.default_rng(0)
    for _ in range(40):
        (params,) = optimizer.ask(1)
        scores = np.array(bowls(params)) + rng.normal(0.0, [0.01, 0.3])
        optimizer.tell([params], [scores.tolist()], std_errors=[[0.01, 0.3]])
    belief = optimizer._belief()  # type: ignore[attr-defined]
    precise, rough = (model.extra_noise.max() for model in belief.score_models)
    assert rough > 50.0 * precise
