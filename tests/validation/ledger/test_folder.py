"""The ledger on disk: whole entries or none, whatever happens around them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strategy_optimizer.market import Bars
from strategy_optimizer.tasks import FinishedSearch
from strategy_optimizer.tasks.history import TrialHistory
from strategy_optimizer.validation.ledger import Entry, Ledger, Sketch, entry_of, joined, record
from strategy_optimizer.validation.ledger.encoding import FORMAT, UnreadableError, decode, encode

Make = Callable[..., Entry]


def same(a: Any, b: Any) -> bool:
    """Return whether two entries, or parts of them, have the same content."""
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and bool((a == b).all())
    if hasattr(a, "__dataclass_fields__"):
        return all(same(getattr(a, name), getattr(b, name)) for name in a.__dataclass_fields__)
    return bool(a == b)


def test_what_is_written_is_read(
    market: Bars, search_of: Callable[..., FinishedSearch], tmp_path: Path
) -> None:
    ledger, entry = Ledger(tmp_path / "ledger"), entry_of(search_of(market))
    ledger.write(entry)
    assert same(ledger.read().entries[0], entry)
    assert same(ledger.find(entry.task_id), entry)
    assert ledger.find("another") is None


def test_an_empty_ledger_has_nothing_and_makes_no_folder(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    assert ledger.read() == ((), (), str(ledger.folder))
    ledger.clear()
    assert not ledger.folder.exists()


def test_the_same_task_replaces_its_entry_and_others_stay(entry: Make, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for made in (entry("a"), entry("b"), entry("a", keys=range(50))):
        ledger.write(made)
    assert sorted((e.task_id, e.trials.made) for e in ledger.read().entries) == [("a", 50), ("b", 3)]
    assert len(list(tmp_path.iterdir())) == 2
    ledger.remove([entry("a"), entry("never written")])
    assert [e.task_id for e in ledger.read().entries] == ["b"]


def test_the_oldest_comes_first(entry: Make, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for year in (2024, 2022, 2023):
        ledger.write(entry(str(year), recorded=f"{year}-01-01T00:00:00+00:00"))
    assert [e.task_id for e in ledger.read().entries] == ["2022", "2023", "2024"]


def test_damaged_and_foreign_files_are_named_and_skipped(entry: Make, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.write(entry("good"))
    whole = encode(entry("bad"))
    spoiled = {
        "empty": b"",
        "cut": whole[:-5],
        "flipped": whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:],
        "older": whole.replace(FORMAT, FORMAT[:-1] + b"1"),
        "foreign": b"\x00\xff" * 100,
    }
    for name, data in spoiled.items():
        (tmp_path / f"{name}.entry").write_bytes(data)
    (tmp_path / "half.tmp").write_bytes(whole[:10])  # a crash while it was written
    (tmp_path / "folder.entry").mkdir()
    reading = ledger.read()
    assert [e.task_id for e in reading.entries] == ["good"]
    assert sorted(name.removesuffix(".entry") for name in reading.unreadable) == sorted([*spoiled, "folder"])
    (tmp_path / "folder.entry").rmdir()
    found = record(entry("new"), ledger)
    (note,) = found.notes
    assert note.startswith(f"5 entries of the trial ledger {tmp_path} cannot be read")
    assert [e.task_id for e in found.searches] == ["good"]
    ledger.clear()
    assert list(tmp_path.iterdir()) == []


def test_no_cut_and_no_flipped_byte_is_taken_for_an_entry(entry: Make) -> None:
    whole = encode(entry())
    assert same(decode(whole), entry())
    for at in range(0, len(whole), 7):
        for data in (whole[:at], whole[:at] + bytes([whole[at] ^ 8]) + whole[at + 1 :]):
            with pytest.raises(UnreadableError):
                decode(data)


def test_an_entry_stays_small(search_of: Callable[..., FinishedSearch], sp500: Bars) -> None:
    assert len(encode(entry_of(search_of(sp500, evaluations=20_000, holdout=0.0)))) < 100_000


def test_a_walk_forward_of_many_windows_stays_small_too(entry: Make) -> None:
    rng = np.random.default_rng(0)
    windows = []
    for k in range(500):
        months = np.arange(k, k + 36, dtype=np.int32)
        part = entry(keys=rng.integers(0, 2**64, 2000, dtype=np.uint64)).trials
        sketch = Sketch(months, rng.normal(size=(1, 36)).astype(np.float32))
        windows.append(replace(part, sketch=sketch))
    whole = replace(entry(), trials=joined(windows))
    assert len(encode(whole)) < 100_000
    assert whole.trials.made == 1_000_000
    assert abs(whole.trials.distinct - 1_000_000) < 4 * whole.trials.keys.count.error


def test_threads_that_record_at_once_do_no_harm(entry: Make, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda k: record(entry(str(k % 20), keys=[k]), ledger), range(100)))
    assert all(not each.notes for each in found)
    assert sorted(e.task_id for e in ledger.read().entries) == sorted(str(k) for k in range(20))
    assert len(list(ledger.folder.iterdir())) == 20
    assert max(len(each.searches) for each in found) == 19


def test_processes_that_end_together_count_each_other(tmp_path: Path) -> None:
    code = (
        "from strategy_optimizer import optimize\n"
        "import sys\n"
        "optimize('momentum', 'nasdaq', 'random', evaluations=20, seed=int(sys.argv[1]), validate=False)\n"
    )
    environment = {**os.environ, "STRATEGY_OPTIMIZER_DATA": str(tmp_path)}
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(seed)], env=environment) for seed in range(3)
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    reading = Ledger(tmp_path / "ledger").read()
    assert [e.trials.made for e in reading.entries] == [20, 20, 20]
    assert reading.unreadable == ()


def test_a_full_disk_leaves_the_old_entry_and_a_note(
    entry: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(tmp_path)
    record(entry("a"), ledger)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    found = record(entry("a", keys=range(9)), ledger)
    assert "cannot be written, later searches will not count this one: No space left" in found.notes[0]
    assert [e.trials.made for e in ledger.read().entries] == [3]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_cannot_be_is_a_note(entry: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    found = record(entry(), Ledger(tmp_path / "file" / "ledger"))
    assert [note.split(",")[0] for note in found.notes] == [
        "the trial ledger cannot be written",
        "the trial ledger cannot be read",
    ]


def test_without_a_home_folder_there_is_a_note(entry: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", none)
    monkeypatch.delenv("STRATEGY_OPTIMIZER_DATA")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    (note,) = record(entry()).notes
    assert "set STRATEGY_OPTIMIZER_DATA" in note


def test_a_history_is_not_changed_by_being_recorded(
    market: Bars, search_of: Callable[..., FinishedSearch]
) -> None:
    search = search_of(market)

    def columns(history: TrialHistory) -> list[bytes]:
        return [getattr(history, name).tobytes() for name in ("points", "metrics", "blocks", "scores")]

    before = columns(search.history)
    entry_of(search)
    assert columns(search.history) == before
