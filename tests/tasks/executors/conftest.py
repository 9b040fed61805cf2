"""What the tests of worker processes share: no test may leave a process behind."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from strategy_optimizer.tasks.executors.child import cgroup


def processes_with(text: str) -> list[int]:
    """Return the living processes whose environment or command line holds a text."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                content = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if text.encode() in content:
                found.append(int(folder.name))
    return found


def gone_within(seconds: float, text: str) -> bool:
    """Return whether no such process is left after so many seconds."""
    deadline = time.monotonic() + seconds
    while processes_with(text):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A text in the environment of all that a test starts; at its end nothing of it is left."""
    text = f"EXECUTOR_TEST={time.time_ns()}"
    monkeypatch.setenv(*text.split("="))
    yield text
    assert gone_within(5.0, text), f"left behind: {processes_with(text)}"
    if (folder := cgroup.folder()) is not None:
        assert not list(Path(folder).glob(f"{cgroup.PREFIX}{os.getpid()}-*"))


@pytest.fixture(params=["control group", "sweeps"])
def containment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With a control group, and without."""
    if request.param == "sweeps":
        monkeypatch.setattr(cgroup, "folder", lambda: None)
    elif cgroup.folder() is None:
        pytest.skip("no control group can be made here")
    return request.param
