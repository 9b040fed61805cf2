"""Small random markets and signals for tests."""

from __future__ import annotations

import numpy as np

from strategy_optimizer.backtest import Signals
from strategy_optimizer.market import Bars

DAY = 86_400_000_000_000


def bars_of(open_, high, low, close, volume=None, *, name="test") -> Bars:
    """Return daily bars of given prices; lists of numbers are one symbol."""
    arrays = [np.array(a, dtype=np.float64) for a in (open_, high, low, close)]
    n = len(arrays[0])
    symbols = tuple(f"S{i}" for i in range(arrays[0].shape[1])) if arrays[0].ndim == 2 else ("S0",)
    volume = np.ones_like(arrays[0]) if volume is None else np.array(volume, dtype=np.float64)
    return Bars(*arrays, volume, np.arange(n, dtype=np.int64) * DAY, symbols, name)


def random_bars(
    seed: int, n_bars: int, *, n_symbols: int = 1, wild: float = 0.03, gaps: float = 0.02
) -> Bars:
    """Return a random walk with gaps between closes and opens, and zero-range bars among the rest."""
    rng = np.random.default_rng(seed)
    shape = (n_bars, n_symbols)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0, wild, shape), axis=0))
    before = np.vstack([np.full((1, n_symbols), 100.0), close[:-1]])
    open_ = before * np.exp(rng.normal(0, gaps, shape) * (rng.random(shape) < 0.5))
    reach = np.abs(rng.normal(0, wild / 2, (2, *shape))) * (rng.random(shape) < 0.9)
    high = np.maximum(open_, close) * (1 + reach[0])
    low = np.minimum(open_, close) * np.maximum(1 - reach[1], 0.01)
    if n_symbols == 1:
        open_, high, low, close = (a[:, 0] for a in (open_, high, low, close))
    volume = np.where(rng.random(close.shape) < 0.1, 0.0, 1000.0)
    return bars_of(open_, high, low, close, volume)


def zigzag(steps: list[tuple[int, float]], *, seed: int = 0) -> Bars:
    """Return daily bars that rise or fall by a share a bar, for so many bars each, with a little noise."""
    rng = np.random.default_rng(seed)
    drift = np.concatenate([np.full(n, share) for n, share in steps])
    close = 100.0 * np.exp(np.cumsum(drift + rng.normal(0, 0.002, len(drift))))
    open_ = np.concatenate([[100.0], close[:-1]])
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    return bars_of(open_, high, low, close, name="zigzag")


def random_signals(
    seed: int, bars: Bars, *, density: float = 0.15, short: bool = True, per_bar: bool = False
):
    """Return random signals; with `per_bar` the levels change from bar to bar and are sometimes missing."""
    rng = np.random.default_rng(seed)
    shape = bars.close.shape
    flags = [rng.random(shape) < density for _ in range(4)]
    levels = [_level(rng, shape, per_bar) for _ in range(3)]
    size = rng.uniform(0.1, 1.5, shape) if per_bar else float(rng.uniform(0.1, 1.5))
    shorts = flags[2:] if short else [None, None]
    return Signals(flags[0], flags[1], shorts[0], shorts[1], size, *levels)


def _level(rng, shape, per_bar):
    if rng.random() < 0.3:
        return None
    if not per_bar:
        return float(rng.uniform(0.005, 0.2))
    level = rng.uniform(0.005, 0.2, shape)
    level[rng.random(shape) < 0.2] = np.nan
    return level
