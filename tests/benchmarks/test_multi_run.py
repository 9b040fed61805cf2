"""The comparison of Pareto searches: what counts as a trial, the hypervolumes, the page."""

from __future__ import annotations

import json

import multi_report
import multi_run
import numpy as np
import pytest
from multi import MultiLandscape
from multi_peers import Ours

from strategy_optimizer import ParameterSpace


class Scripted:
    """Asks for the same five candidates again and again; every second one violates the constraint."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []

    def ask(self) -> np.ndarray:
        return np.array([[1.0, 2.0], [2.0, 1.0], [3.0, 4.0], [4.0, 3.0], [5.0, 6.0]])

    def points(self, asked: np.ndarray) -> np.ndarray:
        return asked

    def tell(self, scores: np.ndarray, feasible: np.ndarray) -> None:
        assert np.isnan(scores[~feasible]).all()
        self.told.append((len(scores), int(feasible.sum())))


def test_candidates_that_violate_a_constraint_are_no_trials() -> None:
    space = ParameterSpace("s").add_parameter("a", "discrete", (1, 9)).add_parameter("b", "discrete", (1, 9))
    space.add_constraint("a < b")
    search = Scripted()
    scores, _ = multi_run.spend(search, space, lambda points: -points, 7)  # type: ignore[arg-type]
    assert scores.shape == (7, 2)
    assert search.told == [(5, 3), (5, 3), (1, 1)]


def test_ours_spends_its_budget() -> None:
    problem = MultiLandscape("zdt1")
    scores, seconds = multi_run.spend(Ours(problem.space, 2, 300, 0), problem.space, problem.evaluate, 300)
    assert scores.shape == (300, 2)
    assert seconds > 0.0


@pytest.mark.parametrize("name", ["zdt3", "dtlz1", "dtlz7"])
@pytest.mark.parametrize("n_objectives", [2, 3])
def test_the_share_is_that_of_the_landscape(name: str, n_objectives: int) -> None:
    if name == "zdt3" and n_objectives == 3:
        return
    problem = MultiLandscape(name, n_objectives)
    points = np.random.default_rng(0).random((200, problem.n_dims))
    points[:, n_objectives - 1 :] *= 0.02 if name != "dtlz1" else 1.0
    points[:, n_objectives - 1 :] += 0.0 if name != "dtlz1" else 0.5 - points[:, n_objectives - 1 :]
    scores = problem.evaluate(points)
    share = multi_run._share(problem, scores)
    assert share == pytest.approx(problem.score(problem.hypervolume(scores)), abs=2e-5)
    assert 0.3 < share < 1.0


def test_the_page_has_a_line_for_each_row(tmp_path) -> None:
    volumes = {"all": 0.99, "hundred": 0.98, "hundred_to_nadir": 0.2101, "population": 0.97, "seconds": 1.0}
    facts = {"machine": "a machine", "seeds": 2, "seconds": 9}
    functions = [
        {"problem": name, "seed": seed, "ours": volumes, "pymoo": {**volumes, "all": 0.97}}
        for name in ("zdt1", "dtlz2-2")
        for seed in (0, 1)
    ]
    cell = {
        name: {"all": share, "seconds": 2.0}
        for name, share in (("ours", 0.9), ("pymoo", 0.8), ("optuna", 0.7))
    }
    speed = {"space": "trend", "parameters": 10, "population": 400, "ours": 100_000, "pymoo": 2_000}
    for part, rows in (
        ("functions", functions),
        ("strategies", [{"cell": "trend nasdaq", "seed": 0, **cell}]),
        ("speed", [speed]),
    ):
        (tmp_path / f"multi_{part}.json").write_text(json.dumps({**facts, "rows": rows}))
    page = multi_report.write_page(tmp_path)
    assert page == (tmp_path / "multi.md").read_text()
    assert "| zdt1 | 0.9900 | 0.9700 | 0.9800 | 0.9800 | 0.9700 | 1.0 | 1.0 |" in page
    assert "in 4 of 4 runs with all trials, in 0 with 100 points" in page
    assert "the worst seed: 0.2101" in page
    assert "| trend nasdaq | 0.900 | 0.800 | 0.700 |" in page
    assert "in 1 of 1 runs" in page
    assert "| trend | 10 | 400 | 100,000 | 2,000 | 50 |" in page
