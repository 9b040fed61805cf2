"""What the routes work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.requests import HTTPConnection

from strategy_optimizer.access.gate import Gate, Limits
from strategy_optimizer.access.principal import Principal
from strategy_optimizer.access.rate_limits import Rate
from strategy_optimizer.api.authentication import authenticate, authenticate_from_memory
from strategy_optimizer.api.hub import Pace
from strategy_optimizer.api.metrics import Metrics
from strategy_optimizer.storage import Store

if TYPE_CHECKING:
    from strategy_optimizer.service_settings import ServiceSettings

_BURST = 5
_CALLERS = 5
"""So many callers may be at one address, as of an office or a proxy, each with its full rate."""


@dataclass(frozen=True)
class Service:
    """The parts of a running service.

    Attributes
    ----------
    store : Store
    settings : ServiceSettings
    authenticate : callable, optional
        Returns who calls, None for nobody; raises a `NotAuthenticatedError` for a key that is wrong. The gate's by
        default; tests give another.
    authenticate_from_memory : callable, optional
        Returns who calls when nothing has to be read for that; else None, and `authenticate` is asked.
    authenticate_again : callable, optional
        Returns what somebody may do now who was let in earlier, for sockets that stay open; raises as `authenticate`.
    gate : Gate, optional
        Keys, sessions, tickets, quotas, the audit log; made here by default.
    pace : Pace
        How often sockets are looked after.
    metrics : Metrics
        Made here.
    """

    store: Store
    settings: ServiceSettings
    authenticate: Callable[[HTTPConnection], Principal | None] = None  # type: ignore[assignment]
    authenticate_again: Callable[[Principal], Principal] = None  # type: ignore[assignment]
    gate: Gate = None  # type: ignore[assignment]
    authenticate_from_memory: Callable[[HTTPConnection], Principal | None] = field(init=False)
    pace: Pace = field(default_factory=Pace)
    metrics: Metrics = field(init=False)

    def __post_init__(self) -> None:
        given: dict[str, Any] = dict(vars(self))
        gate = given["gate"] or _gate(self.store, self.settings)
        again = gate.identify_again if given["authenticate"] is None else lambda principal: principal
        made = {
            "gate": gate,
            "authenticate": given["authenticate"] or partial(authenticate, gate),
            "authenticate_from_memory": partial(authenticate_from_memory, gate)
            if given["authenticate"] is None
            else lambda connection: None,
            "authenticate_again": given["authenticate_again"] or again,
            "metrics": Metrics(self.store),
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)


def _gate(store: Store, settings: ServiceSettings) -> Gate:
    rate = settings.requests_a_second
    limits = Limits(
        caller=Rate(rate, at_once=round(_BURST * rate)),
        address=Rate(_CALLERS * rate, at_once=round(_CALLERS * _BURST * rate)),
    )
    return Gate(store, limits=limits, origins=settings.origins)
