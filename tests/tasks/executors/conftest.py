"""What the tests of worker processes share: no test may leave a process behind."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from processes_left import gone_within, processes_with
from strategy_optimizer.tasks.executors.child import cgroup


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A text in the environment of all that a test starts; at its end nothing of it is left."""
    text = f"EXECUTOR_TEST={time.time_ns()}"
    monkeypatch.setenv(*text.split("="))
    yield text
    assert gone_within(30.0, text), f"left behind: {processes_with(text)}"
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
