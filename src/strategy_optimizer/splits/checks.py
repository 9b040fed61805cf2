"""Checks that all splits share: whole numbers in their range."""

from __future__ import annotations

from operator import index

from strategy_optimizer.errors import SplitError


def whole_number(name: str, value: int, *, least: int) -> int:
    """Return `value` as an int, or raise a `SplitError` that names it.

    >>> whole_number("train", 250, least=1)
    250
    """
    try:
        number = index(value)
    except TypeError:
        raise SplitError(f"{name} is {value!r}; expected a whole number of at least {least}") from None
    if isinstance(value, bool) or number < least:
        raise SplitError(f"{name} is {value!r}; expected a whole number of at least {least}")
    return number
