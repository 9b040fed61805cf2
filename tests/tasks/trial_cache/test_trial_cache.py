"""The cache on disk: bounded, shared, and never the reason that a search ends."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from strategy_optimizer.config import cache_folder
from strategy_optimizer.errors import TaskError
from strategy_optimizer.tasks.trial_cache import CachedTrial, TrialCache, default_path
from strategy_optimizer.tasks.trial_cache.cache_file import CacheFile, row_number


def key(number: object) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def trial(number: int, n_returns: int = 0, seconds: float = 1.0) -> CachedTrial:
    returns = np.random.default_rng(number).standard_normal(n_returns)
    arrays = {"returns": returns} if n_returns else {}
    return CachedTrial({"number": float(number), "nan": float("nan")}, seconds, arrays)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "trials.sqlite"


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def cache(path: Path, told: list[str]) -> Iterator[TrialCache]:
    with TrialCache(path, say=told.append) as made:
        yield made
    assert sqlite_is_whole(path)


def sqlite_is_whole(path: Path) -> bool:
    if not path.exists():
        return True
    connection = sqlite3.connect(path)
    try:
        return connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        connection.close()


def numbers_in(cache: TrialCache, numbers: range) -> list[int]:
    return [number for number in numbers if cache.get(key(number)) is not None]


# -- what is kept


def test_what_was_put_is_found_also_by_a_later_process(cache: TrialCache, path: Path) -> None:
    for number in range(50):
        assert cache.put(key(number), trial(number, n_returns=number))
    cache.close()
    with TrialCache(path) as later:
        for number in range(50):
            found = later.get(key(number))
            assert found is not None
            assert found.metrics["number"] == number
            assert np.isnan(found.metrics["nan"])
            expected = trial(number, n_returns=number).arrays
            assert {n: a.tobytes() for n, a in found.arrays.items()} == {
                n: a.tobytes() for n, a in expected.items()
            }
        assert later.get(key(50)) is None
        assert (later.count.hits, later.count.misses, len(later)) == (50, 1, 50)
        assert later.hit_rate == pytest.approx(50 / 51)
        assert later.status().seconds == 50


def test_by_default_it_lies_in_the_users_cache_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRATEGY_OPTIMIZER_CACHE", str(tmp_path / "here"))
    with TrialCache() as cache:
        assert cache.path == default_path() == cache_folder() / "trials-1.sqlite"
        assert not cache.path.exists()  # nothing is made before it is used
        assert (len(cache), cache.size) == (0, 0)
        cache.put(key(1), trial(1))
        assert cache.path.exists()


def test_fast_and_failed_trials_are_not_stored(cache: TrialCache) -> None:
    assert not cache.put(key(1), trial(1, seconds=0.004))
    assert cache.put(key(2), trial(2, seconds=0.005))
    assert not cache.put(key(3), CachedTrial({}, 9.0, failure="raised"))
    assert len(cache) == 1


def test_of_two_trials_with_one_key_the_first_stays(cache: TrialCache) -> None:
    cache.put(key(1), trial(1))
    cache.put(key(1), trial(2))
    assert cache.get(key(1)).metrics["number"] == 1  # type: ignore[union-attr]
    assert len(cache) == 1


def test_keys_that_begin_alike_are_told_apart(cache: TrialCache) -> None:
    one, other = key(1), key(1)[:8] + key(2)[8:]
    cache.put(one, trial(1))
    assert row_number(one) == row_number(other)
    assert cache.get(other) is None
    assert cache.put(other, trial(2))  # the first stays
    assert cache.get(one).metrics["number"] == 1  # type: ignore[union-attr]
    assert cache.get(other) is None


def test_it_can_be_cleared(cache: TrialCache, path: Path) -> None:
    for number in range(200):
        cache.put(key(number), trial(number, n_returns=500))
    before = path.stat().st_size
    assert cache.clear()
    assert (len(cache), numbers_in(cache, range(200))) == (0, [])
    assert path.stat().st_size < before / 10
    assert cache.put(key(1), trial(1))


def test_a_worker_process_opens_the_file_itself(cache: TrialCache) -> None:
    cache.put(key(1), trial(1))
    cache._say = None  # a list's method is pickled with its list
    copy = pickle.loads(pickle.dumps(cache))
    assert copy.get(key(1)) is not None
    copy.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_a_connection_of_its_own(cache: TrialCache) -> None:
    cache.put(key(1), trial(1))
    child = os.fork()
    if child == 0:
        good = cache.get(key(1)) is not None and cache.put(key(2), trial(2))
        cache.close()
        os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert numbers_in(cache, range(4)) == [1, 2]


# -- the bound


def test_the_file_is_bounded_and_those_used_last_stay(path: Path) -> None:
    limit = 2**20
    with TrialCache(path, max_bytes=limit) as cache:
        for number in range(400):
            cache.put(key(number), trial(number, n_returns=1000))
            cache.get(key(0))  # always in use
            assert cache.size <= limit
        assert path.stat().st_size <= limit + 2**16
        left = numbers_in(cache, range(400))
        assert left[0] == 0
        assert left[1:] == list(range(left[1], 400))
        assert 80 <= len(left) <= 130  # of 8 kB each


@pytest.mark.parametrize("n_returns", [0, 60, 240, 420, 500, 515, 900, 3000])
def test_no_size_of_trial_makes_the_file_too_large(path: Path, n_returns: int) -> None:
    limit = 2**20
    with TrialCache(path, max_bytes=limit) as cache:
        for number in range(2 * limit // (8 * n_returns + 300)):
            cache.put(key(number), trial(number, n_returns))
        assert 0.5 * limit < cache.size <= path.stat().st_size <= limit


def test_small_trials_fill_the_room_again_that_others_left(path: Path) -> None:
    with TrialCache(path, max_bytes=2**19) as cache:
        counts = []
        for number in range(6000):
            cache.put(key(number), trial(number))
            if number >= 3000 and number % 100 == 0:
                counts.append(len(cache))
    assert min(counts) > 0.7 * max(counts)


def test_a_smaller_limit_shrinks_what_is_there(path: Path) -> None:
    with TrialCache(path) as cache:
        for number in range(600):
            cache.put(key(number), trial(number, n_returns=500))
    with TrialCache(path, max_bytes=2**18) as smaller:
        smaller.put(key(600), trial(600))
        smaller.put(key(601), trial(601))
        assert smaller.size <= 2**18
        assert numbers_in(smaller, range(602))[-2:] == [600, 601]


def test_a_trial_that_would_take_most_of_the_room_is_not_stored(path: Path) -> None:
    with TrialCache(path, max_bytes=2**18) as cache:
        assert not cache.put(key(1), trial(1, n_returns=10_000))
        with pytest.raises(TaskError, match="at least 262,144"):
            TrialCache(path, max_bytes=1000)


def test_uses_are_noted_together_and_not_lost(path: Path) -> None:
    with TrialCache(path) as cache:
        for number in range(3):
            cache.put(key(number), trial(number))
        before = order_of_use(path)
        cache.get(key(0))
        assert order_of_use(path) == before == [0, 1, 2]
    assert order_of_use(path) == [1, 2, 0]  # noted when it was closed
    with TrialCache(path) as cache:
        for _ in range(300):
            cache.get(key(1))
        assert order_of_use(path) == [2, 0, 1]  # noted after many


def order_of_use(path: Path) -> list[int]:
    connection = sqlite3.connect(path)
    try:
        keys = [row[0] for row in connection.execute("SELECT key FROM trials ORDER BY used")]
    finally:
        connection.close()
    return [next(n for n in range(10) if key(n) == found) for found in keys]


# -- many processes

WORKER = """
import hashlib, sys
import numpy as np
from strategy_optimizer.tasks.trial_cache import CachedTrial, TrialCache

path, seed, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
numbers = np.random.default_rng(seed).integers(0, 400, 1500).tolist()
problems, found = [], 0
with TrialCache(path, max_bytes=limit, say=problems.append) as cache:
    for number in numbers:
        key = hashlib.sha256(str(number).encode()).digest()
        returns = np.random.default_rng(number).standard_normal(300)
        known = cache.get(key)
        if known is None:
            assert cache.put(key, CachedTrial({"number": float(number)}, 1.0, {"returns": returns}))
        else:
            found += 1
            assert known.metrics == {"number": float(number)}
            assert known.arrays["returns"].tobytes() == returns.tobytes()
assert problems == [], problems
print(found)
"""


def test_many_processes_write_and_evict_at_once(path: Path) -> None:
    limit = 2**19  # room for about half of the trials
    arguments = [
        [sys.executable, "-W", "error", "-c", WORKER, str(path), str(seed), str(limit)] for seed in range(5)
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    runs = [
        subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        for call in arguments
    ]
    outputs = [run.communicate(timeout=300) for run in runs]
    assert [run.returncode for run in runs] == [0] * 5, outputs
    assert all(int(out) > 200 for out, _ in outputs)  # each found much of what it or another had stored
    assert sqlite_is_whole(path)
    assert path.stat().st_size <= limit + 2**16
    with TrialCache(path, max_bytes=limit) as cache:
        assert 60 <= len(cache) < 250


def test_a_process_killed_while_it_writes_harms_nothing(path: Path) -> None:
    code = WORKER.replace("1500", "10_000_000").replace("300)", "3000)")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for _ in range(3):
        call = [sys.executable, "-c", code, str(path), "1", str(2**24)]
        victim = subprocess.Popen(call, env=environment, stdout=subprocess.DEVNULL)
        with TrialCache(path) as cache:
            for _ in range(600):
                if len(cache) >= 20:
                    break
                subprocess.run(["sleep", "0.05"], check=True)
            victim.kill()
            victim.wait()
            assert len(cache) >= 20
            assert cache.put(key("after"), trial(1))
            assert cache.problem is None
    assert sqlite_is_whole(path)


# -- what can happen to the file


def test_a_file_that_is_no_database_is_set_aside(path: Path, told: list[str]) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database " * 1000)
    with TrialCache(path, say=told.append) as cache:
        assert cache.get(key(1)) is None
        assert cache.put(key(1), trial(1))
        assert cache.get(key(1)) is not None
    assert len(told) == 1
    assert "set aside as trials.sqlite.damaged" in told[0]
    assert path.with_name("trials.sqlite.damaged").read_bytes().startswith(b"this is no database")


def test_pages_that_were_overwritten_are_noticed(path: Path, told: list[str]) -> None:
    with TrialCache(path) as cache:
        for number in range(300):
            cache.put(key(number), trial(number, n_returns=100))
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(path.stat().st_size - 8192))
    with TrialCache(path, say=told.append) as cache:
        for number in range(300):
            found = cache.get(key(number))
            assert found is None or found.metrics["number"] == number
            cache.put(key(number), trial(number, n_returns=100))
        assert numbers_in(cache, range(300)) == list(range(300))
    assert len(told) == 1
    assert sqlite_is_whole(path)


def test_a_value_that_has_changed_is_computed_again(cache: TrialCache, path: Path) -> None:
    cache.put(key(1), trial(1))
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE trials SET value = x'00112233'")
    connection.close()
    assert cache.get(key(1)) is None
    assert len(cache) == 0
    assert cache.put(key(1), trial(1))
    assert cache.get(key(1)) is not None


def test_a_file_that_is_damaged_again_is_left_alone(path: Path, told: list[str]) -> None:
    with TrialCache(path, say=told.append) as cache:
        for _ in range(3):
            cache.close()
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"no database " * 1000)
            assert cache.get(key(1)) is None
        assert not cache.put(key(1), trial(1))
    assert [("begun anew" in what, "goes on without" in what) for what in told] == [
        (True, False),
        (False, True),
    ]


def test_another_schema_is_set_aside(path: Path, told: list[str]) -> None:
    with TrialCache(path) as cache:
        cache.put(key(1), trial(1))
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with TrialCache(path, say=told.append) as cache:
        assert cache.get(key(1)) is None
        assert cache.put(key(1), trial(1))
    assert "it has schema 99, this program has 1" in told[0]


def test_another_programs_database_is_not_touched(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE precious (x)")
    connection.close()
    before = path.read_bytes()
    cache = TrialCache(path)
    with pytest.raises(TaskError, match="another program's SQLite database"):
        cache.get(key(1))
    assert path.read_bytes() == before


def test_a_place_where_no_file_can_be(tmp_path: Path, told: list[str]) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "trials.sqlite", tmp_path):
        told.clear()
        with TrialCache(path, say=told.append) as cache:
            for number in range(3):
                assert cache.get(key(number)) is None
                assert not cache.put(key(number), trial(number))
            assert (cache.count.misses, len(cache)) == (3, 0)
        assert len(told) == 1
        assert "goes on without it" in told[0]
        assert cache.problem == told[0]


def test_by_default_it_warns_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = TrialCache(tmp_path / "file" / "trials.sqlite")
    with pytest.warns(UserWarning, match="goes on without it"):
        cache.get(key(1))
    cache.get(key(1))


def test_a_full_disk_costs_what_is_new(path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite itself says that the disk is full, when it may use no more pages."""
    original = CacheFile.write

    def write(file: CacheFile, *arguments) -> None:
        file._connection.execute(f"PRAGMA max_page_count = {file._pragma('page_count')}").fetchone()
        original(file, *arguments)

    with TrialCache(path, say=told.append) as cache:
        for number in range(100):
            assert cache.put(key(number), trial(number, n_returns=100))
        monkeypatch.setattr(CacheFile, "write", write)
        assert not cache.put(key(100), trial(100, n_returns=1000))
        assert not cache.put(key(101), trial(101, n_returns=1000))
        assert numbers_in(cache, range(102)) == list(range(100))
    assert len(told) == 1
    assert "database or disk is full" in told[0]
    assert "still found" in told[0]
    assert sqlite_is_whole(path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a real file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("a file system cannot be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_is_really_full(small_disk: Path, told: list[str]) -> None:
    with TrialCache(small_disk / "trials.sqlite", say=told.append) as cache:
        stored = [number for number in range(300) if cache.put(key(number), trial(number, n_returns=1000))]
        assert 10 < len(stored) < 300
        for number in stored:
            found = cache.get(key(number))
            assert found is None or found.metrics["number"] == number
    assert told


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("with_file", [True, False])
def test_a_folder_that_cannot_be_written_to(with_file: bool) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        if with_file:
            with TrialCache(folder / "trials.sqlite") as cache:
                cache.put(key(1), trial(1))
        folder.chmod(0o555)
        child = os.fork()
        if child == 0:
            os._exit(0 if fares_well_without_rights(folder / "trials.sqlite", with_file) else 1)
        assert os.waitpid(child, 0)[1] == 0
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def fares_well_without_rights(path: Path, with_file: bool) -> bool:
    """Use the cache as somebody who may not write there."""
    if os.getuid() == 0:
        os.setuid(65534)
    told: list[str] = []
    with TrialCache(path, say=told.append) as cache:
        found = cache.get(key(1))
        stored = [cache.put(key(number), trial(number)) for number in (2, 3)]
    return stored == [False, False] and len(told) == 1 and (found is None or with_file)


def test_a_file_that_another_process_holds(
    path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strategy_optimizer.tasks.trial_cache.cache_file.BUSY_SECONDS", 0.01)
    with TrialCache(path, say=told.append) as cache:
        cache.put(key(1), trial(1))
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        assert not cache.put(key(2), trial(2))
        assert cache.get(key(1)) is not None  # readers need not wait
        assert not cache.put(key(3), trial(3))
        holder.execute("ROLLBACK")
        assert cache.put(key(4), trial(4))
        assert told == []
        holder.execute("BEGIN IMMEDIATE")
        assert [cache.put(key(5), trial(5)) for _ in range(4)] == [False] * 4
        holder.close()
    assert len(told) == 1
    assert "is held by another process" in told[0]


def test_a_file_that_is_removed_while_in_use(cache: TrialCache, path: Path) -> None:
    cache.put(key(1), trial(1))
    shutil.rmtree(path.parent)
    cache.get(key(1))
    cache.put(key(2), trial(2))
    cache.close()
    cache.put(key(3), trial(3))
    assert cache.get(key(3)) is not None
