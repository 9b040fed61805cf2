"""Strategies are found by name, file, module and entry point; what is wrong gets one clear line."""

from __future__ import annotations

import pytest

from strategy_optimizer import get_strategy, list_strategies
from strategy_optimizer.errors import StrategyError

ONE = """
from strategy_optimizer import Discrete, Signals, Strategy

class Rise(Strategy):
    parameters = {"days": Discrete(2, 30, default=%d)}

    def signals(self, bars):
        return Signals(bars.close > 0, bars.close < 0)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def write(folder, text, name="mine.py"):
    path = folder / name
    path.write_text(text)
    return str(path)


def test_built_in_names_and_the_alias():
    assert get_strategy("momentum_strategy") is get_strategy("momentum")
    assert {"momentum", "ma_cross", "rsi", "bollinger", "donchian", "rotation"} <= set(list_strategies())


@pytest.mark.parametrize("name", sorted(list_strategies()))
def test_the_defaults_of_each_are_a_point_of_its_space(name):
    space = get_strategy(name).space()
    assert space.validate(space.defaults()) == space.defaults()


def test_a_file_with_one_strategy_needs_no_class_name(folder):
    path = write(folder, ONE % 7)
    assert get_strategy(path).parameters["days"].default == 7
    assert get_strategy(f"{path}:Rise") is get_strategy(path)


def test_an_edited_file_is_read_again_and_has_another_digest(folder):
    path = write(folder, ONE % 7)
    before = get_strategy(path)
    write(folder, (ONE % 7).replace("bars.close < 0", "bars.close < 1"))
    after = get_strategy(path)
    assert after is not before
    assert after.digest() != before.digest()


def test_a_module_path(folder):
    write(folder, ONE % 9, "my_module_of_strategies.py")
    assert get_strategy("my_module_of_strategies:Rise").parameters["days"].default == 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = (", "line 1"),
        ("raise ValueError('broken')", "ValueError: broken"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("x = 1", "defines no strategy"),
        (ONE % 7 + "class Other(Rise):\n    pass\n", "name one of them"),
        (
            "from strategy_optimizer import Strategy\nclass Empty(Strategy):\n    pass\n",
            "declares no parameters",
        ),
    ],
)
def test_a_file_that_cannot_be_used(folder, text, message):
    path = write(folder, text)
    for _ in range(2):  # the second call must not find a half-loaded module
        with pytest.raises(StrategyError, match=message):
            get_strategy(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("momentun", "did you mean 'momentum'"),
        ("nowhere.py", "does not exist"),
        ("no_such_module:Thing", "there is no module"),
        ("strategy_optimizer.strategies.momentum:Momentun", "did you mean 'Momentum'"),
        ("strategy_optimizer.errors:SpaceError", "is not a strategy"),
    ],
)
def test_a_name_that_leads_nowhere(name, message):
    with pytest.raises(StrategyError, match=message):
        get_strategy(name)
