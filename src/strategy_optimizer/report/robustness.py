"""What the recommended parameters stand: the examination of their robustness, in sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from strategy_optimizer.errors import StrategyOptimizerError
from strategy_optimizer.report.equity import rounded
from strategy_optimizer.report.material import Material, trial_seconds
from strategy_optimizer.tasks import Result
from strategy_optimizer.validation.lookahead_report import LookaheadReport
from strategy_optimizer.validation.robustness import ReshuffledTrades, Robustness, examine_robustness
from strategy_optimizer.validation.statistics import NotEnough

AFFORDED = 15.0  # seconds of backtests
LEAST_TRIALS, MOST_TRIALS = 13, 100_000
RESAMPLED_BARS = 100_000_000  # in all replications together
LEAST_REPLICATIONS, MOST_REPLICATIONS = 100, 1_000
SHOWN_BANDS = ("total_return", "annual_return", "sharpe_ratio", "calmar_ratio", "max_drawdown", "win_rate")
PERTURBED = ("sharpe_ratio", "total_return", "max_drawdown")
QUANTILES = (0.05, 0.5, 0.95)


def robustness_data(
    result: Result,
    material: Material,
    *,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Return what is left of the recommended parameters when what they hang on is a little different.

    Or why that cannot be examined, such as costs of which twice as much would be the whole price.
    """
    params = result.recommended_parameters or result.best_parameters
    checked = getattr(result.validation, "lookahead", None)
    replications = replications_for(material.in_sample[1] - material.in_sample[0])
    try:
        found = examine_robustness(
            material.bound,
            params,
            material.bars,
            material.searched,
            space=result.history.space,
            replications=replications,
            most_trials=_most_trials(trial_seconds(result)),
            lookahead=checked if isinstance(checked, LookaheadReport) else None,
            seed=seed,
            progress=progress,
        )
    except StrategyOptimizerError as error:
        return {"lacking": str(error)}
    recommended = result.recommended_parameters is not None
    return {"lacking": None, "recommended": recommended, "replications": replications, **_plain(found)}


def _most_trials(seconds: float) -> int:
    return int(np.clip(AFFORDED / max(seconds, 1e-9), LEAST_TRIALS, MOST_TRIALS))


def replications_for(bars: int) -> int:
    """Return how often the bars are resampled: 1,000 times, and less often where there are very many."""
    return int(np.clip(RESAMPLED_BARS // bars, LEAST_REPLICATIONS, MOST_REPLICATIONS))


def _plain(found: Robustness) -> dict[str, Any]:
    plateau = found.parameters
    return {
        "warnings": list(found.warnings),
        "trials": found.trials,
        "bands": rounded({name: found.bands[name] for name in SHOWN_BANDS if name in found.bands}),
        "plateau": {
            "metric": plateau.metric,
            "overall": rounded(plateau.overall),
            "by_parameter": rounded(plateau.by_parameter),
        },
        "costs": {
            "multiple": found.costs.multiple,
            "break_even": _break_even(found.costs.break_even_multiple),
            **_before_after(found.costs.unperturbed, found.costs.perturbed),
        },
        "delay": {"bars": found.delay.bars, **_before_after(found.delay.unperturbed, found.delay.perturbed)},
        "data": [
            {
                "kind": each.kind,
                "amount": rounded(each.amount),
                "replications": each.replications,
                "errors": list(each.errors),
                "quantiles": rounded({name: each.quantiles.get(name) for name in PERTURBED}),
            }
            for each in (found.noise, found.resampling, found.dropped_bars)
        ],
        "trades": [_reshuffled(each) for each in (found.permuted_trades, found.bootstrapped_trades)],
    }


def _break_even(multiple: float | NotEnough) -> Any:
    """Return the multiple of the costs that takes all of the return; "none" where even the largest does not."""
    return "none" if isinstance(multiple, float) and np.isinf(multiple) else rounded(multiple)


def _before_after(before: Any, after: Any) -> dict[str, Any]:
    return {
        "before": rounded({name: before[name] for name in PERTURBED}),
        "after": rounded({name: after[name] for name in PERTURBED}),
    }


def _reshuffled(found: ReshuffledTrades | NotEnough) -> dict[str, Any]:
    if isinstance(found, NotEnough):
        return found.to_dict()
    return {
        "method": found.method,
        "trades": found.n_trades,
        "replications": len(found.max_drawdowns),
        "max_drawdown": rounded(found.max_drawdown),
        "alarm_drawdown": rounded(found.alarm_drawdown),
        "max_drawdowns": rounded(np.quantile(found.max_drawdowns, QUANTILES)),
        "total_return": rounded(found.total_return),
        "total_returns": rounded(np.quantile(found.total_returns, QUANTILES)),
    }
