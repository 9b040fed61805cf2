"""Market data from the network, through the extras `yfinance` and `ccxt`, kept in a cache on disk.

A download is kept until it is refreshed: the same name means the same data tomorrow, so that a task can be
resumed and a result re-run. Bars that had not ended when they were downloaded are left out.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from strategy_optimizer.config import cache_folder
from strategy_optimizer.errors import DataError
from strategy_optimizer.market.bars import COLUMNS
from strategy_optimizer.market.files import write_parquet
from strategy_optimizer.market.moments import DAY, HOUR, MINUTE, SECOND, parse_moment

if TYPE_CHECKING:
    import polars as pl

_FORMS = "'yfinance:AAPL', 'yfinance:AAPL:1h', 'ccxt:binance:BTC/USDT' or 'ccxt:binance:BTC/USDT:1h'"
_INTERVAL = re.compile(r"\d+(s|m|h|d|w|wk|mo|M)")
_LENGTHS = {
    "s": SECOND,
    "m": MINUTE,
    "h": HOUR,
    "d": DAY,
    "w": 7 * DAY,
    "wk": 7 * DAY,
    "mo": 28 * DAY,
    "M": 28 * DAY,
}
_MILLISECOND = 1_000_000
_EARLIEST = parse_moment("2009") // _MILLISECOND  # before any crypto market
_PAGE = 1000


@dataclass(frozen=True)
class RemoteSource:
    """A parsed source text such as ``ccxt:binance:BTC/USDT:1h``."""

    text: str
    provider: str
    venue: str
    symbol: str
    interval: str

    @property
    def length(self) -> int:
        """Nanoseconds of one bar, for months the shortest."""
        number = re.match(r"\d+", self.interval)
        assert number is not None  # the interval was matched when it was parsed
        return int(number[0]) * _LENGTHS[self.interval[number.end() :]]


def is_remote(text: str) -> bool:
    """Whether a source text names a provider.

    >>> is_remote("yfinance:AAPL"), is_remote("prices.csv")
    (True, False)
    """
    return text.partition(":")[0] in _PROVIDERS and ":" in text


def parse_remote(text: str) -> RemoteSource:
    """Return the parts of a source text; the interval is a day unless it is given.

    >>> parse_remote("ccxt:binance:BTC/USDT:USDT:4h").symbol
    'BTC/USDT:USDT'
    """
    provider, *parts = text.split(":")
    interval = parts.pop() if len(parts) > 1 and _INTERVAL.fullmatch(parts[-1]) else "1d"
    venue = parts.pop(0) if provider == "ccxt" and len(parts) > 1 else ""
    if provider not in _PROVIDERS or not parts or not all(parts) or (provider == "ccxt" and not venue):
        raise DataError(f"{text!r} is not understood; expected e.g. {_FORMS}")
    return RemoteSource(text, provider, venue, ":".join(parts), interval)


def download(text: str, *, refresh: bool = False, folder: Path | None = None) -> Path:
    """Return the Parquet file of a source's bars, downloading it unless it is in the cache.

    Parameters
    ----------
    text : str
        ``yfinance:AAPL``, ``ccxt:binance:BTC/USDT:1h`` and the like.
    refresh : bool
        Download again even though the cache has it.
    folder : Path, optional
        The cache; by default the user's cache folder, which STRATEGY_OPTIMIZER_CACHE moves.

    Raises
    ------
    DataError
        When the text is not understood, the extra is not installed, nothing comes back, or the cache cannot
        be written.
    """
    source = parse_remote(text)
    path = _cache_path(source, folder or cache_folder())
    if refresh or not path.is_file():
        _write(_fetched(source), path)
    return path


def _cache_path(source: RemoteSource, folder: Path) -> Path:
    readable = re.sub(r"[^A-Za-z0-9]+", "-", source.text)
    return folder / f"{readable}-{hashlib.sha256(source.text.encode()).hexdigest()[:8]}.parquet"


def _write(frame: pl.DataFrame, path: Path) -> None:
    """Write whole or not at all."""
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_parquet(frame, partial)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise DataError(f"the download cannot be kept in {path.parent}: {error.strerror or error}") from error


def _fetched(source: RemoteSource) -> pl.DataFrame:
    import polars as pl  # heavy

    provider = _extra(source.provider)
    try:
        frame = _PROVIDERS[source.provider](provider, source)
    except DataError:
        raise
    except Exception as error:  # the network, or whatever the provider's package raises for it
        raise DataError(f"{source.text} could not be downloaded: {type(error).__name__}: {error}") from error
    frame = frame.filter(pl.col("timestamp") + source.length <= time.time_ns())
    if frame.is_empty():
        raise DataError(
            f"{source.text}: {source.provider} returned no finished bars; are name and interval right?"
        )
    return frame.with_columns(pl.col("timestamp").cast(pl.Datetime("ns", "UTC")))


def _extra(name: str) -> ModuleType:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        fix = f"pip install 'strategy-optimizer[{name}]'"
        raise DataError(f"data from {name} need its package, which is not installed: {fix}") from error


def _from_yfinance(yfinance: Any, source: RemoteSource) -> pl.DataFrame:
    """Return prices adjusted for splits and dividends."""
    import polars as pl

    from strategy_optimizer.market.sources import PandasSource
    from strategy_optimizer.market.timestamps import to_nanoseconds

    found = yfinance.Ticker(source.symbol).history(
        period="max", interval=source.interval, auto_adjust=True, actions=False
    )
    if not len(found):
        raise DataError(f"{source.text}: yfinance knows no such prices; are name and interval right?")
    columns = PandasSource(found, source.text)
    time_name = columns.names[0]
    values = columns.fetch([column.capitalize() for column in COLUMNS], [time_name])
    timestamp, _ = to_nanoseconds(values[time_name])
    return pl.DataFrame(
        {"timestamp": timestamp, **{column: values[column.capitalize()] for column in COLUMNS}}
    )


def _from_ccxt(ccxt: Any, source: RemoteSource) -> pl.DataFrame:
    import polars as pl

    if source.venue not in ccxt.exchanges:
        raise DataError(f"{source.text}: ccxt knows no exchange {source.venue!r}")
    exchange = getattr(ccxt, source.venue)({"enableRateLimit": True})
    since, rows = _EARLIEST, []
    while page := exchange.fetch_ohlcv(source.symbol, source.interval, since=since, limit=_PAGE):
        fresh = [row for row in page if row[0] >= since]
        if not fresh:
            break
        rows += fresh
        since = fresh[-1][0] + 1
    columns = [pl.Series(name, [row[i] for row in rows]) for i, name in enumerate(("timestamp", *COLUMNS))]
    frame = pl.DataFrame(columns)
    return frame.with_columns(
        pl.col("timestamp").cast(pl.Int64) * _MILLISECOND,
        *(pl.col(column).cast(pl.Float64) for column in COLUMNS),
    )


_PROVIDERS: dict[str, Callable[[Any, RemoteSource], pl.DataFrame]] = {
    "yfinance": _from_yfinance,
    "ccxt": _from_ccxt,
}
