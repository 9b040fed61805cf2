"""What the routes work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from strategy_optimizer.access.gate import Gate, Limits
from strategy_optimizer.access.principal import Principal
from strategy_optimizer.access.rate_limits import Rate
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
        Returns who calls, in place of the gate; for tests.
    gate : Gate
        Keys, sessions, tickets, quotas, the audit log. Made here.
    metrics : Metrics
        Made here.
    """

    store: Store
    settings: ServiceSettings
    authenticate: Callable[[HTTPConnection], Principal | None] | None = None
    gate: Gate = field(init=False)
    metrics: Metrics = field(init=False)

    def __post_init__(self) -> None:
        rate = self.settings.requests_a_second
        limits = Limits(
            caller=Rate(rate, at_once=round(_BURST * rate)),
            address=Rate(_CALLERS * rate, at_once=round(_CALLERS * _BURST * rate)),
        )
        gate = Gate(self.store, limits=limits, origins=self.settings.origins)
        object.__setattr__(self, "gate", gate)
        object.__setattr__(self, "metrics", Metrics(self.store))
