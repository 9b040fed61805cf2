"""These tests run freqtrade and take minutes: `make test-freqtrade` alone collects them."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from freqtrade_trading import CONFIG

collect_ignore = ["strategies"]  # they import freqtrade
collect_ignore_glob = [] if os.environ.get("ENGINE_TIER") == "freqtrade" else ["test_*.py"]

STRATEGIES = Path(__file__).with_name("strategies")


@pytest.fixture(scope="session")
def python():
    return os.environ["ENGINE_PYTHON"]


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """The candles of two coins: synthetic markets with a small edge, 1,500 hours each."""
    from strategy_optimizer.engines import write_candles
    from strategy_optimizer.market import Garch, synthetic_market

    folder = tmp_path_factory.mktemp("candles")
    for seed, pair in enumerate(("BTC/USDT", "ETH/USDT"), 1):
        market = synthetic_market(
            1500, Garch(volatility=0.8), edge=0.1, bar="1h", start="2024-01-01", seed=seed
        )
        write_candles(folder, pair, "1h", market)
    return folder


@pytest.fixture
def user(tmp_path):
    """A user directory with the strategies of these tests."""
    shutil.copytree(STRATEGIES, tmp_path / "user_data" / "strategies")
    return tmp_path / "user_data"


@pytest.fixture
def engine(python, data, user):
    from strategy_optimizer.engines import FreqtradeEngine

    def make(strategy="Momentum", config=CONFIG, **settings):
        return FreqtradeEngine(
            strategy, config, **{"python": python, "user_directory": user, "data": data, **settings}
        )

    return make
