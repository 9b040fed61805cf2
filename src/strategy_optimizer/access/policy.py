"""What each route and socket needs: one table, and what is not in it is refused.

The service does not start while one of its routes has no line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from strategy_optimizer.access.principal import Principal, Scope, in_order
from strategy_optimizer.errors import NotAllowedError, NotAuthenticatedError

SOCKET = "WS"
RouteName = tuple[str, str]
"""Method (``WS`` for sockets) and path template."""


@dataclass(frozen=True)
class Rule:
    """What a caller needs: a scope, or nothing at all (None: anybody).

    Attributes
    ----------
    scope : {"read", "run", "admin"} or None
    action : str
        What the audit log calls it; empty for what changes nothing.
    """

    scope: Scope | None
    action: str = ""

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
        if not principal.may(self.scope):
            raise NotAllowedError(
                f"this needs the scope '{self.scope}'; {principal.name} ({principal.role}) has here "
                f"{', '.join(in_order(principal.scopes)) or 'none'}"
            )


PUBLIC, READ, ADMIN = Rule(None), Rule("read"), Rule("admin")
_TASKS, _TASK = "/api/v1/optimize", "/api/v1/optimize/{task_id}"
_ENGINE = "/api/v1/engines/{strategy}/{data}"
_SCHEDULES, _WEBHOOKS = "/api/v1/schedules", "/api/v1/webhooks"
_DATASETS, _DATASET = "/api/v1/datasets", "/api/v1/datasets/{dataset_id}"
_USERS, _USER = "/api/v1/users", "/api/v1/users/{user_id}"


def _run(action: str) -> Rule:
    return Rule("run", action)


def _admin(action: str) -> Rule:
    return Rule("admin", action)


def _own(action: str) -> Rule:
    """Return the rule of what everybody may do to what is their own."""
    return Rule("read", action)


# Objects have owners beside: other people's are 404, which the routes ask the store for (`Principal.owner`).
POLICY: Mapping[RouteName, Rule] = {
    # -- the service ----------------------------------------------------------------------------------------
    ("GET", "/health"): PUBLIC,
    ("GET", "/ready"): PUBLIC,
    ("GET", "/openapi.json"): PUBLIC,
    ("GET", "/metrics"): READ,
    ("GET", "/api/v1/server"): READ,
    # -- tasks ----------------------------------------------------------------------------------------------
    ("POST", f"{_TASKS}/start"): _run("task.create"),
    ("GET", f"{_TASKS}/tasks"): READ,
    ("GET", _TASK): READ,
    ("PATCH", _TASK): _run("task.change"),
    ("DELETE", _TASK): _run("task.cancel"),
    ("GET", f"{_TASK}/status"): READ,
    ("GET", f"{_TASK}/results"): READ,
    ("GET", f"{_TASK}/best-params"): READ,
    ("POST", f"{_TASK}/pause"): _run("task.pause"),
    ("POST", f"{_TASK}/resume"): _run("task.resume"),
    ("POST", f"{_TASK}/clone"): _run("task.create"),
    ("POST", f"{_TASK}/rerun"): _run("task.create"),
    ("GET", f"{_TASK}/history"): READ,
    ("GET", f"{_TASK}/history/{{iteration}}"): READ,
    ("GET", f"{_TASK}/convergence"): READ,
    ("GET", f"{_TASK}/export"): READ,
    ("GET", f"{_TASK}/events"): READ,
    ("GET", f"{_TASK}/validation"): READ,
    ("GET", f"{_TASK}/analysis"): READ,
    ("POST", f"{_TASK}/prediction"): READ,
    ("GET", f"{_TASK}/report"): READ,
    ("POST", f"{_TASKS}/compare"): READ,
    ("POST", f"{_TASKS}/parameter-space"): _run("space.create"),
    ("GET", f"{_TASKS}/parameter-space/{{strategy}}"): READ,
    ("PUT", f"{_TASKS}/parameter-space/{{strategy}}"): _run("space.change"),
    ("DELETE", f"{_TASKS}/parameter-space/{{strategy}}"): _run("space.remove"),
    ("WS", "/ws/optimize/{task_id}/progress"): READ,
    ("WS", "/ws/optimize/{task_id}/results"): READ,
    ("WS", "/ws/optimize/{task_id}/convergence"): READ,
    # -- one backtest at a time -----------------------------------------------------------------------------
    ("GET", f"{_ENGINE}/health"): READ,
    ("POST", f"{_ENGINE}/backtests"): Rule("run"),
    # -- again and again, and telling others ------------------------------------------------------------------
    ("GET", _SCHEDULES): READ,
    ("POST", _SCHEDULES): _run("schedule.create"),
    ("GET", f"{_SCHEDULES}/{{schedule_id}}"): READ,
    ("PATCH", f"{_SCHEDULES}/{{schedule_id}}"): _run("schedule.change"),
    ("DELETE", f"{_SCHEDULES}/{{schedule_id}}"): _run("schedule.remove"),
    ("POST", f"{_SCHEDULES}/{{schedule_id}}/run"): _run("task.create"),
    ("GET", _WEBHOOKS): READ,
    ("POST", _WEBHOOKS): _run("webhook.create"),
    ("GET", f"{_WEBHOOKS}/{{webhook_id}}"): READ,
    ("PATCH", f"{_WEBHOOKS}/{{webhook_id}}"): _run("webhook.change"),
    ("DELETE", f"{_WEBHOOKS}/{{webhook_id}}"): _run("webhook.remove"),
    ("GET", f"{_WEBHOOKS}/{{webhook_id}}/deliveries"): READ,
    # -- what earlier tasks tried ---------------------------------------------------------------------------
    ("GET", "/api/v1/ledger"): READ,
    ("DELETE", "/api/v1/ledger"): _run("ledger.reset"),
    # -- strategies and datasets ----------------------------------------------------------------------------
    ("GET", "/api/v1/strategies"): READ,
    ("GET", "/api/v1/strategies/{name}"): READ,
    ("GET", "/api/v1/strategies/{name}/versions"): READ,
    ("GET", _DATASETS): READ,
    ("POST", _DATASETS): _run("dataset.create"),
    ("GET", _DATASET): READ,
    ("GET", f"{_DATASET}/preview"): READ,
    ("PATCH", _DATASET): _run("dataset.rename"),
    ("DELETE", _DATASET): _run("dataset.remove"),
    # -- oneself --------------------------------------------------------------------------------------------
    ("POST", "/api/v1/sessions"): Rule(None, "session.begin"),
    ("DELETE", "/api/v1/sessions/current"): _own("session.end"),
    ("GET", "/api/v1/me"): READ,
    ("PUT", "/api/v1/me/password"): _own("password.change"),
    ("GET", "/api/v1/keys"): READ,
    ("POST", "/api/v1/keys"): _own("key.create"),
    ("DELETE", "/api/v1/keys/{key_id}"): _own("key.revoke"),
    ("POST", "/api/v1/ws-tickets"): READ,
    # -- others ---------------------------------------------------------------------------------------------
    ("GET", _USERS): ADMIN,
    ("POST", _USERS): _admin("user.create"),
    ("GET", _USER): ADMIN,
    ("PATCH", _USER): _admin("user.change"),
    ("PUT", f"{_USER}/password"): _admin("password.set"),
    ("GET", f"{_USER}/keys"): ADMIN,
    ("POST", f"{_USER}/keys"): _admin("key.create"),
    ("GET", f"{_USER}/quota"): ADMIN,
    ("PUT", f"{_USER}/quota"): _admin("quota.set"),
    ("GET", "/api/v1/audit"): ADMIN,
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
