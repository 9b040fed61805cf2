"""What was typed, as values."""

from __future__ import annotations

from pathlib import Path

import pytest

from strategy_optimizer.cli.arguments import (
    UsageError,
    parse_duration,
    parse_fixed,
    parse_settings,
    read_json_object,
)
from strategy_optimizer.errors import SpaceError
from strategy_optimizer.space import Categorical, Continuous, Discrete

PARAMETERS = {
    "fast": Discrete(2, 50),
    "level": Continuous(0.0, 1.0),
    "ma": Categorical(["sma", "ema"]),
    "long_only": Categorical([True, False]),
    "days": Categorical([5, 10]),
}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("1h", 3600),
        ("1h30m", 5400),
        ("90", 90),
        ("0.5s", 0.5),
        ("2 m", 120),
        ("1D", 86400),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5x", "m5", "-5s", "five minutes", "0s", "1e3", "5m30", "nan"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="expected something like 30s, 5m or 1h30m"):
        parse_duration(text)


def test_fixed_values_have_the_type_of_their_parameter() -> None:
    pairs = ["fast=10", "level=0.5", "ma=ema", "long_only=false", "days=10"]
    values = parse_fixed(pairs, PARAMETERS)
    assert values == {"fast": 10, "level": 0.5, "ma": "ema", "long_only": False, "days": 10}
    assert [type(v) for v in values.values()] == [int, float, str, bool, int]


@pytest.mark.parametrize("pair", ["fast", "=3", "fast=", "  "])
def test_pairs_that_cannot_be_read(pair: str) -> None:
    with pytest.raises(UsageError, match="expected NAME=VALUE"):
        parse_fixed([pair], PARAMETERS)
    with pytest.raises(UsageError, match="expected NAME=VALUE"):
        parse_settings([pair])


def test_an_unknown_parameter_names_the_nearest() -> None:
    with pytest.raises(SpaceError, match="there is no parameter 'fst'; did you mean 'fast'"):
        parse_fixed(["fst=3"], PARAMETERS)


def test_a_parameter_given_twice() -> None:
    with pytest.raises(UsageError, match="'fast' twice"):
        parse_fixed(["fast=3", "fast=4"], PARAMETERS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON"),
        ("[1, 2]", "holds a list; expected an object"),
        ("\xff", "cannot be read|not valid"),
    ],
)
def test_files_that_are_no_json_object(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "space.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=message):
        read_json_object(path, "space file")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"space file .*none.json cannot be read: No such file"):
        read_json_object(tmp_path / "none.json", "space file")


@pytest.mark.parametrize("text", ["ga,bo", "[ga, bo]", "['ga','bo']", "ga , bo"])
def test_a_list_that_is_no_json_is_shown_as_it_is_written(text: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_settings([f"algorithms={text}"])
    assert str(error.value).endswith("""--setting 'algorithms=["ga","bo"]'""")
    assert parse_settings(['algorithms=["ga","bo"]']) == {"algorithms": ["ga", "bo"]}


@pytest.mark.parametrize("text", ["sbx", "0,2", "a b,c"])
def test_a_text_that_is_no_list_stays_a_text(text: str) -> None:
    assert parse_settings([f"crossover={text}"]) == {"crossover": text}
