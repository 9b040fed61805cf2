"""These tests run trials on real Ray clusters of this machine, and are collected where Ray is installed.

One cluster exists at a time, of two or three cores and at most 200 MB of objects.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

try:
    version("ray")
except PackageNotFoundError:
    collect_ignore_glob = ["test_*.py"]

# Helpers beside the tests are imported by name.
sys.path.insert(0, str(Path(__file__).parent))

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Take away what the user's environment says of Ray, and see that nothing is said after the test either."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("RAY_")]:
            if name != "RAY_USAGE_STATS_ENABLED":
                patch.delenv(name)
        before = dict(os.environ)
        yield
        changed = {name for name in {*before, *os.environ} if before.get(name) != os.environ.get(name)}
        assert changed <= {"PYTEST_CURRENT_TEST"}
