"""Runs the tests of one engine, or of Ray, with the real thing and writes the outcome into docs/engine-tiers.md.

These tests need environments that do not go together, and minutes; so `.ci/run` leaves them out and the last outcome
of each is committed.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "engine-tiers.md"
HEAD = """# Engines and clusters: the last run of each

Each line is written by the tests themselves (`make test-nautilus`, `test-freqtrade`, `test-ray`), with the real engine
or cluster in an environment of its own.

| tier | outcome | passed | failed | skipped | seconds | date | with |
|---|---|---|---|---|---|---|---|
"""
OF_PYTHON = "import importlib.metadata as m, sys; print(*(m.version(name) for name in sys.argv[1:]))"


class Counter:
    """A plugin of pytest that counts outcomes."""

    def __init__(self) -> None:
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}

    def pytest_runtest_logreport(self, report) -> None:
        # A test whose fixture fails has no call; one that fails after its call has failed too.
        if report.when == "call" or report.outcome != "passed":
            self.counts[report.outcome] += 1

    def pytest_collectreport(self, report) -> None:
        if report.failed:
            self.counts["failed"] += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tier", help="name of a folder in tests/")
    parser.add_argument("packages", nargs="+", help="whose versions are told")
    parser.add_argument("--python", default=sys.executable, help="the Python that has them")
    given = parser.parse_args()
    os.environ["ENGINE_TIER"] = given.tier
    os.environ["ENGINE_PYTHON"] = str(Path(given.python).absolute())
    counter = Counter()
    start = time.perf_counter()
    code = int(pytest.main([str(ROOT / "tests" / given.tier)], plugins=[counter]))
    seconds = time.perf_counter() - start
    found = subprocess.run(
        [given.python, "-P", "-c", OF_PYTHON, *given.packages], check=True, capture_output=True, text=True
    )
    versions = [" ".join(pair) for pair in zip(given.packages, found.stdout.split(), strict=True)]
    outcome = "passed" if code == 0 and counter.counts["passed"] else "failed"
    cells = [outcome, *counter.counts.values(), f"{seconds:.0f}", f"{datetime.now(UTC):%Y-%m-%d}"]
    write(given.tier, [*map(str, cells), ", ".join([f"Python {platform.python_version()}", *versions])])
    return code


def write(tier: str, cells: list[str]) -> None:
    """Put a tier's line into the page, in the place of its last one."""
    page = PAGE.read_text() if PAGE.exists() else ""
    # Rows are what stands below the table's rule: the text above it may be another one than HEAD.
    below = page.partition("|---|")[2].splitlines()[1:]
    others = [line for line in below if line.startswith("| ") and not line.startswith(f"| {tier} |")]
    rows = sorted([*others, f"| {tier} | {' | '.join(cells)} |"])
    PAGE.write_text(HEAD + "\n".join(rows) + "\n")


if __name__ == "__main__":
    sys.exit(main())
