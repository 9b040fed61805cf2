"""The files that freqtrade reads: parameters beside a strategy, candles in a data directory."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from strategy_optimizer.errors import DataError, EngineError
from strategy_optimizer.market import Bars

FORMAT = 1
"""``ft_stratparam_v``: the one version of the parameter file that freqtrade has had."""


def parameter_document(strategy: str, *sections: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter file's content; of sections that are given twice, each value of the later one counts.

    >>> parameter_document("S", {"buy": {"rsi": 30, "ema": 9}}, {"buy": {"rsi": 35}})["params"]
    {'buy': {'rsi': 35, 'ema': 9}}
    """
    merged: dict[str, dict[str, Any]] = {}
    for given in sections:
        for name, values in given.items():
            merged.setdefault(name, {}).update(values)
    return {"strategy_name": strategy, "params": merged, "ft_stratparam_v": FORMAT}


def read_parameters(file: Path, strategy: str) -> dict[str, Any]:
    """Return the sections of a parameter file; empty where there is none.

    Raises
    ------
    EngineError
        When it is no parameter file of that strategy.
    """
    if not file.exists():
        return {}
    try:
        document = json.loads(file.read_text())
        found, sections = document["strategy_name"], document["params"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(f"{file} is not a parameter file of freqtrade: {error!r}") from error
    if found != strategy:
        raise EngineError(f"{file} holds parameters of the strategy {found}; expected those of {strategy}")
    return dict(sections)


def write_json(file: Path, document: Any) -> None:
    """Write a file in one step: a bot that reads it sees the old one or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w") as stream:
            json.dump(document, stream, indent=2)
            stream.write("\n")
        Path(name).chmod(0o644)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_candles(folder: str | Path, pair: str, timeframe: str, bars: Bars) -> Path:
    """Write bars as candles of a pair in freqtrade's JSON format (``"dataformat_ohlcv": "json"``).

    freqtrade downloads its data from an exchange; this takes any other data to its backtesting.

    Parameters
    ----------
    folder : str or Path
        freqtrade's data directory.
    pair, timeframe : str
        ``"BTC/USDT"``, ``"1h"``.
    bars : Bars
        One symbol, its timestamps the open of each candle, as freqtrade has them.

    Returns
    -------
    Path
        Of the file.
    """
    if bars.n_symbols != 1:
        raise DataError(f"{bars.name} has {bars.n_symbols} symbols; expected bars of one")
    columns = [(bars.timestamp // 1_000_000).tolist()]  # milliseconds
    columns += [np.ravel(getattr(bars, n)).tolist() for n in ("open", "high", "low", "close", "volume")]
    file = Path(folder) / f"{pair.replace('/', '_')}-{timeframe}.json"
    write_json(file, [list(row) for row in zip(*columns, strict=True)])
    return file
