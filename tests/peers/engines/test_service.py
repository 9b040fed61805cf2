"""A strategy of backtesting.py as a task of the service, from a file in its folder of strategies."""

from __future__ import annotations

import shutil
from pathlib import Path

from backtesting.test import GOOG
from sma_cross import SmaCross

from engine_files import tell
from engine_worlds import Engines
from strategy_optimizer import optimize
from strategy_optimizer.engines import BacktestingEngine
from strategy_optimizer.models import ResultModel

FILE = """
from backtesting.test import GOOG
from sma_cross import SmaCross  # as it is, in the same folder

from strategy_optimizer import Discrete, ParameterSpace
from strategy_optimizer.engines import BacktestingEngine

space = ParameterSpace("sma", {"n1": Discrete(5, 60, 10), "n2": Discrete(10, 120, 20)}, constraints=["n1 < n2"])
engine = BacktestingEngine(SmaCross, GOOG, cash=10_000, commission=0.002)
"""


def test_a_strategy_of_backtesting_py_is_a_task_of_the_service(tmp_path: Path) -> None:
    world = Engines(tmp_path)
    (world.strategies / "goog.py").write_text(FILE)
    shutil.copy(Path(__file__).parent / "sma_cross.py", world.strategies)
    tell(world.store, tmp_path, world.strategies)
    try:
        world.start()
        task_id = world.submit("goog", 24, optimization_type="random", config={"seed": 2})
        task = world.wait(task_id)
        assert (task.state, task.error, task.trials) == ("completed", None, 24)
        record = world.store.tasks.result(task_id)
        assert record is not None
        result = ResultModel.model_validate(dict(record.document))
        assert result.versions is not None
        assert result.versions["backtesting"] == "0.6.6"
        assert result.validation is not None
        assert result.validation.held_out is not None
        engine = BacktestingEngine(SmaCross, GOOG, cash=10_000, commission=0.002)
        space = world.trials(task_id).space
        mine = optimize(
            engine,
            optimizer="random",
            space=space,
            evaluations=24,
            seed=2,
            executor="serial",
            cache=False,
            ledger=False,
        )
        assert result.best_parameters == mine.best_parameters
        assert result.best_score == mine.best_score
    finally:
        world.close()
