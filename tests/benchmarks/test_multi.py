"""ZDT and DTLZ against published values of their fronts."""

import numpy as np
import pytest
from landscapes import several_objectives
from multi import MultiLandscape, hypervolume

PROBLEMS = {problem.name: problem for problem in several_objectives()}


def test_problems():
    assert list(PROBLEMS) == [
        *("zdt1", "zdt2", "zdt3", "zdt4", "zdt6"),
        *("dtlz1-2", "dtlz2-2", "dtlz3-2", "dtlz4-2", "dtlz7-2"),
        *("dtlz1-3", "dtlz2-3", "dtlz3-3", "dtlz4-3", "dtlz7-3"),
    ]


# Closed forms of the reference notes, section 4.4, brought to normalised objectives.
@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("zdt1", 2 / 3),
        ("zdt2", 1 / 3),
        ("zdt4", 2 / 3),
        ("dtlz1-2", 0.5),
        ("dtlz2-2", 0.2146),
        ("dtlz2-3", 0.4764),
    ],
)
def test_known_hypervolume_to_the_nadir(name, known):
    assert PROBLEMS[name].known_hypervolume(1.0) == pytest.approx(known, abs=5e-5)


@pytest.mark.parametrize(("name", "known"), [("zdt3", 1.0444), ("zdt6", 0.32596)])
def test_known_hypervolume_in_raw_units_to_one(name, known):
    problem = PROBLEMS[name]
    ideal, nadir = problem.range_of_front
    inside = problem.known_hypervolume(1.0) * np.prod(nadir - ideal)
    beside = (1.0 - nadir[0]) * (1.0 - ideal[1]) + (1.0 - nadir[1]) * (nadir[0] - ideal[0])
    assert inside + beside == pytest.approx(known, abs=5e-5)


@pytest.mark.parametrize("name", PROBLEMS)
def test_points_of_the_front_reach_the_known_hypervolume_and_do_not_exceed_it(name):
    problem = PROBLEMS[name]
    m = problem.n_objectives
    rng = np.random.default_rng(0)
    points = np.full(
        (3000 if m == 2 else 700, problem.n_dims), 0.5 if name[:5] in "dtlz1 dtlz2 dtlz3 dtlz4" else 0.0
    )
    points[:, : m - 1] = rng.random((len(points), m - 1)) ** (0.01 if problem.problem == "dtlz4" else 1.0)
    share = problem.score(problem.hypervolume(problem.evaluate(points)))
    assert (0.99 if m == 2 else 0.93) < share <= 1.0


def test_no_random_point_dominates_the_front():
    for problem in PROBLEMS.values():
        scores = problem.evaluate(problem.space.sample(200, 3))
        assert problem.hypervolume(scores) < problem.best_known


def test_hypervolume_counts_a_box_once():
    losses = np.array([[0.5, 0.5, 0.5], [0.5, 0.5, 0.5], [0.0, 0.9, 0.9], [2.0, 0.0, 0.0]])
    assert hypervolume(losses, 1.0) == pytest.approx(0.125 + 0.01 * 0.5)
    assert hypervolume(losses[:, :2], 1.0) == pytest.approx(0.25 + 0.5 * 0.1)


def test_hypervolume_equals_the_share_of_random_points_dominated():
    rng = np.random.default_rng(1)
    losses, probes = rng.random((20, 3)), rng.random((40_000, 3))
    dominated = (losses[None, :, :] <= probes[:, None, :]).all(axis=2).any(axis=1).mean()
    assert hypervolume(losses, 1.0) == pytest.approx(dominated, abs=0.01)


def test_shape():
    problem = MultiLandscape("dtlz7", 3)
    assert problem.evaluate(problem.space.sample(4, 0)).shape == (4, 3)
