"""What each route and socket needs: one table, and what is not in it is refused.

The service does not start while one of its routes has no line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from strategy_optimizer.access.principal import Principal, Scope
from strategy_optimizer.errors import NotAllowedError, NotAuthenticatedError

RouteName = tuple[str, str]
"""Method (``WS`` for sockets) and path template."""


@dataclass(frozen=True)
class Rule:
    """What a caller needs: a scope, or nothing at all (None: anybody)."""

    scope: Scope | None

    def check(self, principal: Principal | None) -> None:
        """Raise unless the caller may.

        Raises
        ------
        NotAuthenticatedError, NotAllowedError
        """
        if self.scope is None:
            return
        if principal is None:
            raise NotAuthenticatedError(
                "this needs a key: send the header 'Authorization: Bearer KEY'; the first start of the service "
                "printed one and keeps it in admin.key of its data folder"
            )
        if self.scope not in principal.scopes:
            raise NotAllowedError(
                f"this needs the scope '{self.scope}'; {principal.name} ({principal.role}) has here "
                f"{', '.join(sorted(principal.scopes)) or 'none'}"
            )


PUBLIC, READ, RUN, ADMIN = Rule(None), Rule("read"), Rule("run"), Rule("admin")
_TASKS = "/api/v1/optimize"

POLICY: Mapping[RouteName, Rule] = {
    ("GET", "/health"): PUBLIC,
    ("GET", "/ready"): PUBLIC,
    ("GET", "/openapi.json"): PUBLIC,
    ("GET", "/metrics"): READ,
    ("GET", "/api/v1/server"): READ,
    # -- tasks ----------------------------------------------------------------------------------------------
    ("POST", f"{_TASKS}/start"): RUN,
    ("GET", f"{_TASKS}/tasks"): READ,
    ("GET", f"{_TASKS}/{{task_id}}"): READ,
    ("PATCH", f"{_TASKS}/{{task_id}}"): RUN,
    ("DELETE", f"{_TASKS}/{{task_id}}"): RUN,
    ("GET", f"{_TASKS}/{{task_id}}/status"): READ,
    ("GET", f"{_TASKS}/{{task_id}}/results"): READ,
    ("GET", f"{_TASKS}/{{task_id}}/best-params"): READ,
    ("POST", f"{_TASKS}/{{task_id}}/pause"): RUN,
    ("POST", f"{_TASKS}/{{task_id}}/resume"): RUN,
    ("POST", f"{_TASKS}/{{task_id}}/clone"): RUN,
    ("POST", f"{_TASKS}/{{task_id}}/rerun"): RUN,
    ("GET", f"{_TASKS}/{{task_id}}/events"): READ,
    ("WS", "/ws/optimize/{task_id}/progress"): READ,
    ("WS", "/ws/optimize/{task_id}/results"): READ,
    ("WS", "/ws/optimize/{task_id}/convergence"): READ,
}


def rule_of(method: str, path: str) -> Rule:
    """Return the rule of a route; one without a rule is refused to everybody.

    >>> rule_of("GET", "/health").scope is None
    True
    """
    try:
        return POLICY[method, path]
    except KeyError:
        raise NotAllowedError(f"{method} {path} has no rule in the policy, so nobody may use it") from None
