"""The engines of bench_engine.py behind one shape: prepare once, then run the same sets again and again.

All trade the momentum strategy at the close of the deciding bar with stop-loss, take-profit, commission and
slippage. Each engine lives in a process of its own, so that its memory is its own; `serve` is that process.
"""

from __future__ import annotations

import os
import time
import warnings
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from machine import peak_megabytes

COMMISSION, SLIPPAGE, CASH = 0.0005, 0.0002, 100_000.0
NAMES = ("lookback_period", "threshold", "position_size", "stop_loss", "take_profit")
LOWS, HIGHS = (10, 0.01, 0.1, 0.01, 0.02), (100, 0.05, 1.0, 0.1, 0.2)


@dataclass(frozen=True)
class Job:
    """What a process runs: the engine's name, the data, and how many sets."""

    engine: str
    data: str
    n_sets: int
    seed: int = 0

    @property
    def points(self) -> np.ndarray:
        """The parameter sets (n, 5); an engine that runs fewer takes the first ones."""
        unit = np.random.default_rng(self.seed).random((100_000, len(NAMES)))[: self.n_sets]
        points = np.array(LOWS) + unit * (np.array(HIGHS) - np.array(LOWS))
        points[:, 0] = np.floor(10 + unit[:, 0] * 91)
        return points


class Engine:
    """One engine: `run` evaluates all sets and returns how many trades it saw."""

    def __init__(self, job: Job) -> None:
        from strategy_optimizer import load_bars

        self.bars = load_bars(job.data)
        self.points = job.points

    def signals(self, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return entries and exits; the rise over a lookback is computed once, which favours the peers."""
        n, close = int(point[0]), self.bars.close
        if n not in self.rises:
            rise = np.full(close.size, np.nan)
            rise[n:] = close[n:] / close[:-n] - 1.0
            self.rises[n] = rise
        return self.rises[n] > point[1], self.rises[n] < 0.0

    def warm_up(self) -> None:
        """Do what only the first run needs; its time counts to the first run."""

    def run(self) -> float:
        raise NotImplementedError

    @property
    def rises(self) -> dict[int, np.ndarray]:
        return self.__dict__.setdefault("_rises", {})


class Ours(Engine):
    """`evaluate_population`: 17 metrics and 16 x 3 block sums of each set."""

    fill = "close"
    as_dicts = False
    threads: int | None = None  # all cores

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        from strategy_optimizer import Costs

        self.strategy = self.find_strategy()
        self.costs = Costs(commission=COMMISSION, slippage=SLIPPAGE)
        self.candidates: Any = self.points
        if self.as_dicts:
            self.candidates = self.strategy.space().to_dicts(self.points)

    def find_strategy(self) -> Any:
        from strategy_optimizer import get_strategy

        return get_strategy("momentum")

    def warm_up(self) -> None:
        self._evaluate(self.candidates[:1])

    def run(self) -> float:
        return self._evaluate(self.candidates)

    def _evaluate(self, candidates: Any) -> float:
        from strategy_optimizer import evaluate_population

        table = evaluate_population(
            self.strategy,
            candidates,
            self.bars,
            costs=self.costs,
            fill=self.fill,
            cash=CASH,
            threads=self.threads,
        )
        return float(table["trades"].sum())


class OursOneThread(Ours):
    """The same on one core."""

    threads = 1


class OursDicts(Ours):
    """The same with a list of dicts as candidates."""

    as_dicts = True


class OursNextOpen(Ours):
    """The same with fills at the next open, the default."""

    fill = "next_open"


class OursVectorised(Ours):
    """The vectorised-style momentum strategy."""

    def find_strategy(self) -> Any:
        from strategy_optimizer.strategies.momentum import VectorisedMomentum

        return VectorisedMomentum


class VectorBT(Engine):
    """`Portfolio.from_signals` and four metrics, in chunks of 250 sets (2 GB otherwise)."""

    engine = "rust"
    chunk = 250

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        import pandas as pd
        import vectorbt as vbt
        from vectorbt._engine import is_rust_available

        if self.engine == "rust" and not is_rust_available():
            raise RuntimeError("the package vectorbt-rust is not installed")
        vbt.settings["engine"] = self.engine
        self.vbt = vbt
        index = pd.DatetimeIndex(self.bars.timestamp, freq=None)
        columns = ("open", "high", "low", "close")
        self.frame = pd.DataFrame({c: getattr(self.bars, c) for c in columns}, index=index)

    def run(self) -> float:
        return sum(
            self._run_chunk(self.points[i : i + self.chunk]) for i in range(0, len(self.points), self.chunk)
        )

    def _run_chunk(self, points: np.ndarray) -> float:
        import pandas as pd

        signals = [self.signals(p) for p in points]
        entries, exits = (
            pd.DataFrame(np.column_stack(side), index=self.frame.index) for side in zip(*signals, strict=True)
        )
        portfolio = self.vbt.Portfolio.from_signals(
            self.frame["close"],
            entries,
            exits,
            open=self.frame["open"],
            high=self.frame["high"],
            low=self.frame["low"],
            size=points[:, 2],
            size_type="percent",
            sl_stop=points[:, 3],
            tp_stop=points[:, 4],
            fees=COMMISSION,
            slippage=SLIPPAGE,
            init_cash=CASH,
            freq="1D",
            engine=self.engine,
        )
        portfolio.total_return(), portfolio.sharpe_ratio(), portfolio.max_drawdown()
        trades = portfolio.trades
        trades.win_rate()
        return float(trades.count().sum())


class VectorBTNumba(VectorBT):
    """The same with the Numba engine."""

    engine = "numba"


class RaptorBT(Engine):
    """`batch_single_backtest`; it always computes its own 40 metrics."""

    with_signals = True

    def __init__(self, job: Job) -> None:
        os.environ["RAPTORBT_NO_VERSION_CHECK"] = "1"
        super().__init__(job)
        import raptorbt

        self.raptorbt = raptorbt
        self.items = None if self.with_signals else self._make_items()

    def run(self) -> float:
        bars = self.bars
        prices = (bars.timestamp, bars.open, bars.high, bars.low, bars.close, bars.volume)
        items = self._make_items() if self.items is None else self.items
        results = self.raptorbt.batch_single_backtest(*prices, items, self._config(0.0, 0.0))
        total = 0.0
        for _, result in results:
            m = result.metrics
            _ = m.total_return_pct, m.sharpe_ratio, m.max_drawdown_pct, m.win_rate_pct
            total += m.total_trades
        return total

    def _make_items(self) -> list[Any]:
        return [
            self.raptorbt.BatchSingleItem(
                str(i),
                *self.signals(p),
                config=self._config(p[3], p[4]),
                position_sizes=np.full(self.bars.n_bars, p[2]),
            )
            for i, p in enumerate(self.points)
        ]

    def _config(self, stop_loss: float, take_profit: float) -> Any:
        config = self.raptorbt.BacktestConfig(
            initial_capital=CASH, fees=COMMISSION, slippage=SLIPPAGE, fill_timing="same_bar_close"
        )
        if stop_loss:
            config.set_fixed_stop(stop_loss)
            config.set_fixed_target(take_profit)
        return config


class RaptorBTSignalsGiven(RaptorBT):
    """The same without making the signals and the items: the batch call alone."""

    with_signals = False


class BacktestingPy(Engine):
    """`Backtest.run` with a strategy as its manual writes one."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        import pandas as pd

        warnings.simplefilter("ignore")
        names = ("Open", "High", "Low", "Close", "Volume")
        self.frame = pd.DataFrame(
            {n: getattr(self.bars, n.lower()) for n in names}, index=pd.DatetimeIndex(self.bars.timestamp)
        )
        import backtesting

        backtesting.backtesting._tqdm = lambda iterable, **_: iterable  # no progress bar
        self.backtest = backtesting.Backtest(
            self.frame,
            _backtesting_strategy(),
            cash=CASH,
            commission=COMMISSION,
            spread=SLIPPAGE,
            trade_on_close=True,
        )

    def run(self) -> float:
        total = 0.0
        for point in self.points:
            params = dict(zip(NAMES, point.tolist(), strict=True))
            params["lookback_period"] = int(params["lookback_period"])
            total += self.backtest.run(**params)["# Trades"]
        return total


def _backtesting_strategy() -> type:
    from backtesting import Strategy

    def change(close: Any, n: int) -> np.ndarray:
        rise = np.full(len(close), np.nan)
        rise[n:] = close[n:] / close[:-n] - 1.0
        return rise

    class Momentum(Strategy):
        lookback_period, threshold, position_size, stop_loss, take_profit = 20, 0.02, 0.5, 0.05, 0.1

        def init(self) -> None:
            self.rise = self.I(change, self.data.Close, self.lookback_period)

        def next(self) -> None:
            rise, price = self.rise[-1], self.data.Close[-1]
            if self.position:
                if rise < 0.0:
                    self.position.close()
            elif rise > self.threshold:
                self.buy(
                    size=min(self.position_size, 0.9999),
                    sl=price * (1.0 - self.stop_loss),
                    tp=price * (1.0 + self.take_profit),
                )

    return Momentum


ENGINES: dict[str, type[Engine]] = {
    "ours": Ours,
    "ours, one thread": OursOneThread,
    "ours, 1,000 sets": Ours,
    "ours, 1,000 dicts": OursDicts,
    "ours, next-open fills": OursNextOpen,
    "ours, vectorised style": OursVectorised,
    "RaptorBT, signals included": RaptorBT,
    "RaptorBT, signals given": RaptorBTSignalsGiven,
    "vectorbt, Rust engine": VectorBT,
    "vectorbt, Numba engine": VectorBTNumba,
    "backtesting.py": BacktestingPy,
}


def serve(job: Job, pipe: Connection) -> None:
    """Prepare the engine, say what the first run took, then time a run for each message."""
    warnings.simplefilter("ignore")
    try:
        begin = time.perf_counter()
        engine = ENGINES[job.engine](job)
        prepared = time.perf_counter()
        engine.warm_up()
        trades = engine.run()
        first = time.perf_counter()
        pipe.send({"prepare": prepared - begin, "first": first - prepared, "trades": trades / job.n_sets})
        while pipe.recv() == "run":
            begin, cpu = time.perf_counter(), time.process_time()
            engine.run()
            pipe.send((time.perf_counter() - begin, time.process_time() - cpu))
        pipe.send(peak_megabytes())
    except EOFError:  # the parent went away
        return
    except Exception as error:
        pipe.send(error)
