"""Statistics and robustness load nothing heavy until they need it."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("scipy", "pandas", "statsmodels", "arch", "numba", "polars")


def test_importing_statistics_and_robustness_loads_numpy_alone():
    script = (
        "import sys, strategy_optimizer.splits, strategy_optimizer.validation.statistics, "
        "strategy_optimizer.validation.robustness; "
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
