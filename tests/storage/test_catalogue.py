"""The content of datasets; strategies by version; parameter spaces of their owners."""

from __future__ import annotations

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from storage_worlds import Clock, put_content
from strategy_optimizer.errors import DuplicateError, NotStoredError, QuotaError
from strategy_optimizer.storage import NewStrategyVersion, Store, StrategyVersionRecord
from strategy_optimizer.storage.datasets import CHUNK_BYTES

ONE, TWO = "1" * 64, "2" * 64
SPACE = {"parameter_space": {"z": {"type": "discrete", "bounds": [1, 9]}, "a": {}}, "constraints": ["z > a"]}


def add(store: Store, owner: str, name: str, digest: str = ONE, **values: object) -> str:
    return store.datasets.add(owner, name, digest=digest, size=10, details={}, **values).id  # type: ignore[arg-type]


# -- content


def test_content_comes_back_in_chunks(store: Store) -> None:
    content = os.urandom(2 * CHUNK_BYTES + 5)
    put_content(store, ONE, content)
    put_content(store, ONE, content)
    chunks = list(store.datasets.read_content(ONE))
    assert [len(chunk) for chunk in chunks] == [CHUNK_BYTES, CHUNK_BYTES, 5]
    assert b"".join(chunks) == content
    assert store.datasets.preview(ONE) == {"rows": [1, 2]}


def test_content_that_is_not_there(store: Store) -> None:
    for call in (store.datasets.preview, lambda digest: list(store.datasets.read_content(digest))):
        with pytest.raises(NotStoredError, match="the content 222222222222 of a dataset is not stored"):
            call(TWO)
    with pytest.raises(NotStoredError, match="not stored"):
        add(store, "ada", "prices", TWO)


def test_a_dataset_of_half_the_content_is_refused(store: Store) -> None:
    put_content(store, ONE, bytes(CHUNK_BYTES + 1), most=1)
    with pytest.raises(NotStoredError, match="not stored"):
        add(store, "ada", "prices")
    with pytest.raises(NotStoredError, match="not stored"):
        list(store.datasets.read_content(ONE))


def test_chunks_of_another_release_are_not_mixed_in(store: Store) -> None:
    put_content(store, ONE, b"a" * CHUNK_BYTES + b"a", most=1)
    put_content(store, ONE, b"b" * CHUNK_BYTES + b"b")
    put_content(store, ONE, b"c" * CHUNK_BYTES + b"c")
    assert [chunk[:1] for chunk in store.datasets.read_content(ONE)] == [b"b", b"b"]
    add(store, "ada", "prices")


def test_content_goes_with_the_last_that_has_it(store: Store) -> None:
    put_content(store, ONE)
    mine, yours = add(store, "ada", "prices"), add(store, "ben", "rates")
    store.datasets.remove(mine)
    assert list(store.datasets.read_content(ONE)) == [b"bars"]
    store.datasets.remove(yours)
    store.datasets.remove(yours)
    with pytest.raises(NotStoredError):
        list(store.datasets.read_content(ONE))


def test_what_a_broken_upload_left_is_tidied_up_later(store: Store, clock: Clock) -> None:
    put_content(store, ONE)
    put_content(store, TWO)
    add(store, "ada", "prices", TWO)
    assert store.tidy().dataset_contents == 0
    clock.move(days=2)
    put_content(store, "3" * 64)
    assert store.tidy().dataset_contents == 1
    with pytest.raises(NotStoredError):
        store.datasets.preview(ONE)
    assert store.datasets.preview(TWO)


def test_removing_and_adding_the_same_content_at_once(url: str) -> None:
    """Whatever the order, a dataset that was added has its content."""
    with Store(url) as store:
        for name in ("ada", "ben"):
            store.accounts.add_user(name, "operator", user_id=name)
        outcomes: list[bool] = []

        def remove_and_add(owner: str) -> None:
            for number in range(25):
                try:
                    put_content(store, ONE)
                    made = add(store, owner, f"{owner}-{number}")
                except NotStoredError:
                    outcomes.append(False)
                    continue
                outcomes.append(list(store.datasets.read_content(ONE)) == [b"bars"])
                store.datasets.remove(made)

        threads = [threading.Thread(target=remove_and_add, args=(name,)) for name in ("ada", "ben")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(outcomes) == 50
        assert any(outcomes)
        put_content(store, ONE)
        kept = add(store, "ada", "kept")
        assert list(store.datasets.read_content(ONE)) == [b"bars"]
        store.datasets.remove(kept)


def test_many_that_add_the_same_content_at_once(url: str) -> None:
    """None is refused: each finds the row of another or makes it, whichever of its keys meets the other's first."""
    rounds, many = 20, 8
    with Store(url) as store, ThreadPoolExecutor(many) as pool:
        together = threading.Barrier(many)

        def put(content: bytes) -> None:
            together.wait()
            put_content(store, hashlib.sha256(content).hexdigest(), content)

        for number in range(rounds):
            content = f"bars {number}".encode()
            list(pool.map(put, [content] * many))
            digest = hashlib.sha256(content).hexdigest()
            assert list(store.datasets.read_content(digest)) == [content]


# -- names and quotas


def test_renaming(store: Store) -> None:
    put_content(store, ONE)
    first, _ = add(store, "ada", "prices"), add(store, "ada", "rates")
    assert store.datasets.rename(first, "quotes").name == "quotes"
    assert store.datasets.rename(first, "quotes").name == "quotes"
    with pytest.raises(DuplicateError, match="the dataset name 'rates' is taken"):
        store.datasets.rename(first, "rates")
    with pytest.raises(NotStoredError, match="there is no dataset 'data_x'"):
        store.datasets.rename("data_x", "rates")
    assert [one.name for one in store.datasets.all(owner="ada", digest=ONE)] == ["quotes", "rates"]
    assert store.datasets.all(digest=TWO) == []


def test_quotas(store: Store) -> None:
    put_content(store, ONE)
    add(store, "ada", "one", most=2, most_bytes=20)
    add(store, "ben", "other")
    with pytest.raises(
        QuotaError, match="your datasets take 10 bytes and this one 10, more than the 19"
    ) as caught:
        add(store, "ada", "two", most_bytes=19)
    assert (caught.value.quota, caught.value.limit, caught.value.used) == ("dataset_bytes", 19, 10)
    add(store, "ada", "two", most=2, most_bytes=20)
    with pytest.raises(QuotaError, match="you have 2 of at most 2 datasets"):
        add(store, "ada", "three", most=2)


def test_uploads_at_once_do_not_exceed_a_quota(url: str) -> None:
    with Store(url) as store:
        store.accounts.add_user("ada", "operator", user_id="ada")
        put_content(store, ONE)
        refused: list[str] = []

        def upload(number: int) -> None:
            try:
                add(store, "ada", f"data-{number}", most=3)
            except QuotaError as error:
                refused.append(error.quota)

        threads = [threading.Thread(target=upload, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(store.datasets.all()) == 3
        assert refused == ["datasets"] * 5


# -- strategies


def test_versions(store: Store, clock: Clock) -> None:
    store.strategies.save_version("dip", "file", "dip.py", NewStrategyVersion(ONE, "Buys dips.", SPACE))
    first = store.strategies.version("dip", ONE)
    assert first == StrategyVersionRecord("dip", ONE, "Buys dips.", SPACE, {}, clock.now)
    assert list(first.space["parameter_space"]) == ["z", "a"]
    clock.move(hours=1)
    store.strategies.save_version("dip", "file", "dip.py", NewStrategyVersion(TWO, "Better.", SPACE))
    record = store.strategies.get("dip")
    assert (record.newest, record.problem, record.changed) == (TWO, None, clock.now)
    assert [version.digest for version in store.strategies.versions("dip")] == [TWO, ONE]
    assert store.strategies.newest_versions()["dip"].description == "Better."
    clock.move(hours=1)
    store.strategies.save_version("dip", "file", "dip.py", NewStrategyVersion(ONE, "Buys dips.", SPACE))
    assert store.strategies.get("dip").newest == ONE
    assert store.strategies.version("dip", ONE).created == clock.now - timedelta(hours=2)


def test_a_problem_leaves_the_newest_version(store: Store, clock: Clock) -> None:
    store.strategies.save_version("dip", "file", "dip.py", NewStrategyVersion(ONE, "", SPACE))
    began = clock.now
    clock.move(hours=1)
    store.strategies.save_problem("dip", "file", "dip.py", "line 3: invalid syntax")
    record = store.strategies.get("dip")
    assert (record.newest, record.problem, record.changed) == (ONE, "line 3: invalid syntax", clock.now)
    clock.move(hours=1)
    store.strategies.save_problem("dip", "file", "dip.py", "line 3: invalid syntax")
    assert store.strategies.get("dip") == record
    store.strategies.save_version("dip", "file", "dip.py", NewStrategyVersion(ONE, "", SPACE))
    assert store.strategies.get("dip").problem is None
    store.strategies.save_problem("new", "file", "new.py", "it is empty")
    assert store.strategies.get("new").newest is None
    assert list(store.strategies.newest_versions()) == ["dip"]
    assert [one.name for one in store.strategies.all()] == ["dip", "new"]
    assert began < clock.now


def test_strategies_that_are_not_there(store: Store) -> None:
    store.strategies.save_version("momentum", "built_in", "", NewStrategyVersion(ONE, "", SPACE))
    assert store.strategies.find("momentun") is None
    with pytest.raises(NotStoredError, match=r"no strategy 'momentun'; did you mean 'momentum'\?"):
        store.strategies.get("momentun")
    with pytest.raises(NotStoredError, match="the strategy 'momentum' has no version 222222222222"):
        store.strategies.version("momentum", TWO)
    store.strategies.remove("momentum")
    assert store.strategies.all() == []
    assert store.strategies.versions("momentum") == []


# -- parameter spaces


def test_parameter_spaces(store: Store, clock: Clock) -> None:
    made = store.parameter_spaces.put("ada", "momentum", SPACE)
    assert (made.created, made.changed, made.space) == (clock.now, clock.now, SPACE)
    store.parameter_spaces.put("ada", "rsi", {})
    now = clock.move(hours=1)
    changed = store.parameter_spaces.put("ada", "momentum", {"parameter_space": {}})
    assert (changed.created, changed.changed) == (made.created, now)
    assert store.parameter_spaces.find("ben", "momentum") is None
    assert [one.strategy for one in store.parameter_spaces.all("ada")] == ["momentum", "rsi"]
    assert store.parameter_spaces.remove("ada", "momentum")
    assert not store.parameter_spaces.remove("ada", "momentum")
    with pytest.raises(NotStoredError, match="there is no user 'nobody'"):
        store.parameter_spaces.put("nobody", "momentum", SPACE)
