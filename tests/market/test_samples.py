from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from strategy_optimizer.errors import DataError
from strategy_optimizer.market import SAMPLES, load_bars
from strategy_optimizer.market import samples as module


@pytest.mark.parametrize(("name", "close"), [("nasdaq", 6635.279785), ("sp500", 2506.850098)])
def test_samples_hold_twenty_years(name: str, close: float) -> None:
    bars = load_bars(name)
    assert bars.n_bars == 5031
    assert bars.symbols == (name,)
    assert bars.close[-1] == close
    assert str(bars.timestamp[0].astype("M8[ns]"))[:10] == "1999-01-04"


def test_samples_equal_what_arch_itself_loads() -> None:
    code = (
        "import numpy as np, warnings; warnings.simplefilter('ignore')\n"
        "import arch.data.nasdaq as theirs\n"
        "from strategy_optimizer.market import load_bars\n"
        "frame, bars = theirs.load(), load_bars('nasdaq')\n"
        "assert (frame[['Open', 'High', 'Low', 'Close', 'Volume']].to_numpy() == np.stack(\n"
        "    [bars.open, bars.high, bars.low, bars.close, bars.volume], axis=1)).all()\n"
        "assert (frame.index.to_numpy('M8[ns]').view('i8') == bars.timestamp).all()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_samples_import_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from strategy_optimizer.market import load_bars, check_bars\n"
        "load_bars('nasdaq'); check_bars('sp500')\n"
        "heavy = 'arch', 'pandas', 'polars', 'statsmodels', 'scipy', 'numba'\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_every_sample_is_described_and_loads() -> None:
    for name, text in SAMPLES.items():
        assert text
        assert np.isfinite(load_bars(name).close).all()


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="pip install arch"):
        load_bars("nasdaq")
