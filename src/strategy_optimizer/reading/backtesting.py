"""Single backtests, for those who use the service as an engine (docs/engines/http.md); runs in child processes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from strategy_optimizer.backtest import Rules, run_backtest
from strategy_optimizer.errors import BacktestError
from strategy_optimizer.market import Bars
from strategy_optimizer.models.service_task import StoredTask, TaskIn
from strategy_optimizer.reading.bounded import BoundedCache
from strategy_optimizer.storage import Store
from strategy_optimizer.tasks import DEFAULT_COSTS
from strategy_optimizer.tasks.strategy_binding import StrategyClass
from strategy_optimizer.workers.inputs import resolve

PROTOCOL = 1
KEPT = 256 << 20
_BYTES_OF_BAR = 48
_inputs = BoundedCache[tuple[str, ...], tuple[StrategyClass, Bars]](
    KEPT, lambda found: _BYTES_OF_BAR * found[1].n_bars * found[1].n_symbols
)


def engine_health(store: Store, data_dir: str, owner: str, task: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``GET /health`` of the protocol says of a strategy on its data.

    Parameters
    ----------
    store : Store
    data_dir : str
        Where copies of strategies and datasets lie.
    owner : str
        Whose datasets are meant.
    task : mapping
        Strategy and data with their versions, as the store keeps them of a task.
    """
    strategy, bars = _resolved(store, data_dir, owner, task)
    space = strategy.space().to_json()
    return {
        "version": PROTOCOL,
        "engine": f"{strategy.label()} on {bars.name}",
        "digest": f"{strategy.digest()}-{bars.digest}-{DEFAULT_COSTS}",
        "data": bars.digest,
        "windows": True,
        "parameter_space": space["parameter_space"],
        "constraints": space["constraints"],
    }


def engine_backtest(
    store: Store,
    data_dir: str,
    owner: str,
    task: Mapping[str, Any],
    parameters: Mapping[str, Any],
    window: Sequence[float],
) -> dict[str, Any]:
    """Return the metrics and returns of one set of parameters; those that are left out take their defaults.

    Raises
    ------
    SpaceError, StrategyError, BacktestError
        Why these parameters cannot be tested.
    """
    strategy, bars = _resolved(store, data_dir, owner, task)
    n = bars.n_bars
    first, stop = (round(share * n) for share in window)
    if stop - first < 2:
        raise BacktestError(
            f"the window {list(window)} has {max(0, stop - first)} of {n} bars; expected two or more"
        )
    result = run_backtest(strategy, dict(parameters), bars, Rules(costs=DEFAULT_COSTS, window=(first, stop)))
    equity = result.equity
    return {
        "version": PROTOCOL,
        "metrics": {name: value if math.isfinite(value) else None for name, value in result.metrics.items()},
        "returns": [
            value if math.isfinite(value) else 0.0 for value in (equity[1:] / equity[:-1] - 1).tolist()
        ],
    }


def _resolved(store: Store, data_dir: str, owner: str, task: Mapping[str, Any]) -> tuple[StrategyClass, Bars]:
    stored = StoredTask.model_validate(dict(task))
    asked: TaskIn = stored.task
    key = (owner, asked.strategy_name, str(stored.strategy_version), str(asked.data), str(stored.data_digest))
    return _inputs.get(key, lambda: resolve(stored, owner, store, Path(data_dir)))
