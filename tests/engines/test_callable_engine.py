"""A Python function as an engine."""

from __future__ import annotations

import asyncio
import functools
import pickle
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pytest

from strategy_optimizer import ParameterSpace, create_optimizer
from strategy_optimizer.engines import CallableEngine, Engine
from strategy_optimizer.errors import EngineError

SCALE = 2.0


def hill(parameters):
    return {"height": -SCALE * (parameters["x"] - 3.0) ** 2, "returns": np.array([0.1, -0.1])}


async def slow_hill(parameters):
    await asyncio.sleep(0)
    return hill(parameters)


class Held:
    """An object with a method, as users write them."""

    def __init__(self, shift):
        self.shift = shift

    def __call__(self, parameters):
        return parameters["x"] + self.shift


def test_metrics_and_returns():
    run = CallableEngine(hill).run({"x": 1.0})
    assert run.metrics == {"height": -8.0}
    assert run.returns.tolist() == [0.1, -0.1]


@pytest.mark.parametrize("number", [1.5, np.float64(1.5), Decimal("1.5")])
def test_a_number_is_the_score(number):
    assert CallableEngine(lambda p: number).run({}).metrics == {"score": 1.5}


def test_an_async_function_is_awaited_on_one_loop():
    loops = []

    async def function(parameters):
        loops.append(asyncio.get_running_loop())
        return await slow_hill(parameters)

    engine = CallableEngine(function)
    assert [engine.run({"x": x}).metrics["height"] for x in (1.0, 2.0)] == [-8.0, -2.0]
    assert loops[0] is loops[1]  # connections of a first trial are there in the second


def test_an_async_function_where_a_loop_is_running_already():
    async def notebook():
        return CallableEngine(slow_hill).run({"x": 1.0}).metrics

    assert asyncio.run(notebook()) == {"height": -8.0}


def test_what_an_async_function_raises_is_raised():
    async def function(parameters):
        raise KeyError("price")

    with pytest.raises(KeyError, match="price"):
        CallableEngine(function).run({})


def test_async_functions_leave_nothing_behind():
    script = (
        "from strategy_optimizer.engines import CallableEngine\n"
        "async def f(p): return p['x']\n"
        "print(CallableEngine(f).run({'x': 2.0}).metrics)\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", script], capture_output=True, text=True, check=True
    )
    assert (done.stdout.strip(), done.stderr) == ("{'score': 2.0}", "")


def test_the_function_cannot_change_the_candidate():
    candidate = {"x": 1.0}

    def greedy(parameters):
        return parameters.pop("x")

    CallableEngine(greedy).run(candidate)
    assert candidate == {"x": 1.0}


def test_what_it_returns_is_not_changed():
    answer = {"a": 1, "returns": [0.1]}
    CallableEngine(lambda p: answer).run({})
    assert answer == {"a": 1, "returns": [0.1]}


@pytest.mark.parametrize("answer", [None, "1.5", True, [1.0], (1.0, 2.0)])
def test_another_answer_is_refused(answer):
    with pytest.raises(EngineError, match=r"the backtest returned .* expected a dict"):
        CallableEngine(lambda p: answer).run({})


def test_the_digest_follows_the_code_and_what_it_reaches(monkeypatch):
    digest = CallableEngine(hill).digest()
    assert digest == CallableEngine(hill).digest()
    monkeypatch.setattr(sys.modules[__name__], "SCALE", 3.0)
    assert CallableEngine(hill).digest() != digest
    engines = [Held(1), Held(2), Held(1).__call__, functools.partial(hill), hill, slow_hill]
    assert len({CallableEngine(function).digest() for function in engines}) == len(engines)
    assert CallableEngine(Held(1)).digest() == CallableEngine(Held(1)).digest()


def test_data_are_known_by_the_name_they_are_given():
    assert CallableEngine(hill).data_digest() is None
    assert CallableEngine(hill, data="prices 2024").data_digest() == "prices 2024"
    with pytest.raises(EngineError, match=r"data is 7 .int.; expected a text"):
        CallableEngine(hill, data=7)


def test_space_label_and_held_out_part():
    space = ParameterSpace("s")
    space.add_parameter("x", "continuous", (0.0, 5.0))
    engine = CallableEngine(hill, space, held_out=lambda p: 7.0, label="a hill")
    searched, held_out = engine.divide(0.25)
    assert (engine.label, engine.space()) == ("a hill", space)
    assert searched is engine
    assert held_out.run({}).metrics == {"score": 7.0}
    assert held_out.label == "a hill, held out"
    assert held_out.digest() != engine.digest()
    assert engine.divide(0.0) == (engine, None)
    assert CallableEngine(hill).divide(0.25)[1] is None
    assert isinstance(engine, Engine)
    assert CallableEngine(functools.partial(hill)).label == "hill"
    assert CallableEngine(Held(1)).label == "Held"


def test_a_copy_does_the_same():
    engine = CallableEngine(hill)
    copy = pickle.loads(pickle.dumps(engine))
    assert copy.run({"x": 1.0}).metrics == {"height": -8.0}
    assert copy.digest() == engine.digest()


def test_a_search_finds_the_hill():
    space = ParameterSpace("s")
    space.add_parameter("x", "continuous", (0.0, 10.0))
    search = create_optimizer("bo", space, budget=20, seed=1)
    engine = CallableEngine(hill, space)
    for _ in range(20):
        batch = search.ask(1)
        search.tell(batch, [engine.run(point).metrics["height"] for point in batch])
    assert search.best_params["x"] == pytest.approx(3.0, abs=0.1)


# Bad input.


@pytest.mark.parametrize("function", [None, 3, "hill", {"x": 1}])
def test_what_is_no_function(function):
    with pytest.raises(EngineError, match=r"function is .*; expected a function that takes a dict"):
        CallableEngine(function)


def test_a_class_is_no_function():
    with pytest.raises(EngineError, match="function is the class Held; expected a function or an instance"):
        CallableEngine(Held)


def test_a_function_of_named_parameters():
    def hill_of(x, y):
        return x + y

    with pytest.raises(EngineError, match=r"write lambda p: .*hill_of\(\*\*p\) for a function of named"):
        CallableEngine(hill_of)


def test_what_is_no_space_and_no_held_out_function():
    with pytest.raises(EngineError, match="expected a ParameterSpace"):
        CallableEngine(hill, {"x": (0, 1)})
    with pytest.raises(EngineError, match="held_out is 3"):
        CallableEngine(hill, held_out=3)
    with pytest.raises(EngineError, match="holdout is 2"):
        CallableEngine(hill).divide(2)
