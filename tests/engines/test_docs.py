"""The pages on engines are true: their examples run, and what they show of the protocol comes out of the example."""

from __future__ import annotations

import ast
import doctest
import importlib.util
import inspect
import json
import re
import urllib.request
from pathlib import Path

import pytest
from test_http_engine import example_server

import strategy_optimizer
from strategy_optimizer import engines, optimize
from strategy_optimizer.catalogue.code_files import collect
from strategy_optimizer.catalogue.describing import describe_file
from strategy_optimizer.engines.nautilus import NAUTILUS
from strategy_optimizer.engines.packages import BACKTESTING_PY, VECTORBT
from strategy_optimizer.engines.registry import get_engine

PAGES = Path(__file__).parents[2] / "docs" / "engines"
USER_PAGES = ("callable", "http", "backtesting-py", "vectorbt", "nautilus", "freqtrade")


def page(name):
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


def scripts(name):
    blocks = re.findall(r"^```python\n(.*?)^```", page(name), flags=re.MULTILINE | re.DOTALL)
    return [block for block in blocks if ">>>" not in block]


@pytest.mark.parametrize("name", ["index", "callable"])
def test_the_examples_run(name):
    result = doctest.testfile(str(PAGES / f"{name}.md"), module_relative=False)
    assert result.failed == 0
    assert result.attempted > 2


@pytest.mark.parametrize("name", USER_PAGES)
def test_a_users_strategy_is_optimised_in_under_twenty_lines(name):
    (script,) = scripts(name)
    assert len([line for line in script.splitlines() if line.strip()]) < 20
    for node in ast.walk(ast.parse(script)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("strategy_optimizer"):
            home = engines if node.module.endswith("engines") else strategy_optimizer
            assert all(hasattr(home, alias.name) for alias in node.names)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in vars(engines):
            names = [keyword.arg for keyword in node.keywords]
            inspect.signature(vars(engines)[node.func.id]).bind(*node.args, **dict.fromkeys(names))
    assert callable(optimize)


def test_the_index_names_every_engine_and_page():
    text = page("index")
    shown = {name for name in engines.__all__ if name.endswith("Engine") and name != "Engine"}
    assert shown == set(re.findall(r"^\| `(\w+)`", text, flags=re.MULTILINE))
    assert {path.name for path in PAGES.glob("*.md")} == {
        "index.md",
        *re.findall(r"\]\(([\w-]+\.md)\)", text),
    }
    for package, name in ((BACKTESTING_PY, "backtesting-py"), (VECTORBT, "vectorbt"), (NAUTILUS, "nautilus")):
        low, high = (".".join(map(str, end)) for end in (package.at_least, package.below))
        assert f"({low} or later, before {high})" in page(name)
        assert f"[{package.extra}]" in page(name)


def test_the_protocol_is_shown_as_it_is():
    text = page("http")
    with example_server() as url:
        bodies = re.findall(r"-d '(\{.*?\})'", text)
        answers = [ask(f"{url}/backtests", json.loads(body)) for body in bodies]
    windowed, refused, whole = answers
    for name in ("total_return", "sharpe_ratio", "trades"):
        assert f'"{name}": {windowed["metrics"][name]}' in text
    assert json.dumps(refused) in text
    assert f'"total_return": {whole["metrics"]["total_return"]}' in text


def ask(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error)


def test_the_settings_are_the_documented_ones():
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(engines.HttpEngine).parameters.items()
    }
    text = page("http")
    assert f"| `connect_timeout` | {defaults['connect_timeout']:g} s |" in text
    assert f"| `read_timeout` | {defaults['read_timeout']:g} s |" in text
    assert f"| `deadline` | {defaults['deadline']:,.0f} s |" in text
    assert f"| `retries`, `backoff` | {defaults['retries']}, {defaults['backoff']:g} s |" in text
    assert importlib.util.find_spec("strategy_optimizer.engines.http_engine")


def test_the_file_for_the_service_is_what_its_page_says(tmp_path):
    (text,) = scripts("service")
    (tmp_path / "trend.py").write_text(text)
    (said,) = describe_file({"file": str(tmp_path / "trend.py"), "name": "trend.py"})["strategies"].values()
    shown, found = [
        json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", page("service"), re.M | re.S)
    ]
    assert (said["description"], said["details"]["style"]) == (shown["description"], shown["style"])
    assert said["space"] == {name: shown[name] for name in ("parameter_space", "constraints")}
    assert said["details"]["defaults"] == shown["defaults"]
    assert collect(tmp_path, "trend.py").digest == shown["version"]
    metrics = get_engine(str(tmp_path / "trend.py")).engine.run(found["best_parameters"]).metrics
    assert metrics == pytest.approx({name: found["best_performance"][name] for name in metrics}, rel=1e-12)
