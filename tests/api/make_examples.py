"""Records the answers that the OpenAPI document shows as examples, from a real service: ``make api-examples``.

Lists are cut to two items, and what differs from machine to machine is given a plain value.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from tests.api.worlds import TASK, make_csv  # noqa: E402
from tests.service.server import serving  # noqa: E402

from strategy_optimizer.client import Client  # noqa: E402

FILE = ROOT / "src" / "strategy_optimizer" / "api" / "examples.json"
MOST = 2
HOOK = "http://127.0.0.1:9/hook"


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder) / "data", "--workers", "1", variables=_VARIABLES) as service,
        Client(service.url, service.key) as client,
        httpx2.Client(
            base_url=service.url, headers={"Authorization": f"Bearer {service.key}"}, timeout=150
        ) as http,
    ):
        _fill(client, Path(folder))
        found = {name: _ask(http, *request) for name, request in _requests(client).items()}
    text = json.dumps(_cut(found), indent=1, sort_keys=True, ensure_ascii=False)
    text = text.replace(folder, "/home/ada").replace(HOOK, "https://example.com/hook")
    FILE.write_text(text + "\n", encoding="utf-8")


_VARIABLES = {"STRATEGY_OPTIMIZER_PRIVATE_WEBHOOKS": "true"}


def _fill(client: Client, folder: Path) -> None:
    """Make one of everything that is listed."""
    config = {"optimization_type": "random", "optimization_config": {"n_calls": 60}}
    client.add_webhook(HOOK)
    for task_id in (TASK, "opt_9b1d03c5f2e84a67"):
        client.start(strategy_name="momentum", data="nasdaq", task_id=task_id, **config)
        client.wait(task_id)
    (folder / "bars.csv").write_bytes(make_csv(60))
    client.upload(folder / "bars.csv", "prices")
    client.schedule(strategy_name="momentum", data="prices", cron="30 6 * * 1", task=config)


def _requests(client: Client) -> dict[str, tuple[Any, ...]]:
    """Return what is asked for the example of each model."""
    task, engine = f"/api/v1/optimize/{TASK}", "/api/v1/engines/momentum/nasdaq"
    hook, schedule = client.webhooks()[0].webhook_id, client.schedules()[0].schedule_id
    return {
        "HealthOut": ("GET", "/health"),
        "ReadyOut": ("GET", "/ready"),
        "ServerOut": ("GET", "/api/v1/server"),
        "SpaceOut": ("GET", "/api/v1/optimize/parameter-space/momentum"),
        "TaskPageOut": ("GET", "/api/v1/optimize/tasks"),
        "ResultModel": ("GET", f"{task}/results"),
        "BestParametersOut": ("GET", f"{task}/best-params"),
        "ValidationModel": ("GET", f"{task}/validation"),
        "AnalysisOut": ("GET", f"{task}/analysis"),
        "CompareOut": ("POST", "/api/v1/optimize/compare", {"tasks": [TASK, "opt_9b1d03c5f2e84a67"]}),
        "EngineHealthOut": ("GET", f"{engine}/health"),
        "BacktestOut": (
            "POST",
            f"{engine}/backtests",
            {"version": 1, "parameters": {"lookback_period": 50}, "window": [0.0, 0.75]},
        ),
        "ScheduleOut": ("GET", f"/api/v1/schedules/{schedule}"),
        "SchedulesOut": ("GET", "/api/v1/schedules"),
        "NewWebhookOut": ("POST", "/api/v1/webhooks", {"url": HOOK, "events": ["task.ended", "verdict"]}),
        "WebhookOut": ("GET", f"/api/v1/webhooks/{hook}"),
        "WebhooksOut": ("GET", "/api/v1/webhooks"),
        "DeliveriesOut": ("GET", f"/api/v1/webhooks/{hook}/deliveries"),
        "StrategiesOut": ("GET", "/api/v1/strategies"),
        "StrategyVersionsOut": ("GET", "/api/v1/strategies/momentum/versions"),
        "DatasetsOut": ("GET", "/api/v1/datasets"),
        "PreviewOut": ("GET", "/api/v1/datasets/prices/preview"),
        "KeysOut": ("GET", "/api/v1/keys"),
        "UsersOut": ("GET", "/api/v1/users"),
        "AuditPageOut": ("GET", "/api/v1/audit"),
    }


def _ask(http: httpx2.Client, method: str, path: str, body: Any = None) -> Any:
    answer = http.request(method, path, json=body)
    if not answer.is_success:
        raise SystemExit(f"{method} {path}: {answer.status_code} {answer.text}")
    return answer.json()


def _cut(value: Any, name: str = "") -> Any:
    """Return a value with short lists; a secret is one no more."""
    if isinstance(value, dict):
        return {key: _cut(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_cut(each) for each in value[:MOST]]
    return "the-secret-that-signs-what-is-sent" if name == "secret" else value


if __name__ == "__main__":
    main()
