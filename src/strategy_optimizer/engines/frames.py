"""Data frames held as arrays: what is sent to workers are buffers, and pandas comes in where an engine wants it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest.code_digest import content_digest
from strategy_optimizer.engines.account import years_of
from strategy_optimizer.errors import EngineError
from strategy_optimizer.market import Bars, load_bars

Array = NDArray[Any]


@dataclass(frozen=True)
class FrameArrays:
    """A pandas frame or series as arrays, one a column.

    Attributes
    ----------
    columns : dict of name to array, shape (n,)
    index : array, shape (n,)
        Moments in UTC as ``datetime64``, or whatever the index holds.
    zone : str or None
        The time zone of the index.
    index_name : object
    series : bool
        Whether the frame was a series.
    """

    columns: dict[Any, Array]
    index: Array
    zone: str | None = None
    index_name: Any = None
    series: bool = False

    def __len__(self) -> int:
        return len(self.index)

    @property
    def years(self) -> float:
        """Years from the first row to the last; NaN where the index holds no moments."""
        return years_of(self.index)

    @property
    def is_counted(self) -> bool:
        """Whether the index just counts the rows, as that of a frame that was given none."""
        return len(self) > 0 and self.index.dtype.kind == "i" and bool(np.all(np.diff(self.index) == 1))

    def digest(self) -> str:
        """Return the digest of the columns and the index: the same frame has the same in every engine."""
        return content_digest(self.columns, self.index, self.zone)

    def rows(self, start: int, stop: int) -> FrameArrays:
        """Return the rows ``start <= i < stop`` as arrays of their own."""
        columns = {name: values[start:stop].copy() for name, values in self.columns.items()}
        return FrameArrays(columns, self.index[start:stop].copy(), self.zone, self.index_name, self.series)

    def to_pandas(self) -> Any:
        """Return the frame; its numbers are the arrays' own memory."""
        import pandas as pd  # the engine that asks for a frame needs it

        index = pd.Index(self.index, name=self.index_name)
        if self.is_counted:
            start = int(self.index[0])
            index = pd.RangeIndex(start, start + len(self), name=self.index_name)
        if self.zone is not None:
            index = pd.DatetimeIndex(index).tz_localize("UTC").tz_convert(self.zone)
        if self.series:
            ((name, values),) = self.columns.items()
            return pd.Series(values, index=index, name=name, copy=False)
        return pd.DataFrame(self.columns, index=index, copy=False)


def is_pandas(value: Any) -> bool:
    """Whether a value is a pandas frame or series, without importing pandas."""
    cls = type(value)
    return any(
        base.__module__.partition(".")[0] == "pandas" and base.__name__ in ("DataFrame", "Series")
        for base in cls.__mro__
    )


def frame_arrays(data: Any) -> FrameArrays:
    """Return a pandas frame or series, our bars, or the name or file of bars as arrays.

    Raises
    ------
    EngineError
        When it is none of these.
    """
    if isinstance(data, FrameArrays):
        return data
    if isinstance(data, str):
        data = load_bars(data)
    if isinstance(data, Bars):
        return _of_bars(data)
    if is_pandas(data):
        return _of_pandas(data)
    raise EngineError(
        f"the data are of the type {type(data).__module__}.{type(data).__qualname__}; expected a pandas frame, bars "
        "of load_bars, or what load_bars takes: 'nasdaq', a file"
    )


def _of_bars(bars: Bars) -> FrameArrays:
    if bars.n_symbols > 1:
        raise EngineError(f"{bars.name} has {bars.n_symbols} symbols; expected bars of one")
    columns: Mapping[str, Array] = {
        name: getattr(bars, name.lower()) for name in ("Open", "High", "Low", "Close", "Volume")
    }
    return FrameArrays(dict(columns), bars.timestamp.view("M8[ns]"))


def _of_pandas(data: Any) -> FrameArrays:
    index, zone = data.index, None
    if getattr(index, "tz", None) is not None:
        index, zone = index.tz_convert("UTC").tz_localize(None), str(index.tz)
    if data.ndim == 1:
        columns = {data.name: np.array(data.to_numpy())}
    else:
        if not data.columns.is_unique:
            twice = data.columns[data.columns.duplicated()][0]
            raise EngineError(f"the frame has several columns {twice!r}; expected one of each name")
        columns = {name: np.array(data[name].to_numpy()) for name in data.columns}
    return FrameArrays(columns, np.array(index.to_numpy()), zone, index.name, data.ndim == 1)
