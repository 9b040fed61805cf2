"""What a child loads before there is a task for it: everything that any task needs."""

from __future__ import annotations

import contextlib


def warm_up() -> None:
    """Import what tasks use, and load the compiled kernels from their cache, or compile them for it."""
    import strategy_optimizer.storage.trial_store
    import strategy_optimizer.workers.task_run  # noqa: F401
    from strategy_optimizer.backtest import PopulationEvaluator, Rules
    from strategy_optimizer.market import load_bars
    from strategy_optimizer.strategies import get_strategy

    with contextlib.suppress(ImportError):
        import psycopg  # noqa: F401

    strategy, bars = get_strategy("momentum"), load_bars("nasdaq")
    PopulationEvaluator(strategy, bars, Rules(window=(0, 500)), threads=1).evaluate(
        [strategy.space().defaults()]
    )
