"""The page on freqtrade is true: its script runs, and its table is what comes out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from freqtrade_page import prepare

import strategy_optimizer
from strategy_optimizer import create_optimizer
from strategy_optimizer.engines import FreqtradeEngine

PAGE = Path(__file__).parents[2] / "docs" / "engines" / "freqtrade.md"


@pytest.fixture
def home(tmp_path, python, monkeypatch):
    prepare(tmp_path, python)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def search(engine, *, objective, evaluations):
    """What `optimize` does with an engine, without its validation, which is tested where it is."""
    engine.check()
    optimizer = create_optimizer("auto", engine.space(), budget=evaluations, seed=0)
    for _ in range(2):
        batch = optimizer.ask(1)
        optimizer.tell(batch, [engine.run(p).metrics[objective] for p in batch])
    return SimpleNamespace(best_parameters=optimizer.best_params)


def test_the_script_of_the_page_runs(home, monkeypatch, capsys):
    monkeypatch.setattr(strategy_optimizer, "optimize", search)
    script = re.search(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)[1]
    assert len([line for line in script.splitlines() if line.strip()]) < 20
    exec(compile(script, str(PAGE), "exec"), {})
    assert capsys.readouterr().out == "user_data/strategies/sample_strategy.json\n"
    written = json.loads(Path("user_data/strategies/sample_strategy.json").read_text())
    shown = json.loads(re.search(r"^```json\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)[1])
    assert {name: set(section) for name, section in written["params"].items()} == {
        name: set(section) for name, section in shown["params"].items()
    }


def test_the_table_of_the_page_is_what_comes_out(home, python):
    metrics = FreqtradeEngine("SampleStrategy", "user_data/config.json", python=python).run({}).metrics
    rows = re.findall(
        r"^\| `(\w+)` \| ([-\d.,]+) \| `([^`]+)` \| ([-\d.,]+) \|", PAGE.read_text(), flags=re.MULTILINE
    )
    assert len(rows) == 6
    for ours, our_value, own, own_value in rows:
        for name, shown in ((ours, our_value), (own, own_value)):
            digits = len(shown.partition(".")[2])
            assert f"{metrics[name]:,.{digits}f}" == shown, name
