"""Bars: the OHLCV arrays of one or more symbols that everything else in this package works on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from strategy_optimizer.errors import DataError
from strategy_optimizer.market.moments import YEAR, Moment, moment_text, parse_moment, period_text, span_text
from strategy_optimizer.market.report import DataReport

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

PRICES = ("open", "high", "low", "close")
COLUMNS = (*PRICES, "volume")

_DIGEST_VERSION = b"bars-1"


@dataclass(frozen=True, eq=False, repr=False)
class Bars:
    """OHLCV bars of one or more symbols, aligned on their timestamps; immutable.

    `load_bars` checks what it returns. The constructor checks shapes and types only, so that `check_bars` can
    report on anything; a writeable array is copied.

    Parameters
    ----------
    open, high, low, close, volume : (n,) or (n, n_symbols) float64
        Prices in one currency, volume in units traded (zeros where unknown); no NaN in checked bars.
    timestamp : (n,) int64 or datetime64
        UTC nanoseconds since 1970, strictly increasing in checked bars.
    symbols : tuple of str
        One name per column.
    name : str
        What the data are called in reports; no part of their identity.
    report : DataReport, optional
        What the checks found when the bars were loaded.

    Notes
    -----
    Two `Bars` are equal when their `digest` is.

    Examples
    --------
    >>> bars = Bars([1, 2], [2, 2], [1, 1], [2, 1], [0, 0], [0, 86_400_000_000_000], ("X",), "tiny")
    >>> bars
    <Bars tiny: 2 bars of 1 day, 1970-01-01 to 1970-01-02>
    >>> len(bars), bars.n_symbols, bars.close.flags.writeable
    (2, 1, False)
    """

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    timestamp: IntArray
    symbols: tuple[str, ...] = ("data",)
    name: str = "data"
    report: DataReport | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "timestamp", _frozen(self.timestamp, np.int64, "timestamp"))
        object.__setattr__(self, "symbols", tuple(str(symbol) for symbol in self.symbols))
        for column in COLUMNS:
            object.__setattr__(self, column, _frozen(getattr(self, column), np.float64, column))
        self._check_shapes()

    def _check_shapes(self) -> None:
        if self.timestamp.ndim != 1 or not len(self.timestamp):
            raise DataError(
                f"timestamp has shape {self.timestamp.shape}; expected (n,) with at least one bar"
            )
        n, k = len(self.timestamp), len(self.symbols)
        expected = [(n,), (n, 1)] if k == 1 else [(n, k)]
        for column in COLUMNS:
            shape = getattr(self, column).shape
            if shape not in expected:
                raise DataError(
                    f"{column} has shape {shape}; expected {expected[0]} for {n} bars of {k} symbol(s)"
                )
            if shape == (n, 1):
                object.__setattr__(self, column, getattr(self, column).reshape(n))

    @property
    def n_bars(self) -> int:
        """Number of bars."""
        return len(self.timestamp)

    @property
    def n_symbols(self) -> int:
        """Number of symbols."""
        return len(self.symbols)

    def __len__(self) -> int:
        return self.n_bars

    @cached_property
    def periods_per_year(self) -> float:
        """Bars a year: (n - 1) / years between the first and the last timestamp; NaN for a single bar."""
        span = int(self.timestamp[-1]) - int(self.timestamp[0])
        return (self.n_bars - 1) * YEAR / span if span > 0 else float("nan")

    @cached_property
    def bar_size(self) -> int:
        """Median distance of two timestamps in nanoseconds; 0 for a single bar."""
        return int(np.median(np.diff(self.timestamp))) if self.n_bars > 1 else 0

    @cached_property
    def _months(self) -> Mapping[str, str]:
        return MappingProxyType({month: self._sha256(rows) for month, rows in self.month_rows()})

    def month_rows(self) -> Iterator[tuple[str, slice]]:
        """Yield each calendar month (UTC) that has bars, as ``YYYY-MM``, and where they are."""
        months = self.timestamp.view("M8[ns]").astype("M8[M]")
        starts = np.concatenate(([0], np.flatnonzero(np.diff(months.view(np.int64))) + 1, [self.n_bars]))
        for begin, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            yield str(months[begin]), slice(begin, end)

    def _sha256(self, rows: slice) -> str:
        sha = hashlib.sha256(self._identity)
        for array in (self.timestamp, *(getattr(self, column) for column in COLUMNS)):
            # native order is little-endian wherever Numba runs; astype is then no copy
            sha.update(array[rows].astype(array.dtype.newbyteorder("<"), copy=False).data)
        return sha.hexdigest()

    @property
    def _identity(self) -> bytes:
        # A renamed file is the same history: the name of a single symbol is left out.
        names = self.symbols if self.n_symbols > 1 else ()
        return b"\0".join((_DIGEST_VERSION, *(name.encode() for name in names)))

    def month_digests(self) -> Mapping[str, str]:
        """Return the sha256 of each calendar month (UTC), keyed ``YYYY-MM``.

        The same history with new bars at its end has the same digests for its complete months.
        """
        return self._months

    @cached_property
    def digest(self) -> str:
        """Sha256 of the arrays (and of the symbols when there are several), whatever the source was."""
        sha = hashlib.sha256(self._identity)
        for month, digest in self._months.items():
            sha.update(f"{month}:{digest};".encode())
        return sha.hexdigest()

    def slice(self, start: int | None = None, stop: int | None = None) -> Bars:
        """Return the bars ``start <= i < stop``, with Python's rules for negative indices; views, no copies.

        Raises
        ------
        DataError
            When no bar is left.
        """
        rows = slice(start, stop)
        arrays = {column: getattr(self, column)[rows] for column in (*COLUMNS, "timestamp")}
        if not len(arrays["timestamp"]):
            raise DataError(f"no bars in slice({start}, {stop}) of {self.n_bars} bars of {self.name}")
        return Bars(**arrays, symbols=self.symbols, name=self.name)

    def between(self, start: Moment | None = None, end: Moment | None = None) -> Bars:
        """Return the bars of a period, both ends inclusive.

        Parameters
        ----------
        start, end : str, date, datetime or numpy.datetime64, optional
            ``'2005'``, ``'2005-03'`` and ``'2005-03-31'`` cover all of themselves; UTC without an offset.

        Raises
        ------
        DataError
            When a moment is not a date, or no bar is left.
        """
        begin = 0 if start is None else np.searchsorted(self.timestamp, parse_moment(start), "left")
        stop = self.n_bars
        if end is not None:
            stop = int(np.searchsorted(self.timestamp, parse_moment(end, edge="end"), "right"))
        if begin >= stop:
            first, last = moment_text(int(self.timestamp[0])), moment_text(int(self.timestamp[-1]))
            raise DataError(f"no bars of {self.name} {period_text(start, end)}; it has {first} to {last}")
        return self.slice(int(begin), stop)

    def __eq__(self, other: object) -> bool:
        return self.digest == other.digest if isinstance(other, Bars) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        symbols = f" x {self.n_symbols} symbols ({', '.join(self.symbols[:4])}" if self.n_symbols > 1 else ""
        symbols += ", ...)" if self.n_symbols > 4 else ")" if symbols else ""
        size = f" of {span_text(self.bar_size)}" if self.bar_size > 0 else ""
        first, last = moment_text(int(self.timestamp[0])), moment_text(int(self.timestamp[-1]))
        return f"<Bars {self.name}: {self.n_bars:,} bars{size}{symbols}, {first} to {last}>"

    def __setstate__(self, state: dict[str, Any]) -> None:
        # arrays come out of a pickle writeable
        for value in state.values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
        self.__dict__.update(state)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_months"}


def _frozen(values: Any, dtype: type, column: str) -> npt.NDArray[Any]:
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        values = values.astype("M8[ns]")  # else a count of days would be taken for nanoseconds
    try:
        array: npt.NDArray[Any] = np.ascontiguousarray(values, dtype=dtype)
    except (TypeError, ValueError) as error:
        raise DataError(f"{column} is not an array of numbers: {error}") from error
    if array.flags.writeable:
        array = array if isinstance(values, list | tuple) else array.copy()
        array.flags.writeable = False
    return array
