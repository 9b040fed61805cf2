"""The parameter space in which one searches a strategy: the strategy's own, or one that is put here."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Response

from strategy_optimizer.api.dependencies import Caller, TheChecks, TheStore
from strategy_optimizer.api.first_look import TheFirstLook
from strategy_optimizer.api.routing import Router
from strategy_optimizer.catalogue.spaces import check_space, is_feasible, keep_space, space_in_force
from strategy_optimizer.models.parameter_spaces import NamedSpaceIn, SpaceIn, SpaceOut
from strategy_optimizer.storage import Store

router = Router(
    prefix="/api/v1/optimize/parameter-space",
    tags=["parameter spaces"],
)
Strategy = Annotated[str, Path(max_length=200, description="name of the strategy", examples=["momentum"])]


@router.post(
    "",
    status_code=201,
    responses={200: {"model": SpaceOut, "description": "checked only, or put in place of an earlier one"}},
)
def create_space(
    space: NamedSpaceIn,
    caller: Caller,
    store: TheStore,
    checks: TheChecks,
    first_look: TheFirstLook,
    response: Response,
) -> SpaceOut:
    """Check a space for a strategy and keep it: one's later tasks search it when they give none themselves."""
    document = space.document()
    name, checked = first_look.told(lambda: check_space(store, space.strategy_name, document))
    feasible = is_feasible(checked, turn=checks.held(caller.user_id))
    response.headers["Location"] = f"{router.prefix}/{name}"
    if space.validate_only:
        response.status_code = 200
        in_force = space_in_force(store, caller.user_id, name)
        return SpaceOut(
            strategy_name=name,
            strategy_version=in_force.version,
            source="owner",
            parameter_space=document["parameter_space"],
            constraints=document["constraints"],
            defaults=checked.defaults(),
            feasible=feasible,
        )
    if not keep_space(store, caller.user_id, name, document):
        response.status_code = 200
    return _shown(store, caller.user_id, name, feasible)


@router.get("/{strategy}")
def get_space(strategy: Strategy, caller: Caller, store: TheStore, first_look: TheFirstLook) -> SpaceOut:
    """Return the space that is in force for oneself."""
    return first_look.told(lambda: _shown(store, caller.user_id, strategy))


@router.put("/{strategy}")
def put_space(
    strategy: Strategy,
    space: SpaceIn,
    caller: Caller,
    store: TheStore,
    checks: TheChecks,
    first_look: TheFirstLook,
) -> SpaceOut:
    """Put a space in place of the one that is in force for oneself."""
    document = space.document()
    name, checked = first_look.told(lambda: check_space(store, strategy, document))
    feasible = is_feasible(checked, turn=checks.held(caller.user_id))
    keep_space(store, caller.user_id, name, document)
    return _shown(store, caller.user_id, name, feasible)


@router.delete("/{strategy}")
def delete_space(strategy: Strategy, caller: Caller, store: TheStore) -> SpaceOut:
    """Go back to the strategy's own space; asking again changes nothing."""
    name = space_in_force(store, caller.user_id, strategy).strategy
    store.parameter_spaces.remove(caller.user_id, name)
    return _shown(store, caller.user_id, name)


def _shown(store: Store, owner: str, strategy: str, feasible: bool | None = None) -> SpaceOut:
    found = space_in_force(store, owner, strategy)
    return SpaceOut(
        strategy_name=found.strategy,
        strategy_version=found.version,
        source=found.source,
        parameter_space=dict(found.document["parameter_space"]),
        constraints=list(found.document["constraints"]),
        defaults=dict(found.defaults),
        feasible=feasible,
        problem=found.problem,
        changed_at=found.changed,
    )
