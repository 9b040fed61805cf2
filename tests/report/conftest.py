"""Results that reports are made of, each made once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from strategy_optimizer import Bars, Categorical, Discrete, Result, Signals, Strategy, load_bars, optimize
from strategy_optimizer.report import Material, find_material, report_data

HOSTILE = "<script>alert(1)</script>\"&'--><img src=http://x.invalid/a.png onerror=alert(2)>"


class Hostile(Strategy):
    """A strategy whose name and choices are HTML."""

    name = HOSTILE
    parameters = {"days": Discrete(2, 40, default=10), "y": Categorical([HOSTILE, "other & choice"])}

    def warmup(self, p: Any) -> int:
        return p.days

    def signals(self, bars: Bars) -> Signals:
        rise = np.zeros(bars.n_bars)
        rise[self.days :] = bars.close[self.days :] / bars.close[: -self.days] - 1
        return Signals(rise > 0.01, rise < 0)


@pytest.fixture(scope="session")
def result() -> Result:
    """Return a search of momentum on nasdaq."""
    return optimize("momentum", "nasdaq", evaluations=200, seed=1, ledger=False)


@pytest.fixture(scope="session")
def material(result: Result) -> Material:
    """Return its strategy and bars."""
    found = find_material(result)
    assert isinstance(found, Material)
    return found


@pytest.fixture(scope="session")
def data(result: Result, material: Material) -> dict[str, Any]:
    """Return the values of its report."""
    return report_data(result, material, call="strategy-optimizer optimize momentum")


@pytest.fixture(scope="session")
def hostile() -> tuple[Result, Bars, type[Strategy]]:
    """Return a search in which every name is HTML, its bars and its strategy."""
    bars = load_bars("nasdaq", name=HOSTILE)
    return optimize(Hostile, bars, evaluations=60, ledger=False), bars, Hostile


@pytest.fixture(scope="session")
def several() -> Result:
    """Return a search for two objectives."""
    return optimize(
        "momentum", "nasdaq", "nsga2", evaluations=200, objective="sharpe_ratio,max_drawdown", ledger=False
    )
