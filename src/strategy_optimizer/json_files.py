"""JSON that people write: every mistake in it is one error, a key that stands twice too."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from strategy_optimizer.errors import RepeatedKeyError, StrategyOptimizerError

_SHOWN = 100
"""Letters of a key in an error."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(text: str, *, finite: bool = False) -> Any:
    """Return the value of JSON text.

    Parameters
    ----------
    text : str
    finite : bool
        Whether NaN, Infinity and numbers that are too large for any other are refused; JSON has none of them, and
        Python reads them.

    Raises
    ------
    json.JSONDecodeError
        When it is no JSON, nested too deeply to be read, or holds a number or a letter that there is not.
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
        found = json.loads(text, object_pairs_hook=_object, **(_FINITE if finite else {}))
    except (json.JSONDecodeError, RepeatedKeyError):
        raise
    except _NotFiniteError as error:
        number = str(error)
        raise json.JSONDecodeError(
            f"{number[:_SHOWN]} is no number of JSON", text, text.find(number)
        ) from None
    except ValueError:  # Python reads no more digits at once
        raise json.JSONDecodeError("a number has too many digits", text, 0) from None
    except RecursionError:
        raise json.JSONDecodeError("nested too deeply", text, 0) from None
    _refuse_half_letters(text, found)
    return found


class _NotFiniteError(ValueError):
    """The text of a number is NaN or infinite."""


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _NotFiniteError(text)
    return number


_FINITE: Mapping[str, Any] = {"parse_float": _finite, "parse_constant": _finite}


def parse_json_bytes(content: bytes, *, finite: bool = False) -> Any:
    """Return the value of JSON as it is sent: UTF-8, with or without the mark that Windows puts first.

    Raises
    ------
    json.JSONDecodeError, RepeatedKeyError
        As of `parse_json`; the first also when it is not UTF-8.

    Examples
    --------
    >>> parse_json_bytes(b'{"a": 1}')
    {'a': 1}
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise json.JSONDecodeError("it is not UTF-8 text", "", error.start) from None
    return parse_json(text, finite=finite)


def refuse_repeated_keys(text: str | bytes) -> None:
    """Raise a `RepeatedKeyError` when a key stands twice; what is no JSON is left to those who read it then."""
    with suppress(json.JSONDecodeError):
        if isinstance(text, bytes):
            parse_json_bytes(text)
        else:
            parse_json(text)


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _repeated(name for name, _ in pairs)
    return found


def _repeated(names: Iterable[str]) -> RepeatedKeyError:
    seen: set[str] = set()
    key = next(name for name in names if name in seen or seen.add(name))[:_SHOWN]  # type: ignore[func-returns-value]
    return RepeatedKeyError(f"the key {key!r} stands twice in one object; keep one of them", key=key)


def _refuse_half_letters(text: str, found: Any) -> None:
    """Refuse halves of surrogate pairs, which JSON can spell and no text can hold."""
    if (half := _SURROGATE.search(text)) is not None:
        try:
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise json.JSONDecodeError("half of a surrogate pair is no letter", text, half.start()) from None


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
