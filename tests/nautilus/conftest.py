"""These tests run NautilusTrader and are collected where it is installed: `make test-nautilus`."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

collect_ignore_glob = [] if find_spec("nautilus_trader") else ["*.py"]

# Strategies beside the tests are imported by name, as BacktestNode does it.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def market():
    """Daily bars of the NASDAQ sample for an instrument without costs."""
    from nautilus_market import Market

    return Market()


@pytest.fixture(scope="session")
def catalog(market, tmp_path_factory):
    """The same bars and instrument in a catalog."""
    from nautilus_trader.persistence.catalog import ParquetDataCatalog

    path = tmp_path_factory.mktemp("catalog")
    catalog = ParquetDataCatalog(str(path))
    catalog.write_data([market.instrument])
    catalog.write_data(market.data)
    return path
