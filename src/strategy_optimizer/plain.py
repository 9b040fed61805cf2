"""JSON values of the package's records: one way for all results."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def as_plain(value: Any) -> Any:
    """Return JSON values: None for what is not finite, [start, stop) for a range, fields for a dataclass.

    An object with a `to_dict` of its own is what that says.

    >>> as_plain({"score": np.float64("nan"), "bars": range(3, 5), 1: (np.int64(2), True)})
    {'score': None, 'bars': [3, 5], '1': [2, True]}
    """
    if isinstance(value, float):  # np.float64 too
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if is_dataclass(value) and not isinstance(value, type):
        return plain_fields(value)
    if isinstance(value, Mapping):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, range):
        return [value.start, value.stop]
    if isinstance(value, np.ndarray):
        return [as_plain(item) for item in value.tolist()]
    if isinstance(value, np.generic):
        return as_plain(value.item())
    if isinstance(value, Sequence):
        return [as_plain(item) for item in value]
    return value


def plain_fields(instance: Any) -> dict[str, Any]:
    """Return the JSON values of a dataclass's fields, for its `to_dict`."""
    return {item.name: as_plain(getattr(instance, item.name)) for item in fields(instance)}


def plain_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return an optimizer's settings as JSON has them: NumPy's numbers as Python's."""
    return {key: value.item() if isinstance(value, np.generic) else value for key, value in settings.items()}
