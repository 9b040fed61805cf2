"""What every optimizer must do: each implementation's test class inherits this one."""

from __future__ import annotations

import copy
import json
import math
from typing import Any, ClassVar

import numpy as np
import pytest

from strategy_optimizer.errors import OptimizerSettingError, OptimizerStateError, SearchError, SpaceError
from strategy_optimizer.optimizer import OPTIMIZERS, Optimizer, create_optimizer, restore_optimizer
from strategy_optimizer.space import ParameterSpace


def mixed_space() -> ParameterSpace:
    """Every kind of parameter, a condition and a constraint."""
    space = ParameterSpace("mixed")
    space.add_parameter("fast", "discrete", (2, 40), 10)
    space.add_parameter("slow", "discrete", (5, 200), 50, log=True)
    space.add_parameter("threshold", "continuous", (0.001, 0.1), 0.01, log=True)
    space.add_parameter("size", "continuous", (0.1, 1.0), 0.5, step=0.1)
    space.add_parameter("stop", "categorical", ["none", "fixed", "trailing"])
    space.add_parameter("trail", "continuous", (0.01, 0.2), condition="stop == 'trailing'")
    space.add_parameter("short", "categorical", [False, True])
    space.add_constraint("fast < slow")
    return space


def finite_space() -> ParameterSpace:
    """35 feasible points."""
    space = ParameterSpace("finite")
    space.add_parameter("a", "discrete", (0, 4))
    space.add_parameter("b", "discrete", (0, 4))
    space.add_parameter("c", "categorical", ["x", "y"])
    space.add_constraint("a + b <= 6 or c == 'x'")
    space.add_constraint("a >= 1 or b <= 2")
    return space


def mixed_score(params: dict[str, Any]) -> float:
    """A smooth score with a failing desert."""
    if params["threshold"] > 0.05:
        return math.nan
    score = (
        -(((params["fast"] - 12) / 40) ** 2)
        - (math.log(params["slow"] / 60)) ** 2
        - abs(params["size"] - 0.7)
    )
    score -= math.log(params["threshold"] / 0.004) ** 2 / 4
    return (
        score
        + {"none": 0.0, "fixed": 0.1, "trailing": 0.3}[params["stop"]]
        - abs(params.get("trail", 0.1) - 0.05)
    )


def scores_of(batch: list[dict[str, Any]]) -> list[float]:
    return [mixed_score(params) for params in batch]


class OptimizerContract:
    """Inherit, set `name` and, where needed, `settings`."""

    name: str
    settings: ClassVar[dict[str, Any]] = {}
    many: ClassVar[int] = 20_000  # trials that are no trouble

    def create(self, space: ParameterSpace, **arguments: Any) -> Optimizer:
        return create_optimizer(self.name, space, **({"budget": 120, "seed": 3} | self.settings | arguments))

    def advance(self, optimizer: Optimizer, n_batches: int, size: int = 8) -> list[dict[str, Any]]:
        """Ask and tell some batches; return all candidates."""
        asked = []
        for _ in range(n_batches):
            batch = optimizer.ask(size)
            optimizer.tell(batch, scores_of(batch))
            asked += batch
        return asked

    # -- asking

    def test_candidates_lie_inside_the_space_and_have_plain_types(self) -> None:
        space = mixed_space()
        for params in self.advance(self.create(space), 15):
            assert space.validate(params) == params
            assert {type(value) for value in params.values()} <= {int, float, str, bool}
            assert type(params["fast"]) is int
            assert type(params["short"]) is bool
            assert ("trail" in params) == (params["stop"] == "trailing")

    def test_no_candidate_comes_twice(self) -> None:
        space = mixed_space()
        asked = self.advance(self.create(space), 40, size=7)
        keys = space.keys(space.from_dicts(asked)).tolist()
        assert len(set(keys)) == len(keys)

    def test_pending_points_are_not_proposed_again(self) -> None:
        space = mixed_space()
        optimizer = self.create(space)
        self.advance(optimizer, 3)
        asked = [params for _ in range(30) for params in optimizer.ask(3)]  # never told
        keys = space.keys(space.from_dicts(asked)).tolist()
        assert len(set(keys)) == len(keys) == 90
        assert optimizer.n_pending == 90

    def test_a_finite_space_is_exhausted_without_duplicates(self) -> None:
        space = finite_space()
        optimizer = self.create(space)
        asked: list[dict[str, Any]] = []
        while batch := optimizer.ask(6):
            asked += batch
            optimizer.tell(batch, [float(params["a"]) for params in batch])
        feasible = space.enumerate(1000)
        assert feasible is not None
        assert len(asked) == len(feasible)
        assert sorted(space.keys(space.from_dicts(asked)).tolist()) == sorted(space.keys(feasible).tolist())
        assert optimizer.finished == "exhausted"
        assert optimizer.ask(1) == []

    def test_exhaustion_waits_for_nobody(self) -> None:
        optimizer = self.create(finite_space())
        n_points = len(optimizer.ask(1000))
        assert optimizer.ask(5) == []
        assert n_points == len(finite_space().enumerate(1000))  # type: ignore[arg-type]

    def test_repeats_allow_so_many_trials_of_one_point(self) -> None:
        space = finite_space()
        optimizer = self.create(space, repeats=3)
        asked = []
        while batch := optimizer.ask(10):
            asked += batch
            optimizer.tell(batch, [1.0] * len(batch))
        _, counts = np.unique(space.keys(space.from_dicts(asked)), return_counts=True)
        assert set(counts.tolist()) == {3}

    def test_any_number_can_be_asked(self) -> None:
        optimizer = self.create(mixed_space())
        assert [len(optimizer.ask(n)) for n in (1, 0, 333, 2)] == [1, 0, 333, 2]

    def test_constraints_hold(self) -> None:
        assert all(params["fast"] < params["slow"] for params in self.advance(self.create(mixed_space()), 20))

    @pytest.mark.parametrize("n", [-1, 1.5, "three", True])
    def test_a_bad_number_is_refused(self, n: Any) -> None:
        with pytest.raises(OptimizerSettingError, match="whole number"):
            self.create(mixed_space()).ask(n)

    def test_points_of_a_caller_come_first(self) -> None:
        space = mixed_space()
        mine = space.to_dicts(space.sample(4, np.random.default_rng(1), "uniform"))
        optimizer, twin, single = (self.create(space) for _ in range(3))
        optimizer.suggest(mine)
        twin.suggest(space.from_dicts(mine))
        single.suggest(mine[0])
        assert optimizer.ask(6)[:4] == twin.ask(6)[:4] == mine
        assert single.ask(1) == mine[:1]
        optimizer.suggest([])
        for wrong in ([[1.0, 2.0]], 3.0, "fast", ["fast"]):
            with pytest.raises(SearchError, match="points"):
                optimizer.suggest(wrong)  # type: ignore[arg-type]
        with pytest.raises(SpaceError, match="'fast'"):
            optimizer.suggest([mine[0] | {"fast": 1000}])

    # -- array path

    def test_array_and_dict_paths_share_one_log(self) -> None:
        space = mixed_space()
        dicts, arrays = self.create(space), self.create(space)
        for _ in range(12):
            batch, points = dicts.ask(9), arrays.ask_array(9)
            np.testing.assert_array_equal(space.from_dicts(batch), points)
            dicts.tell(batch, scores_of(batch))
            arrays.tell_array(points, np.array(scores_of(space.to_dicts(points))))
        np.testing.assert_array_equal(dicts.log.points, arrays.log.points)
        assert dicts.best_params == arrays.best_params

    def test_arrays_are_handed_out_as_copies(self) -> None:
        optimizer, twin = self.create(mixed_space()), self.create(mixed_space())
        for _ in range(6):
            points, same = optimizer.ask_array(20), twin.ask_array(20)
            scores = scores_of(optimizer.space.to_dicts(points))
            optimizer.tell_array(points, scores)
            twin.tell_array(same, scores)
            points[:] = np.nan  # what the caller does with its array afterwards must not matter
        np.testing.assert_array_equal(optimizer.ask_array(20), twin.ask_array(20))

    # -- telling

    def test_telling_leaves_its_arguments_unchanged(self) -> None:
        optimizer = self.create(mixed_space())
        batch = optimizer.ask(8)
        scores = [*scores_of(batch)[:7], None]
        before = copy.deepcopy((batch, scores))
        optimizer.tell(batch, scores)
        assert (batch, scores) == before

    def test_order_and_grouping_of_telling_do_not_matter(self) -> None:
        space = mixed_space()
        one, other = self.create(space), self.create(space)
        shuffled = np.random.default_rng(0)
        for _ in range(12):
            batch, same = one.ask(10), other.ask(10)
            assert batch == same
            one.tell(batch, scores_of(batch))
            order = shuffled.permutation(10)
            for part in np.split(order, [1, 4]):
                picked = [same[i] for i in part]
                other.tell(picked, scores_of(picked))
        assert one.ask(10) == other.ask(10)

    def test_late_results_are_taken_in(self) -> None:
        optimizer = self.create(mixed_space())
        out: list[dict[str, Any]] = []
        for step in range(60):
            out += optimizer.ask(3)
            done = [out.pop(step % len(out)) for _ in range(2)]
            optimizer.tell(done, scores_of(done))
        assert (optimizer.n_told, optimizer.n_pending, optimizer.n_asked) == (120, 60, 180)

    def test_a_point_never_asked_is_remembered(self) -> None:
        space = mixed_space()
        optimizer = self.create(space)
        known = space.defaults()
        optimizer.tell([known], [99.0])
        assert optimizer.best_params == known
        assert known not in self.advance(optimizer, 20)

    def test_arrays_of_points_never_asked_are_remembered(self) -> None:
        space = mixed_space()
        optimizer = self.create(space)
        known = space.sample(30, np.random.default_rng(8))
        optimizer.tell_array(known, np.arange(30.0))
        asked = space.from_dicts(self.advance(optimizer, 10))
        assert not np.isin(space.keys(known), space.keys(asked)).any()
        assert optimizer.best_score == 29.0

    def test_a_point_outside_is_refused_and_changes_nothing(self) -> None:
        space = mixed_space()
        optimizer, twin = self.create(space), self.create(space)
        good, bad = space.defaults(), space.defaults() | {"fast": 1000}
        with pytest.raises(SpaceError, match="fast"):
            optimizer.tell([good, bad], [1.0, 2.0])
        points = space.from_dicts([good, good])
        points[1, 0] = 1000.0
        with pytest.raises(SpaceError, match="outside"):
            optimizer.tell_array(points, [1.0, 2.0])
        assert optimizer.n_told == 0
        assert optimizer.ask(5) == twin.ask(5)

    def test_a_warm_start_leaves_points_outside_out_with_a_warning(self) -> None:
        space = mixed_space()
        optimizer = self.create(space)
        good, bad = space.defaults(), space.defaults() | {"fast": 1000}
        with pytest.warns(UserWarning, match="1 of 2 warm-start points lie outside"):
            optimizer.tell([bad, good], [50.0, 1.0], warm_start=True)
        points = space.from_dicts([good, good])
        points[:, 0] = (11.0, 1000.0)
        with pytest.warns(UserWarning, match="1 of 2 warm-start points lie outside"):
            optimizer.tell_array(points, [2.0, 50.0], warm_start=True)
        assert (optimizer.n_told, optimizer.best_score) == (2, 2.0)
        self.advance(optimizer, 3)

    @pytest.mark.parametrize("scores", [[1.0], [1.0, 2.0, 3.0], [[1.0, 2.0], [3.0, 4.0]], ["a", "b"]])
    def test_scores_that_do_not_fit_are_refused(self, scores: Any) -> None:
        optimizer = self.create(mixed_space())
        with pytest.raises(SearchError, match="scores"):
            optimizer.tell(optimizer.ask(2), scores)
        assert optimizer.n_told == 0

    def test_columns_that_do_not_fit_are_refused(self) -> None:
        optimizer = self.create(mixed_space())
        batch = optimizer.ask(2)
        with pytest.raises(SearchError, match="seconds"):
            optimizer.tell(batch, [1.0, 2.0], seconds=[0.1])
        with pytest.raises(SearchError, match="std_errors"):
            optimizer.tell(batch, [1.0, 2.0], std_errors=[0.1] * 3)
        for told in ({"std_errors": [0.1, -0.1]}, {"seconds": [-1.0, 1.0]}):
            with pytest.raises(SearchError, match="below 0"):
                optimizer.tell(batch, [1.0, 2.0], **told)
        with pytest.raises(SearchError, match="constraints"):
            optimizer.tell(batch, [1.0, 2.0], constraints=[[1.0]])
        with pytest.raises(SearchError, match="points"):
            optimizer.tell_array(np.zeros((2, 3)), [1.0, 2.0])

    def test_everything_told_is_in_the_log(self) -> None:
        optimizer = self.create(mixed_space())
        batch = optimizer.ask(2)
        optimizer.tell(batch[:1], [1.0])
        optimizer.tell(batch[1:], [2.0], constraints=[[0.5, -1.0]], std_errors=[0.25], seconds=[3.0])
        log = optimizer.log
        assert log.scores.tolist() == [1.0, 2.0]
        np.testing.assert_array_equal(log.constraints, [[np.nan, np.nan], [0.5, -1.0]])
        np.testing.assert_array_equal(log.std_errors, [np.nan, 0.25])
        np.testing.assert_array_equal(log.seconds, [np.nan, 3.0])
        assert log.violations.tolist() == [0.0, 1.0]
        assert optimizer.best_score == 1.0

    # -- failures

    @pytest.mark.parametrize("failed", [math.nan, math.inf, -math.inf, None])
    def test_failed_trials_never_win_and_never_come_again(self, failed: float | None) -> None:
        space = mixed_space()
        optimizer = self.create(space, repeats=2)
        lost: list[dict[str, Any]] = []
        for _ in range(15):
            batch = optimizer.ask(6)
            assert not any(params in lost for params in batch)
            optimizer.tell(batch, [failed, failed, failed, *scores_of(batch[3:])])
            lost += batch[:3]
        assert optimizer.n_failed >= 45
        assert optimizer.best_params not in lost
        assert optimizer.best_score is not None
        assert math.isfinite(optimizer.best_score)

    def test_nothing_but_failures_is_survived(self) -> None:
        optimizer = self.create(mixed_space())
        for _ in range(20):
            batch = optimizer.ask(10)
            assert len(batch) == 10
            optimizer.tell(batch, [None] * 10)
        assert (optimizer.best_params, optimizer.best_score, optimizer.n_failed) == (None, None, 200)
        assert optimizer.stagnation == 200

    def test_optimize_says_why_all_trials_failed(self) -> None:
        def broken(params: dict[str, Any]) -> float:
            raise ZeroDivisionError("no volume")

        with pytest.raises(SearchError, match=r"all 120 trials failed.*ZeroDivisionError: no volume"):
            self.create(mixed_space()).optimize(broken)

    # -- the winner

    def test_the_best_is_the_best(self) -> None:
        optimizer = self.create(mixed_space())
        asked = self.advance(optimizer, 15)
        scores = scores_of(asked)
        best = max(score for score in scores if not math.isnan(score))
        assert optimizer.best_score == best
        assert optimizer.best_params == asked[scores.index(best)]
        assert optimizer.stagnation == len(scores) - 1 - scores.index(best)

    def test_a_trial_that_violates_a_constraint_does_not_win(self) -> None:
        optimizer = self.create(mixed_space())
        batch = optimizer.ask(3)
        optimizer.tell(batch, [1.0, 2.0, 3.0], constraints=[[1.0], [0.0], [-0.1]])
        assert optimizer.best_score == 2.0

    def test_minimising_is_maximising_the_negative(self) -> None:
        space = mixed_space()
        up, down = self.create(space), self.create(space, directions=["minimize"])
        for _ in range(15):
            batch, same = up.ask(8), down.ask(8)
            assert batch == same
            up.tell(batch, scores_of(batch))
            down.tell(same, [-score for score in scores_of(batch)])
        assert up.best_score == -down.best_score  # type: ignore[operator]
        assert up.best_params == down.best_params

    def test_several_directions_are_refused_where_they_cannot_be_served(self) -> None:
        if OPTIMIZERS[self.name].several:
            optimizer = create_optimizer(self.name, mixed_space(), directions=["maximize", "minimize"])
            optimizer.tell(optimizer.ask(2), [[1.0, 2.0], [0.0, 1.0]])
            assert len(optimizer.pareto_front) == 2
            return
        with pytest.raises(OptimizerSettingError, match="exactly one objective"):
            self.create(mixed_space(), directions=["maximize", "minimize"])

    def test_the_front_of_one_objective_is_the_best_and_its_equals(self) -> None:
        optimizer = self.create(mixed_space())
        batch = optimizer.ask(5)
        optimizer.tell(batch, [1.0, 3.0, math.nan, 3.0, 2.0])
        front = optimizer.pareto_front
        assert sorted(front.rows.tolist()) == [1, 3]
        assert front.scores.tolist() == [[3.0], [3.0]]

    def test_optimize_spends_the_budget_and_reports_progress(self) -> None:
        seen: list[tuple[int, float, dict[str, Any]]] = []
        optimizer = self.create(mixed_space())
        params, score = optimizer.optimize(mixed_score, lambda *progress: seen.append(progress))
        assert optimizer.n_told == 120
        assert mixed_score(params) == score
        assert [iteration for iteration, _, _ in seen] == list(range(1, len(seen) + 1))
        assert seen[-1][1:] == (score, params)

    # -- determinism and state

    def test_same_seed_same_candidates(self) -> None:
        one, two, other = (self.advance(self.create(mixed_space(), seed=seed), 12) for seed in (5, 5, 6))
        assert one == two
        assert one != other

    @pytest.mark.parametrize("history", [True, False])
    @pytest.mark.parametrize("n_batches", [0, 1, 4, 13])
    def test_a_restored_search_continues_with_the_same_candidates(
        self, n_batches: int, history: bool
    ) -> None:
        space = mixed_space()
        optimizer = self.create(space)
        self.advance(optimizer, n_batches)
        out = optimizer.ask(5)  # two of these are told, three stay out
        optimizer.tell(out[:2], scores_of(out[:2]))
        text = json.dumps(optimizer.state(history), allow_nan=False)
        told = None if history else (optimizer.log.points.copy(), optimizer.log.scores.copy())
        twin = restore_optimizer(mixed_space(), json.loads(text), told)
        assert (twin.n_told, twin.n_pending, twin.n_asked) == (optimizer.n_told, 3, optimizer.n_asked)
        assert (twin.best_params, twin.stagnation) == (optimizer.best_params, optimizer.stagnation)
        for search in (optimizer, twin):
            search.tell(out[2:], scores_of(out[2:]))
        assert self.advance(optimizer, 10) == self.advance(twin, 10)
        assert json.dumps(optimizer.state()) == json.dumps(twin.state())

    @pytest.mark.parametrize("history", [True, False])
    def test_restoring_keeps_the_whole_log(self, history: bool) -> None:
        optimizer = self.create(mixed_space())
        batch = optimizer.ask(5)
        optimizer.tell(batch[:1], [2.0])  # without constraints: it violates none
        optimizer.tell(
            batch[1:],
            [1.0, None, 3.0, 4.0],
            constraints=[[1.0, 1.0], [2.0, 0.0], [np.nan, np.nan], [np.nan, 1.0]],
            std_errors=[0.1, 0.2, 0.3, None],
            seconds=[1.0, 2.0, 3.0, 4.0],
        )
        log = optimizer.log
        told = log.points, log.scores, log.constraints, log.seconds, log.std_errors
        text = json.dumps(optimizer.state(history))
        twin = restore_optimizer(mixed_space(), json.loads(text), None if history else told)
        for column in ("points", "scores", "constraints", "std_errors", "seconds", "violations", "keys"):
            np.testing.assert_array_equal(getattr(twin.log, column), getattr(optimizer.log, column))
        assert log.violations.tolist() == [0.0, 0.0, 0.0, np.inf, np.inf]
        assert twin.best_params == optimizer.best_params == batch[0]

    def test_saving_changes_nothing(self) -> None:
        one, two = self.create(mixed_space()), self.create(mixed_space())
        for _ in range(10):
            batch, same = one.ask(6), two.ask(6)
            one.state()
            assert batch == same
            one.tell(batch, scores_of(batch))
            two.tell(batch, scores_of(batch))
            one.state(history=False)

    def test_a_state_without_history_stays_small(self) -> None:
        optimizer = self.create(mixed_space(), budget=self.many)
        scores = np.random.default_rng(0)
        while optimizer.n_told < self.many:
            points = optimizer.ask_array(500)
            optimizer.tell_array(points, scores.random(500))
        assert len(json.dumps(optimizer.state(history=False))) < 100_000

    def test_a_state_of_something_else_is_refused(self) -> None:
        optimizer = self.create(mixed_space())
        self.advance(optimizer, 2)
        state = optimizer.state()
        with pytest.raises(OptimizerStateError, match="another parameter space"):
            restore_optimizer(finite_space(), state)
        with pytest.raises(OptimizerStateError, match="format"):
            restore_optimizer(mixed_space(), state | {"format": 0})
        with pytest.raises(OptimizerStateError, match="'sorcery'"):
            restore_optimizer(mixed_space(), state | {"optimizer": "sorcery"})
        with pytest.raises(OptimizerStateError, match="not an optimizer's state"):
            restore_optimizer(mixed_space(), {})
        with pytest.raises(OptimizerStateError, match="damaged"):
            restore_optimizer(mixed_space(), {key: state[key] for key in state if key != "rng"})
        with pytest.raises(OptimizerStateError, match="damaged"):
            restore_optimizer(mixed_space(), state | {"queue": state["queue"] | {"deflated": "AAAA"}})

    def test_a_history_that_does_not_match_is_refused(self) -> None:
        optimizer = self.create(mixed_space())
        self.advance(optimizer, 2)
        state = optimizer.state(history=False)
        points, scores = optimizer.log.points, optimizer.log.scores
        with pytest.raises(OptimizerStateError, match="16 told trials"):
            restore_optimizer(mixed_space(), state)
        with pytest.raises(OptimizerStateError, match="16 told trials"):
            restore_optimizer(mixed_space(), state, (points[:15], scores[:15]))
        others = mixed_space().sample(16, np.random.default_rng(1))
        with pytest.raises(OptimizerStateError, match="others"):
            restore_optimizer(mixed_space(), state, (others, scores))

    # -- settings

    def test_an_unknown_setting_is_named(self) -> None:
        with pytest.raises(OptimizerSettingError, match=r"unknown setting 'repeat'.*did you mean 'repeats'"):
            self.create(mixed_space(), repeat=2)

    @pytest.mark.parametrize("budget", [0, -5, 1.5, "many"])
    def test_a_bad_budget_is_refused(self, budget: Any) -> None:
        with pytest.raises(OptimizerSettingError, match="budget"):
            self.create(mixed_space(), budget=budget)

    def test_a_bad_seed_is_refused(self) -> None:
        with pytest.raises(OptimizerSettingError, match="seed"):
            self.create(mixed_space(), seed=-1)

    def test_it_says_why_it_was_chosen(self) -> None:
        assert self.name in self.create(mixed_space()).reason
