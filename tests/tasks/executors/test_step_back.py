"""A process that steps back is nice, and so is its session, within which alone niceness may count."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CODE = """
import os
from pathlib import Path
from strategy_optimizer.tasks.executors.child import system
system.step_back(7)
group = Path("/proc/self/autogroup")
print(os.nice(0), group.read_text().split()[-1] if group.exists() else 7)
"""


def test_a_process_and_its_session_step_back() -> None:
    found = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, start_new_session=True
    )
    niceness, of_session = map(int, found.stdout.split())
    assert niceness == min(19, 7 + _own())
    assert of_session == 7


def _own() -> int:
    return int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[16])
