"""What all models share: frozen, and JSON without NaN."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated, Any, Self, TypeAlias

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from strategy_optimizer.json_files import refuse_repeated_keys


def _finite_or_none(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number: TypeAlias = Annotated[float | None, BeforeValidator(_finite_or_none)]
"""A number, or null where it is missing or not finite."""


def _no_other_kind(value: Any) -> Any:
    if isinstance(value, (bool, str)):
        raise ValueError(f"expected a number, not {value!r}")
    return value


Whole: TypeAlias = Annotated[int, BeforeValidator(_no_other_kind)]
"""A whole number that callers give; true and "1" are none, though Python would take them."""
Real: TypeAlias = Annotated[float, BeforeValidator(_no_other_kind)]
"""The same for any number."""


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("in UTC it lies beyond the years 1 to 9999") from None


Moment: TypeAlias = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A time that callers give, with its zone; it is kept in UTC, where the last hours of 9999 may not be there."""
Value: TypeAlias = bool | int | float | str
"""A parameter's value; the kinds are kept apart, 1 stays 1 and true stays true."""


class Model(BaseModel):
    """A frozen model; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    def to_json(self, *, indent: int | None = None) -> str:
        """Return JSON text; fields that were not given are left out, NaN and infinities are null."""
        return self.model_dump_json(indent=indent, exclude_unset=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return the model of JSON text.

        Raises
        ------
        RepeatedKeyError
            When a key stands twice in one object.
        pydantic.ValidationError
            It lists what else is wrong.
        """
        refuse_repeated_keys(text)
        return cls.model_validate_json(text)


class PageModel(Model):
    """A part of a list, and where the next part begins."""

    total: int = Field(description="of all pages")
    next_cursor: str | None = Field(default=None, description="`cursor` of the next page; null on the last")
