"""The service as a backtest engine: our own HTTP engine searches through it, and finds what the kernel finds."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.service.server import serving

from strategy_optimizer import Costs, get_strategy, load_bars, optimize
from strategy_optimizer.backtest import evaluate_population
from strategy_optimizer.engines import HttpEngine
from strategy_optimizer.errors import EngineError


def test_a_search_through_the_service_is_that_of_the_kernel(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "0") as running:
        place = f"{running.url}/api/v1/engines/momentum/nasdaq"
        engine = HttpEngine(place, key=running.key)
        result = optimize(
            engine, optimizer="random", evaluations=12, objective="sharpe_ratio", workers=2, ledger=False
        )
        assert result.counts.failed == 0
        bars = load_bars("nasdaq")
        n = round(0.75 * bars.n_bars)
        table = evaluate_population(
            get_strategy("momentum"),
            [result.best_parameters],
            bars.slice(0, n),
            costs=Costs(commission=0.0005, slippage=0.0002),
        )
        assert result.best_score == pytest.approx(table[0]["sharpe_ratio"], abs=1e-12)
        run = engine.run({"lookback_period": 20})
        assert run.returns is not None
        with pytest.raises(EngineError, match="lies outside the bounds"):
            engine.run({"lookback_period": 999})
        with pytest.raises(EngineError, match="there is no strategy 'momentun'"):
            HttpEngine(f"{running.url}/api/v1/engines/momentun/nasdaq", key=running.key).check()
        with pytest.raises(EngineError, match="key"):
            HttpEngine(place, key="so_wrong").check()
