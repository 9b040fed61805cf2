"""All trials of a task as a file, made chunk by chunk: no more than one chunk is in memory."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.reading.formats import ExportFormat
from strategy_optimizer.storage import Store, TrialChunk, TrialLayout
from strategy_optimizer.tasks.export import finite, rows_frame
from strategy_optimizer.tasks.front import RunningFront

if TYPE_CHECKING:
    import polars as pl

ROW_GROUP = 16_384
"""Trials in a row group of a Parquet file."""


def export_trials(
    store: Store, task_id: str, trials: int, kind: ExportFormat, write: Callable[[bytes], Any]
) -> None:
    """Write the first trials of a task, with the columns of `tasks.export_trials`.

    Parameters
    ----------
    store : Store
    task_id : str
    trials : int
        How many.
    kind : {"csv", "parquet", "json"}
    write : callable
        Takes the bytes of the file, one piece after the other.

    Notes
    -----
    Who proposed a trial is known of tasks whose result embeds all trials, which are those of up to 10,000.
    """
    _WRITERS[kind](Frames(store, task_id, trials), write)


class Frames:
    """The trials of a task as Polars frames, a chunk each.

    Parameters
    ----------
    store : Store
    task_id : str
    trials : int
        How many, from the first on.
    """

    def __init__(self, store: Store, task_id: str, trials: int) -> None:
        self._store = store
        self._task_id = task_id
        self._trials = trials
        self._authors = authors_of(store, task_id)

    def __iter__(self) -> Iterator[pl.DataFrame]:
        front: NDArray[np.int64] | None = None
        for number, chunk in enumerate(self._chunks()):
            layout = chunk.layout
            if number == 0 and layout.objective is not None:
                front = self._front(layout)
            yield self._frame(chunk, layout, front)

    def _chunks(self) -> Iterator[TrialChunk]:
        return self._store.trials.read(self._task_id, 0, self._trials)

    def _front(self, layout: TrialLayout) -> NDArray[np.int64]:
        """Return the rows of the Pareto front: it takes a reading of all trials before the first can be written."""
        assert layout.objective is not None
        front = RunningFront(layout.objective)
        for chunk in self._chunks():
            front.add(chunk.columns.metrics, chunk.columns.feasible, chunk.first)
        return front.rows

    def _frame(self, chunk: TrialChunk, layout: TrialLayout, front: NDArray[np.int64] | None) -> pl.DataFrame:
        places = range(chunk.first, chunk.stop)
        return rows_frame(
            chunk.columns,
            layout.space,
            layout.metrics,
            reasons=chunk.reasons,
            authors=[self._authors.get(place + 1) for place in places] if self._authors else (),
            on_front=None if front is None else np.isin(places, front),
            first=chunk.first,
        )


def authors_of(store: Store, task_id: str) -> Mapping[int, str]:
    """Return who proposed each trial, by its number, as far as the result says so."""
    record = store.tasks.result(task_id)
    entries = () if record is None else record.document.get("optimization_history", ())
    return {entry["iteration"]: entry["author"] for entry in entries if entry.get("author")}


def frame_of_nothing() -> pl.DataFrame:
    """Return the table of a task without trials: the columns that do not depend on what is searched."""
    import polars as pl

    kinds = {
        "trial": pl.Int64,
        "state": pl.String,
        "reason": pl.String,
        "feasible": pl.Boolean,
        "score": pl.Float64,
        "seconds": pl.Float64,
        "author": pl.String,
    }
    return pl.DataFrame(schema=kinds)


def _write_csv(frames: Frames, write: Callable[[bytes], Any]) -> None:
    first = True
    for frame in frames:
        write(frame.write_csv(include_header=first).encode())
        first = False
    if first:
        write(frame_of_nothing().write_csv().encode())


def _write_json(frames: Frames, write: Callable[[bytes], Any]) -> None:
    before = b"["
    for frame in frames:
        write(before + finite(frame).write_json().encode()[1:-1])
        before = b","
    write(b"[]" if before == b"[" else b"]")


def _write_parquet(frames: Frames, write: Callable[[bytes], Any]) -> None:
    from polars.io.plugins import register_io_source

    made = iter(frames)
    begin = next(made, None)
    if begin is None:
        begin = frame_of_nothing()

    def source(*_: Any) -> Iterator[pl.DataFrame]:
        yield begin
        yield from made

    lazy = register_io_source(source, schema=begin.schema)
    lazy.sink_parquet(cast(IO[bytes], _Sink(write)), row_group_size=ROW_GROUP)


class _Sink(io.RawIOBase):
    """A file that hands on what is written."""

    def __init__(self, write: Callable[[bytes], Any]) -> None:
        self._write = write

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        block = bytes(data)
        self._write(block)
        return len(block)


_WRITERS: Mapping[str, Callable[[Frames, Callable[[bytes], Any]], None]] = {
    "csv": _write_csv,
    "parquet": _write_parquet,
    "json": _write_json,
}
