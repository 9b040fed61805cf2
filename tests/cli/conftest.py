"""The command line in this process, with its own state folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from strategy_optimizer.cli.program import run


@dataclass(frozen=True)
class Outcome:
    """What one call did."""

    code: int
    out: str
    err: str


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which unfinished searches are kept."""
    monkeypatch.setenv("STRATEGY_OPTIMIZER_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def call(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    """Return a function that runs the program with some arguments."""
    for name in ("STRATEGY_OPTIMIZER_DEBUG", "FORCE_COLOR", "NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")

    def invoke(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return invoke


@pytest.fixture
def strategy_file(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes a vectorised strategy whose `signals` has the given body."""

    def write(body: str, name: str = "mine") -> Path:
        path = tmp_path / f"{name}.py"
        path.write_text(
            "import numpy as np\n"
            "from strategy_optimizer import Continuous, Discrete, Signals, Strategy\n\n\n"
            "class Mine(Strategy):\n"
            '    """My own strategy."""\n\n'
            "    parameters = {'days': Discrete(2, 40, default=10), 'level': Continuous(0.0, 0.1)}\n\n"
            "    def warmup(self, p):\n"
            "        return p.days\n\n"
            "    def signals(self, bars):\n"
            "        rise = np.zeros(bars.n_bars)\n"
            "        rise[self.days:] = bars.close[self.days:] / bars.close[:-self.days] - 1\n"
            f"        {body}\n",
            encoding="utf-8",
        )
        return path

    return write
