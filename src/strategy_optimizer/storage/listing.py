"""A part of a long list: which one is wanted, and what came."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

R = TypeVar("R")


@dataclass(frozen=True)
class Place:
    """Where something stands in a list: by what it is sorted, and its id."""

    value: datetime | int | str
    id: str


@dataclass(frozen=True)
class Listing:
    """Which part of a list is wanted.

    Attributes
    ----------
    sort : str
        The column that it is sorted by.
    ascending : bool
    after : Place or None
        The last place of the page before.
    limit : int
    """

    sort: str
    ascending: bool = True
    after: Place | None = None
    limit: int = 50


@dataclass(frozen=True)
class Page(Generic[R]):
    """A part of a list.

    Attributes
    ----------
    rows : list
    total : int
        How many there are in the whole list.
    last : Place or None
        What the next part begins after; None when there is none.
    """

    rows: list[R]
    total: int
    last: Place | None
