"""Reads what was typed: durations, ``NAME=VALUE`` pairs, JSON files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from strategy_optimizer.errors import RepeatedKeyError, SpaceError, StrategyOptimizerError, nearest_name
from strategy_optimizer.json_files import parse_json, read_json_file

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+")


class UsageError(StrategyOptimizerError, ValueError):
    """The command line cannot be understood."""


def parse_duration(text: str) -> float:
    """Return seconds.

    >>> parse_duration("90"), parse_duration("1.5m"), parse_duration("1h30m")
    (90.0, 90.0, 5400.0)
    """
    compact = text.strip().lower().replace(" ", "")
    if re.fullmatch(r"\d+(\.\d+)?", compact):
        seconds = float(compact)
    elif _DURATION.fullmatch(compact):
        seconds = sum(float(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+(?:\.\d+)?)([smhd])", compact))
    else:
        raise UsageError(f"the time '{text}' cannot be read; expected something like 30s, 5m or 1h30m")
    if seconds <= 0:
        raise UsageError(f"the time '{text}' is zero; expected something like 30s, 5m or 1h30m")
    return seconds


def parse_fixed(
    pairs: Sequence[str], parameters: Mapping[str, Any], option: str = "--param"
) -> dict[str, Any]:
    """Return the values of ``NAME=VALUE`` texts, each of the type that its parameter has."""
    fixed: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = (part.strip() for part in pair.partition("="))
        if not equals or not name or not text:
            raise UsageError(f"{option} '{pair}' cannot be read; expected NAME=VALUE, such as threshold=0.02")
        if name not in parameters:
            known = ", ".join(parameters)
            hint = nearest_name(name, parameters)
            raise SpaceError(
                f"{option}: there is no parameter '{name}'{hint} (known: {known})", parameter=name
            )
        if name in fixed:
            raise UsageError(f"{option} gives '{name}' twice")
        fixed[name] = _value(text, parameters[name])
    return fixed


def parse_settings(pairs: Sequence[str]) -> dict[str, Any]:
    """Return the values of ``NAME=VALUE`` texts: JSON where it is, else text.

    >>> parse_settings(["mutation_rate=0.2", "crossover=sbx"])
    {'mutation_rate': 0.2, 'crossover': 'sbx'}
    """
    settings: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = (part.strip() for part in pair.partition("="))
        if not equals or not name or not text:
            raise UsageError(f"--setting '{pair}' cannot be read; expected NAME=VALUE, such as adapt=false")
        if name in settings:
            raise UsageError(f"--setting gives '{name}' twice")
        try:
            settings[name] = parse_json(text)
        except json.JSONDecodeError:
            if words := _listed(text):
                raise UsageError(
                    f"--setting '{pair}' cannot be read; a list is JSON, and a shell needs quotes around it: "
                    f"--setting '{name}={json.dumps(words, separators=(',', ':'))}'"
                ) from None
            settings[name] = text
        except RepeatedKeyError as error:
            raise UsageError(f"--setting '{pair}': {error}") from error
    return settings


def _listed(text: str) -> list[str] | None:
    """Return the words of a list that is no JSON, such as ``ga,bo`` or ``[ga, bo]``; None where it is no such list."""
    words = [word.strip(" []'\"") for word in text.split(",")]
    is_list = (len(words) > 1 or text.startswith("[")) and all(word.isidentifier() for word in words)
    return words if is_list else None


def _value(text: str, parameter: Any) -> Any:
    """Return the choice that reads like `text`, or a number; the text itself where it is neither."""
    for choice in getattr(parameter, "choices", ()):
        if str(choice) == text or (isinstance(choice, bool) and str(choice).lower() == text.lower()):
            return choice
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def read_json_object(path: Path, what: str) -> dict[str, Any]:
    """Return the object in a JSON file, or raise a `UsageError` that says what is wrong with it."""
    data = read_json_file(path, what, UsageError)
    if not isinstance(data, dict):
        raise UsageError(f"the {what} {path} holds a {type(data).__name__}; expected an object {{...}}")
    return data
