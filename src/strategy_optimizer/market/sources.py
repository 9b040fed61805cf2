"""Sources of columns in memory: dicts of arrays, NumPy structured arrays, pandas and Polars frames."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from strategy_optimizer.errors import DataError
from strategy_optimizer.market.bars import FloatArray, IntArray
from strategy_optimizer.market.report import Problem

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


class Source(ABC):
    """Named columns that can be fetched as numbers or as they are.

    Attributes
    ----------
    label : str
        What the source is called in messages.
    names : tuple of str
        Its columns.
    preset : mapping of role to column
        What the source knows for certain.
    notes : tuple of Problem
        What was noticed in opening it.
    owned : bool
        Whether the fetched arrays belong to nobody else.
    blank_rows : {'none', 'no time', 'no values'}
        Which rows are none: empty lines have neither time nor prices, holes in a joined frame no values.
    parts : mapping of symbol to Source
        Where the columns of symbols stand side by side: one source for each.
    """

    label: str
    names: tuple[str, ...]
    preset: Mapping[str, str] = {}
    notes: tuple[Problem, ...] = ()
    owned = False
    blank_rows: Literal["none", "no time", "no values"] = "none"
    parts: Mapping[str, Source] = {}

    @abstractmethod
    def fetch(self, numbers: Sequence[str], raw: Sequence[str]) -> dict[str, Any]:
        """Return columns by name: `numbers` as float64 with NaN for what is none, `raw` as they are."""

    def texts(self, name: str, rows: IntArray) -> list[str]:
        """Return what stands in a number column at the given indices; empty when that is not known."""
        return []


class ArraySource(Source):
    """Columns in a mapping of arrays or in the fields of a structured array."""

    def __init__(self, arrays: Mapping[str, Any], label: str) -> None:
        self.label = label
        self.names = tuple(str(name) for name in arrays)
        self._arrays = {str(name): values for name, values in arrays.items()}
        lengths = {name: np.shape(values) for name, values in self._arrays.items()}
        if len(set(lengths.values())) > 1 or any(len(shape) != 1 for shape in lengths.values()):
            shapes = ", ".join(f"{name} {shape}" for name, shape in lengths.items())
            raise DataError(f"{label}: the columns must be 1-D and of one length, found {shapes}")

    def fetch(self, numbers: Sequence[str], raw: Sequence[str]) -> dict[str, Any]:
        """Return the columns asked for."""
        found: dict[str, Any] = {name: as_floats(_plain(self._arrays[name])) for name in numbers}
        return found | {name: _plain(self._arrays[name]) for name in raw}


class PolarsSource(Source):
    """Columns of a Polars frame."""

    def __init__(self, frame: pl.DataFrame, label: str) -> None:
        self.label = label
        self.names = tuple(frame.columns)
        self._frame = frame

    def fetch(self, numbers: Sequence[str], raw: Sequence[str]) -> dict[str, Any]:
        """Return the columns asked for."""
        found: dict[str, Any] = {name: polars_floats(self._frame[name]) for name in numbers}
        return found | {name: polars_values(self._frame[name]) for name in raw}

    def texts(self, name: str, rows: IntArray) -> list[str]:
        """Return what stands in a text column at the given indices."""
        values = self._frame[name][rows.tolist()]
        return [str(value) for value in values if isinstance(value, str)]


class PandasSource(Source):
    """Columns of a pandas frame, with its index as one more column when that has times or a name."""

    def __init__(self, frame: pd.DataFrame, label: str, *, joined: bool = False) -> None:
        self.label = label
        self.blank_rows = "no values" if joined else "none"
        frame = frame.reset_index() if frame.index.nlevels > 1 else frame
        self._columns = {str(name): frame.iloc[:, i] for i, name in enumerate(frame.columns)}
        if len(self._columns) < frame.shape[1]:
            names = [str(name) for name in frame.columns]
            repeated = next(name for name in names if names.count(name) > 1)
            raise DataError(f"{label} has several columns {repeated!r}; expected one of each name")
        index = frame.index
        if index.name is not None or index.dtype.kind not in "iu":
            name = "index" if index.name is None else str(index.name)
            self._columns = {name: index.to_series(), **self._columns}
            self.preset = {"timestamp": name} if index.dtype.kind == "M" else {}
        self.names = tuple(self._columns)

    def fetch(self, numbers: Sequence[str], raw: Sequence[str]) -> dict[str, Any]:
        """Return the columns asked for."""
        found: dict[str, Any] = {name: pandas_floats(self._columns[name]) for name in numbers}
        return found | {name: _pandas_values(self._columns[name]) for name in raw}

    def texts(self, name: str, rows: IntArray) -> list[str]:
        """Return what stands in a text column at the given indices."""
        return [value for value in self._columns[name].iloc[rows] if isinstance(value, str)]


def _plain(values: Any) -> npt.NDArray[Any]:
    """Return a NumPy array of anything array-like, times in UTC."""
    if is_pandas(values, "Series"):
        return _pandas_values(values)
    if is_pandas(values, "Index"):
        return _pandas_values(values.to_series())
    if is_polars(values, "Series"):
        plain = polars_values(values)
        return plain if isinstance(plain, np.ndarray) else np.asarray(plain.to_list(), dtype=object)
    array = values if isinstance(values, np.ndarray) else np.asarray(values, dtype=_list_dtype(values))
    return array if array.dtype.kind in "fiubM" else array.astype(object)


def _list_dtype(values: Any) -> Any:
    """Return object for lists of anything but numbers: NumPy would cut or refuse texts and zoned times."""
    return None if all(isinstance(value, int | float | np.number) for value in values) else object


def pandas_floats(series: pd.Series[Any]) -> FloatArray:
    """Return a pandas column as float64, NaN where there is no number."""
    if series.dtype.kind in "fiub":
        return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan))
    return as_floats(series.to_numpy(dtype=object))


def _pandas_values(series: pd.Series[Any]) -> npt.NDArray[Any]:
    if hasattr(series.dtype, "freq") and hasattr(series, "dt"):
        series = series.dt.to_timestamp()
    if series.dtype.kind == "M":
        import pandas as pd  # it is imported already: the caller has a frame

        moments = pd.to_datetime(series, utc=True).dt.tz_localize(None)
        return np.asarray(moments.to_numpy(dtype="M8[ns]"))
    return np.asarray(series.to_numpy() if series.dtype.kind in "fiub" else series.to_numpy(dtype=object))


def polars_floats(series: pl.Series) -> FloatArray:
    """Return a Polars column as float64, NaN where there is no number."""
    import polars as pl

    values = series
    if values.dtype == pl.String:
        values = values.str.strip_chars()
    values = values.cast(pl.Float64, strict=False)
    return np.asarray((values.fill_null(np.nan) if values.null_count() else values).to_numpy())


def polars_values(series: pl.Series) -> Any:
    """Return times and numbers as a NumPy array, anything else as a series of text."""
    import polars as pl

    if series.dtype == pl.Date:
        series = series.cast(pl.Datetime("us"))
    if isinstance(series.dtype, pl.Datetime):
        # the physical values are UTC whatever the zone
        numbers = series.to_physical().fill_null(np.iinfo(np.int64).min).to_numpy()
        return numbers.view(f"M8[{series.dtype.time_unit}]")
    if series.dtype.is_numeric():
        return (
            series.to_numpy()
            if not series.null_count()
            else series.cast(pl.Float64).fill_null(np.nan).to_numpy()
        )
    return series.cast(pl.String)


def is_pandas(value: Any, kind: str) -> bool:
    """Whether `value` is pandas' `kind`, without importing pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, getattr(pandas, kind))


def is_polars(value: Any, kind: str) -> bool:
    """Whether `value` is Polars' `kind`, without importing Polars."""
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(value, getattr(polars, kind))


def as_floats(values: Any) -> FloatArray:
    """Return numbers as float64, NaN where a value is missing or not a number."""
    array = np.asarray(values)
    if array.dtype.kind in "fiub":
        return array.astype(np.float64, copy=False)
    return np.array([_one_float(value) for value in array], dtype=np.float64)


def _one_float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
