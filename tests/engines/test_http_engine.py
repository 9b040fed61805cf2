"""The HTTP engine against the example server in a process of its own, and against one that does everything wrong."""

from __future__ import annotations

import json
import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from faulty_server import (
    HEALTH,
    METRICS,
    break_off,
    drip,
    drip_head,
    drip_without_length,
    drop,
    flood,
    playing,
    put_off,
    reply,
    stay_silent,
)  # fmt: skip

from strategy_optimizer import (
    Costs,
    Discrete,
    ParameterSpace,
    Rules,
    create_optimizer,
    get_strategy,
    load_bars,
    optimize,
    run_backtest,
)
from strategy_optimizer.engines import HttpEngine
from strategy_optimizer.errors import EngineError, TaskError
from strategy_optimizer.records import TryingOut

SERVER = Path(__file__).parents[2] / "examples" / "http_engine_server.py"
POINT = {"lookback_period": 20, "threshold": 0.02}
KEY = "a-key-that-nobody-may-see"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def engine_at(server, **settings):
    return HttpEngine(server.url, **({"backoff": 0.01, "retries": 3, "read_timeout": 30.0} | settings))


# The example, for real.


@contextmanager
def example_server(*arguments, key=None):
    environment = {**os.environ, **({"STRATEGY_OPTIMIZER_ENGINE_KEY": key} if key else {})}
    command = [sys.executable, str(SERVER), "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        process.stdout.close()


def ours(window=None):
    rules = Rules(costs=Costs(commission=0.0005, slippage=0.0002), window=window)
    return run_backtest(get_strategy("momentum"), POINT, load_bars("nasdaq"), rules)


@pytest.mark.parametrize("arguments", [(), ("--asynchronous",)])
def test_the_example_server_gives_our_own_numbers(arguments):
    with example_server(*arguments, key=KEY) as url:
        engine = HttpEngine(url, key=KEY)
        engine.check()
        run = engine.run(POINT)
        expected = ours()
        assert run.metrics == pytest.approx(expected.metrics, rel=1e-12)
        np.testing.assert_allclose(run.returns, expected.equity[1:] / expected.equity[:-1] - 1, rtol=1e-12)
        assert engine.space() == get_strategy("momentum").space()
        assert engine.versions() == {"engine": "momentum on nasdaq"}
        searched, held_out = engine.divide(0.25)
        n = load_bars("nasdaq").n_bars
        split = round(0.75 * n)
        assert searched.run(POINT).metrics == pytest.approx(ours((0, split)).metrics, nan_ok=True)
        assert held_out.run(POINT).metrics == pytest.approx(ours((split, n)).metrics, nan_ok=True)
        assert len({e.digest() for e in (engine, searched, held_out)}) == 3
        assert engine.data_digest() == load_bars("nasdaq").digest
        assert engine.divide(0.0) == (engine, None)
        with pytest.raises(EngineError, match=r"^parameter 'lookback_period': the value 999 lies outside"):
            engine.run({"lookback_period": 999})
        with pytest.raises(EngineError, match=r"/health answered 401: it refuses the key"):
            HttpEngine(url, key="another").check()
        with pytest.raises(
            EngineError, match=r"/health answered 401: it wants a key .*STRATEGY_OPTIMIZER_ENGINE_KEY"
        ):
            HttpEngine(url).check()


def test_the_example_server_says_when_its_port_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, str(SERVER), "--port", str(port)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert f"error: port {port} cannot be used: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_search_over_http():
    with example_server() as url:
        engine = HttpEngine(url)
        search = create_optimizer("random", engine.space(), budget=20, seed=1)
        for _ in range(20):
            batch = search.ask(1)
            search.tell(batch, [engine.run(point).metrics["sharpe_ratio"] for point in batch])
        assert search.best_score > engine.run({}).metrics["sharpe_ratio"]


# What is sent.


def test_the_request_is_the_documented_one():
    with playing(reply(METRICS)) as server:
        engine = engine_at(server, key=KEY, label="my task")
        run = engine.run({"n": np.int64(3), "x": 0.5, "on": True, "kind": "ema"})
        assert run.metrics == {"sharpe_ratio": 1.5, "trades": 40.0}
        assert run.returns is None
        ((command, path, headers, body),) = server.seen
    assert (command, path) == ("POST", "/backtests")
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["Idempotency-Key"] == body["idempotency_key"]
    assert headers["User-Agent"].startswith("strategy-optimizer/")
    assert body["parameters"] == {"n": 3, "x": 0.5, "on": True, "kind": "ema"}
    assert (body["version"], body["task"], body["window"]) == (1, "my task", [0.0, 1.0])
    assert len(body["idempotency_key"]) == 64


def test_the_idempotency_key_follows_parameters_and_engine():
    with playing(reply(METRICS)) as server:
        for settings, point in (
            ({}, {"a": 1, "b": 2}),
            ({}, {"b": 2, "a": 1}),
            ({}, {"a": 2, "b": 2}),
            ({"revision": "2"}, {"a": 1, "b": 2}),
        ):
            engine_at(server, **settings).run(point)
        keys = [body["idempotency_key"] for *_, body in server.seen]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_repeats_have_the_same_idempotency_key():
    with playing(drop, reply({}, 503), reply(METRICS)) as server:
        engine_at(server).run({"a": 1})
        assert len({headers["Idempotency-Key"] for _, _, headers, _ in server.seen}) == 1
        assert server.n_posts == 3


def test_the_key_comes_from_the_environment_and_shows_nowhere(monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MY_KEY", KEY)
    with playing(reply(METRICS), reply({"error": "no"}, 500)) as server:
        engine = engine_at(server, key_variable="MY_KEY")
        engine.check()
        engine.run({"a": 1})
        assert server.seen[0][2]["Authorization"] == f"Bearer {KEY}"
        assert KEY.encode() not in pickle.dumps(engine)
        with pytest.raises(EngineError) as failed:
            engine.run({"a": 2})
        with_argument = engine_at(server, key=KEY)
        texts = [str(failed.value), engine.label, repr(vars(engine)), repr(vars(with_argument)), caplog.text]
        assert with_argument.digest() == engine.digest()
    assert not [text for text in texts if KEY in text]


def test_a_copy_in_another_process_asks_again():
    with playing(reply(METRICS)) as server:
        engine = engine_at(server)
        engine.run({"a": 1})
        copy = pickle.loads(pickle.dumps(engine))
        assert copy.run({"a": 1}).metrics == engine.run({"a": 1}).metrics
        assert copy.digest() == engine.digest()


# What is tried again.


@pytest.mark.parametrize("fault", [drop, break_off, *(reply({}, status) for status in (429, 502, 503, 504))])
def test_passing_faults_are_tried_again(fault):
    with playing(fault, fault, reply(METRICS)) as server:
        assert engine_at(server).run({"a": 1}).metrics["trades"] == 40.0
        assert server.n_posts == 3


def test_a_silent_server_is_asked_again():
    with playing(stay_silent, reply(METRICS)) as server:
        assert engine_at(server, read_timeout=0.5).run({"a": 1}).metrics["trades"] == 40.0


def test_silence_is_asked_again_once_and_not_at_all_before_the_search():
    silent = r"no answer within 0.3 s \(asked {}\); see what the engine does.*read_timeout=.*202"
    with playing(stay_silent) as server:
        engine = engine_at(server, read_timeout=0.3, retries=4)
        with pytest.raises(EngineError, match=silent.format("2 times")):
            engine.run({"a": 1})
        assert server.n_posts == 2
        with pytest.raises(EngineError, match=silent.format("once")):
            engine.try_out({"a": 1})
        assert server.n_posts == 3
    with playing(drop, stay_silent, drop, drop, reply(METRICS)) as server:
        assert engine_at(server, read_timeout=0.5, retries=4).run({"a": 1}).metrics["trades"] == 40.0
    with playing(drop, reply({}, 503), reply(METRICS)) as server:
        assert engine_at(server).try_out({"a": 1}).metrics["trades"] == 40.0


@pytest.mark.parametrize("folds", [None, 2])
def test_an_engine_that_hangs_at_once_ends_the_search_before_it_begins(folds):
    events = []
    with playing(stay_silent) as server:
        engine = engine_at(server, space=ParameterSpace("s", {"a": Discrete(1, 9)}), read_timeout=0.4)
        given = engine if folds is None else [engine] * folds
        with pytest.raises(
            TaskError,
            match=r"fails on the parameters tried first.*no answer within 0.4 s \(asked once\); see",
        ):
            optimize(given, objective="sharpe_ratio", cache=False, workers=1, progress=events.append)
        assert server.n_posts == 1
    (event,) = events
    assert isinstance(event, TryingOut)
    assert event.text(3.0).startswith(f"waiting for the first backtest of HTTP: {server.url}")
    assert event.text(3.0).endswith("for 3 s, at most 0.4 s")


def test_who_is_shown_no_progress_is_told_what_is_waited_for(monkeypatch, caplog):
    monkeypatch.setattr("strategy_optimizer.tasks.engine_task.FIRST_WAIT", 0.05)
    with playing(stay_silent) as server:
        engine = engine_at(server, space=ParameterSpace("s", {"a": Discrete(1, 9)}), read_timeout=2.0)
        with pytest.raises(TaskError, match="no answer within 2 s"):
            optimize(engine, objective="sharpe_ratio", cache=False, workers=1)
    (record,) = [record for record in caplog.records if record.name == "strategy_optimizer.tasks"]
    assert record.getMessage().startswith("waiting for the first backtest of HTTP: ")


def test_retry_after_is_waited_for(monkeypatch):
    pauses = []
    with playing(reply({}, 429, Retry_After="7"), reply(METRICS)) as server:
        engine = engine_at(server)
        engine.check()
        monkeypatch.setattr("strategy_optimizer.engines.http_exchange.time.sleep", pauses.append)
        engine.run({"a": 1})
    assert pauses == [7.0]


def test_pauses_double_and_differ(monkeypatch):
    pauses = []
    with playing(reply({}, 503)) as server:
        engine = engine_at(server, backoff=1.0, retries=7)
        engine.check()
        monkeypatch.setattr("strategy_optimizer.engines.http_exchange.time.sleep", pauses.append)
        with pytest.raises(EngineError, match=r"it answered 503: '\{\}' \(asked 8 times\)"):
            engine.run({"a": 1})
    for pause, longest in zip(pauses, (1, 2, 4, 8, 16, 30, 30), strict=True):
        assert 0.75 * longest <= pause <= longest
    assert len(set(pauses)) == len(pauses)


@pytest.mark.parametrize("wrong", [reply({"error": "out of luck"}, 500), reply(b"<html>"), reply(b"")])
def test_a_wrong_answer_is_asked_for_once_more(wrong):
    with playing(wrong, reply(METRICS)) as server:
        assert engine_at(server).run({"a": 1}).metrics["trades"] == 40.0
        assert len({headers["Idempotency-Key"] for _, _, headers, _ in server.seen}) == 1
    for acts, settings, n_posts in (
        ([wrong], {}, 2),
        ([wrong, drop, wrong], {}, 3),
        ([wrong], {"retries": 0}, 1),
    ):
        with playing(*acts) as server:
            with pytest.raises(EngineError, match=r"answered (500: out of luck|what is not JSON)"):
                engine_at(server, **settings).run({"a": 1})
            assert server.n_posts == n_posts


@pytest.mark.parametrize("status", [400, 404, 409, 422])
def test_final_answers_are_not_tried_again(status):
    with playing(reply({"error": "the price is missing"}, status)) as server:
        with pytest.raises(EngineError, match="the price is missing"):
            engine_at(server).run({"a": 1})
        assert server.n_posts == 1


@pytest.mark.parametrize(
    ("fault", "settings", "message"),
    [
        (drop, {}, r"POST http://.*/backtests: the connection broke .* \(asked 4 times\)"),
        (break_off, {"retries": 0}, r"the connection broke .* \(asked once\)"),
        (stay_silent, {"read_timeout": 0.3, "retries": 1}, r"no answer within 0.3 s \(asked 2 times\)"),
        (drip, {"read_timeout": 0.3, "retries": 0}, r"no answer within 0.3 s \(asked once\)"),
        (drip_head, {"read_timeout": 0.3, "retries": 0}, r"no answer within 0.3 s \(asked once\)"),
        (drip_without_length, {"read_timeout": 0.3, "retries": 0}, r"no answer within 0.3 s \(asked once\)"),
        (put_off, {"read_timeout": 0.3, "retries": 1}, r"no answer within 0.3 s \(asked 2 times\)"),
        (put_off, {"deadline": 0.5, "backoff": 1.0}, r"the trial's 0.5 s are over; no answer within"),
        (stay_silent, {"deadline": 0.5, "backoff": 1.0}, r"the trial's 0.5 s are over; no answer within"),
    ],
)
def test_patience_ends(fault, settings, message):
    with playing(fault) as server, pytest.raises(EngineError, match=message):
        engine_at(server, **settings).run({"a": 1})


# Work that takes longer.


def test_an_accepted_order_is_asked_for_until_it_is_done():
    accepted = reply({"status": "running"}, 202, Location="/backtests/7")
    still = reply({"status": "running"}, 202, Location="/backtests/7", Retry_After="0")
    with playing(accepted, still, drop, still, reply(METRICS)) as server:
        assert engine_at(server).run({"a": 1}).metrics["trades"] == 40.0
        assert [(command, path) for command, path, *_ in server.seen[1:]] == [("GET", "/backtests/7")] * 4
        assert server.n_posts == 1


def test_an_order_that_was_forgotten_is_given_again():
    accepted = reply({}, 202, Location="/backtests/7")
    with playing(accepted, reply({"error": "none"}, 404), accepted, reply(METRICS)) as server:
        assert engine_at(server).run({"a": 1}).metrics["trades"] == 40.0
        assert [command for command, *_ in server.seen] == ["POST", "GET", "POST", "GET"]
    always = [accepted, reply({"error": "none"}, 404)] * 5
    with (
        playing(*always) as server,
        pytest.raises(EngineError, match="takes the backtest and forgets it again"),
    ):
        engine_at(server).run({"a": 1})


def test_an_order_that_never_ends_meets_the_deadline():
    with (
        playing(reply({}, 202, Location="/backtests/7")) as server,
        pytest.raises(EngineError, match=r"the trial's 0.5 s are over; it is still computing"),
    ):
        engine_at(server, deadline=0.5).run({"a": 1})


@pytest.mark.parametrize(
    ("location", "message"),
    [
        (
            "http://elsewhere.example/backtests/7",
            "with the Location http://elsewhere.example/backtests/7; expected one of",
        ),
        ("//elsewhere.example/7", "expected one of"),
        ("", "202 without Location"),
    ],
)
def test_an_order_that_would_take_the_key_elsewhere(location, message):
    with playing(reply({}, 202, Location=location)) as server, pytest.raises(EngineError, match=message):
        engine_at(server, key=KEY).run({"a": 1})


def test_redirects_are_not_followed():
    with playing(reply({}, 307, Location="http://elsewhere.example/")) as server:
        with pytest.raises(
            EngineError, match=r"is sent on to http://elsewhere.example/; give the final address"
        ):
            engine_at(server, key=KEY).run({"a": 1})
        assert server.n_posts == 1


# Wrong content.


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"version": 1, "metrics": {"a": NaN}}', "answered NaN, which JSON does not have; null"),
        (b'{"version": 1, "metrics": {"a": -Infinity}}', "answered -Infinity, which JSON"),
        ([1, 2], r"answered '\[1, 2\]'; expected a JSON object"),
        ({"version": 1}, "answered without 'metrics'"),
        ({"version": 1, "metrics": []}, r"the backtest returned \[\]"),
        ({"version": 1, "metrics": {}}, "returned no metrics"),
        ({"version": 1, "metrics": {"a": "NaN"}}, r"the metric 'a' is 'NaN' \(str\); expected a number"),
        ({"version": 1, "metrics": {"a": True}}, "expected a number"),
        ({"version": 1, "metrics": {"max_drawdown": -20}}, "the metric 'max_drawdown' is -20"),
        ({"version": 2, "metrics": {"a": 1}}, "answered in version 2 of the protocol; expected 1"),
        ({"version": 1, "metrics": {"a": 1}, "returns": [0.1, None]}, "the returns have"),
        ({"version": 1, "metrics": {"a": 1}, "returns": "none"}, "the returns have"),
        ({"error": "no such symbol"}, "^no such symbol$"),
    ],
)
def test_wrong_content(content, message):
    with playing(reply(content)) as server:
        with pytest.raises(EngineError, match=message):
            engine_at(server).run({"a": 1})
        assert server.n_posts == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>hello</html>", "answered what is not JSON: '<html>hello</html>'"),
        (b"", "answered what is not JSON: nothing"),
        (b"[" * 100_000, "answered what is not JSON"),
    ],
)
def test_no_json(content, message):
    with playing(reply(content)) as server, pytest.raises(EngineError, match=message):
        engine_at(server).run({"a": 1})


def test_null_is_nan():
    with playing(reply({"version": 1, "metrics": {"a": None, "b": 1}, "returns": [0, 0.5]})) as server:
        run = engine_at(server).run({"a": 1})
    assert np.isnan(run.metrics["a"])
    assert run.returns.tolist() == [0.0, 0.5]


def test_an_endless_answer_is_cut_off():
    with playing(flood) as server, pytest.raises(EngineError, match="answered more than 16 MB"):
        engine_at(server).run({"a": 1})


def test_a_body_that_is_not_what_it_says():
    with (
        playing(reply(b"no gzip", Content_Encoding="gzip")) as server,
        pytest.raises(EngineError, match="cannot be decompressed"),
    ):
        engine_at(server).run({"a": 1})


def test_a_parameter_that_json_does_not_have():
    with (
        playing(reply(METRICS)) as server,
        pytest.raises(EngineError, match=r"the parameter 'a' is \[1\] \(list\)"),
    ):
        engine_at(server).run({"a": [1]})


# Before the first trial.


def test_check_says_that_nobody_answers():
    with playing(reply(METRICS)) as server:
        url = server.url
    with pytest.raises(
        EngineError, match=rf"GET {url}/health: nobody answers .*; start the engine or correct"
    ):
        HttpEngine(url, backoff=0.01).check()


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (reply({}, 404), "something answers at http://.*, but it has no /health"),
        (
            reply(b"<html>"),
            "answered what is not JSON: '<html>'; expected a backtest engine.*: correct the address",
        ),
        (reply(b"<html>", 500), "answered 500: '<html>'; expected a backtest engine"),
        (reply({"status": "ok"}), r"no backtest engine: its /health says .*; expected \"version\": 1 in it"),
        (reply({"status": "ok", "version": "0.1.0"}), r"engines at http://.*/api/v1/engines/STRATEGY/DATA"),
        (reply({"version": 3}), "speaks version 3"),
        (reply({"error": "out of memory"}, 500), "answered 500: out of memory"),
        (reply({}, 403), "answered 403: it wants a key"),
    ],
)
def test_check_says_what_is_wrong(act, message):
    with playing(act, health=True) as server, pytest.raises(EngineError, match=message):
        engine_at(server, retries=0).check()


def test_a_declared_space_that_is_not_valid():
    health = {**HEALTH, "parameter_space": {"n": {"type": "discrete", "bounds": [9, 1]}}}
    with (
        playing(reply(health), health=True) as server,
        pytest.raises(EngineError, match="declares a parameter space that is not valid"),
    ):
        engine_at(server).space()


def test_a_given_space_wins_and_a_server_may_declare_none():
    space = ParameterSpace("s")
    with playing(reply(METRICS)) as server:
        assert engine_at(server, space=space).space() is space
        assert engine_at(server).space() is None
        engine = engine_at(server)
        assert engine.divide(0.25) == (engine, None)  # it says nothing of windows


@pytest.mark.parametrize(
    ("url", "settings", "message"),
    [
        ("127.0.0.1:80", {}, "expected an address such as 'http://127.0.0.1:8765'"),
        ("ftp://host", {}, "expected an address"),
        ("http://host:port", {}, "expected an address"),
        ("http://[::1", {}, "expected an address"),
        (None, {}, "expected an address"),
        ("http://me:secret@host", {}, "^the url holds a user or a password; give a key"),
        ("http://host/?key=1", {}, r"without '\?' and '#'"),
        ("http://host", {"key": KEY}, "the key would go to host in the open"),
        ("https://host", {"key": "a\nb"}, r"signs that a header cannot carry \(its value is not shown\)"),
        ("https://host", {"key": ""}, "the key is empty"),
        ("https://host", {"retries": -1}, "retries is -1; expected 0 or more"),
        ("https://host", {"retries": True}, "retries is True"),
        ("https://host", {"read_timeout": 0}, "read_timeout is 0; expected seconds above 0"),
        ("https://host", {"deadline": float("inf")}, "deadline is inf"),
        ("https://host", {"space": {}}, "expected a ParameterSpace"),
    ],
)
def test_bad_settings(url, settings, message):
    with pytest.raises(EngineError, match=message):
        HttpEngine(url, **settings)


def test_a_key_over_plain_http_where_it_is_wanted():
    HttpEngine("http://engine:8000", key=KEY, allow_plain_http=True)
    HttpEngine("http://[::1]:8000", key=KEY)
    HttpEngine("https://engine", key=KEY)


def test_a_named_variable_without_a_key(monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(EngineError, match="the environment variable NO_SUCH_KEY holds no key"):
        HttpEngine("https://host", key_variable="NO_SUCH_KEY").check()


def test_nothing_of_the_engines_packages_is_imported():
    script = (
        "import sys, json, strategy_optimizer.engines as e; e.HttpEngine('http://127.0.0.1:1');"
        "print(json.dumps([m for m in ('httpx2', 'backtesting', 'vectorbt', 'pandas') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
