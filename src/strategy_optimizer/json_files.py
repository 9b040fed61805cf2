"""JSON that people write: every mistake in it is one error, a key that stands twice too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from strategy_optimizer.errors import RepeatedKeyError, StrategyOptimizerError


def parse_json(text: str) -> Any:
    """Return the value of JSON text.

    Raises
    ------
    json.JSONDecodeError
        When it is no JSON, or nested too deeply to be read.
    RepeatedKeyError
        When a key stands twice in one object, of which `json` would silently take the last.

    Examples
    --------
    >>> parse_json('{"a": {"b": 1}, "b": 2}')
    {'a': {'b': 1}, 'b': 2}
    >>> parse_json('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ...
    strategy_optimizer.errors.RepeatedKeyError: the key 'a' stands twice in one object; keep one of them
    """
    try:
        return json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise json.JSONDecodeError("nested too deeply", text, 0) from None


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise RepeatedKeyError(f"the key {repeated!r} stands twice in one object; keep one of them")
    return found


def read_json_file(path: Path, what: str, error: type[StrategyOptimizerError]) -> Any:
    """Return what a JSON file holds.

    Parameters
    ----------
    path : Path
    what : str
        What the file is called in an error, e.g. ``space file``.
    error : type
        The error that is raised: no such file, no text, no JSON, a key that stands twice.
    """
    try:
        return parse_json(path.read_text(encoding="utf-8-sig"))
    except OSError as problem:
        raise error(f"the {what} {path} cannot be read: {problem.strerror or problem}") from problem
    except UnicodeDecodeError as problem:
        raise error(f"the {what} {path} cannot be read: it is not UTF-8 text") from problem
    except json.JSONDecodeError as problem:
        raise error(f"the {what} {path} is not valid JSON: {problem}") from problem
    except RepeatedKeyError as problem:
        raise error(f"the {what} {path} is not clear: {problem}") from problem
