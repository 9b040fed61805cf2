"""The verdict on a search of another engine: our own kernel as an engine gives the numbers that it gives itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from strategy_optimizer import ParameterSpace, get_strategy, load_bars, optimize
from strategy_optimizer.backtest import Rules, run_backtest
from strategy_optimizer.engines import CallableEngine, Engine, EngineRun
from strategy_optimizer.errors import ReproductionError
from strategy_optimizer.tasks import DEFAULT_COSTS, EngineSearch, FinishedSearch, make_engine_task, make_task
from strategy_optimizer.validation import judge, run_and_validate, validate_engine_search, validate_search
from strategy_optimizer.validation.engine_trials import gave_metrics, gave_returns
from strategy_optimizer.validation.held_out import examine_held_out
from strategy_optimizer.validation.ledger import LEFT_OUT, Ledger
from strategy_optimizer.validation.recommendation.engine import (
    LEAST_NEIGHBOURS,
    MOST_SECONDS,
    affordable_runs,
)
from strategy_optimizer.validation.statistics import NotEnough, psr_2012, sharpe_moments
from strategy_optimizer.validation.track_record import bar_returns

TRIALS = 200


# -- our own kernel as an engine -------------------------------------------------------------------------------


class Kernel:
    """The built-in momentum strategy on a part of nasdaq, as a function of anybody's."""

    def __init__(self, window: tuple[int, int]) -> None:
        self.rules = Rules(DEFAULT_COSTS, window=window)

    def __call__(self, parameters: dict[str, Any]) -> dict[str, Any]:
        result = run_backtest(get_strategy("momentum"), parameters, load_bars("nasdaq"), self.rules)
        return {**result.metrics, "returns": bar_returns(result.equity)}


@pytest.fixture(scope="module")
def ours() -> FinishedSearch:
    task = make_task("momentum", "nasdaq", "random", evaluations=TRIALS, seed=3)
    task.run()
    assert task.search is not None
    return task.search


@pytest.fixture(scope="module")
def theirs(ours: FinishedSearch) -> EngineSearch:
    assert ours.held_out is not None
    engine = CallableEngine(Kernel(ours.in_sample), held_out=Kernel(ours.held_out))
    task = make_engine_task(
        engine, "random", space=ours.space, evaluations=TRIALS, seed=3, executor="serial", cache=False
    )
    task.run()
    assert task.search is not None
    np.testing.assert_array_equal(task.search.history.points, ours.history.points)
    return task.search


def test_the_statistics_of_all_trials_are_those_of_our_own_search(
    ours: FinishedSearch, theirs: EngineSearch
) -> None:
    expected = validate_search(ours).overfitting
    validation = validate_engine_search(theirs)
    assert not isinstance(validation, NotEnough)
    found = validation.overfitting
    assert (found.n_trials, found.distinct) == (expected.n_trials, expected.distinct) == (TRIALS, TRIALS)
    for name in (
        "psr_2012",
        "psr_h0",
        "trials_variance",
        "deflated_sharpe_2012",
        "deflated_sharpe_h0",
        "minimum_track_record",
        "minimum_backtest",
        "pbo",
        "loss_probability",
    ):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-9), name
    assert found.moments.sharpe == pytest.approx(expected.moments.sharpe, rel=1e-12)  # type: ignore[union-attr]


def test_held_out_record_and_verdict_are_those_of_our_own_search(
    ours: FinishedSearch, theirs: EngineSearch
) -> None:
    validation = validate_engine_search(theirs)
    assert not isinstance(validation, NotEnough)
    expected = examine_held_out(ours, validation.recommendation.parameters)
    found = validation.held_out
    assert expected is not None
    assert found is not None
    assert (found.n_bars, found.trades) == (expected.n_bars, expected.trades)
    for name in ("psr", "psr_h0", "minimum_track_record"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-9), name
    no_sample = replace(
        validate_search(ours).overfitting,
        null_variance=NotEnough("runs for an even sample", 0, 2),
    )
    verdict = judge(no_sample, expected)
    assert validation.verdict.decision == verdict.decision
    assert validation.verdict.luck == pytest.approx(verdict.luck, rel=1e-9)


def test_what_needs_our_kernel_is_named_and_has_no_number(theirs: EngineSearch) -> None:
    validation = validate_engine_search(theirs)
    assert not isinstance(validation, NotEnough)
    found = validation.overfitting
    for value in (found.lo, found.control_pbo, found.maximum_p_value, validation.lookahead):
        assert isinstance(value, NotEnough)
    assert not found.superior
    assert not found.better
    reasons = " ".join(validation.verdict.reasons)
    assert "an even sample of the space" in reasons
    assert "bars of the future" in reasons
    assert "a bar" in reasons
    assert f"{TRIALS // 20} runs" in reasons


# -- functions whose skill is known ----------------------------------------------------------------------------

SPACE = {
    "x": {"type": "continuous", "bounds": [0.0, 1.0]},
    "days": {"type": "discrete", "bounds": [2, 40]},
}


class Known:
    """Returns with a Sharpe ratio a bar of `skill` at x = 0.5, less elsewhere, and luck of its own for each trial."""

    def __init__(self, part: str, skill: float = 0.12, n: int = 1600, trades: bool = True) -> None:
        self.part, self.skill, self.n, self.trades = part, skill, n, trades

    def __call__(self, parameters: dict[str, Any]) -> dict[str, Any]:
        x, days = parameters["x"], parameters["days"]
        # The same prices for all, and a rule that follows them more or less closely.
        common = np.random.default_rng(len(self.part)).standard_normal(self.n)
        own = np.random.default_rng([int(1e6 * x), days, self.n]).standard_normal(self.n)
        returns = 0.01 * (0.8 * common + 0.6 * own + self.skill * (1.0 - (x - 0.5) ** 2))
        found: dict[str, Any] = {"sharpe_ratio": float(16.0 * returns.mean() / returns.std(ddof=1))}
        return found | {"returns": returns} | ({"trades": self.n / days} if self.trades else {})


def engine_of(**settings: Any) -> CallableEngine:
    return CallableEngine(Known("searched", **settings), held_out=Known("later", **settings))


class Counting(Engine):
    """Counts the runs of an engine; what is counted is no part of its digest."""

    def __init__(self, inner: Engine, calls: Counter[str], part: str = "searched") -> None:
        self.inner, self.calls, self.part, self.label = inner, calls, part, inner.label

    def run(self, parameters: Any) -> EngineRun:
        self.calls[self.part] += 1
        return self.inner.run(parameters)

    def digest(self) -> str:
        return self.inner.digest()

    def divide(self, holdout: float) -> tuple[Engine, Engine | None]:
        searched, later = self.inner.divide(holdout)
        assert later is not None
        return Counting(searched, self.calls), Counting(later, self.calls, "later")


def search(engine: Any, **settings: Any) -> Any:
    options = {"optimizer": "ga", "space": SPACE, "evaluations": 60, "seed": 1}
    options |= {"executor": "serial", "cache": False}
    return optimize(engine, **options | settings)


def test_an_edge_is_found_and_without_one_nothing_is_deployed() -> None:
    good = search(engine_of())
    assert good.verdict.decision == "deploy", good.verdict.reasons
    assert good.recommended_parameters == good.validation.recommendation.parameters
    assert search(engine_of(skill=-0.01)).verdict.decision == "reject"


def test_the_verdict_is_the_same_from_worker_processes() -> None:
    here, there = (search(engine_of(), executor=executor) for executor in ("serial", "processes"))
    assert here.validation.to_dict() == there.validation.to_dict()


def test_the_rule_is_that_of_decision_005() -> None:
    found = search(engine_of(skill=0.04)).validation
    scores = [norm.ppf(found.overfitting.deflated_sharpe_2012), norm.ppf(found.held_out.psr)]
    assert found.verdict.luck == pytest.approx(norm.sf(sum(scores) / np.sqrt(2.0)), rel=1e-9)
    later = Known("later", skill=0.04)(found.recommendation.parameters)["returns"]
    assert found.held_out.psr == psr_2012(sharpe_moments(later))  # type: ignore[arg-type]


def test_without_trades_or_a_part_held_out_paper_is_the_most() -> None:
    found = search(engine_of(trades=False)).verdict
    assert found.decision == "paper"
    assert "does not say how many trades" in found.reasons[0]
    for engine, settings in ((Known("searched"), {}), (engine_of(), {"holdout": 0.0})):
        found = search(engine, **settings).verdict
        assert found.decision == "paper"
        assert "no bars were held out" in found.reasons[0]
        assert any("has no held-out part" in reason for reason in found.reasons)


@pytest.mark.parametrize("kind", ["raises", "silent"])
def test_a_held_out_run_without_a_record_is_as_none(kind: str) -> None:
    def later(parameters: dict[str, Any]) -> dict[str, float]:
        if kind == "raises":
            raise ValueError("no prices")
        return {"sharpe_ratio": 3.0}

    found = search(CallableEngine(Known("searched"), held_out=later)).verdict
    assert found.decision == "paper"
    text = " ".join(found.reasons)
    assert ("failed on the held-out data: raised: ValueError: no prices" in text) == (kind == "raises")
    assert ("gave no returns on the held-out data" in text) == (kind == "silent")


def test_without_returns_there_is_no_verdict_but_what_is_needed() -> None:
    result = search(lambda parameters: {"sharpe_ratio": parameters["x"]})
    assert result.verdict is None
    assert result.recommended_parameters is None
    assert "validation" not in result.to_dict()
    assert any(note.startswith("no verdict: the engine gives no returns") for note in result.notes)


def test_the_runs_of_validation_stay_below_their_cap() -> None:
    calls: Counter[str] = Counter()
    result = search(Counting(engine_of(), calls), evaluations=200)
    recommendation = result.validation.recommendation
    contenders = {each.trial: each for each in (*recommendation.regions, recommendation.best)}
    neighbours = sum(each.neighbours for each in contenders.values())
    # Besides the trials: the winner, the parameters tried first and what is recommended again.
    assert calls["searched"] == 200 + 3 + neighbours
    assert calls["later"] == 3
    assert LEAST_NEIGHBOURS <= neighbours <= 10
    assert "10 runs" in " ".join(result.verdict.reasons)
    calls.clear()
    search(Counting(engine_of(), calls), evaluations=200, validate=False)
    assert calls == {"searched": 200 + 2, "later": 2}


def test_slow_engines_get_fewer_neighbours(theirs: EngineSearch) -> None:
    history = theirs.history
    assert affordable_runs(history) == TRIALS // 20
    column = history._pages[0].seconds
    before = column.copy()
    try:
        column[:TRIALS] = MOST_SECONDS / 3.5
        assert affordable_runs(history) == 3
        column[:TRIALS] = 2 * MOST_SECONDS
        assert affordable_runs(history) == 0
        validation = validate_engine_search(theirs)
    finally:
        column[:] = before
    assert not isinstance(validation, NotEnough)
    assert any("no neighbours were run" in reason for reason in validation.verdict.reasons)
    assert all(np.isnan(region.plateau) for region in validation.recommendation.regions)


def test_what_is_recommended_was_run_again() -> None:
    calls: Counter[float] = Counter()
    known = Known("searched")

    def moody(parameters: dict[str, Any]) -> dict[str, Any]:
        calls[parameters["x"]] += 1
        found = known(parameters)
        lasting = best_x is None or parameters["x"] == best_x or calls[parameters["x"]] == 1
        return found if lasting else found | {"sharpe_ratio": found["sharpe_ratio"] + 0.1}

    best_x = None
    plain = search(moody)
    assert plain.recommended_parameters != plain.best_parameters
    calls.clear()
    best_x = plain.best_parameters["x"]
    with pytest.raises(ReproductionError, match="which was chosen"):
        search(moody)


def test_returns_that_change_from_run_to_run_are_refused() -> None:
    known, calls = Known("searched"), iter(range(10**6))

    def moody(parameters: dict[str, Any]) -> dict[str, Any]:
        found = known(parameters)
        return found | {"returns": found["returns"] + 1e-6 * next(calls)}

    with pytest.raises(ReproductionError, match=r"the returns of part \d+ of 16 add up to"):
        search(moody)


# -- trials that cannot be compared ----------------------------------------------------------------------------


def uneven(share: float) -> Any:
    """Return a function that drops the bars before its first signal, for a share of the candidates."""
    known = Known("searched")

    def function(parameters: dict[str, Any]) -> dict[str, Any]:
        found = known(parameters)
        if parameters["x"] > 1.0 - share:
            found["returns"] = found["returns"][parameters["days"] :]
        return found

    return function


def test_trials_of_another_length_count_and_too_many_of_them_leave_no_number() -> None:
    few = search(uneven(0.03), evaluations=200, optimizer="random")
    history = few.history
    lacking = int((gave_metrics(history) & ~gave_returns(history)).sum())
    assert 0 < lacking <= 10
    assert few.validation.overfitting.distinct == 200
    assert any(f"{lacking} trial" in reason and "another number" in reason for reason in few.verdict.reasons)
    many = search(uneven(0.4), evaluations=100, optimizer="random")
    assert isinstance(many.validation.overfitting.deflated_sharpe_2012, NotEnough)
    assert isinstance(many.validation.overfitting.pbo, NotEnough)
    assert many.verdict.decision == "reject"


def test_a_failed_trial_is_no_flat_one() -> None:
    known = Known("searched")

    def function(parameters: dict[str, Any]) -> dict[str, Any]:
        if parameters["days"] > 30:
            raise ValueError("too long")
        if parameters["days"] > 25:
            return {"sharpe_ratio": float("nan"), "returns": np.zeros(1600), "trades": 0.0}
        return known(parameters)

    result = search(function, evaluations=100, optimizer="random")
    days = np.array([trial.parameters["days"] for trial in result.history])
    np.testing.assert_array_equal(gave_returns(result.history), days <= 30)
    # Those that never trade are one trial, those that failed none.
    assert result.validation.overfitting.distinct == (days <= 25).sum() + 1


def test_several_objectives() -> None:
    result = search(engine_of(), optimizer="nsga2", objective=["sharpe_ratio", "trades"], evaluations=100)
    trials = {point.trial for point in result.pareto_front}
    assert result.validation.recommendation.trial in trials
    assert result.verdict.decision in ("deploy", "paper", "reject")


# -- the ledger ------------------------------------------------------------------------------------------------


def test_searches_of_the_same_engine_count() -> None:
    first, second = search(engine_of()), search(engine_of(), seed=2)
    assert first.validation.overfitting.all_tasks is None
    every = second.validation.overfitting.all_tasks
    assert (every.searches, every.n_trials) == (1, 120)
    assert every.distinct > second.validation.overfitting.distinct
    assert second.validation.held_out.looks == 2
    assert any("does not say which data" in note for note in second.notes)
    again = search(engine_of(), seed=2)
    assert again.validation.to_dict() == second.validation.to_dict()


def test_other_code_counts_where_the_data_are_named() -> None:
    def named(data: str, skill: float) -> CallableEngine:
        return CallableEngine(Known("searched", skill=skill), held_out=Known("later", skill=skill), data=data)

    search(named("prices", 0.12))
    same, other = search(named("prices", 0.11), seed=2), search(named("other prices", 0.11), seed=2)
    every = same.validation.overfitting.all_tasks
    assert every.searches == 1
    assert every.distinct == 120
    assert same.validation.held_out.looks == 2
    assert other.validation.overfitting.all_tasks is None
    assert not any("does not say which data" in note for note in same.notes)


def test_another_share_held_out_makes_no_other_data() -> None:
    def part(holdout: float) -> Any:
        return search(
            CallableEngine(Known("searched"), held_out=Known("later"), data="prices"),
            holdout=holdout,
            seed=round(100 * holdout),
        ).validation

    part(0.25)
    near = part(0.2)
    assert (near.overfitting.all_tasks.searches, near.held_out.looks) == (1, 2)
    whole = part(0.0)
    assert whole.overfitting.all_tasks.searches == 2
    assert part(0.25).held_out.looks == 3  # the whole data were searched: its winner was seen there too


def test_the_ledger_can_be_left_out_and_counts_without_a_verdict() -> None:
    result = search(engine_of(), ledger=False)
    assert LEFT_OUT in result.notes
    assert not Ledger().read().entries
    search(engine_of(), validate=False)
    (entry,) = Ledger().read().entries
    assert (entry.trials.made, entry.looks, entry.first) == (60, 1, "")
    assert search(engine_of(), seed=2).validation.held_out.looks == 2


class Interrupted(Counting):
    """Presses Ctrl-C at the thirtieth run."""

    def run(self, parameters: Any) -> EngineRun:
        if self.calls["searched"] == 30:
            self.calls["searched"] += 1
            raise KeyboardInterrupt
        return super().run(parameters)

    def divide(self, holdout: float) -> tuple[Engine, Engine | None]:
        searched, later = super().divide(holdout)
        return Interrupted(searched.inner, self.calls), later  # type: ignore[attr-defined]


def test_an_interrupted_search_is_recorded_and_judged_when_it_has_been_resumed(tmp_path: Path) -> None:
    result = search(Interrupted(engine_of(), Counter()), checkpoint=tmp_path / "search")
    assert result.stop_reason == "interrupted"
    assert result.verdict is None
    (entry,) = Ledger().read().entries
    assert entry.interrupted
    assert entry.trials.made == len(result.history) < 60
    resumed = search(engine_of(), checkpoint=tmp_path / "search", resume=True)
    assert resumed.validation.to_dict() == search(engine_of(), ledger=False).validation.to_dict()
    (entry,) = Ledger().read().entries
    assert (entry.interrupted, entry.trials.made) == (False, 60)


def test_both_kinds_of_tasks_are_run_and_validated() -> None:
    events: list[Any] = []
    task = make_engine_task(
        engine_of(), space=SPACE, evaluations=40, executor="serial", cache=False, progress=events.append
    )
    result = run_and_validate(task)
    assert result.verdict is not None
    assert type(events[-1]).__name__ == "Validating"
    assert replace(result, validation=None).verdict is None
    assert isinstance(task.space, ParameterSpace)
