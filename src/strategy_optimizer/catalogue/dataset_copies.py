"""A worker's copies of datasets: fetched from the store when they are first needed, known by their content."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strategy_optimizer.catalogue.dataset_format import read_bars
from strategy_optimizer.catalogue.datasets import find_dataset
from strategy_optimizer.errors import DataError, NotStoredError
from strategy_optimizer.market import Bars, load_bars
from strategy_optimizer.market.report import DataReport, Problem
from strategy_optimizer.market.samples import SAMPLES
from strategy_optimizer.storage import DatasetRecord, Store

MOST_BYTES = 20 * 2**30
"""The most that copies take on a worker's disk before the ones that were not used for longest go."""


def copies_folder(data_dir: Path) -> Path:
    """Return where copies of datasets lie."""
    return data_dir / "datasets"


def load_dataset(
    store: Store, owner: str, name_or_id: str, data_dir: Path, *, digest: str | None = None
) -> Bars:
    """Return the bars that a task names: a sample, or a dataset of its owner.

    Parameters
    ----------
    store : Store
    owner : str
    name_or_id : str
    data_dir : Path
        Where the worker keeps its copies.
    digest : str, optional
        What the task pinned: the content counts, whatever the dataset is called by now.

    Raises
    ------
    NotStoredError
        When the owner has no such dataset.
    DataError
        When it has other content than the task pinned, or is damaged in the store.
    """
    if name_or_id in SAMPLES:
        bars = load_bars(name_or_id)
        if digest is not None and bars.digest != digest:
            raise DataError(
                f"the sample {name_or_id} of this worker is not the one that the task was made for"
            )
        return bars
    record = _pinned(store, owner, name_or_id, digest)
    file = copies_folder(data_dir) / f"{record.digest}.parquet"
    if file.exists():
        with contextlib.suppress(DataError):  # damaged: fetched anew
            bars = _read(file, record)
            os.utime(file)  # it was used now
            return bars
    _fetch(store, record.digest, file)
    return _read(file, record)


def _pinned(store: Store, owner: str, name_or_id: str, digest: str | None) -> DatasetRecord:
    try:
        found = find_dataset(store, owner, name_or_id)
    except NotStoredError:
        if digest is None:
            raise
    else:
        if digest is None or found.digest == digest:
            return found
    same = store.datasets.all(owner=owner, digest=digest)
    if not same:
        raise NotStoredError(
            f"the dataset {name_or_id!r} that the task was made for is not there any more, or has other content"
        )
    return same[0]


def _read(file: Path, record: DatasetRecord) -> Bars:
    details = record.details
    report = _report(record.name, details)
    bars = read_bars(file, symbols=details["symbols"], name=record.name, report=report)
    if bars.digest != record.digest:
        raise DataError(f"the stored copy {file} of {record.name} is damaged: it has other bars")
    return bars


def _report(name: str, details: Mapping[str, Any]) -> DataReport:
    problems = tuple(_problem(written) for written in details["problems"])
    return DataReport(
        name,
        problems,
        n_rows=details["rows"],
        n_bars=details["bars"],
        symbols=tuple(details["symbols"]),
        first=details["first"],
        last=details["last"],
        calendar=details["calendar"],
    )


def _problem(written: Mapping[str, Any]) -> Problem:
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in written.items()
    }
    return Problem(**values)


def _fetch(store: Store, digest: str, file: Path) -> None:
    """Bring a copy from the store; several workers may do so at once."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=".new-", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as opened:
            for chunk in store.datasets.read_content(digest):
                opened.write(chunk)
        os.replace(partial, file)  # noqa: PTH105
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def tidy_copies(store: Store, data_dir: Path, most_bytes: int = MOST_BYTES) -> int:
    """Remove copies that no dataset has any more, and the ones not used for longest beyond a size; returns how many.

    A task that runs has its bars in memory.
    """
    removed, total = 0, 0
    for file in sorted(copies_folder(data_dir).glob("*.parquet"), key=_last_use, reverse=True):
        total += _size(file)
        if total > most_bytes or not store.datasets.is_used(file.stem):
            file.unlink(missing_ok=True)
            removed += 1
    return removed


def _last_use(file: Path) -> float:
    with contextlib.suppress(FileNotFoundError):
        return file.stat().st_mtime
    return 0.0


def _size(file: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return file.stat().st_size
    return 0
