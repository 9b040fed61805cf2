"""Parts of lists follow on each other without gap or repeat, whatever the list is sorted by, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias

import pytest

from storage_worlds import Clock
from strategy_optimizer.storage import Listing, NewSchedule, NewStrategyVersion, Page, Store

Ask: TypeAlias = Callable[[Listing], Page[Any]]
NAMES = ("kim", "Lea", "mo", "lea-2", "Zoe")


def fill(store: Store, clock: Clock) -> None:
    for number, name in enumerate(NAMES):
        store.accounts.add_user(name, "viewer", user_id=f"user_{number}")
        store.accounts.add_key(
            "user_0", name=name, prefix=f"p{number}", digest=bytes([number] * 32), scopes=["read"]
        )
        schedule = NewSchedule("user_0", f"strategy_{number % 2}", "nasdaq", "@daily", {}, None)
        store.schedules.add(schedule)
        store.webhooks.add("user_0", url="https://example.com", secret="s", events=["task.ended"])
        version = NewStrategyVersion(str(number) * 64, "", {}, {})
        store.strategies.save_version("momentum", "built_in", "", version)
        store.strategies.save_version(name, "built_in", "", version)
        clock.move(seconds=number % 2)  # some have the same moment


def lists(store: Store) -> dict[str, tuple[Ask, str, list[str], int]]:
    """Return what asks for a part of each list, its id, what it can be sorted by and how long it is."""
    return {
        "users": (store.accounts.page_of_users, "id", ["name", "created"], 7),
        "keys": (lambda asked: store.accounts.page_of_keys("user_0", asked), "id", ["created", "name"], 5),
        "schedules": (store.schedules.page, "id", ["created", "strategy"], 5),
        "own schedules": (lambda asked: store.schedules.page(asked, owner="user_1"), "id", ["created"], 0),
        "webhooks": (store.webhooks.page, "id", ["created"], 5),
        "strategies": (store.strategies.page, "name", ["name", "changed"], 6),
        "versions": (
            lambda asked: store.strategies.page_of_versions("momentum", asked),
            "digest",
            ["created"],
            5,
        ),
    }


def read(ask: Ask, listing: Listing, total: int) -> list[Any]:
    found: list[Any] = []
    while True:
        page = ask(listing)
        assert page.total == total
        assert len(page.rows) <= listing.limit
        found += page.rows
        if page.last is None:
            return found
        assert len(page.rows) == listing.limit
        listing = replace(listing, after=page.last)


@pytest.mark.parametrize("limit", [1, 2, 5, 6])
def test_parts_are_the_whole(store: Store, clock: Clock, limit: int) -> None:
    fill(store, clock)
    for name, (ask, id_name, sorts, total) in lists(store).items():
        for sort in sorts:
            rising = read(ask, Listing(sort, limit=limit), total)
            falling = read(ask, Listing(sort, ascending=False, limit=limit), total)
            assert [getattr(row, id_name) for row in rising[::-1]] == [
                getattr(row, id_name) for row in falling
            ], (name, sort)
            assert len({getattr(row, id_name) for row in rising}) == total
            values = [getattr(row, sort) for row in rising]
            if all(isinstance(value, datetime) for value in values):  # texts are in the database's own order
                assert values == sorted(values)
