"""Runs the OpenAPI document against a real service with Schemathesis: every operation, every phase, links followed.

    python benchmarks/service/fuzz_api.py --examples 300 --output benchmarks/results/service_fuzz.md
    python benchmarks/service/fuzz_api.py --examples 300 --roles admin --postgres

One user of each role asks; the administrator's run is the one that reaches every operation. A task with a result, a
waiting and a paused one, a dataset, a schedule, webhooks and keys are there, and Schemathesis knows their ids beside
those that it makes itself. Workers end before the fuzzing begins, so that what is made stays in the queue.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.service.server import Running, serving  # noqa: E402
from tests.storage_worlds import Postgres  # noqa: E402

HERE = Path(__file__).parent
PASSWORD = "correct horse battery staple"
ROLES = ("admin", "operator", "viewer")
FREE = {
    "STRATEGY_OPTIMIZER_REQUESTS_A_SECOND": "1000000",
    "STRATEGY_OPTIMIZER_TRUSTED_PROXIES": "127.0.0.1",
    "STRATEGY_OPTIMIZER_PRIVATE_WEBHOOKS": "true",
    "STRATEGY_OPTIMIZER_LOG_FORMAT": "json",
}
"""No limit of requests, and addresses as the hooks say; everything else is as a user has it."""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "ignored_auth",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=300, help="of each operation, in each phase")
    parser.add_argument("--roles", nargs="+", choices=ROLES, default=list(ROLES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgres", action="store_true", help="on a server of its own, instead of SQLite")
    parser.add_argument("--operations", help="regular expression of operation ids; all by default")
    parser.add_argument("--output", type=Path, help="a Markdown file of what came out")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, database(given.postgres) as variables:
        found = fuzz(Path(folder), variables, given)
    text = table(found, given)
    print(text)
    if given.output:
        given.output.write_text(text)
    if any(each["report"]["exit_code"] for each in found):
        sys.exit(1)


# -- the service ----------------------------------------------------------------------------------------------


@contextmanager
def database(postgres: bool) -> Iterator[dict[str, str]]:
    """Yield the variables that name a new PostgreSQL database; none for SQLite."""
    if not postgres:
        yield {}
        return
    server = Postgres()
    try:
        yield {"STRATEGY_OPTIMIZER_DATABASE_URL": server.create()}
    finally:
        server.close()


def fuzz(folder: Path, variables: Mapping[str, str], given: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the fuzzing as each role; return reports and statuses of answers."""
    data = folder / "data"
    with serving(data, "--workers", "1", variables={**FREE, **variables}) as running:
        world = prepare(running)
    found = []
    with serving(data, "--workers", "0", variables={**FREE, **variables}) as running:
        for role in given.roles:
            already = len(running.lines)
            report = run(folder, running, world, role, given)
            found.append({"role": role, "report": report, "statuses": statuses(running.lines[already:])})
    return found


@contextmanager
def asking(url: str, key: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(
        base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {key}"}, timeout=60
    ) as it:
        yield it


def prepare(running: Running) -> dict[str, Any]:
    """Make users, keys and objects; return keys, own ids by role, and values of parameters."""
    world: dict[str, Any] = {"keys": {}, "own": {}}
    with asking(running.url, running.key) as root:
        for role in ROLES:
            user = made(root.post("/users", json={"name": f"{role} who asks", "role": role}))["user_id"]
            key = made(root.post(f"/users/{user}/keys", json={"name": "fuzz"}))
            world["keys"][role], world["own"][role] = key["key"], [user, key["key_id"]]
        victim = made(root.post("/users", json={"name": "victim", "role": "operator", "password": PASSWORD}))
        world["user_id"] = [victim["user_id"]]
        world["key_id"] = [
            made(root.post(f"/users/{victim['user_id']}/keys", json={"name": "spare"}))["key_id"]
        ]
    for role in ("admin", "operator"):
        with asking(running.url, world["keys"][role]) as it:
            for name, value in objects_of(it).items():
                world.setdefault(name, []).append(value)
            wait_for_result(it, world["task_id"][-1])
            waiting = [made(it.post(f"/optimize/{world['task_id'][-1]}/rerun"))["task_id"] for _ in range(2)]
            it.post(f"/optimize/{waiting[1]}/pause")
            world["task_id"] += waiting
    return world


def objects_of(it: httpx2.Client) -> dict[str, str]:
    """Make one object of each kind."""
    rows = "\n".join(
        f"2020-{1 + d // 28:02}-{1 + d % 28:02},{10 + d % 7},{12 + d % 7},9,{11 + d % 7},5"
        for d in range(300)
    )
    csv = f"date,open,high,low,close,volume\n{rows}\n"
    task = {
        "strategy_name": "momentum",
        "optimization_type": "random",
        "optimization_config": {"n_calls": 60},
    }
    schedule = {"strategy_name": "momentum", "data": "nasdaq", "cron": "0 6 1 1 *"}
    return {
        "task_id": made(it.post("/optimize/start", json=task))["task_id"],
        "dataset_id": made(
            it.post("/datasets", params={"name": "bars"}, content=csv, headers={"Content-Type": "text/csv"})
        )["id"],
        "schedule_id": made(it.post("/schedules", json=schedule))["schedule_id"],
        "webhook_id": made(it.post("/webhooks", json={"url": "http://127.0.0.1:9/"}))["webhook_id"],
        "strategy": "momentum",
        "name": "momentum",
        "data": "nasdaq",
        "iteration": 1,
    }


def made(answer: httpx2.Response) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def wait_for_result(it: httpx2.Client, task_id: str) -> None:
    end = time.monotonic() + 600
    while (status := it.get(f"/optimize/{task_id}/status").json())["status"] != "completed":
        assert time.monotonic() < end, status
        time.sleep(0.5)


def statuses(lines: list[str]) -> Counter[int]:
    """Count the answers of a service by status, as its log tells them."""
    found: Counter[int] = Counter()
    for line in lines:
        if '"event":"request"' in line.replace(": ", ":"):
            found[json.loads(line)["status"]] += 1
    return found


# -- Schemathesis ---------------------------------------------------------------------------------------------


def settings(world: Mapping[str, Any], role: str) -> str:
    """Return the configuration: which checks, and the ids that there are."""
    names = [name for name in world if name not in ("keys", "own")]
    lines = ["[auth.openapi.key]", f'bearer = "{world["keys"][role]}"', "", "[checks]", "enabled = false"]
    lines += [f"{check}.enabled = true" for check in CHECKS]
    for name in names:
        lines += [f"[dictionaries.{name}]", f"values = {json.dumps(world[name])}"]
    lines.append("[parameters]")
    lines += [f'"path.{name}" = {{ dictionary = "{name}", probability = 0.6 }}' for name in names]
    return "\n".join(lines) + "\n"


def run(
    folder: Path, running: Running, world: Mapping[str, Any], role: str, given: argparse.Namespace
) -> dict[str, Any]:
    """Fuzz as one role; return Schemathesis's report."""
    place = folder / role
    place.mkdir()
    (place / "schemathesis.toml").write_text(settings(world, role))
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(place / "schemathesis.toml")]
    command += ["run", f"{running.url}/openapi.json", "--max-examples", str(given.examples)]
    command += [
        "--seed",
        str(given.seed),
        "--continue-on-failure",
        "--no-color",
        "--generation-database",
        "none",
    ]
    command += ["--report-json-path", str(place / "report.json"), "--suppress-health-check", "all"]
    command += ["--request-timeout", "120"]
    if given.operations:
        command += ["--include-operation-id-regex", given.operations]
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "fuzz_hooks",
        "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
        "FUZZ_OWN": " ".join(world["own"][role]),
    }
    subprocess.run(command, cwd=place, env=environment, check=False)
    report: dict[str, Any] = json.loads((place / "report.json").read_text())
    return report


# -- what came out --------------------------------------------------------------------------------------------


def table(found: list[dict[str, Any]], given: argparse.Namespace) -> str:
    """Return the report as Markdown."""
    lines = [
        "# The API under Schemathesis",
        "",
        f"`python benchmarks/service/fuzz_api.py --examples {given.examples} --seed {given.seed} "
        f"--roles {' '.join(given.roles)}{' --postgres' * given.postgres}`; "
        f"Schemathesis {found[0]['report']['schemathesis_version']}, a real service "
        f"on {'PostgreSQL' if given.postgres else 'SQLite'}, "
        "all four phases (examples, coverage, fuzzing, stateful with links).",
        "",
        f"Checks: {', '.join(CHECKS)}.",
        "",
        "| role | operations | test cases | requests | 2xx | 4xx | 5xx | unique failures | errors | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for each in found:
        report, answers = each["report"], each["statuses"]
        by_class = Counter({k: sum(n for s, n in answers.items() if s // 100 == k) for k in (2, 3, 4, 5)})
        cases = report["test_cases"]
        lines.append(
            f"| {each['role']} | {report['operations']['tested']} | {cases['generated']} | {answers.total()} "
            f"| {by_class[2]} | {by_class[4]} | {by_class[5]} | {cases['unique_failures']} "
            f"| {cases['errored']} | {report['running_time']:.0f} |"
        )
    for each in found:
        for failure in each["report"]["failures"]:
            lines.append(
                f"\n- {each['role']}: {failure['title']} ({failure['count']}): {', '.join(failure['operations'])}"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
