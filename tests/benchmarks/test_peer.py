"""What the adapters of benchmarks/search share, and the tables made of their runs."""

import math

import numpy as np
import pytest
from landscapes import landscapes
from peer import SeedGA, axes_of, pairs_of
from run import Job, coverage, run

from report import arranged, holm, score_at
from strategy_optimizer import ParameterSpace


@pytest.mark.parametrize("native_log", [True, False])
@pytest.mark.parametrize("name", ["strategy", "grid", "mixint"])
def test_axes_bring_every_point_back(name, native_log):
    for landscape in landscapes(name):
        space, axes = landscape.space, axes_of(landscape.space, native_log=native_log)
        points = space.sample(50, 0)
        dense = np.where(np.isnan(points), space.default_values, points)
        back = [[a.decode(a.encode(v)) for a, v in zip(axes, row, strict=True)] for row in dense.tolist()]
        again = space.deactivate(space.snap(np.array(back)))
        np.testing.assert_allclose(again, points, rtol=1e-12)


def test_pairs_are_the_constraints():
    for landscape in landscapes(["strategy", "grid"]):
        points = landscape.space.from_unit(np.random.default_rng(0).random((200, landscape.space.n_dims)))
        holds = np.ones(200, bool)
        for pair in pairs_of(landscape.space):
            left, right = points[:, pair.left], points[:, pair.right]
            holds &= (left < right) if pair.strict else (left <= right)
        np.testing.assert_array_equal(holds, landscape.space.is_feasible(points))


def test_the_seeds_ga_searches():
    (landscape,) = landscapes("sphere")
    found = []
    for seed in range(5):
        ga, scores = SeedGA(), []
        ga.start(landscape.space, 200, seed)
        for _ in range(200):
            params = ga.ask()
            scores.append(landscape.evaluate_dict(params))
            ga.tell(params, scores[-1])
        found.append(landscape.score(max(scores)))
    random = [
        landscape.score(landscape.evaluate(landscape.space.sample(200, seed)).max()) for seed in range(5)
    ]
    assert np.mean(found) > np.mean(random)


def test_a_run_reports_what_it_found():
    (landscape,) = landscapes("grid-momentum-nasdaq-sharpe30")
    record = run(Job("random", landscape, seed=1, budget=30))
    trials, scores = zip(*record["curve"], strict=True)
    assert list(scores) == sorted(scores)
    assert trials[-1] <= 30
    assert record["trials"] == 30
    assert scores[-1] == landscape.score(record["best"])
    assert 0.0 < record["coverage"] < 1.0
    assert "error" not in record
    assert score_at(record, 0) == 0.0
    assert score_at(record, 30) == scores[-1]


def test_an_error_is_a_record(monkeypatch):
    import run as module

    class Broken(SeedGA):
        def _suggest(self):
            raise ValueError("no idea")

    monkeypatch.setitem(module.PEERS, "broken", Broken)
    (landscape,) = landscapes("sphere")
    record = run(Job("broken", landscape, seed=0, budget=10))
    assert record["error"] == "ValueError: no idea"
    assert record["trials"] == 0


def test_coverage_counts_cells_over_pairs():
    space = (
        ParameterSpace("two")
        .add_parameter("a", "continuous", (0.0, 1.0))
        .add_parameter("b", "discrete", (0, 3))
    )
    assert coverage(space, np.array([[0.05, 0.0], [0.06, 0.0], [0.95, 3.0]])) == pytest.approx(2 / 40)
    grid = np.array([[a, b] for a in np.linspace(0.05, 0.95, 10) for b in range(4)])
    assert coverage(space, grid) == 1.0


def test_only_landscapes_that_all_have_are_compared():
    records = [{"optimizer": o, "landscape": where, "seed": 0} for o, where in ("ax", "ay", "bx")]
    assert {o: list(of) for o, of in arranged(records).items()} == {"a": ["x"], "b": ["x"]}
    assert arranged([]) == {}


def test_holm():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, math.nextafter(1.0, 0.0)])[0] == 1.0
