"""Strategies: which there are, what they declare, and their versions. Their code never comes from here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Depends, Path

from strategy_optimizer.api.dependencies import TheStore
from strategy_optimizer.api.first_look import after_first_look
from strategy_optimizer.api.paging import AskedPage, asked_page
from strategy_optimizer.api.routing import Router
from strategy_optimizer.catalogue.versions import canonical_name
from strategy_optimizer.models.strategies import (
    StrategiesOut,
    StrategyOut,
    StrategyVersionOut,
    StrategyVersionsOut,
)
from strategy_optimizer.storage import StrategyRecord, StrategyVersionRecord

router = Router(prefix="/api/v1/strategies", tags=["strategies"], dependencies=[Depends(after_first_look)])
Name = Annotated[str, Path(max_length=200, description="name of the strategy", examples=["momentum"])]


@router.get("")
def list_strategies(
    store: TheStore, page: Annotated[AskedPage, asked_page(Literal["name", "changed"])]
) -> StrategiesOut:
    """List the strategies that tasks can name, by default by name."""
    newest = store.strategies.newest_versions()
    found = store.strategies.page(page.listing)
    return StrategiesOut(
        strategies=[shown(record, newest.get(record.name)) for record in found.rows],
        total=found.total,
        next_cursor=page.next_cursor(found.last),
    )


@router.get("/{name}")
def get_strategy(name: Name, store: TheStore) -> StrategyOut:
    """Return a strategy as its newest version declares it."""
    record = store.strategies.get(canonical_name(name))
    version = None if record.newest is None else store.strategies.version(record.name, record.newest)
    return shown(record, version)


@router.get("/{name}/versions")
def list_versions(
    name: Name, store: TheStore, page: Annotated[AskedPage, asked_page(Literal["created"], "descending")]
) -> StrategyVersionsOut:
    """List the versions of a strategy, by default the newest first."""
    record = store.strategies.get(canonical_name(name))
    found = store.strategies.page_of_versions(record.name, page.listing)
    return StrategyVersionsOut(
        name=record.name,
        newest=record.newest,
        versions=[
            StrategyVersionOut(
                version=version.digest,
                description=version.description,
                parameter_space=dict(version.space["parameter_space"]),
                constraints=version.space["constraints"],
                created_at=version.created,
            )
            for version in found.rows
        ],
        total=found.total,
        next_cursor=page.next_cursor(found.last),
    )


def shown(record: StrategyRecord, version: StrategyVersionRecord | None) -> StrategyOut:
    """Return a strategy as callers see it."""
    said: dict[str, Any] = {}
    if version is not None:
        details = version.details
        said = {
            "description": version.description,
            "style": details["style"],
            "multi_symbol": details["multi_symbol"],
            "parameter_space": version.space["parameter_space"],
            "constraints": version.space["constraints"],
            "defaults": details["defaults"],
        }
    return StrategyOut(
        name=record.name,
        source=record.source,  # type: ignore[arg-type]  # the table knows no other
        place=record.place,
        version=record.newest,
        problem=record.problem,
        changed_at=record.changed,
        **said,
    )
