"""Stored trials say by themselves what their numbers mean."""

from __future__ import annotations

from storage_worlds import leased, make_history, make_space, save_all
from strategy_optimizer import ParameterSpace
from strategy_optimizer.backtest import METRICS
from strategy_optimizer.objective import ParetoObjective
from strategy_optimizer.storage import Store, TrialLayout
from strategy_optimizer.tasks import TrialHistory


def test_chunks_have_their_layout(store: Store) -> None:
    lease = leased(store)
    save_all(store, lease, make_history(30), 7)
    for chunk in store.trials.read(lease.task.id):
        assert chunk.layout == TrialLayout(make_space(), METRICS, None)


def test_several_objectives_come_back() -> None:
    objective = ParetoObjective(
        ["sharpe_ratio", "exposure:minimize"], reference={"sharpe_ratio": 1, "exposure": 0.5}
    )
    layout = TrialLayout.of(TrialHistory(make_space(), 4, objective))
    read = TrialLayout.from_json(layout.to_json())
    assert read.objective is not None
    assert read.objective.to_json() == objective.to_json()


def test_a_constraint_in_python_is_left_out() -> None:
    space = make_space().add_constraint("n > 10 * x").add_constraint(lambda parameters: parameters["n"] > 3)
    read = TrialLayout.from_json(TrialLayout.of(TrialHistory(space, 4)).to_json())
    assert read.space == ParameterSpace.from_json({**make_space().to_json(), "constraints": ["n > 10 * x"]})
