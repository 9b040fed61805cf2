"""The command ``serve``, as a newcomer meets it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from tests.service.server import serving

from strategy_optimizer.client import Client, Patience
from strategy_optimizer.errors import ServiceError

ONCE = Patience(retries=0)


def test_the_first_start_shows_a_key_once(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--workers", "0") as first:
        assert sum(first.key in line for line in first.lines) == 1
        assert stat.S_IMODE((tmp_path / "data/admin.key").stat().st_mode) == 0o600
        with Client(first.url, first.key, patience=ONCE) as client:
            assert client.health()["status"] == "ok"
            assert client.server()["database"] == "sqlite"
            task = client.start(strategy_name="momentum")
        for wrong in (None, "so_nothing", first.key[:-1] + ("x" if first.key[-1] != "x" else "y")):
            with Client(first.url, wrong, patience=ONCE) as client, pytest.raises(ServiceError) as caught:
                client.tasks()
            assert (caught.value.status, caught.value.kind) == (401, "not-authenticated")
        assert first.stop(signal.SIGTERM) == 0
    with serving(tmp_path / "data", "--workers", "0") as second:
        assert not any(second.key in line for line in second.lines)
        with Client(second.url, second.key, patience=ONCE) as client:
            assert client.status(task.task_id).status == "queued"
    assert not any(first.key in line for line in second.lines)


def test_it_listens_on_this_machine_only(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "0") as running:
        own = psutil.Process(running.process.pid)
        listening = [c.laddr for c in own.net_connections("inet") if c.status == psutil.CONN_LISTEN]
        assert [address.ip for address in listening] == ["127.0.0.1"]


def test_an_address_that_is_taken_is_named(tmp_path: Path) -> None:
    with serving(tmp_path / "one", "--workers", "0") as running:
        command = [sys.executable, "-m", "strategy_optimizer", "serve", "--workers", "0"]
        other = subprocess.run(
            [*command, "--port", str(running.port), "--data-dir", str(tmp_path / "two")],
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert other.returncode == 2
    # The key is made, and no later start would show it.
    assert other.stderr.count((tmp_path / "two/admin.key").read_text().strip()) == 1
    assert (
        f"error: the service cannot listen on 127.0.0.1:{running.port}; is the address taken?" in other.stderr
    )


def show(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "strategy_optimizer", "serve", "--show-settings", *options]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, **variables}
    )


def test_the_settings_in_force_are_shown_without_passwords(tmp_path: Path) -> None:
    file = tmp_path / "service.toml"
    file.write_text('port = 1\nworkers = 7\ntask_memory = 512\norigins = ["https://a"]\n')
    shown = show(
        "--settings",
        str(file),
        "--port",
        "3",
        STRATEGY_OPTIMIZER_PORT="2",
        STRATEGY_OPTIMIZER_WORKERS="5",
        STRATEGY_OPTIMIZER_DATABASE_URL="postgresql://ada:canary@host/db",
        STRATEGY_OPTIMIZER_TRUSTED_PROXIES="10.0.0.1, 10.0.0.2",
    )
    settings = json.loads(shown.stdout)
    assert (settings["port"], settings["workers"], settings["task_memory"]) == (3, 5, 512)
    assert settings["trusted_proxies"] == ["10.0.0.1", "10.0.0.2"]
    assert settings["database_url"] == "postgresql://ada:***@host/db"
    assert "canary" not in shown.stdout + shown.stderr


@pytest.mark.parametrize(
    ("options", "variables", "words"),
    [
        (["--port", "99999"], {}, "--port: input should be less than or equal to 65535"),
        (
            [],
            {"STRATEGY_OPTIMIZER_WORKERS": "many"},
            "STRATEGY_OPTIMIZER_WORKERS: input should be a valid integer",
        ),
        (["--log-level", "loud"], {}, "--log-level: input should be 'debug', 'info', 'warning' or 'error'"),
        (["--settings", "no.toml"], {}, "the settings file no.toml cannot be read"),
        (
            [],
            {"STRATEGY_OPTIMIZER_PROT": "9000"},
            "STRATEGY_OPTIMIZER_PROT: there is no such setting; did you mean 'STRATEGY_OPTIMIZER_PORT'?",
        ),
        (
            [],
            {"STRATEGY_OPTIMIZER_DATABASE_URL": "host canary"},
            "STRATEGY_OPTIMIZER_DATABASE_URL: value error, it is no address of a database; expected postgresql://",
        ),
        (
            [],
            {"STRATEGY_OPTIMIZER_DATABASE_URL": "postgresql://ada:one@canary@host/db"},
            "are written as %40 %3A %2F",
        ),
    ],
)
def test_a_wrong_setting_is_named(options: list[str], variables: dict[str, str], words: str) -> None:
    shown = show(*options, **variables)
    assert shown.returncode == 2
    assert words in shown.stderr
    assert "canary" not in shown.stderr


def test_a_wrong_setting_is_named_where_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "service.toml"
    file.write_text("port = 1\n")
    shown = show("--settings", str(file), STRATEGY_OPTIMIZER_PORT="many")
    assert shown.stderr.startswith("error: STRATEGY_OPTIMIZER_PORT: input should be a valid integer")


def test_variables_of_others_are_left_alone() -> None:
    shown = show(
        STRATEGY_OPTIMIZER_SERVICE_HOST="10.0.0.1",
        STRATEGY_OPTIMIZER_PORT_80_TCP="tcp://10.0.0.1:80",
        STRATEGY_OPTIMIZER_WORKER="1-2",
        STRATEGY_OPTIMIZER_ENGINE_KEY="x",
    )
    assert shown.returncode == 0, shown.stderr


def test_no_password_of_an_address_is_shown() -> None:
    address = "postgresql://ada:canary@host/db?password=canary&sslpassword=canary&sslmode=require"
    shown = show(STRATEGY_OPTIMIZER_DATABASE_URL=address)
    assert "canary" not in shown.stdout + shown.stderr
    assert "sslmode=require" in json.loads(shown.stdout)["database_url"]


def test_an_unknown_setting_in_the_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "service.toml"
    file.write_text("prot = 1\n")
    assert f"prot in {file}: extra inputs are not permitted" in show("--settings", str(file)).stderr


def test_log_lines_say_of_which_request_and_of_which_task_they_are(tmp_path: Path) -> None:
    with serving(tmp_path, "--log-format", "json") as running, Client(running.url, running.key) as client:
        config = {"optimization_type": "random", "optimization_config": {"budget": 5}}
        task = client.start(strategy_name="momentum", **config).task_id
        client.wait(task)
        client.status(task)
    lines = [json.loads(line) for line in running.lines if line.startswith("{")]
    asked = [line for line in lines if line["event"] == "request" and line.get("task_id") == task]
    assert {line["path"].removeprefix("/api/v1/optimize") for line in asked} >= {"/start", f"/{task}/status"}
    assert all(line["request_id"] for line in asked)
    worker = [line for line in lines if line["logger"] == "strategy_optimizer.worker"]
    about = [line["event"] for line in worker if line.get("task_id") == task]
    assert about == [line["event"] for line in worker if task in line["event"]]
    assert about[0] == f"{task}: begins, lease 1"
    assert not any(running.key in line for line in running.lines if line.startswith("{"))
