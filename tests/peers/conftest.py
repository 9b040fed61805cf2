"""These tests compare with packages of requirements/peers.txt and are collected where those are installed."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PEERS = ("vectorbt", "backtesting", "raptorbt", "quantstats", "empyrical")
collect_ignore_glob = [] if all(map(find_spec, PEERS)) else ["*.py"]

os.environ["RAPTORBT_NO_VERSION_CHECK"] = "1"  # its import asks the network for a newer version otherwise

# Helpers beside the tests are imported by name.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def markets(sp500):
    """The sample of the S&P 500, and the hourly EURUSD and daily GOOG sets of the backtesting.py package."""
    from strategy_optimizer import load_bars

    package = find_spec("backtesting")
    folder = Path(package.submodule_search_locations[0]) / "test"
    carried = {name: load_bars(folder / f"{name}.csv", name=name) for name in ("EURUSD", "GOOG")}
    return {"sp500": sp500, **carried}
