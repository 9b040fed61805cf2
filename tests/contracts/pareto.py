"""What every optimizer that takes several objectives must do: each implementation's test class inherits this."""

from __future__ import annotations

import json
import math
from typing import Any, ClassVar

import numpy as np
import pytest

from contracts.optimizer import mixed_score, mixed_space
from strategy_optimizer.errors import OptimizerStateError, SearchError
from strategy_optimizer.optimizer import Optimizer, create_optimizer, restore_optimizer
from strategy_optimizer.space import ParameterSpace

DIRECTIONS = ["maximize", "minimize"]


def scores_of(batch: list[dict[str, Any]]) -> list[list[float]]:
    """A score with a failing desert, and a cost that grows where the score does; some costs fail as well."""
    return [[mixed_score(params), cost_of(params)] for params in batch]


def cost_of(params: dict[str, Any]) -> float:
    cost = params["size"] + 10.0 * params["threshold"] + 0.2 * (params["stop"] == "trailing")
    return math.inf if params["slow"] > 180 else cost


def brute_front(optimizer: Optimizer) -> list[tuple[float, ...]]:
    """The told scores that no other completed, feasible one beats, larger is better."""
    log = optimizer.log
    good = np.isfinite(log.scores).all(axis=1) & (log.violations <= 0.0)
    rows = [tuple(row) for row in log.scores[good].tolist()]

    def beats(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
        return a != b and all(x >= y for x, y in zip(a, b, strict=True))

    return sorted((row for row in rows if not any(beats(other, row) for other in rows)), reverse=True)


class ParetoContract:
    """Inherit, set `name` and, where needed, `settings`."""

    name: str
    settings: ClassVar[dict[str, Any]] = {}

    def create(self, space: ParameterSpace, **arguments: Any) -> Optimizer:
        defaults = {"budget": 120, "seed": 3, "directions": DIRECTIONS}
        return create_optimizer(self.name, space, **(defaults | self.settings | arguments))

    def advance(self, optimizer: Optimizer, n_batches: int, size: int = 8) -> list[dict[str, Any]]:
        asked = []
        for _ in range(n_batches):
            batch = optimizer.ask(size)
            optimizer.tell(batch, scores_of(batch))
            asked += batch
        return asked

    # -- the front

    def test_the_front_is_what_no_trial_beats(self) -> None:
        optimizer = self.create(mixed_space())
        assert len(optimizer.pareto_front) == 0
        for _ in range(15):
            self.advance(optimizer, 1)
            front = optimizer.pareto_front
            assert [tuple(row) for row in (front.scores * [1.0, -1.0]).tolist()] == brute_front(optimizer)
            assert front.scores.tolist() == scores_of(front.params)
            np.testing.assert_array_equal(
                optimizer.space.from_dicts(front.params), optimizer.log.points[front.rows]
            )

    def test_the_order_of_the_front_does_not_depend_on_telling(self) -> None:
        one, other = self.create(mixed_space()), self.create(mixed_space())
        batch = one.ask(60)
        assert other.ask(60) == batch
        flat = [_coarse(*scores) for scores in scores_of(batch)]
        one.tell(batch, flat)
        for index in np.random.default_rng(1).permutation(60).tolist():
            other.tell([batch[index]], [flat[index]])
        assert len(one.pareto_front) > 3
        assert one.pareto_front.params == other.pareto_front.params

    def test_infeasible_and_failed_trials_are_not_on_the_front(self) -> None:
        optimizer = self.create(mixed_space())
        batch = optimizer.ask(4)
        optimizer.tell(
            batch,
            [[9.0, 0.0], [2.0, 1.0], [math.nan, 0.0], [1.0, 0.5]],
            constraints=[[-1.0], [0.0], [1.0], [2.0]],
        )
        assert optimizer.pareto_front.params == [batch[1], batch[3]]
        assert optimizer.n_failed == 1
        assert optimizer.log.violations.tolist() == [1.0, 0.0, 0.0, 0.0]

    def test_the_best_is_the_knee(self) -> None:
        optimizer = self.create(mixed_space())
        assert (optimizer.best_params, optimizer.best_score, optimizer.best_point) == (None, None, None)
        batch = optimizer.ask(5)
        scores = [[0.0, 0.0], [0.8, 0.1], [1.0, 1.0], [0.5, 0.9], [0.1, 0.15]]
        optimizer.tell(batch, scores)
        assert optimizer.best_params == batch[1]
        assert optimizer.best_score == (0.8, 0.1)
        assert optimizer.pareto_front.knee == 1
        assert optimizer.stagnation == 2  # the third trial is the last one on the front

    def test_a_repeated_point_is_on_the_front_once_with_its_means(self) -> None:
        space = ParameterSpace("noisy").add_parameter("x", "discrete", (0, 5))
        optimizer = self.create(space, repeats=2)
        points = [{"x": 0}, {"x": 1}, {"x": 0}, {"x": 1}, {"x": 2}, {"x": 2}]
        optimizer.tell(points, [[9.0, 1.0], [3.0, 2.0], [-1.0, 2.0], [5.0, 4.0], [7.0, 1.0], None])
        front = optimizer.pareto_front
        assert front.params == [{"x": 0}]
        assert front.scores.tolist() == [[4.0, 1.5]]
        assert (optimizer.best_score, front.rows.tolist()) == ((4.0, 1.5), [0])

    # -- telling

    def test_one_direction_per_column(self) -> None:
        space = mixed_space()
        up, down = self.create(space), self.create(space, directions=DIRECTIONS[::-1])
        for _ in range(15):
            batch, same = up.ask(8), down.ask(8)
            assert batch == same
            up.tell(batch, scores_of(batch))
            down.tell(same, [[-score, -cost] for score, cost in scores_of(batch)])
        assert up.pareto_front.params == down.pareto_front.params
        np.testing.assert_array_equal(up.pareto_front.scores, -down.pareto_front.scores)
        assert up.best_params == down.best_params

    @pytest.mark.parametrize(
        "failed", [None, math.nan, [None, 1.0], [1.0, math.nan], [math.inf, 1.0], [1.0, -math.inf]]
    )
    def test_a_failure_in_any_objective_is_a_failed_trial(self, failed: Any) -> None:
        optimizer = self.create(mixed_space())
        batch = optimizer.ask(4)
        optimizer.tell(batch, [failed, [1.0, 1.0], failed, [0.5, 0.7]])
        assert optimizer.n_failed == 2
        assert np.isnan(optimizer.log.scores[[0, 2]]).all()
        assert optimizer.log.scores[[1, 3]].tolist() == [[1.0, -1.0], [0.5, -0.7]]
        assert optimizer.pareto_front.params == [batch[1], batch[3]]

    def test_nothing_but_failures_is_survived(self) -> None:
        optimizer = self.create(mixed_space())
        for _ in range(12):
            batch = optimizer.ask(10)
            assert len(batch) == 10
            optimizer.tell(batch, [None] * 10)
        assert (optimizer.best_params, len(optimizer.pareto_front), optimizer.stagnation) == (None, 0, 120)

    def test_a_single_candidate_needs_no_outer_list(self) -> None:
        optimizer = self.create(mixed_space())
        one, two, three = optimizer.ask(3)
        optimizer.tell(one, [1.0, 2.0])
        optimizer.tell([two], [[1.0, math.nan]])
        optimizer.tell(three, [None])  # type: ignore[list-item]
        optimizer.tell([], [])
        assert (optimizer.n_told, optimizer.n_failed) == (3, 2)

    @pytest.mark.parametrize(
        ("scores", "found"),
        [
            ([1.0, 2.0, 3.0], r"shape \(3,\)"),
            ([[1.0], [2.0], [3.0]], r"shape \(3, 1\)"),
            ([[1.0, 2.0, 3.0]] * 3, r"shape \(3, 3\)"),
            (np.ones((2, 3)), r"shape \(2, 3\)"),
            ([[1.0, 2.0]] * 2, r"shape \(2, 2\)"),
            ([[1.0, 2.0], [1.0], [1.0, 2.0]], "different lengths"),
            ([["a", "b"]] * 3, "not a number"),
            (5.0, r"shape \(\)"),
        ],
    )
    def test_scores_that_do_not_match_the_directions_are_refused(self, scores: Any, found: str) -> None:
        optimizer = self.create(mixed_space())
        expected = r"scores has .*" + found + r".*expected shape \(3, 2\).*\(maximize, minimize\)"
        with pytest.raises(SearchError, match=expected):
            optimizer.tell(optimizer.ask(3), scores)
        assert optimizer.n_told == 0

    def test_columns_are_logged(self) -> None:
        optimizer = self.create(mixed_space())
        batch = optimizer.ask(2)
        optimizer.tell(
            batch, [[1.0, 2.0], [3.0, 4.0]], std_errors=[[0.1, 0.2], [0.3, 0.4]], seconds=[5.0, 6.0]
        )
        assert optimizer.log.std_errors.tolist() == [[0.1, 0.2], [0.3, 0.4]]
        assert optimizer.log.seconds.tolist() == [5.0, 6.0]
        with pytest.raises(SearchError, match=r"std_errors has shape \(2,\)"):
            optimizer.tell(batch, [[1.0, 2.0], [3.0, 4.0]], std_errors=[0.1, 0.2])
        with pytest.raises(SearchError, match="std_errors are below 0"):
            optimizer.tell(batch, [[1.0, 2.0], [3.0, 4.0]], std_errors=[[0.1, 0.2], [-0.3, 0.4]])

    def test_order_and_grouping_of_telling_do_not_matter(self) -> None:
        one, other = self.create(mixed_space()), self.create(mixed_space())
        shuffled = np.random.default_rng(0)
        for _ in range(12):
            batch, same = one.ask(10), other.ask(10)
            assert batch == same
            one.tell(batch, scores_of(batch))
            for part in np.split(shuffled.permutation(10), [1, 4]):
                picked = [same[i] for i in part]
                other.tell(picked, scores_of(picked))
        assert one.ask(10) == other.ask(10)

    def test_points_never_asked_are_taken_in_whatever_their_order(self) -> None:
        space = mixed_space()
        known = space.to_dicts(space.sample(40, np.random.default_rng(8)))
        one, other = self.create(space), self.create(space)
        one.tell(known, scores_of(known))
        other.tell(known[::-1], scores_of(known[::-1]))
        assert self.advance(one, 8) == self.advance(other, 8)

    # -- state

    @pytest.mark.parametrize("history", [True, False])
    @pytest.mark.parametrize("n_batches", [0, 1, 5, 13])
    def test_a_restored_search_continues_with_the_same_candidates(
        self, n_batches: int, history: bool
    ) -> None:
        optimizer = self.create(mixed_space())
        self.advance(optimizer, n_batches)
        out = optimizer.ask(5)
        optimizer.tell(out[:2], scores_of(out[:2]))
        text = json.dumps(optimizer.state(history), allow_nan=False)
        raw = optimizer.log.scores * [1.0, -1.0]
        told = None if history else (optimizer.log.points.copy(), raw)
        twin = restore_optimizer(mixed_space(), json.loads(text), told)
        assert twin.directions == ("maximize", "minimize")
        assert (twin.n_told, twin.n_pending, twin.best_params) == (optimizer.n_told, 3, optimizer.best_params)
        assert twin.pareto_front.params == optimizer.pareto_front.params
        for search in (optimizer, twin):
            search.tell(out[2:], scores_of(out[2:]))
        assert self.advance(optimizer, 10) == self.advance(twin, 10)
        assert json.dumps(optimizer.state()) == json.dumps(twin.state())

    def test_a_history_of_other_objectives_is_refused(self) -> None:
        optimizer = self.create(mixed_space())
        self.advance(optimizer, 2)
        state = optimizer.state(history=False)
        with pytest.raises((SearchError, OptimizerStateError), match="expected shape"):
            restore_optimizer(mixed_space(), state, (optimizer.log.points, optimizer.log.scores[:, 0]))

    def test_optimize_returns_the_knee_and_reports_progress(self) -> None:
        seen: list[tuple[int, Any, dict[str, Any]]] = []
        optimizer = self.create(mixed_space())
        params, scores = optimizer.optimize(
            lambda params: (mixed_score(params), cost_of(params)), lambda *progress: seen.append(progress)
        )
        assert optimizer.n_told == 120
        assert scores == (mixed_score(params), cost_of(params))
        assert seen[-1][1:] == (scores, params)
        assert optimizer.pareto_front.params[optimizer.pareto_front.knee or 0] == params

    def test_optimize_says_what_is_wrong_with_the_scores(self) -> None:
        with pytest.raises(SearchError, match=r"all 120 trials failed.*3 scores for 2 directions"):
            self.create(mixed_space()).optimize(lambda params: (1.0, 2.0, 3.0))
        with pytest.raises(SearchError, match=r"all 120 trials failed.*not iterable"):
            self.create(mixed_space()).optimize(lambda params: 1.0)


def _coarse(score: float, cost: float) -> list[float]:
    """Return scores with ties and without failures."""
    return [round(score, 1), round(cost, 1)] if math.isfinite(score + cost) else [-9.0, 9.0]
