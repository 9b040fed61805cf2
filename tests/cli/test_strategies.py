"""The command `strategies`."""

from __future__ import annotations

import json

import pytest

from strategy_optimizer import ParameterSpace, get_strategy, list_strategies


def test_all_are_listed_with_their_parameters(call) -> None:
    outcome = call("strategies")
    assert outcome.code == 0
    text = " ".join(outcome.out.split())
    for name in list_strategies():
        assert f"{name} " in text
        assert all(f"{parameter} " in text for parameter in get_strategy(name).parameters)
    assert all(len(line) <= 80 for line in outcome.out.splitlines())


@pytest.mark.parametrize("name", list_strategies())
def test_one_in_full(call, name: str) -> None:
    outcome = call("strategies", name)
    assert outcome.code == 0
    for parameter in get_strategy(name).parameters:
        assert f"\n{parameter} " in outcome.out
    assert all(constraint in outcome.out for constraint in get_strategy(name).constraints)
    assert all(len(line) <= 80 for line in outcome.out.splitlines())


@pytest.mark.parametrize("name", list_strategies())
def test_json_is_a_space(call, name: str) -> None:
    document = json.loads(call("strategies", name, "--json").out)
    space = ParameterSpace.from_json(document)
    assert space.names == get_strategy(name).space().names
    assert get_strategy(name).space().override(document).defaults() == get_strategy(name).space().defaults()


def test_json_of_all(call) -> None:
    document = json.loads(call("strategies", "--json").out)
    assert set(document) == set(list_strategies())
    assert document["momentum"]["parameter_space"]["lookback_period"]["default"] == 20


def test_a_file(call, strategy_file) -> None:
    outcome = call("strategies", strategy_file("return None"))
    assert "My own strategy." in outcome.out
    assert "style: vectorised" in outcome.out


def test_an_unknown_one(call) -> None:
    outcome = call("strategies", "bolinger")
    assert outcome.code == 2
    assert "did you mean 'bollinger'?" in outcome.err
