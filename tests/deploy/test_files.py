"""What a deployment starts from: the files agree with the program, and keep its promises."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from strategy_optimizer.cli.service_options import ServeOptions, WorkerOptions
from strategy_optimizer.service_settings import PREFIX, ServiceSettings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
KUBERNETES = yaml.safe_load((ROOT / "deploy/kubernetes/strategy-optimizer.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def commands() -> list[list[str]]:
    found = [service["command"] for service in COMPOSE["services"].values() if "command" in service]
    for item in KUBERNETES["items"]:
        if item["kind"] == "Deployment":
            found += [container["args"] for container in item["spec"]["template"]["spec"]["containers"]]
    (default,) = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    found.append(yaml.safe_load(default))
    return [command for command in found if command[0] == "strategy-optimizer"]


def variables() -> set[str]:
    text = DOCKERFILE + (ROOT / "compose.yaml").read_text() + yaml.safe_dump(KUBERNETES)
    return set(re.findall(rf"{PREFIX}[A-Z_]+", text))


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_the_commands_are_those_of_the_program(command: list[str]) -> None:
    assert command[1] in ("serve", "worker")
    if command[1] == "serve":
        options = {f"--{name.replace('_', '-')}" for name in ServeOptions.__dataclass_fields__}
        assert {word for word in command if word.startswith("--")} <= options


def test_the_worker_on_ray_is_a_node_of_the_cluster_that_it_uses() -> None:
    head, worker = COMPOSE["services"]["ray"], COMPOSE["services"]["worker-on-ray"]
    (port,) = [word.partition("=")[2] for word in head["command"] if word.startswith("--port=")]
    join, work = worker["command"][2].split(" && exec ")
    assert join.split()[:4] == ["ray", "start", f"--address=ray:{port}", "--num-cpus=0"]
    words = work.split()
    assert words[:2] == ["strategy-optimizer", "worker"]
    options = {f"--{name.replace('_', '-')}" for name in WorkerOptions.__dataclass_fields__}
    assert {word for word in words if word.startswith("--")} <= options
    assert words[words.index("--ray-address") + 1] == f"ray:{port}"
    assert head["environment"].items() <= worker["environment"].items()
    assert COMPOSE["x-program"]["environment"].items() <= worker["environment"].items()


def test_the_variables_are_settings() -> None:
    known = {PREFIX + name.upper() for name in ServiceSettings.model_fields} | {f"{PREFIX}CACHE"}
    assert variables() <= known


def test_kubernetes_sets_no_variable_of_ours_by_itself() -> None:
    """It would, for each Service that the pods may see: of ours STRATEGY_OPTIMIZER_PORT=tcp://10.0.0.1:80."""
    names = [item["metadata"]["name"] for item in KUBERNETES["items"] if item["kind"] == "Service"]
    assert any(f"{name.upper().replace('-', '_')}_PORT" == f"{PREFIX}PORT" for name in names)
    pods = [item["spec"]["template"]["spec"] for item in KUBERNETES["items"] if item["kind"] == "Deployment"]
    assert [pod["enableServiceLinks"] for pod in pods] == [False, False]


def test_compiled_code_is_kept_where_the_image_can_be_written() -> None:
    """Without such a place Numba refuses to compile what is to be kept, and no worker starts."""
    (place,) = re.findall(r"NUMBA_CACHE_DIR=(\S+)", DOCKERFILE)
    assert Path(place).is_relative_to("/data")
    assert re.search(r"^VOLUME /data$", DOCKERFILE, re.MULTILINE)


def test_nothing_runs_as_root_or_can_become_it() -> None:
    user = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
    assert user == ["10001:10001"]
    for name, service in COMPOSE["services"].items():
        if name != "database":
            assert service["cap_drop"] == ["ALL"]
            assert service["read_only"] is True
    for item in KUBERNETES["items"]:
        if item["kind"] == "Deployment":
            pod = item["spec"]["template"]["spec"]
            assert pod["securityContext"]["runAsNonRoot"] is True
            for container in pod["containers"]:
                assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_only_the_service_is_published_and_only_to_this_machine() -> None:
    published = {
        name: service["ports"] for name, service in COMPOSE["services"].items() if "ports" in service
    }
    assert published == {"service": ["127.0.0.1:8000:8000"]}


def test_no_password_is_written_down() -> None:
    def words(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for each in value.values() for text in words(each)]
        return [str(value)]

    for service in COMPOSE["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|URL", name):
                assert all("${" in text for text in words(value)), name


def test_the_image_is_built_from_the_lock() -> None:
    assert "--require-hashes" in DOCKERFILE
    locked = (ROOT / "requirements/image.txt").read_text()
    assert re.search(r"^psycopg==", locked, re.MULTILINE)
    version = re.search(r"^ray==(\d+)\.(\d+)", locked, re.MULTILINE)
    assert version is not None
    assert (int(version[1]), int(version[2])) >= (2, 54)
