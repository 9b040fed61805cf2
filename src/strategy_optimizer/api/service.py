"""What the routes work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from strategy_optimizer.access.principal import Principal
from strategy_optimizer.api.hub import Pace
from strategy_optimizer.api.metrics import Metrics
from strategy_optimizer.storage import Store

if TYPE_CHECKING:
    from strategy_optimizer.service_settings import ServiceSettings


@dataclass(frozen=True)
class Service:
    """The parts of a running service.

    Attributes
    ----------
    store : Store
    settings : ServiceSettings
    authenticate : callable
        Returns who calls, None for nobody; raises a `NotAuthenticatedError` for a key that is wrong.
    authenticate_again : callable
        Returns what somebody may do now who was let in earlier, for sockets that stay open; raises as `authenticate`.
    pace : Pace
        How often sockets are looked after.
    metrics : Metrics
        Made here.
    """

    store: Store
    settings: ServiceSettings
    authenticate: Callable[[HTTPConnection], Principal | None]
    authenticate_again: Callable[[Principal], Principal] = lambda principal: principal
    pace: Pace = field(default_factory=Pace)
    metrics: Metrics = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "metrics", Metrics(self.store))
