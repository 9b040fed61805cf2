"""What waits on the disk for a client: nothing lost, nothing out of order, never more than its user may have."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strategy_optimizer.api import spool as spools
from strategy_optimizer.api.spool import PIECE, Space, Spool
from strategy_optimizer.errors import ComputationError, DataError


def make(folder: Path, space: Space, news: Callable[[], None] = lambda: None) -> Spool:
    return Spool(folder, space, "ada", news)


def test_it_gives_what_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "SEGMENT", 300_000)
    random_ = random.Random(0)
    blocks = [random_.randbytes(random_.randrange(1, 200_000)) for _ in range(60)]
    space, got = Space(2_000_000), bytearray()
    news = threading.Semaphore(0)
    spool = make(tmp_path, space, news.release)

    def fill() -> None:
        for block in blocks:
            while not spool.put(block):
                time.sleep(0.001)
        spool.finish()

    thread = threading.Thread(target=fill)
    thread.start()
    most = 0
    while (piece := spool.read()) is not None:
        most = max(most, space.used)
        got += piece
        if not piece:
            assert news.acquire(timeout=60)  # nobody is left to wait without news
    thread.join()
    assert bytes(got) == b"".join(blocks)
    assert most <= 2_000_000
    assert space.used == 0
    assert list(tmp_path.iterdir()) == []  # its files have no names


def test_all_spools_of_a_user_share_what_one_may_have(tmp_path: Path) -> None:
    space = Space(1000)
    one, two, other = (
        make(tmp_path, space),
        make(tmp_path, space),
        Spool(tmp_path, space, "ben", lambda: None),
    )
    assert one.put(b"a" * 800)
    assert not two.put(b"b" * 300)
    assert other.put(b"c" * 5000)  # a block that is larger than all may come alone
    assert not other.put(b"c")
    one.close()
    assert two.put(b"b" * 300)
    assert space.used == 5300
    two.close()
    other.close()
    assert space.used == 0


def test_a_full_disk_lets_the_maker_wait_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = make(tmp_path, Space(10**9))
    assert spool.put(b"1")
    room = 5

    def write(file: Any, block: bytes) -> None:
        file.write(block[:room])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(spools, "_write_all", write)
        assert spool.put(b"2" * 10)
        assert not spool.put(b"3")
        assert spool.read() == b"1"
        assert not spool.put(b"3")
        assert spool.read() == b"2" * 10
        assert spool.put(b"3")
        assert spool.read() == b"3"
    assert spool.put(b"")
    assert spool.put(b"4" * (PIECE + 1))
    spool.finish()
    assert (spool.read(), spool.read(), spool.read()) == (b"4" * PIECE, b"4", None)


def test_a_mistake_comes_after_what_came_before_it(tmp_path: Path) -> None:
    spool = make(tmp_path, Space(10**9))
    spool.put(b"1")
    spool.finish(DataError("broken"))
    assert spool.read() == b"1"
    with pytest.raises(DataError, match="broken"):
        spool.read()


def test_what_was_given_up_is_never_taken_for_whole(tmp_path: Path) -> None:
    spool = make(tmp_path, Space(10**9))
    spool.put(b"1")
    spool.close()
    assert spool.put(b"2")  # thrown away
    spool.finish()
    with pytest.raises(ComputationError, match="given up"):
        spool.read()
