"""The parameter space in which a user searches a strategy: the strategy's own, or the one that they keep for it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from strategy_optimizer.catalogue.confinement import Confinement, run_confined
from strategy_optimizer.catalogue.versions import canonical_name, pin_version
from strategy_optimizer.errors import NotStoredError, SpaceError
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.storage import Store, StrategyVersionRecord
from strategy_optimizer.strategies.registry import BUILT_IN, get_strategy

MOST_PARAMETERS = 200
MOST_CONSTRAINTS = 100
LIMITS = Confinement(seconds=15.0, memory=2**30)


@dataclass(frozen=True)
class SpaceInForce:
    """The space of a user and a strategy.

    Attributes
    ----------
    strategy, version : str
    source : {"strategy", "owner"}
        Whose it is.
    document : dict
        ``parameter_space`` and ``constraints``.
    defaults : dict
        One value of each active parameter; empty with a problem.
    changed : datetime or None
    problem : str or None
        Why the owner's space does not fit the strategy's newest version.
    """

    strategy: str
    version: str
    source: Literal["strategy", "owner"]
    document: Mapping[str, Any]
    defaults: Mapping[str, Any]
    changed: datetime | None = None
    problem: str | None = None


def space_in_force(store: Store, owner: str, strategy: str) -> SpaceInForce:
    """Return the space that the owner keeps for a strategy, else the strategy's own.

    Raises
    ------
    NotStoredError, StrategyError
        When there is no such strategy, or none that can be used.
    """
    name, version = pin_version(store, strategy)
    own = own_space(store, name, version)
    kept = store.parameter_spaces.find(owner, name)
    if kept is None:
        return SpaceInForce(name, version, "strategy", own.to_json(), own.defaults())
    try:
        defaults, problem = own.override(kept.space).defaults(), None
    except SpaceError as error:
        defaults, problem = {}, str(error)
    return SpaceInForce(name, version, "owner", kept.space, defaults, kept.changed, problem)


def own_space(store: Store, name: str, version: str) -> ParameterSpace:
    """Return the space that a version of a strategy declares."""
    try:
        record: StrategyVersionRecord = store.strategies.version(name, version)
    except NotStoredError:
        if name not in BUILT_IN:
            raise
        return get_strategy(name).space()  # no worker has told of it yet
    return ParameterSpace.from_json(record.space, name=name)


def check_space(store: Store, strategy: str, document: Mapping[str, Any]) -> tuple[str, ParameterSpace]:
    """Return the name of a strategy and the space that a document makes of its own; feasibility is not looked at.

    Raises
    ------
    SpaceError
        Naming the parameter that is wrong, or that the strategy does not have.
    NotStoredError, StrategyError
        When there is no such strategy, or none that can be used.
    """
    name, version = pin_version(store, strategy)
    parameters, constraints = document["parameter_space"], document["constraints"]
    if len(parameters) > MOST_PARAMETERS or len(constraints) > MOST_CONSTRAINTS:
        raise SpaceError(
            f"the space has {len(parameters)} parameters and {len(constraints)} constraints; "
            f"at most {MOST_PARAMETERS} and {MOST_CONSTRAINTS} are taken"
        )
    return name, own_space(store, name, version).override(document)


def is_feasible(
    space: ParameterSpace,
    limits: Confinement = LIMITS,
    *,
    turn: AbstractContextManager[object] | None = None,
) -> bool | None:
    """Return whether a point of the space satisfies all constraints; None when that took too long to find out.

    `turn` is as of `run_confined`.

    Raises
    ------
    SpaceError
        When none does, or none was found with much effort.
    """
    layout = space.from_dicts([space.defaults()])
    if bool(space.is_feasible(layout)[0]):
        return True
    outcome = run_confined(f"{__name__}:find_point", space.to_json(), limits, turn=turn)
    if outcome.failure is not None:
        return None
    if outcome.value is not None:
        raise SpaceError(outcome.value["problem"], parameter=outcome.value["parameter"])
    return True


def find_point(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return why no point was found, None when one was; called in a confined process."""
    try:
        ParameterSpace.from_json(document).sample(1, 0)
    except SpaceError as error:
        return {"problem": str(error), "parameter": error.parameter}
    return None


def keep_space(store: Store, owner: str, strategy: str, document: Mapping[str, Any]) -> bool:
    """Keep a space that was checked; returns whether there was none before."""
    name = canonical_name(strategy)
    is_new = store.parameter_spaces.find(owner, name) is None
    store.parameter_spaces.put(owner, name, document)
    return is_new
