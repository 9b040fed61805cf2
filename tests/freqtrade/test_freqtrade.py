"""freqtrade's own backtesting through the adapter, in its own environment and without an exchange."""

from __future__ import annotations

import json
import math
import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from freqtrade_trading import CONFIG

from strategy_optimizer import create_optimizer
from strategy_optimizer.engines.freqtrade_process import Runner
from strategy_optimizer.errors import EngineError


def test_the_space_is_what_the_strategy_declares(engine):
    space = engine().space()
    described = {name: (p.low, p.high, p.step) for name, p in space.parameters.items() if hasattr(p, "low")}
    assert described["buy_lookback"] == (2, 60, 1)
    assert described["buy_threshold"] == (0.0, 0.05, 0.001)
    assert described["sell_below"][:2] == (-0.05, 0.05)
    assert list(space.parameters["buy_side"].choices) == ["rise", "fall"]
    assert space.defaults() == {
        "buy_lookback": 20, "buy_side": "rise", "buy_threshold": 0.01, "sell_below": 0.0, "sell_patient": False,
    }  # fmt: skip


def test_sections_choose_the_parameters_as_hyperopts_spaces_do(engine):
    assert set(engine(sections=["sell"]).space().names) == {"sell_below", "sell_patient"}
    with pytest.raises(EngineError, match=r"no parameters in the section 'sel'; did you mean 'sell'"):
        engine(sections=["sel"]).check()


def test_a_strategy_without_parameters_declares_no_space(engine):
    subject = engine("Undeclared")
    assert subject.space() is None
    assert subject.run({"stoploss": -0.02}).metrics["trades"] > 0


def test_equal_to_freqtrade_backtesting_on_the_command_line(engine, python, user, data, tmp_path):
    """The same numbers as ``freqtrade backtesting`` gives for a parameter file, read from the file it exports."""
    parameters = {"buy_lookback": 12, "buy_threshold": 0.02, "stoploss": -0.04, "roi_0": 0.09}
    subject = engine()
    found = subject.run(parameters)
    subject.write_parameters(user / "strategies", parameters)
    assert _exported(python, user, data, tmp_path) == pytest.approx(
        {
            name: found.metrics[name]
            for name in ("profit_total", "total_trades", "final_balance", "sqn", "winrate")
        }
    )
    assert found.metrics["total_return"] == pytest.approx(found.metrics["profit_total"])


def _exported(python, user, data, folder):
    """Run freqtrade's own program, its markets given by the runner's means, and return what it exports."""
    file = folder / "config.json"
    file.write_text(json.dumps(CONFIG))
    runner = Path(__file__).parents[2] / "src" / "strategy_optimizer" / "engines" / "freqtrade_runner.py"
    program = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('runner', {str(runner)!r})\n"
        "runner = importlib.util.module_from_spec(spec); spec.loader.exec_module(runner)\n"
        "from freqtrade.main import main\n"
        "with runner._markets(None):\n"
        "    main(sys.argv[1:])\n"
    )
    arguments = [
        "backtesting", "--config", file, "--userdir", user, "--strategy", "Momentum", "--datadir", data,
        "--export", "trades", "--cache", "none", "--backtest-directory", folder / "results",
    ]  # fmt: skip
    (folder / "results").mkdir()
    subprocess.run([python, "-c", program, *map(str, arguments)], check=True, capture_output=True)
    (archive,) = (folder / "results").glob("*.zip")
    import zipfile

    with zipfile.ZipFile(archive) as opened:
        result = json.loads(opened.read(f"{archive.stem}.json"))["strategy"]["Momentum"]
    return {
        name: result[name] for name in ("profit_total", "total_trades", "final_balance", "sqn", "winrate")
    }


def test_metrics_are_ours_from_equity_and_trades(engine):
    run = engine().run({"buy_lookback": 12})
    metrics, returns = run.metrics, run.returns
    n = len(returns)
    assert math.prod(1 + returns) == pytest.approx(1 + metrics["total_return"])
    assert metrics["sharpe_ratio"] == pytest.approx(
        returns.mean() / returns.std(ddof=1) * math.sqrt(365.25 * 24), rel=1e-9
    )
    assert metrics["trades"] == metrics["total_trades"]
    assert metrics["win_rate"] == pytest.approx(
        metrics["winrate"], abs=0.1
    )  # those sold at the end count there
    assert 0 < metrics["exposure"] < 1
    assert n == 1500 - 60 - 1  # the strategy's start-up candles, and the first candle, are not traded


def test_costs_are_the_fees_of_all_fills(engine):
    free, dear = (engine(fee=fee).run({"buy_lookback": 12}) for fee in (0.0, 0.002))
    assert free.metrics["costs_paid"] == 0
    assert dear.metrics["costs_paid"] > 0
    assert dear.metrics["total_return"] < free.metrics["total_return"]


def test_a_run_is_reproduced_and_leaves_nothing_behind(engine, user):
    before = sorted(user.rglob("*"))
    subject = engine()
    first, second = subject.run({"buy_lookback": 9}), subject.run({"buy_lookback": 9})
    assert first.metrics == pytest.approx(second.metrics, nan_ok=True)
    assert np.array_equal(first.returns, second.returns)
    assert sorted(user.rglob("*")) == before


def test_parallel_trials_do_not_meet(engine):
    subject = engine()
    lookbacks = [5, 11, 23]
    alone = [subject.run({"buy_lookback": k}).metrics["final_balance"] for k in lookbacks]
    with ThreadPoolExecutor(2) as pool:
        beside = list(
            pool.map(lambda k: subject.run({"buy_lookback": k}).metrics["final_balance"], lookbacks)
        )
    assert beside == alone
    assert len(set(alone)) == 3


def test_a_pickled_engine_is_the_same(engine):
    subject = engine()
    copy = pickle.loads(pickle.dumps(subject))
    assert copy.run({"buy_lookback": 9}).metrics["sqn"] == subject.run({"buy_lookback": 9}).metrics["sqn"]
    assert copy.digest() == subject.digest()


def test_the_digest_changes_with_code_candles_parameters_and_settings(engine, user, data, tmp_path):
    first = engine().digest()
    assert engine().digest() == first
    assert engine(fee=0.002).digest() != first
    assert engine(timerange="20240110-").digest() != first
    file = user / "strategies" / "momentum.py"
    file.write_text(file.read_text().replace("startup_candle_count = 60", "startup_candle_count = 61"))
    assert engine().digest() != first


def test_the_data_are_divided_in_time_without_overlap(engine):
    subject = engine()
    searched, held_out = subject.divide(0.25)
    runs = [part.run({}) for part in (searched, held_out)]
    assert len(runs[0].returns) == 1500 * 0.75 - 61
    assert len(runs[1].returns) == 1500 * 0.25 - 1  # it warms up on the candles before it
    assert searched.digest() != held_out.digest() != subject.digest()
    assert subject.divide(0.0) == (subject, None)


# -- the parameter file --------------------------------------------------------------------------------------------


def test_written_parameters_are_those_that_the_bot_would_trade(engine, user):
    subject = engine()
    best = {"buy_lookback": 33, "buy_threshold": 0.013, "trailing_stop": True, "trailing_stop_positive": 0.02}
    best |= {"trailing_stop_positive_offset": 0.03, "roi_0": 0.5, "stoploss": -0.11}
    file = subject.write_parameters(user / "strategies", best)
    assert file == user / "strategies" / "momentum.json"
    document = json.loads(file.read_text())
    assert document == {
        "strategy_name": "Momentum",
        "params": {
            "buy": {"buy_lookback": 33, "buy_threshold": 0.013},
            "trailing": {
                "trailing_stop": True, "trailing_stop_positive": 0.02, "trailing_stop_positive_offset": 0.03,
            },
            "roi": {"0": 0.5, "600": 5.0},
            "stoploss": {"stoploss": -0.11},
        },
        "ft_stratparam_v": 1,
    }  # fmt: skip
    there = engine()  # reads what lies beside the strategy
    assert there.space().defaults()["buy_lookback"] == 33
    assert there.run({}).metrics["profit_total"] == subject.run(best).metrics["profit_total"]


def test_other_parameters_of_the_file_are_kept(engine, user):
    engine().write_parameters(user / "strategies", {"buy_lookback": 33, "roi_0": 0.5})
    engine().write_parameters(user / "strategies", {"buy_threshold": 0.02})
    params = json.loads((user / "strategies" / "momentum.json").read_text())["params"]
    assert params == {"buy": {"buy_lookback": 33, "buy_threshold": 0.02}, "roi": {"0": 0.5, "600": 5.0}}


def test_a_search_finds_better_parameters_and_writes_them(engine, user):
    subject = engine(sections=["buy"])
    optimizer = create_optimizer("random", subject.space(), budget=6, seed=0)
    for _ in range(3):
        batch = optimizer.ask(2)
        optimizer.tell(batch, [subject.run(p).metrics["sharpe_ratio"] for p in batch])
    file = subject.write_parameters(user / "best.json", optimizer.best_params)
    assert json.loads(file.read_text())["params"]["buy"] == optimizer.best_params
    assert subject.run(optimizer.best_params).metrics["sharpe_ratio"] == optimizer.best_score


# -- what goes wrong -----------------------------------------------------------------------------------------------


def test_no_trades_are_counted_as_none(engine):
    metrics = engine("Idle").run({}).metrics
    assert metrics["trades"] == 0
    assert metrics["total_return"] == 0
    assert math.isnan(metrics["sharpe_ratio"])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"buy_lookbak": 3}, "has no parameter 'buy_lookbak'; did you mean 'buy_lookback'"),
        ({"max_open_trades": 5}, "max_open_trades was to be 5 and freqtrade uses 2"),
        ({"sell_own": 5}, "sell_own was to be 5 and freqtrade uses 3"),
        ({"buy_threshold": 0.01234}, "buy_threshold was to be 0.01234 and freqtrade uses 0.012"),
        ({"stoploss": 0.1}, "greater than or equal to the maximum of 0"),
    ],
)
def test_parameters_that_cannot_be_in_force_fail_the_trial(engine, parameters, message):
    with pytest.raises(EngineError, match=message):
        engine().run(parameters)


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ("Raising", r"freqtrade: KeyError: 'no such column' \(momentum.py:\d+, in populate_entry_trend\)"),
        ("RaisingQuietly", r"went on without it: .*the callback broke"),
        ("Leaving", "process ended without an answer"),
    ],
)
def test_a_strategy_that_fails_is_a_failed_trial_and_the_next_one_runs(engine, strategy, message):
    subject = engine(strategy)
    subject.check() if strategy != "Leaving" else None
    with pytest.raises(EngineError, match=message):
        subject.run({})
    assert engine().run({}).metrics["trades"] > 0


def test_what_a_strategy_prints_is_no_answer(engine):
    assert engine("Talkative").run({}).metrics["trades"] > 0


def test_a_strategy_that_does_not_exist(engine):
    with pytest.raises(EngineError, match=r"found no strategy Momentun in the folder; did you") as found:
        engine("Momentun").check()
    assert "did you mean 'Momentum'? (it has Hanging, Idle, Leaving, Momentum, " in str(found.value)
    assert "broken.py cannot be imported: 'No module named 'no_such_package''" in str(found.value)


def test_an_option_that_freqtrade_does_not_have(engine):
    with pytest.raises(EngineError, match=r"no option 'timrange'; did you mean 'timerange'\? \(it has "):
        engine(timrange="20240101-").check()


def test_sections_that_the_strategy_does_not_have(engine):
    with pytest.raises(EngineError, match=r"no parameters in the section 'buyy'; did you mean 'buy'\?"):
        engine(sections=["buyy"]).space()


@pytest.mark.parametrize("timerange", ["20300101-20310101", "-20200101"])
def test_a_time_without_candles(engine, timerange):
    for ask in (engine(timerange=timerange).check, lambda: engine(timerange=timerange).divide(0.25)):
        with pytest.raises(
            EngineError, match=rf"{timerange} holds no candles; .* from 2024-01-01 to 2024-03-"
        ):
            ask()


def test_a_configuration_that_is_broken(engine, tmp_path):
    file = tmp_path / "config.json"
    file.write_text('{"exchange": ')
    with pytest.raises(EngineError, match=r"config.json is not plain JSON \(.*, and no .* was found in it"):
        engine(config=file)


def test_data_that_are_missing(engine):
    config = {**CONFIG, "exchange": {**CONFIG["exchange"], "pair_whitelist": ["BTC/USDT", "XRP/USDT"]}}
    with pytest.raises(EngineError, match=r"has no candles of XRP/USDT at 1h; download them"):
        engine(config=config).check()


def test_futures_are_refused(engine):
    config = {**CONFIG, "trading_mode": "futures", "margin_mode": "isolated"}
    with pytest.raises(EngineError, match="expected spot"):
        engine(config=config).check()


def test_a_parameter_file_of_another_strategy(engine, user):
    (user / "strategies" / "momentum.json").write_text('{"strategy_name": "Other", "params": {}}')
    with pytest.raises(EngineError, match="Invalid parameter file"):
        engine().run({})


def test_what_a_killed_program_left_behind_is_removed_by_the_next(python, user, data, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (tmp_path / "freqtrade-trials-dead").mkdir()
    (tmp_path / "freqtrade-trials-dead" / "lock").touch()
    runners = [Runner(Path(python)) for _ in range(2)]
    assert not (tmp_path / "freqtrade-trials-dead").exists()
    assert len(list(tmp_path.glob("freqtrade-trials-*"))) == 2
    for runner in runners:
        runner.end()
    assert not list(tmp_path.glob("freqtrade-trials-*"))


def test_the_runner_ends_with_the_process_that_asked_it(python, user, data, tmp_path):
    """A worker that is killed in a trial leaves no process and no folder behind."""
    ready = tmp_path / "ready"
    program = f"""
import sys
from pathlib import Path
from strategy_optimizer.engines import FreqtradeEngine
engine = FreqtradeEngine("Hanging", {CONFIG!r}, python={python!r}, user_directory={str(user)!r}, data={str(data)!r})
engine.check()
Path({str(ready)!r}).touch()
engine.run({{}})
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    worker = subprocess.Popen([sys.executable, "-c", program], env=environment)
    _wait_for(lambda: ready.exists() and len(_descendants(worker.pid)) == 2)
    found = _descendants(worker.pid)
    assert list(tmp_path.glob("freqtrade-trials-*"))
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    _wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in found))
    assert not list(tmp_path.glob("freqtrade-trials-*"))


def _descendants(pid):
    import psutil

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.2)
