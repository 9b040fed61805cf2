"""The page on NautilusTrader is true: its script runs, and its table is what comes out."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import strategy_optimizer
from strategy_optimizer import create_optimizer
from strategy_optimizer.engines import NautilusEngine, NautilusStrategy

PAGE = Path(__file__).parents[2] / "docs" / "engines" / "nautilus.md"


def search(engine, *, space, objective, evaluations):
    """What `optimize` does with an engine, without its validation, which is tested where it is."""
    engine.check()
    optimizer = create_optimizer("auto", space, budget=evaluations, seed=0)
    for _ in range(3):
        batch = optimizer.ask(2)
        optimizer.tell(batch, [engine.run(p).metrics[objective] for p in batch])
    return SimpleNamespace(best_parameters=optimizer.best_params)


def test_the_script_of_the_page_runs(monkeypatch, capsys):
    monkeypatch.setattr(strategy_optimizer, "optimize", search)
    script = re.search(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)[1]
    assert len([line for line in script.splitlines() if line.strip()]) < 20
    exec(compile(script, str(PAGE), "exec"), {})
    assert "fast_ema_period" in capsys.readouterr().out


def test_the_market_of_the_page_is_that_of_these_tests():
    shown = re.search(r"^```py\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)[1]
    assert Path(__file__).with_name("my_market.py").read_text().endswith(f"annotations\n\n{shown}")


def test_the_table_of_the_page_is_what_comes_out():
    from my_market import BAR_TYPE, BARS, INSTRUMENT, VENUE
    from nautilus_trader.examples.strategies.ema_cross import EMACross, EMACrossConfig

    config = EMACrossConfig(instrument_id=INSTRUMENT.id, bar_type=BAR_TYPE, trade_size=100)
    build = NautilusStrategy(EMACross, config, venues=[VENUE], instruments=[INSTRUMENT], data=BARS)
    metrics = NautilusEngine(build).run({}).metrics
    rows = re.findall(
        r"^\| `(\w+)` \| ([\d.,]+) \| `([^`]+)` \| ([-\d.,]+) \|", PAGE.read_text(), flags=re.MULTILINE
    )
    assert len(rows) == 6
    for ours, our_value, own, own_value in rows:
        for name, shown in ((ours, our_value), (own, own_value)):
            digits = len(shown.partition(".")[2])
            assert f"{metrics[name]:,.{digits}f}" == shown, name
