"""Several algorithms on one history: who proposes what, who deserves it, what is screened, what `auto` chooses."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from contracts.optimizer import OptimizerContract, mixed_space
from strategy_optimizer.errors import OptimizerSettingError
from strategy_optimizer.optimizer import Optimizer, create_optimizer, restore_optimizer
from strategy_optimizer.optimizer.auto import AutoOptimizer
from strategy_optimizer.optimizer.bo import BOOptimizer
from strategy_optimizer.optimizer.cost_policy import CostPolicy, as_time, usual_seconds
from strategy_optimizer.optimizer.credit import Credit, improvements
from strategy_optimizer.optimizer.ensemble import EnsembleOptimizer
from strategy_optimizer.optimizer.history import Told
from strategy_optimizer.optimizer.hybrid import HybridOptimizer
from strategy_optimizer.optimizer.portfolio import divided
from strategy_optimizer.optimizer.screening import Calibration
from strategy_optimizer.space import ParameterSpace


class TestEnsemble(OptimizerContract):
    name = "ensemble"
    many = 4_000


class TestHybrid(OptimizerContract):
    name = "hybrid"
    many = 4_000


class TestAuto(OptimizerContract):
    name = "auto"

    def create(self, space: ParameterSpace, **settings: Any) -> Optimizer:
        optimizer = super().create(space, **({"trial_seconds": 1e-5} | settings))
        if optimizer.name == "auto":
            return optimizer
        return AutoOptimizer(
            space, **({"budget": 120, "seed": 3, "trial_seconds": 1e-5} | settings)
        )  # no grid


def bowl() -> ParameterSpace:
    return (
        ParameterSpace("bowl")
        .add_parameter("x", "continuous", (-2.0, 2.0))
        .add_parameter("y", "continuous", (-2.0, 2.0))
        .add_parameter("kind", "categorical", ["a", "b", "c"])
    )


def height(params: dict[str, Any]) -> float:
    return -((params["x"] - 0.7) ** 2) - (params["y"] + 0.3) ** 2 - (params["kind"] != "b")


def search(optimizer: Optimizer, n: int, seconds: float | None = None) -> None:
    while optimizer.n_told < n:
        batch = optimizer.ask(min(optimizer.batch_size, n - optimizer.n_told))
        optimizer.tell(batch, [height(params) for params in batch], seconds=seconds)


# -- credit


def test_improvements_are_those_of_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    scores = np.where(rng.random(200) < 0.2, np.nan, rng.standard_normal(200))
    best, expected = 0.3, []
    for score in scores:
        expected.append(max(0.0, score - best) if score == score else 0.0)
        best = max(best, score) if score == score else best
    np.testing.assert_allclose(improvements(scores, 0.3), expected)


def test_the_first_success_ever_is_no_improvement_of_anything() -> None:
    assert improvements(np.array([np.nan, 2.0, 3.0]), -math.inf).tolist() == [0.0, 0.0, 1.0]


def test_credit_goes_to_who_gains_per_second() -> None:
    credit = Credit(2, floor=0.1)
    credit.expect([1.0, 1.0])
    assert credit.shares.tolist() == [0.5, 0.5]
    authors = np.array([0, 1] * 50)
    credit.note(authors, np.where(authors == 0, 0.5, 0.0), np.ones(100))
    assert credit.shares[0] == pytest.approx(0.9, abs=0.02)
    assert credit.shares.min() >= 0.1
    quick = Credit(2, floor=0.1)
    quick.expect([1.0, 1.0])
    quick.note(authors, np.full(100, 0.1), np.where(authors == 0, 9.0, 1.0))
    assert quick.shares[1] > quick.shares[0]


def test_worth_is_gain_per_second_with_what_was_expected() -> None:
    credit = Credit(2, floor=0.0, memory=math.inf)
    credit.expect([1.0, 4.0])
    np.testing.assert_allclose(credit.shares, [0.8, 0.2])
    credit.note(np.array([0, 1, 1, -1]), np.array([0.1, 0.3, 0.2, 0.9]), np.array([2.0, 3.0, 5.0, 100.0]))
    # Before any trial each is thought to gain 0.02 in each of 8 trials.
    np.testing.assert_allclose(credit.worth, [(0.16 + 0.1) / (8.0 + 2.0), (0.16 + 0.5) / (32.0 + 8.0)])


def test_shares_of_very_many_and_of_those_that_take_no_time_add_up_to_one() -> None:
    many = Credit(20, floor=0.1)
    many.expect(np.arange(1.0, 21.0))
    np.testing.assert_allclose(many.shares, 0.05)
    credit = Credit(2, floor=0.1)
    credit.expect([0.0, 1.0])
    np.testing.assert_allclose(credit.shares, [0.9, 0.1], atol=1e-6)


def test_old_gains_are_forgotten() -> None:
    credit = Credit(2, memory=50.0)
    credit.expect([1.0, 1.0])
    credit.note(np.zeros(20, np.int64), np.ones(20), np.ones(20))
    early = credit.shares[0]
    credit.note(np.full(400, -1), np.zeros(400), np.ones(400))
    assert early > 0.7
    assert credit.shares[0] == pytest.approx(0.5, abs=0.02)


def test_note_does_not_depend_on_the_grouping() -> None:
    rng = np.random.default_rng(1)
    authors, gains, seconds = rng.integers(-1, 3, 60), rng.random(60), rng.random(60)
    whole, parts = Credit(3), Credit(3)
    whole.note(authors, gains, seconds)
    for part in np.array_split(np.arange(60), 7):
        parts.note(authors[part], gains[part], seconds[part])
    np.testing.assert_allclose(whole.shares, parts.shares, rtol=1e-12)


def test_usual_seconds() -> None:
    assert usual_seconds(np.array([np.nan, 1.0, 3.0, 100.0]), None) == 3.0
    assert usual_seconds(np.array([1.0]), 0.5) == 0.5
    assert usual_seconds(np.array([np.nan]), None) == 0.01
    assert usual_seconds(np.array([np.inf, 2.0, np.inf]), None) == 2.0  # never ended


def test_divided_is_never_more_than_one_off() -> None:
    rng = np.random.default_rng(0)
    shares = np.array([0.62, 0.1, 0.28])
    totals = np.zeros(3)
    for _ in range(2000):
        counts = divided(7, shares, rng)
        assert counts.sum() == 7
        assert (np.abs(counts - 7 * shares) <= 1.0).all()
        totals += counts
    np.testing.assert_allclose(totals / 2000, 7 * shares, atol=0.05)


# -- ensemble and hybrid


@pytest.mark.parametrize("name", ["ensemble", "hybrid"])
def test_each_trial_keeps_its_author(name: str) -> None:
    optimizer = create_optimizer(name, bowl(), budget=80, seed=3)
    search(optimizer, 80)
    authors = optimizer.authors  # type: ignore[attr-defined]
    assert len(authors) == 80
    assert authors[:8] == [None] * 8  # the first design
    assert min(optimizer.trials_by_author.values()) >= 5  # type: ignore[attr-defined]
    twin = restore_optimizer(bowl(), json.loads(json.dumps(optimizer.state())))
    assert twin.authors == authors  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["ensemble", "hybrid", "auto"])
def test_it_finds_the_peak(name: str) -> None:
    optimizer = create_optimizer(name, bowl(), budget=80, seed=3)
    search(optimizer, 80)
    assert optimizer.best_params is not None
    assert optimizer.best_params["kind"] == "b"
    assert optimizer.best_score > -0.01


def test_told_points_of_others_are_learnt_from_and_have_no_author() -> None:
    optimizer = EnsembleOptimizer(bowl(), budget=50)
    optimizer.tell([{"x": 0.7, "y": -0.3, "kind": "b"}, {"x": 0.7, "y": -0.2, "kind": "b"}], [0.0, -0.01])
    search(optimizer, 30)
    assert optimizer.authors[:2] == [None, None]
    found = optimizer.log.points[12:, 0]
    assert np.median(np.abs(found - 0.7)) < 0.3


@pytest.mark.parametrize(
    ("algorithms", "message"),
    [
        (["bo", "gaa"], r"unknown algorithm 'gaa'.*did you mean 'ga'"),
        (["bo"], "two or more"),
        (["bo", "bo"], "two or more"),
        ("ga", 'algorithms is \'ga\'; expected a list of two or more .*, such as ."ga", "bo"'),
        (3, "algorithms is 3; expected a list of two or more"),
        ([["ga", "bo"]], r"unknown algorithm \['ga', 'bo'\]"),
    ],
)
def test_bad_algorithms_are_refused(algorithms: Any, message: str) -> None:
    with pytest.raises(OptimizerSettingError, match=message):
        create_optimizer("ensemble", bowl(), algorithms=algorithms)


# -- what a trial gained


def told_to(optimizer: EnsembleOptimizer, points: np.ndarray, scores: list[float], **columns: Any) -> Told:
    """Tell and return what the optimizer is to reflect on, which it then does not of itself."""
    optimizer.tell_array(points, scores, **columns)
    told = Told.join(optimizer._unread)
    optimizer._unread = []
    return told


def test_gains_are_in_units_of_the_distance_from_the_median() -> None:
    optimizer, points = EnsembleOptimizer(bowl()), bowl().sample(10, 1)
    assert optimizer._gains(told_to(optimizer, points[:4], [0.0, 2.0, 4.0, math.nan])).tolist() == [
        0,
        1,
        1,
        0,
    ]
    gains = optimizer._gains(told_to(optimizer, points[4:6], [6.0, 5.0]))  # the median is 4
    assert gains.tolist() == [1.0, 0.0]
    gains = optimizer._gains(told_to(optimizer, points[6:8], [0.0, 7.0]))
    assert gains.tolist() == [0.0, 1.0 / 3.0]


def test_no_gain_is_more_than_the_whole_distance() -> None:
    optimizer, points = EnsembleOptimizer(bowl()), bowl().sample(5, 1)
    gains = optimizer._gains(told_to(optimizer, points, [0.0, 10.0, 10.5, 11.0, 11.5]))
    assert gains.tolist() == [0.0, 1.0, 0.5, 0.5, 0.5]


def test_gains_are_measured_among_trials_that_may_win() -> None:
    optimizer, points = EnsembleOptimizer(bowl()), bowl().sample(12, 1)
    scores = [100.0] * 7 + [0.0, 2.0, 4.0, 6.0, 8.0]
    told = told_to(optimizer, points, scores, constraints=[[-1.0]] * 7 + [[1.0]] * 5)
    assert optimizer._gains(told).tolist() == [0.0] * 8 + [0.5] * 4


def test_few_trials_that_may_win_are_measured_against_all() -> None:
    optimizer, points = EnsembleOptimizer(bowl()), bowl().sample(8, 1)
    scores = [-4.0] * 5 + [0.0, 2.0, 4.0]
    told = told_to(optimizer, points, scores, constraints=[[-1.0]] * 5 + [[1.0]] * 3)
    assert optimizer._gains(told).tolist() == [0.0] * 6 + [0.25] * 2


def test_of_repeated_points_the_mean_is_the_gain() -> None:
    optimizer, points = EnsembleOptimizer(bowl(), repeats=2), bowl().sample(5, 1)
    optimizer._gains(told_to(optimizer, points[:4], [0.0] * 4))
    assert optimizer._gains(told_to(optimizer, points[[4, 4]], [0.0, 10.0])).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("algorithms", [("bo", "ga"), ("ga", "random")], ids="-".join)
def test_of_noisy_trials_the_gain_is_what_a_model_believes_of_them(algorithms: Any) -> None:
    optimizer = EnsembleOptimizer(bowl(), algorithms=algorithms, seed=3)

    def told(params: list[dict[str, Any]], scores: list[float], error: float) -> Told:
        return told_to(optimizer, bowl().from_dicts(params), scores, std_errors=[error] * len(params))

    slope = [{"x": x, "y": 0.0, "kind": "b"} for x in np.linspace(-2.0, 0.0, 21).tolist()]
    heights = [height(params) for params in slope]
    optimizer._gains(told(slope[:12], heights[:12], 0.01))
    lucky = {"x": -1.95, "y": 0.0, "kind": "b"}  # among poor ones, told as the best of all
    unlikely = optimizer._gains(
        told([lucky] * 2 + slope[12:14], [20.0, height(lucky), *heights[12:14]], 30.0)
    )
    climbing = optimizer._gains(told(slope[14:18], heights[14:18], 0.01))
    assert climbing.sum() > 0.2
    assert unlikely[:2].max() < 0.1


def test_a_point_tried_again_gains_nothing_by_it() -> None:
    optimizer, points = EnsembleOptimizer(bowl(), repeats=2, seed=3), bowl().sample(12, 1)
    scores = [height(params) for params in bowl().to_dicts(points)]
    optimizer._gains(told_to(optimizer, points, scores, std_errors=[0.1] * 12))
    best = int(np.argmax(scores))
    again = told_to(optimizer, points[[best]], [scores[best] + 5.0], std_errors=[0.1])
    assert optimizer._gains(again).tolist() == [0.0]


def test_nothing_is_gained_before_two_trials_may_win() -> None:
    optimizer, points = EnsembleOptimizer(bowl(), repeats=2), bowl().sample(4, 1)
    assert optimizer._gains(told_to(optimizer, points[:2], [math.nan, math.nan])).tolist() == [0.0, 0.0]
    assert optimizer._gains(told_to(optimizer, points[2:], [1.0, math.nan])).tolist() == [0.0, 0.0]


def test_a_trial_costs_its_seconds_rounded_down_and_the_thought() -> None:
    thinking = [0.005, 1e-5]
    optimizer = EnsembleOptimizer(bowl())
    assert optimizer._costs() == pytest.approx([each + 0.01 for each in thinking])  # not known
    optimizer.tell_array(bowl().sample(3, 1), [1.0] * 3, seconds=[0.5, 0.7, 9.0])
    assert optimizer._costs() == pytest.approx([each + 0.1 for each in thinking])
    quick = EnsembleOptimizer(bowl(), trial_seconds=1e-6)
    assert quick._costs() == pytest.approx([each + 1e-3 for each in thinking])
    hybrid = HybridOptimizer(bowl())
    hybrid.tell_array(bowl().sample(3, 1), [1.0] * 3, seconds=[0.5, 0.7, 9.0])
    assert hybrid._costs().tolist() == [1.0, 1.0]  # no clock decides


@pytest.mark.parametrize(
    "optimizer", [EnsembleOptimizer(bowl(), floor=0.4), HybridOptimizer(bowl(), floor=0.4)]
)
def test_no_member_falls_below_the_floor(optimizer: EnsembleOptimizer) -> None:
    optimizer._credit.note(np.zeros(300, np.int64), np.ones(300), np.full(300, 1e-3))
    assert optimizer._credit.shares == pytest.approx([0.6, 0.4], abs=0.01)
    assert optimizer._credit.shares.min() >= 0.4


def test_a_member_begins_no_second_search() -> None:
    optimizer = EnsembleOptimizer(bowl(), budget=2_000)
    (bo,) = (member for member in optimizer.members if isinstance(member, BOOptimizer))
    assert BOOptimizer(bowl(), budget=2_000)._second_due
    assert not bo._second_due


def test_the_first_trial_is_the_defaults_and_members_differ_in_their_seeds() -> None:
    optimizer = EnsembleOptimizer(bowl(), algorithms=["random", "bo", "ga"])
    assert optimizer.ask(1) == [bowl().defaults()]
    assert len({member.seed for member in optimizer.members}) == 3


def test_a_member_sees_no_notes_of_others() -> None:
    optimizer = EnsembleOptimizer(bowl(), algorithms=["ga", "bo"])
    rows = np.concatenate([bowl().sample(3, 1), [[0, 7.0, 8.0], [1, 5.0, 6.0], [math.nan, 3.0, 4.0]]], axis=1)
    told = Told(rows, np.zeros(3), np.zeros(3), np.arange(3))
    n_notes = optimizer.members[0].n_notes
    assert 0 < n_notes <= 2
    own = optimizer._as_member_rows(0, told).rows[:, 3:]
    assert own[0].tolist() == [7.0, 8.0][:n_notes]
    assert np.isnan(own[1:]).all()


# -- screening


def hybrid_amid_a_search() -> HybridOptimizer:
    optimizer = HybridOptimizer(bowl(), budget=200, seed=1)
    search(optimizer, 40)
    return optimizer


def test_offspring_are_new_and_screened_from_eight_each() -> None:
    optimizer = hybrid_amid_a_search()
    bred = optimizer.calibration.bred
    rows = optimizer._proposals(0, 3, 0)
    assert optimizer._new(rows) == [0, 1, 2]
    assert 12 < optimizer.calibration.bred - bred < 40  # all are new but some
    notes = rows[:, 3:]
    assert not np.isnan(
        notes[:, : optimizer.members[0].n_notes]
    ).all()  # of the genetic algorithm, or it learns nothing
    assert ((notes[:, 2] >= 0.0) & (notes[:, 2] <= 1.0)).all()
    assert (notes[:, 3] == optimizer._score_to_beat()).all()


def test_offspring_that_were_tried_are_not_screened(monkeypatch: pytest.MonkeyPatch) -> None:
    optimizer = hybrid_amid_a_search()
    bred = optimizer.calibration.bred
    n_notes = optimizer.members[0].n_notes
    points = np.concatenate([optimizer.log.points[:20], bowl().sample(2, 9)])
    rows = np.concatenate([points, np.zeros((22, n_notes))], axis=1)
    monkeypatch.setattr(optimizer.members[0], "_propose", lambda n, attempt: rows)
    found = optimizer._proposals(0, 2, 0)
    assert sorted(found[:, :3].tolist()) == sorted(points[20:].tolist())
    assert optimizer.calibration.bred - bred == 2


def test_the_score_to_beat_is_of_the_better_quarter_that_may_win() -> None:
    optimizer, points = HybridOptimizer(bowl()), bowl().sample(8, 1)
    optimizer.tell_array(points[:3], [0.0, 1.0, 2.0])
    assert optimizer._score_to_beat() is None
    optimizer.tell_array(points[3:], [3.0, 4.0, 90.0, math.nan, 91.0], constraints=[[1.0]] * 2 + [[-1.0]] * 3)
    assert optimizer._score_to_beat() == 3.0


def test_a_prediction_comes_true_where_the_trial_may_win() -> None:
    optimizer = HybridOptimizer(bowl())
    notes = [[0, math.nan, math.nan, 0.25, 1.0]] * 3
    rows = np.concatenate([bowl().sample(3, 1), notes], axis=1)
    told = Told(rows, np.array([2.0, 2.0, 0.5]), np.array([0.0, 1.0, 0.0]), np.arange(3))
    optimizer.tell_array(bowl().sample(3, 1), [0.0, 1.0, 2.0])
    optimizer._reflect(told, np.zeros(3, np.int64))
    assert optimizer.calibration.table == [{"trials": 3, "predicted": 0.25, "observed": 1 / 3}]


def test_a_pinned_cost_does_not_keep_auto_from_the_grid() -> None:
    space = ParameterSpace("few").add_parameter("n", "discrete", (1, 9))
    assert create_optimizer("auto", space, budget=50, trial_seconds=1.0).name == "grid"
    with pytest.raises(OptimizerSettingError, match="trial_seconds is -1"):
        create_optimizer("auto", space, budget=50, trial_seconds=-1)


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, "1 s", True])
def test_bad_trial_seconds_are_refused(seconds: Any) -> None:
    with pytest.raises(OptimizerSettingError, match="trial_seconds"):
        create_optimizer("ensemble", bowl(), trial_seconds=seconds)


def test_screening_drops_the_hopeless_and_is_calibrated() -> None:
    optimizer = HybridOptimizer(bowl(), budget=200, seed=1)
    search(optimizer, 200)
    calibration = optimizer.calibration
    run = sum(row["trials"] for row in calibration.table)
    assert 0 < run <= 200
    assert calibration.bred > 2 * run
    assert calibration.dropped > 0
    assert calibration.error is not None
    assert calibration.error < 0.15


def test_screening_runs_the_most_worthy_of_those_with_a_chance() -> None:
    optimizer = HybridOptimizer(bowl(), budget=200, seed=1)
    chances, worth = np.array([0.01, 0.5, 0.02, 0.9, 0.3]), np.array([5.0, 2.0, 4.0, 3.0, 1.0])
    runs = [optimizer._screen(chances, worth, 2).tolist() for _ in range(400)]
    controlled = [run for run in runs if not {0, 2}.isdisjoint(run)]
    assert all(run == [3, 1] for run in runs if run not in controlled)
    assert 20 < len(controlled) < 60  # each of two is one with a chance of 5 %
    n_run = sum(len({0, 2} & set(run)) for run in runs)
    assert (optimizer.calibration.bred, optimizer.calibration.dropped) == (2000, 800 - n_run)


def test_calibration_counts_by_predicted_probability() -> None:
    calibration = Calibration()
    assert calibration.error is None
    calibration.note(np.array([0.05, 0.95, 0.92, 1.0]), np.array([False, True, True, False]))
    assert [row["trials"] for row in calibration.table] == [1, 3]
    assert calibration.table[1]["observed"] == pytest.approx(2 / 3)
    assert calibration.error == pytest.approx((0.05 + (2.87 - 2.0)) / 4)
    assert [row["predicted"] for row in calibration.table] == pytest.approx([0.05, 2.87 / 3])


def test_too_high_and_too_low_predictions_do_not_cancel() -> None:
    calibration = Calibration()
    calibration.note(np.array([0.15, 0.85]), np.array([True, False]))
    assert calibration.error == pytest.approx(0.85)


def test_a_calibration_is_saved_whole() -> None:
    calibration, twin = Calibration(), Calibration()
    calibration.note(np.array([0.1, 0.7]), np.array([False, True]))
    calibration.bred, calibration.dropped = 9, 4
    twin.load(json.loads(json.dumps(calibration.save())))
    assert (twin.table, twin.error, twin.bred, twin.dropped) == (calibration.table, calibration.error, 9, 4)


@pytest.mark.parametrize("name", ["bo", "hybrid", "auto", "ensemble", "ga", "random"])
def test_of_noisy_trials_the_likeliest_wins_and_not_the_luckiest(name: str) -> None:
    optimizer = create_optimizer(name, bowl(), budget=100, seed=4)
    rng = np.random.default_rng(5)
    while optimizer.n_told < 60:
        batch = optimizer.ask(4)
        scores = [height(params) + rng.normal(0.0, 0.05) for params in batch]
        optimizer.tell(batch, scores, std_errors=[0.05] * 4, seconds=1.0)
    lucky = {"x": -1.9, "y": 1.9, "kind": "c"}
    optimizer.tell([lucky], [0.8], std_errors=[2.0])
    assert optimizer.best_params is not None
    assert optimizer.best_params["kind"] == "b"
    assert height(optimizer.best_params) > (-0.3 if name == "random" else -0.1)


@pytest.mark.parametrize("name", ["bo", "hybrid", "ga"])
def test_reading_a_noisy_search_changes_nothing(name: str) -> None:
    read, unread = (create_optimizer(name, bowl(), budget=60, seed=4) for _ in range(2))
    seen = []
    for optimizer in (read, unread):
        rng = np.random.default_rng(5)
        while optimizer.n_told < 48:
            batch = optimizer.ask(8)
            for params in batch:
                optimizer.tell([params], [height(params) + rng.normal(0.0, 0.1)], std_errors=[0.1])
                if optimizer is read:
                    assert optimizer.best_score is not None
                    seen.append(optimizer.converged)  # looks at the model amid a batch
    np.testing.assert_array_equal(read.log.points, unread.log.points)


# -- auto


@pytest.mark.parametrize(
    ("seconds", "n_told", "budget", "policy"),
    [
        (1e-5, 12, 999, "bo"),
        (1e-5, 12, 1000, "ga"),
        (1e-5, 200, 999, "ga"),
        (1e-5, 200, 400, "bo"),
        (5e-3, 300, 999, "bo"),
        (5e-3, 400, 999, "ga"),
        (5e-3, 1000, 9000, "ga"),
        (1.0, 12, 200, "bo"),
        (1.0, 5000, 9000, "bo"),
    ],
)
def test_the_policy_follows_the_cost_of_a_trial(
    seconds: float, n_told: int, budget: int, policy: str
) -> None:
    choice = CostPolicy("bo", "ga", budget=budget, first_review=12)
    choice.review(n_told, np.full(n_told, seconds))
    assert choice.chosen == policy
    assert choice.is_due(2 * n_told)


def test_trials_that_run_at_once_cost_less_of_the_time() -> None:
    choices = [
        CostPolicy("bo", "ga", budget=20_000, first_review=12, trial_seconds=0.05, parallel=parallel)
        for parallel in (1, 8)
    ]
    for choice in choices:
        choice.review(2000, np.empty(0))
    assert [choice.chosen for choice in choices] == ["bo", "ga"]
    assert "a trial takes 6.2 ms of time with 8 at once" in choices[1].reason
    assert AutoOptimizer(bowl(), budget=99, trial_seconds=1.0, parallel=8).batch_size == 8  # the first design
    optimizer = AutoOptimizer(bowl(), budget=99, trial_seconds=1.0, parallel=8)
    search(optimizer, 20)
    assert optimizer.batch_size == 8


def test_auto_with_several_objectives_thinks_first_and_then_breeds() -> None:
    directions = ["maximize", "minimize"]
    optimizer = create_optimizer("auto", bowl(), budget=999, directions=directions, trial_seconds=1e-5)
    assert isinstance(optimizer, AutoOptimizer)

    def spend(n: int) -> None:
        while optimizer.n_told < n:
            batch = optimizer.ask(min(optimizer.batch_size, n - optimizer.n_told))
            optimizer.tell(batch, [(height(params), params["x"]) for params in batch])

    spend(150)
    assert "auto chose bo" in optimizer.reason
    assert optimizer.trials_by_author["bo"] == 150 - optimizer._n_first
    again = restore_optimizer(bowl(), json.loads(json.dumps(optimizer.state())))
    assert again.ask(3) == optimizer.ask(3)
    spend(400)
    assert "auto chose nsga2" in optimizer.reason
    assert optimizer.trials_by_author["nsga2"] >= 150


@pytest.mark.parametrize(
    ("n_objectives", "seconds", "budget", "policy", "thinking"),
    [
        (1, 0.02, 2000, "bo", "5 ms"),
        (2, 0.02, 2000, "bo", "10 ms"),
        (3, 0.02, 2000, "nsga2", "50 ms"),
        (4, 0.2, 2000, "nsga2", "150 ms"),
        (6, 0.2, 999, "bo", "150 ms"),
        (4, 0.4, 2000, "bo", "150 ms"),
        (2, 1e-5, 1000, "nsga2", "10 ms"),
    ],
)
def test_more_objectives_take_longer_to_think_of(
    n_objectives: int, seconds: float, budget: int, policy: str, thinking: str
) -> None:
    choice = CostPolicy(
        "bo", "nsga2", budget=budget, first_review=12, trial_seconds=seconds, n_objectives=n_objectives
    )
    choice.review(300, np.empty(0))
    assert choice.chosen == policy
    assert f"and choosing one {thinking}," in choice.reason


def test_auto_changes_its_mind_when_the_cost_changes() -> None:
    optimizer = AutoOptimizer(bowl(), budget=990, seed=1)
    assert optimizer.policy.chosen is None
    search(optimizer, 190, seconds=1e-5)
    assert optimizer.policy.chosen == "bo"
    assert "only the first 200 are worth a thought" in optimizer.reason
    search(optimizer, 400, seconds=1e-5)
    assert optimizer.policy.chosen == "ga"
    assert optimizer.batch_size > 1
    search(optimizer, 920, seconds=2.0)
    assert optimizer.policy.chosen == "bo"
    assert "a trial takes 2 s" in optimizer.reason


def test_the_breeder_begins_anew_once_when_its_turn_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    optimizer = AutoOptimizer(bowl(), budget=999, trial_seconds=1e-5)
    restarts = []
    monkeypatch.setattr(optimizer._breeder, "restart", lambda: restarts.append(optimizer.n_told))
    for n in (12, 150, 50, 100, 300):  # reviewed at 12, 162 of 200, 212, not at 312, and at 612
        points = bowl().sample(n, n)
        optimizer.tell_array(points, [0.0] * n)
        optimizer.ask(1)
    assert optimizer.policy.chosen == "ga"
    assert restarts == [212]


def test_the_policy_looks_again_when_the_last_thought_is_spent() -> None:
    choice = CostPolicy("bo", "ga", budget=999, first_review=12, trial_seconds=1e-5)
    choice.review(150, np.empty(0))
    assert [choice.is_due(n) for n in (199, 200)] == [False, True]
    choice.review(200, np.empty(0))
    assert [choice.is_due(n) for n in (399, 400)] == [False, True]
    again = CostPolicy("bo", "ga", budget=999, first_review=12, trial_seconds=1e-5)
    again.load(json.loads(json.dumps(choice.save())))
    assert (again.chosen, again.reason, again.is_due(399), again.is_due(400)) == (
        "ga",
        choice.reason,
        False,
        True,
    )


def test_auto_with_a_pinned_cost_does_not_look_at_the_clock() -> None:
    told, pinned = (AutoOptimizer(bowl(), budget=400, seed=1, trial_seconds=1e-5) for _ in range(2))
    search(told, 350, seconds=3.0)
    search(pinned, 350)
    np.testing.assert_array_equal(told.log.points, pinned.log.points)


def test_times_are_written_with_their_unit() -> None:
    assert [as_time(s) for s in (7.2e-6, 1.5e-3, 12.0)] == ["7.2 us", "1.5 ms", "12 s"]


def test_a_mixed_space_with_conditions_is_searched_to_its_end() -> None:
    optimizer = create_optimizer("hybrid", mixed_space(), budget=60, seed=2)
    seen = set()
    for _ in range(60):
        (params,) = optimizer.ask(1)
        seen.add(json.dumps(params, sort_keys=True))
        optimizer.tell([params], [float(len(seen))])
    assert len(seen) == 60
