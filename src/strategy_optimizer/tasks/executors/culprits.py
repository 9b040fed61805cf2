"""Finds what cannot be pickled, deep inside a function, and says how its user calls it."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from strategy_optimizer.tasks.executors.child.words import error_text

DEEPEST = 12
MOST = 2000
"""Values that are tried; what is hidden deeper is not worth the wait."""


def _pickled(value: Any) -> None:
    import cloudpickle

    cloudpickle.dumps(value, protocol=5, buffer_callback=lambda array: None)


def find_culprit(value: Any, root: str = "", dump: Callable[[Any], object] = _pickled) -> str:
    """Return a sentence on the innermost value that cannot be pickled; empty when there is none.

    Parameters
    ----------
    value : object
        What could not be pickled.
    root : str
        What its user calls it, where it is not a function.
    dump : callable
        Pickles a value as it was to be sent; raises when it cannot.

    Examples
    --------
    >>> import threading
    >>> lock = threading.Lock()
    >>> find_culprit(lambda parameters: lock)
    "its variable 'lock' is a _thread.lock, which exists in this process only; make it inside the function"
    """
    search = _Search(dump)
    found = search.innermost(value, root, 0)
    if found is None:
        return ""
    name, thing, error = found
    kind = f"{type(thing).__module__}.{type(thing).__qualname__}".removeprefix("builtins.")
    if not name:
        return f"a {kind} cannot be pickled ({error_text(error)})"
    advice = "make it" if isinstance(error, TypeError) else f"it says {error_text(error)!r}; make it"
    if any(word in kind.lower() for word in ("connection", "socket", "file", "session", "client", "io.")):
        advice = advice.replace("make it", "open it")
    whose = "its variable" if not root else "their part"
    return f"{whose} '{name}' is a {kind}, which exists in this process only; {advice} inside the function"


class _Search:
    def __init__(self, dump: Callable[[Any], object]) -> None:
        self._dump = dump
        self._seen: dict[int, Any] = {}  # holds the values, so that no id is used twice

    def innermost(self, value: Any, name: str, depth: int) -> tuple[str, Any, Exception] | None:
        if depth > DEEPEST or len(self._seen) > MOST or id(value) in self._seen:
            return None
        self._seen[id(value)] = value
        error = self._refusal(value)
        if error is None:
            return None
        for child_name, child in _children(value, name):
            found = self.innermost(child, child_name, depth + 1)
            if found is not None:
                return found
        return name, value, error

    def _refusal(self, value: Any) -> Exception | None:
        try:
            self._dump(value)
        except Exception as error:
            return error
        return None


def _children(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, types.MethodType):
        yield "self", value.__self__
    elif isinstance(value, types.FunctionType):
        yield from _variables(value)
    elif isinstance(value, partial):
        yield name, value.func
        for number, argument in enumerate(value.args):
            yield f"argument {number + 1} of partial", argument
        yield from value.keywords.items()
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield f"{name}[{key!r}]", entry
    elif isinstance(value, (list, tuple, set, frozenset)):
        for number, entry in enumerate(value):
            yield f"{name}[{number}]", entry
    elif isinstance(value, type):
        for key, entry in vars(value).items():
            yield f"{value.__name__}.{key}", entry
    else:
        for key, entry in _attributes(value).items():
            yield f"{name or 'self'}.{key}", entry


def _variables(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Give what a function captures, then the globals that it or a function inside it reads, then its defaults."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:
            continue  # not filled yet
    for name in sorted(_names(function.__code__)):
        if name in function.__globals__:
            yield name, function.__globals__[name]
    yield from (function.__kwdefaults__ or {}).items()
    for number, default in enumerate(function.__defaults__ or ()):
        yield f"default {number + 1}", default
    yield from vars(function).items()


def _names(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names(constant)
    return names


def _attributes(value: Any) -> dict[str, Any]:
    found = dict(getattr(value, "__dict__", {}))
    for kind in type(value).__mro__:
        slots = getattr(kind, "__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if slot not in ("__dict__", "__weakref__") and hasattr(value, slot):
                found[slot] = getattr(value, slot)
    return found
