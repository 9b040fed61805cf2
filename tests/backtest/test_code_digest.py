"""The digest of a callable follows what it reaches: classes, objects, frames, partials; and is the same everywhere."""

from __future__ import annotations

import functools
import os
import pickle
import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse

from strategy_optimizer import load_bars
from strategy_optimizer.backtest.code_digest import content_digest, function_digest


def module_of(source, **scope):
    module = types.ModuleType("users_code")
    vars(module).update(scope)
    exec(source, vars(module))
    return module


def digest_with(value):
    return function_digest(module_of("def f(): return VALUE", VALUE=value).f)


def frame(last=3.0):
    index = pd.date_range("2020", periods=5000)
    return pd.DataFrame({"Close": np.r_[np.zeros(4999), last]}, index=index)


def test_frames_count_with_every_value_not_as_they_are_printed():
    assert repr(frame()) != repr(frame(4.0))
    middle = frame()
    middle.iloc[2500] = 7.0
    assert repr(middle) == repr(frame())
    digests = [digest_with(f) for f in (frame(), frame(4.0), middle, frame().rename(columns=str.lower))]
    assert len(set(digests)) == 4
    assert digest_with(frame()) == digest_with(frame())
    assert digest_with(frame()["Close"]) != digest_with(middle["Close"])


def test_other_packages_objects_count_with_what_repr_leaves_out():
    def table(value):
        return pl.DataFrame({"x": np.r_[np.zeros(500), value, np.zeros(500)]})

    def sparse(value):
        return scipy.sparse.csr_matrix(np.array([[0.0, value]]))

    for make in (table, sparse):
        assert repr(make(1.0)) == repr(make(2.0))
        assert digest_with(make(1.0)) == digest_with(make(1.0))
        assert digest_with(make(1.0)) != digest_with(make(2.0))
    lists = [pd.DataFrame({"a": [[value], [2]]}) for value in (1, 1, 3)]
    assert digest_with(lists[0]) == digest_with(lists[1]) != digest_with(lists[2])


def test_large_arrays_inside_containers_count():
    def nested(value):
        array = np.zeros(10_000)
        array[5_000] = value
        return {"a": [array]}

    assert digest_with(nested(1.0)) == digest_with(nested(1.0))
    assert digest_with(nested(1.0)) != digest_with(nested(2.0))


def test_methods_of_the_users_classes_count_and_their_bases():
    def digest(body="1", base_body="2"):
        source = (
            f"class Base:\n def g(self): return {base_body}\n"
            f"class Rule(Base):\n def f(self): return {body}\n"
            "def f(p): return Rule().f()"
        )
        return function_digest(module_of(source).f)

    assert digest() == digest()
    assert len({digest(), digest("3"), digest("1", "3")}) == 3


def test_the_state_of_the_users_objects_counts_not_their_address():
    source = "class Box:\n def __init__(self, x): self.x = x\n def __call__(self, p): return self.x"
    module = module_of(source)
    assert content_digest(module.Box(1)) == content_digest(module.Box(1))
    assert content_digest(module.Box(1)) != content_digest(module.Box(2))
    assert content_digest(module.Box(1).__call__) != content_digest(module.Box(2).__call__)


def test_partials_and_cached_functions_are_looked_into():
    def of(body, value):
        module = module_of(f"def f(p, x): return {body}")
        return content_digest(functools.partial(module.f, x=value))

    assert of("x", 1) == of("x", 1)
    assert len({of("x", 1), of("x", 2), of("x + 1", 1)}) == 3
    cached = [digest_with(functools.lru_cache(module_of(f"def g(): return {n}").g)) for n in (1, 1, 2)]
    assert cached[0] == cached[1] != cached[2]


def test_bars_count_by_their_own_digest():
    bars = load_bars("nasdaq")
    assert digest_with(bars) == digest_with(pickle.loads(pickle.dumps(bars)))
    assert digest_with(bars) != digest_with(bars.slice(1))


def test_an_object_without_plain_state_counts_with_its_class():
    assert digest_with(threading.Lock()) == digest_with(threading.Lock())
    assert digest_with(Path("a")) != digest_with(Path("b"))


def test_an_object_that_holds_itself_ends():
    loop = []
    loop.append(loop)
    assert len(digest_with(loop)) == 64


def test_installed_packages_count_by_their_version(monkeypatch):
    source = "import pandas as pd\ndef f(): return pd.concat([])"
    before = function_digest(module_of(source).f)
    assert before == function_digest(module_of(source).f)
    from strategy_optimizer.backtest import code_digest

    monkeypatch.setattr(code_digest, "_version", lambda module: "0.0")
    assert function_digest(module_of(source).f) != before


def test_it_is_the_same_in_another_process(tmp_path):
    """Sets come in another order there, objects lie elsewhere."""
    (tmp_path / "subject.py").write_text(
        "import pandas as pd\n"
        "WORDS = {'a', 'b', 'c', 'd', 'e'}\n"
        "DATA = pd.DataFrame({'x': [1.0, 2.0]})\n"
        "class Rule:\n"
        "    def __init__(self): self.words = WORDS\n"
        "RULE = Rule()\n"
        "def f(p):\n"
        "    return RULE, DATA.x, p['a'] in {'x', 'y', 'z', 'u', 'v'}\n"
    )
    script = (
        "import subject; from strategy_optimizer.backtest.code_digest import function_digest;"
        "print(function_digest(subject.f))"
    )
    found = set()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        found.add(done.stdout)
    assert len(found) == 1
