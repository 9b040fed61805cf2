"""Runs one backtest and returns its trades and equity: given signals, or a strategy with parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from strategy_optimizer.backtest import reference
from strategy_optimizer.backtest.costs import Costs
from strategy_optimizer.backtest.evaluate import PopulationEvaluator
from strategy_optimizer.backtest.metrics import METRICS, block_sums, equity_metrics
from strategy_optimizer.backtest.plan import (
    Rules,
    SignalRows,
    account_values,
    as_bars,
    bar_rows,
    signal_rows,
)
from strategy_optimizer.backtest.result import EXIT_REASONS, BacktestResult, Trade
from strategy_optimizer.backtest.signals import Level, Signals, Size
from strategy_optimizer.backtest.simulator import Simulator
from strategy_optimizer.backtest.strategy import AnyStrategy
from strategy_optimizer.errors import BacktestError
from strategy_optimizer.market import Bars

ENGINES = ("kernel", "reference")


def simulate_signals(
    bars: Bars,
    entries: Any,
    exits: Any,
    *,
    short_entries: Any = None,
    short_exits: Any = None,
    size: Size = 1.0,
    stop_loss: Level = None,
    take_profit: Level = None,
    trailing_stop: Level = None,
    costs: Costs | None = None,
    fill: str = "next_open",
    cash: float = 100_000.0,
    reentry: str = "while_true",
    window: tuple[int, int] | None = None,
    n_blocks: int = 16,
    periods_per_year: float | None = None,
    engine: str = "kernel",
) -> BacktestResult:
    """Backtest given signals.

    Parameters
    ----------
    bars : Bars
        One symbol or several that share the cash account; whatever `load_bars` takes is loaded.
    entries, exits, short_entries, short_exits : array of bool, shape (bars,) or (bars, symbols)
        Execution timing: the value at bar t is known at its close. It fills at the open of t + 1, or at the close
        of t with ``fill="close"``. On one bar an exit beats an entry; an opposite entry reverses; an entry that is
        true opens whenever the symbol is flat.
    size : float, array, FixedNotional or VolatilityTarget
        Fraction of equity; 1.0 buys what cash affords after costs. The account is not levered.
    stop_loss, take_profit, trailing_stop : float or array, optional
        Fractions of the fill price, checked inside each bar after the fill: an open beyond a level fills at the
        open, then the stop, then the target. See docs/backtest.md.
    costs : Costs, optional
        None by default.
    fill, cash, reentry, window, n_blocks, periods_per_year
        As in `Rules`.
    engine : {"kernel", "reference"}
        The compiled kernel, or the slow reference simulator.

    Returns
    -------
    BacktestResult

    Raises
    ------
    BacktestError
        When a signal has the wrong shape or type, or a level is not above 0.

    Examples
    --------
    >>> from strategy_optimizer import load_bars
    >>> bars = load_bars("nasdaq")
    >>> always = np.ones(bars.n_bars, dtype=bool)
    >>> result = simulate_signals(bars, always, ~always)
    >>> result.trades[0].entry_bar, result.trades[0].exit_bar
    (1, None)
    """
    bars = as_bars(bars)
    signals = Signals(entries, exits, short_entries, short_exits, size, stop_loss, take_profit, trailing_stop)
    rules = Rules(costs or Costs(), cash, fill, reentry, window, n_blocks, periods_per_year)
    return run_plan(bars, signal_rows(signals, bars), rules, engine)


def run_backtest(
    strategy: AnyStrategy,
    params: Mapping[str, Any],
    bars: Bars,
    rules: Rules | None = None,
    *,
    engine: str = "kernel",
) -> BacktestResult:
    """Backtest a strategy with one set of parameters; those left out take their defaults.

    Parameters
    ----------
    strategy
        A strategy class or instance.
    params : mapping
        Parameters by name.
    bars : Bars
    rules : Rules, optional
        Costs, fills, cash, window.
    engine : {"kernel", "reference"}
        The compiled kernel, or the slow reference simulator.
    """
    rules = rules or Rules()
    evaluator = PopulationEvaluator(strategy, bars, rules)
    return run_plan(evaluator.bars, evaluator.signals(params), rules, engine)


def run_plan(bars: Bars, plan: SignalRows, rules: Rules, engine: str = "kernel") -> BacktestResult:
    """Run checked signals through one of the two simulators."""
    if engine not in ENGINES:
        raise BacktestError(f"engine is {engine!r}; expected one of {', '.join(ENGINES)}")
    return _run_kernel(bars, plan, rules) if engine == "kernel" else _run_reference(bars, plan, rules)


def _run_kernel(bars: Bars, plan: SignalRows, rules: Rules) -> BacktestResult:
    values, blocks, trades, equity = Simulator(bars, rules).record(plan)
    return BacktestResult(tuple(_trade(row) for row in trades.tolist()), equity, values, blocks)


def _trade(row: list[float]) -> Trade:
    symbol, side, entry_bar, exit_bar, entry, exit_price, shares, pnl, reason = row
    is_open = exit_bar < 0
    return Trade(
        entry_bar=int(entry_bar),
        exit_bar=None if is_open else int(exit_bar),
        entry_price=entry,
        exit_price=None if is_open else exit_price,
        size=shares,
        side="long" if side > 0 else "short",
        pnl=pnl,
        exit_reason=EXIT_REASONS[int(reason)],
        symbol=int(symbol),
    )


def _run_reference(bars: Bars, plan: SignalRows, rules: Rules) -> BacktestResult:
    account = account_values(rules, bars, plan.size_is_notional)
    ledger_rules = reference.Rules(
        costs=rules.costs,
        cash=account.cash,
        start=account.start,
        stop=account.stop,
        first_decision=max(account.start, plan.warmup),
        fill_at_close=account.fill_at_close,
        size_is_notional=account.size_is_notional,
        fresh_signal=account.fresh_signal,
        years=account.years,
        periods_per_year=account.periods_per_year,
    )
    rows = bar_rows(bars)
    market = reference.Market(rows.open.tolist(), rows.high.tolist(), rows.low.tolist(), rows.close.tolist())
    plans = [_reference_plan(plan, s, bars.n_bars) for s in range(bars.n_symbols)]
    ledger = reference.simulate(market, plans, ledger_rules)
    metrics = equity_metrics(ledger.equity, account.cash, account.years, account.periods_per_year)
    metrics |= reference.trade_metrics(ledger, ledger_rules)
    trades = sorted(ledger.trades, key=lambda trade: (trade.entry_bar, trade.symbol))
    return BacktestResult(
        tuple(
            Trade(
                trade.entry_bar,
                trade.exit_bar,
                trade.entry_price,
                trade.exit_price,
                trade.shares,
                "long" if trade.side == 1 else "short",
                trade.pnl,
                trade.reason,
                trade.symbol,
            )
            for trade in trades
        ),
        np.array(ledger.equity),
        {name: metrics[name] for name in METRICS},
        np.array(block_sums(ledger.equity, rules.n_blocks), dtype=np.float64),
    )


def _reference_plan(plan: SignalRows, s: int, n_bars: int) -> reference.SymbolPlan:
    flags = [np.broadcast_to(flag[s], n_bars).tolist() for flag in plan.flags]
    levels = [np.broadcast_to(level[s], n_bars).tolist() for level in plan.levels]
    return reference.SymbolPlan(*flags, *levels)
