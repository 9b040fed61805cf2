"""The statistics load nothing heavy until they need it."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("scipy", "pandas", "statsmodels", "arch", "numba", "polars")


def test_importing_the_statistics_loads_numpy_alone():
    script = (
        "import sys, strategy_optimizer.splits, strategy_optimizer.validation.statistics; "
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
