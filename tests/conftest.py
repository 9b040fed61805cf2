"""What all tests share: a clean environment, a kernel cache of the test run, and the sample markets."""

from __future__ import annotations

import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

# Helpers such as tests/markets.py are imported by name.
sys.path.insert(0, str(Path(__file__).parent))

# A shell that starts the tests in the background makes them ignore Ctrl-C, which some of them send.
signal.signal(signal.SIGINT, signal.default_int_handler)

for variable in [name for name in os.environ if name.startswith("STRATEGY_OPTIMIZER_")]:
    if variable != "STRATEGY_OPTIMIZER_CACHE":
        del os.environ[variable]
os.environ["STRATEGY_OPTIMIZER_NICENESS"] = "0"  # tests that wait for tasks run beside other tests

if find_spec("hypothesis"):  # the peers' environment has none
    from hypothesis import HealthCheck, settings

    # Tests run side by side: how long an example takes says nothing of what is tested.
    settings.register_profile("any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("any speed")


@pytest.fixture(scope="session")
def nasdaq():
    from strategy_optimizer import load_bars

    return load_bars("nasdaq")


@pytest.fixture(scope="session")
def sp500():
    from strategy_optimizer import load_bars

    return load_bars("sp500")
