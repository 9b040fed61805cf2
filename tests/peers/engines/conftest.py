"""These tests run strategies of the peers through the engines, where the peers are installed."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

# Helpers beside the tests are imported by name.
sys.path.insert(0, str(Path(__file__).parent))
collect_ignore_glob = [] if all(map(find_spec, ("vectorbt", "backtesting"))) else ["*.py"]
