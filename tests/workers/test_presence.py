"""Who lives on this machine, by locked files."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from strategy_optimizer.errors import CheckpointError
from strategy_optimizer.workers.presence import Presence

HERE = socket.gethostname()[:40]


def test_a_dead_worker_is_found_once(tmp_path: Path) -> None:
    one, other = Presence(tmp_path, f"{HERE}-1"), Presence(tmp_path, f"{HERE}-2")
    one.begin()
    other.begin()
    assert list(one.dead()) == list(other.dead()) == []
    other._lock.release()  # what the system does when a process dies
    assert list(one.dead()) == [f"{HERE}-2"]
    assert list(one.dead()) == []
    one.end()
    assert not list(tmp_path.iterdir())


def test_what_could_not_be_given_back_is_found_again(tmp_path: Path) -> None:
    (tmp_path / f"{HERE}-2.lock").touch()
    one = Presence(tmp_path, f"{HERE}-1")
    one.begin()
    for name in one.dead():
        assert name == f"{HERE}-2"
        break  # as when the store did not answer
    assert list(one.dead()) == [f"{HERE}-2"]
    one.end()


def test_workers_of_other_machines_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "elsewhere-1.lock").touch()
    one = Presence(tmp_path, f"{HERE}-1")
    one.begin()
    assert list(one.dead()) == []
    one.end()


def test_a_name_belongs_to_one(tmp_path: Path) -> None:
    one = Presence(tmp_path, f"{HERE}-1")
    one.begin()
    with pytest.raises(CheckpointError):
        Presence(tmp_path, f"{HERE}-1").begin()
    one.end()


def test_those_who_begin_are_not_taken_for_dead_ones(tmp_path: Path) -> None:
    looking, is_over = Presence(tmp_path, f"{HERE}-0"), threading.Event()
    looking.begin()
    found: list[str] = []

    def look() -> None:
        while not is_over.is_set():
            found.extend(looking.dead())

    thread = threading.Thread(target=look)
    thread.start()
    begun = [Presence(tmp_path, f"{HERE}-{number}") for number in range(1, 60)]
    for each in begun:
        each.begin()
    found.clear()
    is_over.set()
    thread.join()
    assert all(each._own.exists() for each in begun)
    assert list(looking.dead()) == []
    for each in (looking, *begun):
        each.end()
