"""Adapters of engines that live in environments of their own: what they say where those are missing."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from strategy_optimizer.engines import FreqtradeEngine, NautilusEngine, NautilusNodeEngine, write_candles
from strategy_optimizer.engines.freqtrade_files import parameter_document, read_parameters, write_json
from strategy_optimizer.errors import DataError, EngineError
from strategy_optimizer.market import Garch, synthetic_market

CONFIG = {"exchange": {"name": "binance", "pair_whitelist": ["BTC/USDT"]}, "stake_currency": "USDT"}


@pytest.fixture
def user(tmp_path):
    for folder in ("strategies", "data/binance"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def script(folder, name, text):
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def build(parameters):
    raise AssertionError("never called")


@pytest.mark.skipif(find_spec("nautilus_trader") is not None, reason="NautilusTrader is installed here")
@pytest.mark.parametrize("call", ["check", "run"])
def test_nautilus_is_not_installed(call):
    engine = NautilusEngine(build)
    with pytest.raises(EngineError, match=r"not installed; pip install 'strategy-optimizer\[nautilus\]'"):
        engine.check() if call == "check" else engine.run({})


def test_a_node_needs_run_configurations():
    with pytest.raises(EngineError, match="expected a BacktestRunConfig"):
        NautilusNodeEngine({"venues": []})


def test_a_python_without_freqtrade(user):
    engine = FreqtradeEngine("S", CONFIG, python=sys.executable, user_directory=user)
    with pytest.raises(EngineError, match=r"freqtrade cannot be imported.*make freqtrade"):
        engine.check()


def test_an_older_freqtrade(user):
    ready = json.dumps({"versions": {"freqtrade": "2025.3"}})
    python = script(user, "python", f"#!/bin/sh\necho '{ready}'\ncat > /dev/null\n")
    engine = FreqtradeEngine("S", CONFIG, python=python, user_directory=user)
    with pytest.raises(EngineError, match=r"freqtrade 2025\.3 is not supported; expected 2026\.9 or later"):
        engine.check()


def test_a_program_that_ends_at_once(user):
    python = script(user, "python", "#!/bin/sh\necho 'no such thing' >&2\nexit 3\n")
    with pytest.raises(EngineError, match=r"ended with code 3 and without an answer; it said: no such thing"):
        FreqtradeEngine("S", CONFIG, python=python, user_directory=user).check()


def test_a_file_that_is_no_program(user):
    python = user / "python"
    python.write_text("text")
    with pytest.raises(EngineError, match="cannot be started"):
        FreqtradeEngine("S", CONFIG, python=python, user_directory=user).check()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"python": "/nowhere/python"}, r"/nowhere/python does not exist; install freqtrade"),
        ({"python": None}, "freqtrade was not found; install freqtrade"),
        ({"user_directory": "/nowhere"}, r"no folder /nowhere/strategies; expected the strategies"),
        ({"data": "/nowhere"}, "no folder /nowhere; expected the data"),
        ({"config": "/nowhere.json"}, r"no file /nowhere\.json; expected a configuration"),
        ({"config": {}}, "names no exchange"),
        ({"markets": "/nowhere.json"}, r"markets: /nowhere\.json cannot be read as JSON"),
    ],
)
def test_bad_input_is_one_clear_error(user, monkeypatch, change, message):
    monkeypatch.setenv("PATH", str(user))
    given = {"config": CONFIG, "python": sys.executable, "user_directory": user, **change}
    with pytest.raises(EngineError, match=message):
        FreqtradeEngine("S", **given)


def test_the_program_freqtrade_stands_for_the_python_beside_it(user):
    script(user, "python", "#!/bin/sh\nexit 3\n")
    program = script(user, "freqtrade", "#!/bin/sh\nexit 4\n")
    with pytest.raises(EngineError, match="ended with code 3"):
        FreqtradeEngine("S", CONFIG, python=program, user_directory=user).check()


def test_nothing_of_theirs_is_imported():
    program = (
        "import sys; from strategy_optimizer.engines import FreqtradeEngine, NautilusEngine, NautilusNodeEngine;"
        "print([m for m in ('freqtrade', 'nautilus_trader', 'msgspec', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- freqtrade's files ---------------------------------------------------------------------------------------------


def test_candles_are_freqtrades_json(tmp_path):
    market = synthetic_market(50, Garch(), bar="1h", start="2024-01-01", seed=1)
    file = write_candles(tmp_path, "BTC/USDT", "1h", market)
    assert file.name == "BTC_USDT-1h.json"
    rows = json.loads(file.read_text())
    assert rows[0][0] == 1_704_067_200_000
    assert np.array_equal(np.array(rows)[:, 4], np.ravel(market.close))
    with pytest.raises(DataError, match="has 2 symbols"):
        write_candles(tmp_path, "BTC/USDT", "1h", synthetic_market(50, Garch(), n_symbols=2, seed=1))


def test_a_parameter_file_is_read_back(tmp_path):
    file = tmp_path / "folder" / "s.json"
    assert read_parameters(file, "S") == {}
    write_json(file, parameter_document("S", {"buy": {"rsi": 30}}))
    assert read_parameters(file, "S") == {"buy": {"rsi": 30}}
    assert [path.name for path in file.parent.iterdir()] == ["s.json"]
    with pytest.raises(EngineError, match="holds parameters of the strategy S; expected those of T"):
        read_parameters(file, "T")
    file.write_text("{}")
    with pytest.raises(EngineError, match="is not a parameter file of freqtrade"):
        read_parameters(file, "S")


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    file = tmp_path / "s.json"
    file.write_text("old")
    with pytest.raises(TypeError):
        write_json(file, {"x": object()})
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["s.json"]
