"""The network is not touched: recorded frames stand in for the packages."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from full_disk import room_for_100_bytes
from strategy_optimizer.errors import DataError
from strategy_optimizer.market import load_bars
from strategy_optimizer.market.remote import download, parse_remote

HOUR_MS = 3_600_000
FIRST_MS = 1_502_942_400_000  # 2017-08-17 04:00, binance's first BTC/USDT bar
RECORDED = pd.DataFrame(
    {
        "Open": [296.24, 297.15, 293.79],
        "High": [300.6, 300.58, 299.96],
        "Low": [295.19, 296.5, 292.75],
        "Close": [300.35, 297.43, 299.8],
        "Volume": [33_870_100, 36_580_700, 29_596_800],
    },
    index=pd.DatetimeIndex(["2020-01-02", "2020-01-03", "2020-01-06"], name="Date", tz="America/New_York"),
)


class FakeYahoo:
    """yfinance as far as it is used, counting its calls."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def Ticker(self, symbol: str) -> Any:
        def history(**options: Any) -> pd.DataFrame:
            self.calls.append((symbol, options))
            return self.frame

        return SimpleNamespace(history=history)


class FakeExchange:
    """An exchange of ccxt that pages through hourly candles."""

    n_bars = 2500
    last_ms: int | None = None
    calls = 0

    def __init__(self, options: dict[str, Any]) -> None:
        assert options["enableRateLimit"]

    def fetch_ohlcv(self, symbol: str, timeframe: str, since: int, limit: int) -> list[list[float]]:
        assert (symbol, timeframe) == ("BTC/USDT", "1h")
        type(self).calls += 1
        last = self.last_ms or FIRST_MS + (self.n_bars - 1) * HOUR_MS
        first = last - (self.n_bars - 1) * HOUR_MS
        times = [t for t in range(first, last + 1, HOUR_MS) if t >= since][:limit]
        return [[t, 100, 101 + t % 7, 99, 100.5, 12] for t in times]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRATEGY_OPTIMIZER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def yahoo(monkeypatch: pytest.MonkeyPatch) -> FakeYahoo:
    fake = FakeYahoo(RECORDED)
    monkeypatch.setitem(sys.modules, "yfinance", fake)
    return fake


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> type[FakeExchange]:
    kind = type("Fresh", (FakeExchange,), {})
    monkeypatch.setitem(sys.modules, "ccxt", SimpleNamespace(exchanges=["binance"], binance=kind))
    return kind


def test_yfinance_prices_become_bars(yahoo: FakeYahoo) -> None:
    bars = load_bars("yfinance:AAPL")
    assert bars.close.tolist() == RECORDED["Close"].tolist()
    assert bars.symbols == ("yfinance:AAPL",)
    assert str(bars.timestamp[0].astype("M8[ns]"))[:16] == "2020-01-02T05:00"
    assert yahoo.calls == [
        ("AAPL", {"period": "max", "interval": "1d", "auto_adjust": True, "actions": False})
    ]
    assert bars.report is not None
    assert [p.kind for p in bars.report.notes] == ["downloaded"]


def test_a_download_is_kept_until_it_is_refreshed(yahoo: FakeYahoo, cache: Path) -> None:
    first = load_bars("yfinance:AAPL")
    yahoo.frame = RECORDED.iloc[:2]
    assert load_bars("yfinance:AAPL") == first
    assert len(yahoo.calls) == 1
    download("yfinance:AAPL", refresh=True)
    assert load_bars("yfinance:AAPL").n_bars == 2
    assert [path.suffix for path in cache.iterdir()] == [".parquet"]


def test_ccxt_pages_are_put_together(exchange: type[FakeExchange]) -> None:
    bars = load_bars("ccxt:binance:BTC/USDT:1h")
    assert bars.n_bars == 2500
    assert bars.bar_size == HOUR_MS * 10**6
    assert bars.timestamp[0] == FIRST_MS * 10**6
    assert exchange.calls == 4  # three pages and the empty one


def test_a_bar_that_has_not_ended_is_left_out(exchange: type[FakeExchange]) -> None:
    exchange.last_ms = int(time.time() * 1000) // HOUR_MS * HOUR_MS
    assert load_bars("ccxt:binance:BTC/USDT:1h").n_bars == 2499


def test_intervals_have_their_own_files(yahoo: FakeYahoo) -> None:
    assert download("yfinance:AAPL") != download("yfinance:AAPL:1h")
    assert yahoo.calls[1][1]["interval"] == "1h"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("yfinance:BRK-B", ("yfinance", "", "BRK-B", "1d")),
        ("yfinance:^GSPC:1wk", ("yfinance", "", "^GSPC", "1wk")),
        ("ccxt:kraken:BTC/EUR", ("ccxt", "kraken", "BTC/EUR", "1d")),
        ("ccxt:binance:BTC/USDT:USDT:5m", ("ccxt", "binance", "BTC/USDT:USDT", "5m")),
    ],
)
def test_source_texts(text: str, parts: tuple[str, ...]) -> None:
    source = parse_remote(text)
    assert (source.provider, source.venue, source.symbol, source.interval) == parts


@pytest.mark.parametrize(
    "text", ["yfinance:", "ccxt:binance", "ccxt:binance:", "ccxt::BTC/USDT", "yfinance::1h"]
)
def test_source_texts_that_are_not_understood(text: str) -> None:
    with pytest.raises(DataError, match=r"is not understood; expected e\.g\. 'yfinance:AAPL'"):
        load_bars(text)


@pytest.mark.parametrize("name", ["yfinance", "ccxt"])
def test_a_missing_extra_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DataError, match=rf"pip install 'strategy-optimizer\[{name}\]'"):
        load_bars(f"{name}:binance:BTC/USDT" if name == "ccxt" else "yfinance:AAPL")


def test_nothing_found(yahoo: FakeYahoo, exchange: type[FakeExchange]) -> None:
    yahoo.frame = RECORDED.iloc[:0]
    with pytest.raises(DataError, match="knows no such prices"):
        load_bars("yfinance:NOPE")
    exchange.n_bars = 0
    with pytest.raises(DataError, match="returned no finished bars"):
        load_bars("ccxt:binance:BTC/USDT:1h")
    with pytest.raises(DataError, match="knows no exchange 'nowhere'"):
        load_bars("ccxt:nowhere:BTC/USDT:1h")


def test_a_failing_network_is_one_clear_error(
    exchange: type[FakeExchange], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **options: Any) -> Any:
        raise ConnectionError("no route")

    monkeypatch.setattr(exchange, "fetch_ohlcv", fail)
    with pytest.raises(DataError, match="could not be downloaded: ConnectionError: no route") as caught:
        load_bars("ccxt:binance:BTC/USDT:1h")
    assert isinstance(caught.value.__cause__, ConnectionError)


def test_a_full_disk_leaves_nothing_half_written(yahoo: FakeYahoo, cache: Path) -> None:
    with room_for_100_bytes(), pytest.raises(DataError, match=r"cannot be kept in .*: File too large"):
        load_bars("yfinance:AAPL")
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_a_folder(
    yahoo: FakeYahoo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STRATEGY_OPTIMIZER_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot be kept in .*file: "):
        load_bars("yfinance:AAPL")


def test_missing_values_of_a_download_are_reported_not_hidden(yahoo: FakeYahoo) -> None:
    yahoo.frame = RECORDED.assign(Close=[300.35, np.nan, 299.8])
    with pytest.raises(DataError, match=r"close is missing .*\(row 2\)"):
        load_bars("yfinance:AAPL")
    assert load_bars("yfinance:AAPL", repair="drop_nan").n_bars == 2
