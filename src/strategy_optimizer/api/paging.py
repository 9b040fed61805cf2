"""Lists come in pages: every route that lists takes the same four parameters, and says how to go on."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from inspect import Parameter, Signature
from typing import Annotated, Any, Literal, TypeAlias, get_args

from fastapi import Depends, Query

from strategy_optimizer.errors import TaskError
from strategy_optimizer.storage import Listing, Place

MOST = 200
"""Of one page."""
Order: TypeAlias = Literal["ascending", "descending"]
_MOMENTS = ("created", "recorded", "changed")
_LARGEST: Mapping[str, int] = {"priority": 2**31 - 1, "trials": 2**63 - 1, "size": 2**63 - 1}
"""Of the columns that hold whole numbers: the largest that the database takes. All others hold texts."""
_CURSOR = Query(max_length=1000, description="`next_cursor` of the page before")
_LIMIT = Query(ge=1, le=MOST, description="the most that one page has")


@dataclass(frozen=True)
class AskedPage:
    """The page of a list that a request asks for."""

    sort: str
    order: Order
    cursor: str | None
    limit: int

    @property
    def listing(self) -> Listing:
        """The same for the store.

        Raises
        ------
        TaskError
            When the cursor is of another list, or of none.
        """
        after = None if self.cursor is None else place_of(self.cursor, self.sort)
        return Listing(self.sort, self.order == "ascending", after, self.limit)

    def next_cursor(self, last: Place | None) -> str | None:
        """Return what the next page is asked for with, after this last place."""
        return None if last is None else cursor_of(last, self.sort)


def asked_page(sorts: Any, order: Order = "ascending") -> Any:
    """Return what a route declares for the page that is asked for.

    Parameters
    ----------
    sorts : Literal
        What the list can be sorted by; the first is the default.
    order : {"ascending", "descending"}
        The default.
    """
    first = get_args(sorts)[0]
    fields: dict[str, tuple[Any, Any]] = {
        "sort": (Annotated[sorts, Query(description="what the list is sorted by")], first),
        "order": (Annotated[Order, Query()], order),
        "cursor": (Annotated[str | None, _CURSOR], None),
        "limit": (Annotated[int, _LIMIT], 50),
    }

    async def read(**given: Any) -> AskedPage:
        """Return the page that is asked for."""
        return AskedPage(**given)

    # FastAPI reads a signature, and that of a list is known only here.
    read.__signature__ = Signature(  # type: ignore[attr-defined]
        [
            Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind, default=default)
            for name, (kind, default) in fields.items()
        ]
    )
    return Depends(read)


def cursor_of(place: Place, sort: str = "created") -> str:
    """Return the text that names a place in the list that is sorted by `sort`.

    >>> text = cursor_of(Place(datetime(2026, 1, 2, tzinfo=UTC), "opt_1"))
    >>> place_of(text)
    Place(value=datetime.datetime(2026, 1, 2, 0, 0, tzinfo=datetime.timezone.utc), id='opt_1')
    """
    value = round(place.value.timestamp() * 1e6) if isinstance(place.value, datetime) else place.value
    text = json.dumps([sort, value, place.id])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def place_of(cursor: str, sort: str = "created") -> Place:
    """Return the place that `cursor_of` named in the list that is sorted by `sort`.

    Raises
    ------
    TaskError
        When it is no such text.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        sorted_by, value, row_id = json.loads(base64.b64decode(padded, b"-_", validate=True))
        if sorted_by != sort:
            raise ValueError("it is of another list")
        return Place(_value(value, sort), _text(row_id))
    except (ValueError, TypeError, OverflowError, OSError, RecursionError, binascii.Error) as error:
        raise TaskError(f"the cursor {cursor!r} is none that a page of this list gave") from error


def _value(value: Any, sort: str) -> datetime | int | str:
    """Return a value of the column that a list is sorted by."""
    if sort not in _MOMENTS and sort not in _LARGEST:
        return _text(value)
    if type(value) is not int:
        raise ValueError("no whole number")
    if sort in _MOMENTS:
        return datetime.fromtimestamp(value / 1e6, UTC)
    if abs(value) > _LARGEST[sort]:
        raise ValueError("too large for its column")
    return value


def _text(value: Any) -> str:
    """Return a text that a database takes."""
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("no text")
    value.encode()  # halves of characters are none
    return value
