"""The keys of cached trials: a digest of everything that a trial's numbers depend on.

Every ingredient is written with its type and length before it is hashed, so that no two different sets of
ingredients are the same bytes. A key too many costs a backtest; a key too few costs a wrong number.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from typing import Any, Self

import numpy as np

from strategy_optimizer.engines import Engine
from strategy_optimizer.errors import SpaceError, TaskError
from strategy_optimizer.space import Categorical, Discrete, Parameter, ParameterSpace
from strategy_optimizer.version import __version__

KEY_FORMAT = 1
"""Raised when keys are made otherwise: all cached trials are then unknown."""


class TrialKeys:
    """Makes the keys of trials that differ in their parameters only.

    Parameters
    ----------
    code : str
        Digest of the strategy's code, or of the engine and all that it holds.
    data : str
        Digest of the data.
    rules : object
        Costs, cash, fill, window: a dataclass, a mapping, numbers and texts in any nesting.
    versions : mapping of str to str
        Versions of what makes the numbers. Our own is always added.
    space : ParameterSpace, optional
        Says what kind each parameter is, so that 20 and 20.0 of a discrete one are the same. Its bounds are no
        part of a key. Without it, values of different types are different.
    **more
        What else the numbers depend on, such as a seed or the metrics that were asked for.

    Raises
    ------
    TaskError
        When something has no defined content, such as a function.

    Examples
    --------
    >>> space = ParameterSpace("s").add_parameter("days", "discrete", (2, 50))
    >>> keys = TrialKeys(code="c0de", data="da7a", rules={"commission": 0.0005}, space=space)
    >>> keys.key({"days": 20}) == keys.key({"days": np.float64(20)})
    True
    >>> dearer = TrialKeys(code="c0de", data="da7a", rules={"commission": 0.001}, space=space)
    >>> keys.key({"days": 20}) == dearer.key({"days": 20})
    False
    """

    def __init__(
        self,
        *,
        code: str,
        data: str,
        rules: Any = None,
        versions: Mapping[str, str] | None = None,
        space: ParameterSpace | None = None,
        **more: Any,
    ) -> None:
        self._parameters: Mapping[str, Parameter] = {} if space is None else dict(space.parameters)
        ingredients = {
            "format": KEY_FORMAT,
            "strategy-optimizer": __version__,
            "code": code,
            "data": data,
            "rules": rules,
            "versions": dict(versions or {}),
            "more": more,
        }
        self._common = hashlib.sha256(content_bytes(ingredients))

    @classmethod
    def of_engine(cls, engine: Engine, space: ParameterSpace | None = None, **more: Any) -> Self:
        """Return the keys of an engine's trials; its digest stands for code, data and costs."""
        return cls(code=engine.digest(), data="", versions=engine.versions(), space=space, **more)

    def key(self, parameters: Mapping[str, Any]) -> bytes:
        """Return the key of a trial, 32 bytes; the order of the parameters does not matter."""
        digest = self._common.copy()
        digest.update(content_bytes(self.canonical(parameters)))
        return digest.digest()

    def canonical(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters that the key stands for: run the trial with these.

        A discrete one is an int, a continuous one a float on its step and never -0.0, a categorical one the choice as
        the space has it; those that the space does not have become plain Python values.

        Raises
        ------
        SpaceError
            When a value is none of its parameter's.
        """
        return {name: self._canonical(name, value) for name, value in parameters.items()}

    def _canonical(self, name: str, value: Any) -> Any:
        parameter = self._parameters.get(name)
        if parameter is None:
            return value.item() if isinstance(value, np.generic) else value
        try:
            encoded = parameter.encode(value)
        except SpaceError as error:
            raise SpaceError(f"parameter '{name}': {error}", parameter=name) from error
        if isinstance(parameter, Categorical):
            return parameter.choices[int(encoded)]
        return int(encoded) if isinstance(parameter, Discrete) else encoded


def content_bytes(value: Any) -> bytes:
    """Return bytes that are the same for the same content only, whatever the process or the machine.

    True, 1, 1.0 and "1" are four things; -0.0 is 0.0, and all NaN are one. Mappings and sets have no order. A tuple is
    a list, and a NumPy scalar the Python value.

    >>> content_bytes({"b": 1, "a": np.float64(-0.0)}) == content_bytes({"a": 0.0, "b": 1})
    True
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool):
        return b"n" if value is None else b"T" if value else b"F"
    if isinstance(value, int):
        return _sized(b"i", str(int(value)).encode())
    if isinstance(value, float):
        return b"f" + struct.pack("<d", value + 0.0 if value == value else float("nan"))
    if isinstance(value, str):
        return _sized(b"s", value.encode("utf-8", "surrogatepass"))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _sized(b"y", bytes(value))
    return _nested_bytes(value)


def _nested_bytes(value: Any) -> bytes:
    if isinstance(value, Mapping):
        pairs = (content_bytes(key) + content_bytes(item) for key, item in value.items())
        return _counted(b"m", sorted(pairs))
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        shape = content_bytes([value.dtype.str, *value.shape])
        return b"a" + shape + _sized(b"y", np.ascontiguousarray(value).tobytes())
    if isinstance(value, AbstractSet):
        return _counted(b"t", sorted(map(content_bytes, value)))
    if isinstance(value, Sequence):  # range too
        return _counted(b"l", map(content_bytes, value))
    if is_dataclass(value) and not isinstance(value, type):
        content = {item.name: getattr(value, item.name) for item in fields(value)}
        return b"d" + content_bytes(type(value).__qualname__) + content_bytes(content)
    raise TaskError(
        f"a {type(value).__name__} has no content that a cached trial could be known by; give numbers, texts, lists, "
        "mappings, arrays of numbers or dataclasses of them, or a digest"
    )


def _sized(tag: bytes, content: bytes) -> bytes:
    return b"%b%d:%b" % (tag, len(content), content)


def _counted(tag: bytes, parts: Iterable[bytes]) -> bytes:
    listed = list(parts)
    return b"%b%d:%b" % (tag, len(listed), b"".join(listed))
