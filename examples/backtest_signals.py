"""Backtest signals that you have computed yourself: trades, equity and metrics."""

import numpy as np

from strategy_optimizer import Costs, load_bars, simulate_signals

bars = load_bars("nasdaq", start="2010", end="2018")
month = bars.timestamp.view("datetime64[ns]").astype("datetime64[M]").astype(int) % 12

# Sell in May: a signal at bar t fills at the open of t + 1.
winter = np.isin(month, (10, 11, 0, 1, 2, 3))
result = simulate_signals(
    bars, entries=winter, exits=~winter, stop_loss=0.15, costs=Costs(commission=0.0005, slippage=0.0002)
)

for trade in result.trades[:3]:
    print(f"bar {trade.entry_bar} to {trade.exit_bar}: {trade.pnl:+,.0f} ({trade.exit_reason})")
print(f"{len(result.trades)} trades, equity at the end {result.equity[-1]:,.0f}")
print({name: round(result.metrics[name], 3) for name in ("total_return", "sharpe_ratio", "max_drawdown")})
