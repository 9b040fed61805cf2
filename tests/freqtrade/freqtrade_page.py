"""The user's own side of docs/engines/freqtrade.md: a user directory with the sample strategy, and candles."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from freqtrade_trading import CONFIG

from strategy_optimizer.engines import write_candles
from strategy_optimizer.market import Garch, synthetic_market

SAMPLE = "import freqtrade, pathlib; print(pathlib.Path(freqtrade.__file__).parent)"


def prepare(folder: Path, python: str) -> None:
    """Make ``user_data`` and a link to freqtrade's environment in a folder."""
    strategies, candles = folder / "user_data" / "strategies", folder / "user_data" / "data" / "binance"
    strategies.mkdir(parents=True)
    candles.mkdir(parents=True)
    found = subprocess.run([python, "-P", "-c", SAMPLE], check=True, capture_output=True, text=True)
    shutil.copy(Path(found.stdout.strip()) / "templates" / "sample_strategy.py", strategies)
    for seed, pair in enumerate(("BTC/USDT", "ETH/USDT"), 1):
        market = synthetic_market(
            6000, Garch(volatility=0.8), edge=0.05, bar="5m", start="2024-01-01", seed=seed
        )
        write_candles(candles, pair, "5m", market)
    (folder / "user_data" / "config.json").write_text(json.dumps(CONFIG))
    (folder / "freqtrade-environment").symlink_to(Path(python).absolute().parents[1])
