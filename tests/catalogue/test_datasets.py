"""From an upload to bars in a worker: checks, equal content, quotas, names, removal, copies; hostile files."""

from __future__ import annotations

import gzip
import io
import os
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from strategy_optimizer import load_bars
from strategy_optimizer.catalogue.confinement import Confinement
from strategy_optimizer.catalogue.dataset_copies import load_dataset, tidy_copies
from strategy_optimizer.catalogue.datasets import (
    DatasetLimits,
    Upload,
    add_dataset,
    find_dataset,
    remove_dataset,
)
from strategy_optimizer.errors import (
    DataError,
    DatasetError,
    DatasetInUseError,
    DuplicateError,
    NotStoredError,
    QuotaError,
)
from strategy_optimizer.storage import DatasetRecord, NewSchedule, NewTask, Quota, Store

QUICK = Confinement(seconds=60.0, memory=2**30, file_size=2**28)
HEADER = "date,open,high,low,close,volume\n"


def csv(n: int = 300, start: int = 0) -> bytes:
    days = np.arange(n) + np.datetime64("2020-01-01")
    close = 100 + np.sin(np.arange(start, start + n))
    rows = (f"{day},{c},{c + 1},{c - 1},{c},10" for day, c in zip(days, close, strict=True))
    return (HEADER + "\n".join(rows)).encode()


Add = Callable[..., DatasetRecord]


@pytest.fixture
def add(store: Store, tmp_path: Path) -> Add:
    def put(content: bytes, name: str = "prices", owner: str = "ada", **options: Any) -> DatasetRecord:
        file = tmp_path / "uploaded"
        file.write_bytes(content)
        limits = options.pop("limits", DatasetLimits())
        confinement = options.pop("confinement", QUICK)
        upload = Upload(file, name, **options)
        return add_dataset(store, owner, upload, limits=limits, confinement=confinement)

    return put


def load(store: Store, data_dir: Path, name: str = "prices", owner: str = "ada", **options: Any) -> Any:
    return load_dataset(store, owner, name, data_dir, **options)


# -- what is good


def test_a_csv_file(store: Store, add: Add, data_dir: Path, tmp_path: Path) -> None:
    lines = csv().splitlines()
    content = b"\n".join(lines[:100] + lines[120:])
    made = add(content)
    (tmp_path / "same.csv").write_bytes(content)
    bars = load_bars(tmp_path / "same.csv")
    assert made.digest == bars.digest
    assert made.details["symbols"] == ["prices"]
    assert made.details["bars"] == made.details["rows"] == 280
    assert (made.details["first"], made.details["last"]) == ("2020-01-01", "2020-10-26")
    assert (made.details["interval"], made.details["format"]) == ("1 day", "csv")
    loaded = load(store, data_dir)
    assert loaded == bars
    assert loaded.name == "prices"
    assert loaded.report is not None
    assert bars.report is not None
    assert loaded.report.problems == bars.report.problems
    assert [one.kind for one in loaded.report.warnings] == ["gap"]
    assert load(store, data_dir, made.id) == load(store, data_dir, digest=made.digest) == bars


def test_parquet_and_gzip_are_known_by_their_content(add: Add) -> None:
    frame = pl.read_csv(csv())
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    digests = {add(csv(), "plain").digest, add(gzip.compress(csv()), "packed").digest}
    parquet = add(buffer.getvalue(), "columns")
    assert digests | {parquet.digest} == {parquet.digest}
    assert parquet.details["format"] == "parquet"


def test_several_symbols(store: Store, add: Add, data_dir: Path) -> None:
    days = np.arange(200) + np.datetime64("2020-01-01")
    rows = [
        f"{day},{symbol},{price},{price + 1},{price - 1},{price},5"
        for day in days
        for symbol, price in (("A", 10), ("B", 20))
    ]
    made = add(("date,symbol,open,high,low,close,volume\n" + "\n".join(rows)).encode())
    assert made.details["symbols"] == ["A", "B"]
    bars = load(store, data_dir)
    assert (bars.symbols, bars.close.shape) == (("A", "B"), (200, 2))
    assert bars.close[3].tolist() == [10, 20]
    shown = store.datasets.preview(made.digest)["symbols"]
    assert [symbol["first"][0][4] for symbol in shown] == [10, 20]


def test_the_preview(store: Store, add: Add) -> None:
    made = add(csv(5000))
    (shown,) = store.datasets.preview(made.digest)["symbols"]
    assert len(shown["first"]) == len(shown["last"]) == 20
    assert shown["first"][0] == [1577836800 * 10**9, 100.0, 101.0, 99.0, 100.0, 10.0]
    curve = shown["curve"]
    assert 300 < len(curve["close"]) == len(curve["timestamp"]) <= 500
    assert max(curve["close"]) == pytest.approx(101, abs=1e-3)
    assert curve["timestamp"][-1] == shown["last"][-1][0]


def test_problems_come_with_rows_and_repairs_when_asked(add: Add) -> None:
    lines = csv().decode().splitlines()
    lines[10], lines[20] = lines[20], lines[10]
    lines[30] = lines[30].replace("2020-01-30", "2020-01-29")
    broken = "\n".join(lines).encode()
    with pytest.raises(
        DatasetError, match="prices cannot be used as it is, 2 problems in 300 rows"
    ) as caught:
        add(broken)
    errors = [one for one in caught.value.problems if one["severity"] == "error"]  # type: ignore[index]
    assert [one["kind"] for one in errors] == ["unsorted", "duplicate"]  # type: ignore[index]
    assert 30 in caught.value.rows
    assert "uploaded" not in str(caught.value)
    made = add(broken, repair=["sort", "drop_duplicates"])
    assert made.details["bars"] == 299
    assert made.details["repairs"] == ["sort", "drop_duplicates"]
    with pytest.raises(DataError, match="there is no repair 'sortt'; did you mean 'sort'"):
        add(broken, "other", repair=["sortt"])


def test_columns_can_be_named(add: Add) -> None:
    odd = csv().replace(HEADER.encode(), b"when,a,b,c,d,e\n")
    with pytest.raises(DatasetError, match="the columns are not clear"):
        add(odd)
    roles = dict(zip(("open", "high", "low", "close", "volume"), "abcde", strict=True))
    assert add(odd, columns={"timestamp": ["when", "%Y-%m-%d"], **roles}).details["bars"] == 300


# -- who has what


def test_equal_content_is_kept_once_and_nobody_can_tell(store: Store, add: Add, data_dir: Path) -> None:
    mine, yours = add(csv(), "prices"), add(csv(), "rates", "ben")
    assert mine.digest == yours.digest
    assert (mine.size, mine.details.keys()) == (yours.size, yours.details.keys())
    assert load(store, data_dir, "rates", "ben").symbols == ("rates",)
    assert load(store, data_dir).symbols == ("prices",)
    with pytest.raises(NotStoredError, match="there is no dataset 'prices'"):
        load(store, data_dir, "prices", "ben")
    with pytest.raises(NotStoredError, match="there is no dataset"):
        load(store, data_dir, mine.id, "ben")
    with pytest.raises(NotStoredError):
        load(store, data_dir, "prices", "eve", digest=mine.digest)
    remove_dataset(store, mine)
    assert load(store, data_dir, "rates", "ben")
    with pytest.raises(NotStoredError):
        load(store, data_dir)


def test_names(store: Store, add: Add) -> None:
    first = add(csv())
    with pytest.raises(DuplicateError, match="you have a dataset 'prices' already"):
        add(csv(10))
    add(csv(), "prices", "ben")
    for name in (
        "",
        "a/b",
        "../x",
        "nasdaq",
        "data_" + "0" * 16,
        "x" * 101,
        "a\0b",
        "a\nb",
        "yfinance:A",
        "-x",
    ):
        with pytest.raises(DatasetError, match=r"choose|no name for a dataset"):
            add(csv(), name)
    assert find_dataset(store, "ada", first.id) == find_dataset(store, "ada", "prices") == first


def test_quotas(store: Store, add: Add) -> None:
    first = add(csv(), limits=DatasetLimits(1, None))
    with pytest.raises(QuotaError, match="1 of at most 1 datasets"):
        add(csv(20), "other", limits=DatasetLimits(1, None))
    with pytest.raises(QuotaError, match="more than the"):
        add(csv(20), "other", limits=DatasetLimits(None, first.size + 1))
    store.accounts.set_quota("ada", Quota(datasets=2))
    add(csv(20), "other", limits=DatasetLimits(1, None))
    with pytest.raises(QuotaError, match="2 of at most 2 datasets"):  # before it is looked at
        add(b"no bars", "third")


def test_uploads_that_are_checked_at_once_do_not_exceed_a_quota(store: Store, tmp_path: Path) -> None:
    both = threading.Barrier(2)

    class Turn(AbstractContextManager[None]):
        """Begins when both had room."""

        def __enter__(self) -> None:
            both.wait(60.0)

        def __exit__(self, *_: object) -> None:
            pass

    def put(name: str) -> str:
        file = tmp_path / name
        file.write_bytes(csv())
        try:
            upload = Upload(file, name)
            add_dataset(store, "ada", upload, limits=DatasetLimits(1, None), confinement=QUICK, turn=Turn())
        except QuotaError as error:
            return error.quota
        return "stored"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(put, ("one", "other"))) == ["datasets", "stored"]
    assert len(store.datasets.all()) == 1


def test_a_dataset_in_use_stays(store: Store, add: Add) -> None:
    made = add(csv())
    task = {"task": {"data": made.id}, "strategy_version": None, "data_digest": made.digest}
    made_task = store.tasks.create(NewTask("ada", "momentum", task)).task
    store.tasks.create(NewTask("ben", "momentum", {**task, "data_digest": None}))
    with pytest.raises(DatasetInUseError, match=f"'prices' is used by {made_task.id}; wait") as caught:
        remove_dataset(store, made)
    assert caught.value.tasks == [made_task.id]
    store.tasks.cancel(made_task.id)
    schedule = store.schedules.add(NewSchedule("ada", "momentum", "prices", "@daily", {}, None))
    with pytest.raises(DatasetInUseError, match=f"used by the schedule {schedule.id}"):
        remove_dataset(store, made)
    store.schedules.change(schedule.id, enabled=False)
    remove_dataset(store, made)
    assert store.datasets.all() == []


def test_a_task_that_names_it_before_it_was_pinned(store: Store, add: Add) -> None:
    made = add(csv())
    for name in (made.id, "prices"):
        store.tasks.create(NewTask("ada", "momentum", {"task": {"data": name}}))
    with pytest.raises(DatasetInUseError) as caught:
        remove_dataset(store, made)
    assert len(caught.value.tasks) == 2


# -- copies of workers


def test_copies(store: Store, add: Add, data_dir: Path) -> None:
    made = add(csv())
    bars = load(store, data_dir)
    (copy,) = (data_dir / "datasets").iterdir()
    content = copy.read_bytes()
    for damage in (
        content[:100],
        b"",
        content.replace(b"PAR1", b"PAR2"),
        add(csv(50), "other").digest.encode(),
    ):
        copy.write_bytes(damage)
        assert load(store, data_dir) == bars
    assert copy.read_bytes() == content
    load(store, data_dir, "other")
    assert tidy_copies(store, data_dir) == 0
    os.utime(copy, (1, 1))
    assert tidy_copies(store, data_dir, most_bytes=len(content)) == 1
    assert load(store, data_dir) == bars
    remove_dataset(store, made)
    assert tidy_copies(store, data_dir) == 1
    assert not copy.exists()


def test_a_renamed_dataset_is_found_by_what_the_task_pinned(store: Store, add: Add, data_dir: Path) -> None:
    made = add(csv())
    store.datasets.rename(made.id, "quotes")
    add(csv(50), "prices")
    assert load(store, data_dir, "prices", digest=made.digest).n_bars == 300
    assert load(store, data_dir, "gone", digest=made.digest).n_bars == 300
    with pytest.raises(NotStoredError, match="is not there any more, or has other content"):
        load(store, data_dir, "prices", digest="0" * 64)
    assert load(store, data_dir, "nasdaq").name == "nasdaq"
    with pytest.raises(DataError, match="the sample nasdaq of this worker is not the one"):
        load(store, data_dir, "nasdaq", digest="0" * 64)


# -- hostile files


def parquet(frame: pl.DataFrame, **options: Any) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, **options)
    return buffer.getvalue()


def parquet_bomb() -> bytes:
    """Return a small file of a billion equal rows in a column that is asked for."""
    rows = 60_000_000
    names = ("open", "high", "low", "close", "volume")
    columns = {name: pl.repeat(1.0, rows, eager=True) for name in names}
    return parquet(pl.DataFrame({"timestamp": pl.repeat(0, rows, eager=True), **columns}))


def zip_bomb() -> bytes:
    """Return 4 GB of a CSV line in four megabytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    line = b"2020-01-01,1,1,1,1,1\n" * 50_000
    parts = [packer.compress(HEADER.encode())]
    parts += [packer.compress(line) for _ in range(4000)]
    return b"".join([*parts, packer.flush()])


def broken_footer() -> bytes:
    good = parquet(pl.DataFrame({"timestamp": [1, 2], "open": [1.0, 2.0]}))
    return good[:-12] + (2**31 - 1).to_bytes(4, "little") + good[-8:]


HOSTILE = {
    "empty": lambda: b"",
    "one line": lambda: HEADER.encode(),
    "null bytes": lambda: b"\0" * 100_000,
    "noise": lambda: np.random.default_rng(0).bytes(300_000),
    "noise that says Parquet": lambda: b"PAR1" + np.random.default_rng(1).bytes(300_000) + b"PAR1",
    "footer that lies": broken_footer,
    "half a gzip": lambda: gzip.compress(csv(5000))[:-2000],
    "gzip bomb": zip_bomb,
    "Parquet bomb": parquet_bomb,
    "one endless line": lambda: b"1," * 5_000_000,
    "a million columns": lambda: ",".join(f"c{i}" for i in range(1_000_000)).encode() + b"\n1\n",
    "ragged": lambda: csv() + b"\n2021-01-01,1,2,3,4,5,6,7,8,9\n",
    "infinite prices": lambda: csv().replace(b"100.0", b"inf").replace(b"99.0", b"1e999"),
    "years beyond the calendar": lambda: csv().replace(b"2020-01-0", b"99999-01-0"),
    "HTML": lambda: b"<!doctype html><html><script>alert(1)</script></html>",
    "pickle": lambda: b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    "nested Parquet": lambda: parquet(pl.DataFrame({"timestamp": [[1]], "close": [{"a": 1}]})),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_are_one_clear_error(kind: str, store: Store, add: Add, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        add(HOSTILE[kind](), confinement=Confinement(seconds=20.0, memory=2**29))
    text = str(caught.value)
    assert "prices" in text
    assert 10 < len(text) < 21_000
    assert str(tmp_path) not in text
    assert "Traceback" not in text
    assert store.datasets.all() == []
    assert not store.datasets.is_used("")
