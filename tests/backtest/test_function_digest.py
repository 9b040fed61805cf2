"""A function's digest changes with everything that it can reach, and with nothing else."""

from __future__ import annotations

import types

import numpy as np

from strategy_optimizer.backtest.kernel_cache import function_digest


def function_from(source, **scope):
    names = dict(scope)
    exec(source, names)
    return names["f"]


def test_comments_and_lines_do_not_count():
    one = function_from("def f(x):\n    return x + 1\n")
    two = function_from("# a comment\n\n\ndef f(x):\n    # why\n    return x + 1\n")
    assert function_digest(one) == function_digest(two)


def test_code_constants_and_defaults_count():
    sources = [
        "def f(x): return x + 1",
        "def f(x): return x + 2",
        "def f(x): return x - 1",
        "def f(x, k=1): return x + 1",
    ]
    assert len({function_digest(function_from(source)) for source in sources}) == len(sources)


def test_globals_and_functions_reached_through_modules_count():
    def digest(body, level):
        module = types.ModuleType("helpers")
        exec(f"def g(x): return {body}\ndef unused(): return {level}", module.__dict__)
        return function_digest(function_from("def f(x): return helpers.g(x)", helpers=module))

    assert digest("x", 1) != digest("x + 1", 1)
    assert digest("x", 1) == digest("x", 2)


def test_arrays_and_plain_constants_count():
    def of(value):
        return function_digest(function_from("def f(): return TABLE", TABLE=value))

    assert of(1) != of(2)
    assert of(np.array([1.0])) != of(np.array([2.0]))
    assert of(np.array([1.0])) == of(np.array([1.0]))


def test_functions_that_call_each_other_end():
    scope = {}
    exec("def f(x): return g(x)\ndef g(x): return f(x)", scope)
    assert len(function_digest(scope["f"])) == 64
