"""JSON that people write: one error for what is wrong with it, wherever it is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from strategy_optimizer.client.exchange import as_document
from strategy_optimizer.errors import ObjectiveError, RepeatedKeyError, ServiceError, SpaceError
from strategy_optimizer.json_files import parse_json, parse_json_bytes, read_json_file
from strategy_optimizer.models import ResultModel, TaskModel
from strategy_optimizer.objective import parse_objective
from strategy_optimizer.tasks.preparation import space_document

READERS: dict[str, tuple[Callable[[Path], Any], type[Exception]]] = {
    "objective file": (parse_objective, ObjectiveError),
    "parameter file": (space_document, SpaceError),
    "task file": (as_document, ServiceError),
}


@pytest.mark.parametrize("text", ['{"a": 1, "a": 1}', '[{"b": {"a": 1, "c": 2, "a": 3}}]'])
def test_a_key_that_stands_twice_is_refused_at_any_depth(text: str) -> None:
    assert json.loads(text)  # what Python would make of it
    with pytest.raises(RepeatedKeyError, match="the key 'a' stands twice in one object"):
        parse_json(text)


def test_one_key_in_several_objects_is_fine() -> None:
    assert parse_json('[{"a": 1}, {"a": {"a": 2}}]') == [{"a": 1}, {"a": {"a": 2}}]


@pytest.mark.parametrize("what", READERS)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"x": {"a": 1, "a": 2}}', "is not clear: the key 'a' stands twice"),
        (b"{'a': 1}", "is not valid JSON: "),
        (b"[" * 100_000, "is not valid JSON: nested too deeply"),
        (b"9" * 5000, "is not valid JSON: a number has too many digits"),
        (b'["\\udc00"]', "is not valid JSON: half of a surrogate pair is no letter"),
        (b"\xff\xfe", "cannot be read: it is not UTF-8 text"),
        (None, "cannot be read: No such file"),
    ],
)
def test_every_reader_names_the_file_and_what_is_wrong(
    tmp_path: Path, what: str, content: bytes | None, message: str
) -> None:
    read, error = READERS[what]
    path = tmp_path / "mine.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error) as caught:
        read(path)
    assert str(caught.value).startswith(f"the {what} {path} {message}")


def test_the_mark_that_windows_editors_put_first_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json_file(path, "space file", SpaceError) == {"a": 1}


def test_the_last_of_many_keys_is_found_without_comparing_all_with_all() -> None:
    keys = ", ".join(f'"{number}": 0' for number in range(100_000))
    with pytest.raises(RepeatedKeyError, match="the key '99999' stands twice") as raised:
        parse_json(f'{{{keys}, "99999": 1}}')
    assert raised.value.key == "99999"


def test_a_long_key_is_shown_in_part() -> None:
    long = "k" * 10_000
    with pytest.raises(RepeatedKeyError) as raised:
        parse_json_bytes(f'{{"{long}": 1, "{long}": 2}}'.encode())
    assert raised.value.key == "k" * 100
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize("kind", [str, bytes])
def test_models_refuse_it_too(kind: type) -> None:
    text = '{"strategy_name": "momentum", "parameter_space": {"n": {"type": "discrete"}, "n": {"type": "discrete"}}}'
    with pytest.raises(RepeatedKeyError, match="the key 'n' stands twice"):
        TaskModel.from_json(text if kind is str else text.encode())
    assert list(TaskModel.from_json(text.replace('"n"', '"m"', 1)).parameter_space) == ["m", "n"]


def test_models_leave_what_is_no_json_to_pydantic() -> None:
    with pytest.raises(ValidationError, match="Invalid JSON"):
        TaskModel.from_json("{nope")
    with pytest.raises(ValidationError, match="Invalid JSON"):
        ResultModel.from_json(b"\xff")
