"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer, Text, TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

LargeInteger = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits; SQLite counts up a key only when it is called INTEGER, which has 64 bits there."""


class Moment(TypeDecorator[datetime]):
    """An aware moment as whole microseconds since 1970: exact, sortable, the same on both databases."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Return what is stored."""
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return what was stored, in UTC."""
        return None if value is None else _EPOCH + int(value) * _MICROSECOND


class Document(TypeDecorator[Any]):
    """A JSON value as text: its keys keep their order, which a parameter space relies on; NaN is refused."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Return what is stored."""
        return None if value is None else to_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Return what was stored."""
        return None if value is None else json.loads(value)


def to_text(value: Any, *, sort_keys: bool = False) -> str:
    """Return a value as compact JSON.

    >>> to_text({"b": 1, "a": [None, True]}), to_text({"b": 1, "a": 2}, sort_keys=True)
    ('{"b":1,"a":[null,true]}', '{"a":2,"b":1}')
    """
    return json.dumps(value, separators=(",", ":"), allow_nan=False, sort_keys=sort_keys)
