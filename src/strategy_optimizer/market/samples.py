"""Sample markets: daily bars of two indices, 1999 to 2018, from the data files of the package `arch`.

They are read without importing `arch`, whose import pulls in pandas and statsmodels and costs seconds, and
without Polars, whose import would cost more than the reading.
"""

from __future__ import annotations

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from strategy_optimizer.errors import DataError
from strategy_optimizer.market.bars import COLUMNS
from strategy_optimizer.market.table import Table

SAMPLES = {
    "nasdaq": "NASDAQ Composite, daily, 1999-2018; real opens",
    "sp500": "S&P 500, daily, 1999-2018; the opens of 1999-2005 repeat the previous close",
}
_HEADER = "Date,Open,High,Low,Close,Adj Close,Volume"
_USED = (1, 2, 3, 4, 6)  # the two close columns are identical in both files


def read_sample(name: str) -> Table:
    """Return the table of a sample market.

    Parameters
    ----------
    name : str
        A key of `SAMPLES`.

    Raises
    ------
    DataError
        When the data file is not installed.
    """
    lines = gzip.decompress(_path(name).read_bytes()).decode("ascii").splitlines()
    if lines[0] != _HEADER:
        raise DataError(f"the installed arch package has another {name} file: {lines[0]!r}, not {_HEADER!r}")
    values = np.loadtxt(lines[1:], delimiter=",", usecols=_USED)
    dates = [_iso_date(line.partition(",")[0]) for line in lines[1:]]
    timestamp = np.array(dates, dtype="M8[ns]").view(np.int64)
    columns = {column: np.ascontiguousarray(values[:, i]) for i, column in enumerate(COLUMNS)}
    return Table(name, timestamp, columns, owned=True)


def _path(name: str) -> Path:
    spec = find_spec("arch")  # of a top-level package: finds it, runs nothing of it
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"sample {name} needs the package arch: pip install arch")
    path = Path(spec.submodule_search_locations[0]) / "data" / name / f"{name}.csv.gz"
    if not path.is_file():
        raise DataError(f"the installed arch package has no {name} data; reinstall it: pip install arch")
    return path


def _iso_date(text: str) -> str:
    month, day, year = text.split("/")
    return f"{year}-{month:0>2}-{day:0>2}"
