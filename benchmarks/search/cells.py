"""The real landscapes: strategy x data x objective, on full mixed spaces and on grids that can be enumerated."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from dataclasses import dataclass
from functools import cache, cached_property
from types import EllipsisType
from typing import Any

import numpy as np
from cell_strategies import STRATEGIES

from strategy_optimizer import Bars, Costs, ObjectiveFunction, ParameterSpace, Rules, get_strategy, load_bars
from strategy_optimizer.backtest.evaluate import PopulationEvaluator
from strategy_optimizer.market.synthetic import Garch, synthetic_market
from strategy_optimizer.space import Categorical, Continuous, Discrete
from strategy_optimizer.strategies import indicators

COSTS = Costs(commission=0.0005, slippage=0.0002)  # as on the command line
# parameter -> (low, high, step), a fixed value, or ... for all choices; left out: fixed at the default.
Grid = dict[str, Any]

GRIDS: dict[str, Grid] = {
    "momentum": {
        "lookback_period": (10, 100, 5),
        "threshold": (0.01, 0.05, 0.0025),
        "position_size": 1.0,
        "stop_loss": (0.01, 0.1, 0.01),
        "take_profit": (0.02, 0.2, 0.02),
    },
    "ma_cross": {
        "ma": ...,
        "fast": (5, 60, 5),
        "slow": (20, 240, 10),
        "band": (0.0, 0.03, 0.01),
        "direction": ...,
        "stop": ...,
        "stop_loss": (0.02, 0.2, 0.06),
        "trail": (0.02, 0.2, 0.06),
    },
    "rsi": {
        "period": (2, 30, 2),
        "buy_below": (5.0, 45.0, 5.0),
        "sell_above": (40.0, 90.0, 5.0),
        "trend": (0, 250, 50),
        "stop_loss": (0.02, 0.2, 0.06),
    },
    "bollinger": {
        "period": (5, 100, 5),
        "width": (0.5, 4.0, 0.125),
        "mode": ...,
        "direction": ...,
        "stop_loss": (0.02, 0.2, 0.02),
    },
    "donchian": {
        "entry_period": (5, 120, 5),
        "exit_period": (3, 60, 3),
        "atr_period": (10, 50, 20),
        "stop_atr": (0.5, 6.0, 0.5),
        "direction": ...,
    },
    "rotation": {
        "lookback_period": (20, 250, 10),
        "every": (5, 60, 5),
        "hold": (1, 2, 1),
        "minimum": (-0.1, 0.1, 0.02),
        "stop_loss": (0.05, 0.3, 0.05),
    },
    "trend": {
        "ma": ...,
        "fast": (5, 50, 5),
        "slow": (20, 240, 20),
        "band": (0.0, 0.03, 0.015),
        "filter": ...,
        "filter_period": (50, 250, 100),
        "exit": ...,
        "target": (0.05, 0.25, 0.1),
        "trail": (0.05, 0.25, 0.1),
    },
    "breakout": {
        "entry_period": (10, 150, 10),
        "exit_period": (5, 80, 15),
        "source": ...,
        "stop_atr": (1.0, 8.0, 1.0),
        "target_atr": (2.0, 20.0, 6.0),
        "side": ...,
        "buffer": (0.0, 0.02, 0.01),
    },
    "reversion": {
        "measure": ...,
        "period": (2, 40, 2),
        "depth": (0.25, 3.0, 0.25),
        "recovery": (-1.0, 2.0, 0.5),
        "trend": ...,
        "trend_period": (50, 250, 100),
    },
    "scaled": {
        "lookback": (5, 245, 10),
        "skip": (0, 20, 5),
        "threshold": (0.001, 0.091, 0.01),
        "exit_level": (-0.1, 0.05, 0.03),
        "volatility": (0.1, 0.6, 0.1),
    },
}

OBJECTIVES = {
    "sharpe": ObjectiveFunction("sharpe_ratio"),
    "calmar": ObjectiveFunction("calmar_ratio"),
    "return": ObjectiveFunction("total_return"),
    "weighted": ObjectiveFunction(),  # the seed's
    "sharpe30": ObjectiveFunction("sharpe_ratio", constraints=["trades >= 30"]),
}

# strategy, data, objective; _a and _b are the first and the second half of the data.
FULL = """
momentum sp500 sharpe        | momentum nasdaq weighted  | ma_cross sp500 sharpe     | ma_cross nasdaq_b calmar
rsi sp500 sharpe30           | bollinger nasdaq sharpe30 | donchian sp500_a calmar   | donchian nasdaq return
rotation pair sharpe         | rotation six calmar       | trend sp500 sharpe30      | trend nasdaq_a return
breakout nasdaq sharpe       | reversion sp500 weighted  | reversion nasdaq sharpe30 | scaled nasdaq_b sharpe
"""
FINITE = """
momentum sp500_b calmar      | momentum nasdaq sharpe30  | ma_cross sp500 weighted   | ma_cross nasdaq_a sharpe30
rsi nasdaq sharpe            | rsi sp500_b calmar        | bollinger sp500 sharpe    | bollinger nasdaq_b return
donchian nasdaq sharpe       | rotation pair weighted    | trend nasdaq sharpe       | trend sp500_a calmar
breakout sp500 sharpe30      | reversion sp500 sharpe    | reversion nasdaq_b return | scaled sp500 calmar
"""


@dataclass(frozen=True)
class Cell:
    """One strategy on one data set under one objective; called with points (n, d) it returns scores (n,)."""

    strategy_name: str
    data: str
    objective_name: str
    finite: bool
    threads: int = 1

    @property
    def name(self) -> str:
        """Such as ``grid-rsi-nasdaq-sharpe``; without ``grid-`` on the full space."""
        return ("grid-" if self.finite else "") + f"{self.strategy_name}-{self.data}-{self.objective_name}"

    @property
    def strategy(self) -> Any:
        """The strategy's class."""
        return STRATEGIES.get(self.strategy_name) or get_strategy(self.strategy_name)

    @cached_property
    def _narrowed(self) -> dict[str, Any]:
        """Every parameter of the strategy as this cell has it, fixed ones with one value."""
        parameters = self.strategy.space().parameters
        if not self.finite:
            return dict(parameters)
        grid = GRIDS[self.strategy_name]
        return {name: _on_grid(p, grid.get(name, p.default_value)) for name, p in parameters.items()}

    @cached_property
    def space(self) -> ParameterSpace:
        """What is searched: the parameters that have more than one value."""
        searched = {name: p for name, p in self._narrowed.items() if p.size != 1}
        return ParameterSpace(self.name, searched, constraints=list(self.strategy.constraints))

    @cached_property
    def bars(self) -> Bars:
        """The data."""
        return bars_of(self.data)

    @cached_property
    def _evaluator(self) -> PopulationEvaluator:
        return PopulationEvaluator(self.strategy, self.bars, Rules(COSTS), threads=self.threads)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return the scores (n,) of points (n, d); NaN without a trade, or where a constraint is violated."""
        table = self._evaluator.evaluate(self._full_points(np.asarray(points, np.float64)))
        scores = OBJECTIVES[self.objective_name].score_table(table)
        return np.where((scores.constraints >= 0.0).all(axis=1), scores.score, np.nan)

    def _full_points(self, points: np.ndarray) -> np.ndarray:
        """Return the points with the columns of the parameters that this cell fixes."""
        full, values, columns = self._frame
        whole = np.tile(values, (len(points), 1))
        whole[:, columns] = points
        return full.deactivate(whole)

    @cached_property
    def _frame(self) -> tuple[ParameterSpace, list[float], list[int]]:
        """The strategy's whole space, what its parameters are by default, and the columns of those searched."""
        full = self.strategy.space()
        values = [full.parameters[name].encode(p.default_value) for name, p in self._narrowed.items()]
        return full, values, [full.names.index(name) for name in self.space.names]

    @property
    def digest(self) -> str:
        """SHA-256 of the space, the data, the text of the strategy and its indicators, the objective and the costs."""
        texts = [*_texts(inspect.getsource(self.strategy)), repr(COSTS)]
        objective = json.dumps(OBJECTIVES[self.objective_name].to_json())
        parts = [self.space.digest, self.strategy.space().digest, self._data_digest, objective, *texts]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    @property
    def _data_digest(self) -> str:
        """Digest of the bars; of synthetic ones to six digits: processors differ in the last bit of an exponential."""
        if self.data != "six":
            return self.bars.digest
        return hashlib.sha256(np.round(self.bars.close, 6).tobytes()).hexdigest()


def _texts(text: str) -> list[str]:
    """Return a strategy's text and those of the indicators that it names, and that these name."""
    known = {n: inspect.getsource(f.py_func) for n, f in vars(indicators).items() if hasattr(f, "py_func")}
    found = {"": text}
    waiting = [text]
    while waiting:
        for name in sorted(set(re.findall(r"\w+", waiting.pop())) & set(known) - set(found)):
            found[name] = known[name]
            waiting.append(known[name])
    return [found[name] for name in sorted(found)]


def _on_grid(parameter: Any, wanted: Any) -> Any:
    """Return the parameter on a grid (low, high, step), unchanged for ``...``, or fixed at a value."""
    if isinstance(wanted, EllipsisType):
        return parameter
    if isinstance(parameter, Categorical):
        return Categorical([wanted], condition=parameter.condition)
    low, high, step = wanted if isinstance(wanted, tuple) else (wanted, wanted, 1)
    kind = Discrete if isinstance(parameter, Discrete) else Continuous
    if low == high:
        return kind(low, high, condition=parameter.condition)
    return kind(low, high, step=step, condition=parameter.condition)


@cache
def bars_of(name: str) -> Bars:
    """Return a data set: a sample, half of one, both samples, or six synthetic symbols."""
    if name == "pair":
        return load_bars({"sp500": "sp500", "nasdaq": "nasdaq"}, name="pair")
    if name == "six":
        return synthetic_market(2500, Garch(drift=0.06), edge=0.04, lookback=60, n_symbols=6, seed=11)
    sample, _, half = name.partition("_")
    bars = load_bars(sample)
    middle = bars.n_bars // 2
    return {"": bars, "a": bars.slice(0, middle), "b": bars.slice(middle, None)}[half]


def cells() -> list[Cell]:
    """Return all cells, those on full spaces first."""
    return [
        Cell(*entry.split(), finite=finite)
        for text, finite in ((FULL, False), (FINITE, True))
        for line in text.strip().splitlines()
        for entry in line.split("|")
    ]
