"""A service with users of every role, their keys, and an object of each kind that somebody else owns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from argon2 import profiles
from fastapi import FastAPI
from fastapi.testclient import TestClient

from strategy_optimizer.access.gate import Gate, Limits
from strategy_optimizer.access.passwords import Passwords
from strategy_optimizer.access.rate_limits import Rate
from strategy_optimizer.api.app import create_app
from strategy_optimizer.api.service import Service
from strategy_optimizer.service_settings import ServiceSettings
from strategy_optimizer.storage import NewSchedule, NewTask, Store

PASSWORD = "correct horse battery staple"
_FAST = Rate(1e9, at_once=10**9)
UNLIMITED = Limits(_FAST, _FAST, bad_keys=10**6, bad_sessions=10**6, bad_passwords=10**6)
USERS = {"ada": "operator", "ben": "operator", "viv": "viewer", "root": "admin", "boss": "admin"}
"""Ada owns what the tests ask for, Ben is somebody else, boss is there so that root is not the last admin."""


@dataclass(frozen=True)
class Prepared:
    """A store to be copied, and what is in it."""

    path: Path
    keys: dict[str, str]
    places: dict[str, str]


@dataclass
class World:
    """The app and what is needed to ask it.

    Attributes
    ----------
    keys : dict
        A key of each user.
    places : dict
        What path parameters are filled with: objects of Ada.
    """

    app: FastAPI
    service: Service
    store: Store
    keys: dict[str, str]
    places: dict[str, str]

    def headers(self, name: str | None) -> dict[str, str]:
        """Return the headers of somebody; nobody shows nothing."""
        return {} if name is None else {"Authorization": f"Bearer {self.keys[name]}"}

    def path(self, template: str) -> str:
        """Return a path with Ada's objects in it."""
        return template.format(**self.places)


def prepare_store(path: Path) -> Prepared:
    """Make a store with the users, their keys, and objects of Ada."""
    with Store(path) as store:
        store.upgrade()
        for name, role in USERS.items():
            store.accounts.add_user(name, role, user_id=name)
        service = Service(store, ServiceSettings(data_dir=path.parent))
        keys = {name: service.gate.keys.create(name, "test").text for name in USERS}
        places = _objects_of_ada(service) | {"dataset_id": _upload(service, keys["ada"])}
    return Prepared(path, keys, places)


def make_world(prepared: Prepared, store: Store, folder: Path, limits: Limits = UNLIMITED) -> World:
    """Return a service over a copy of the prepared store; its passwords are checked at once."""
    gate = Gate(store, limits=limits, passwords=Passwords(profiles.CHEAPEST))
    service = Service(store, ServiceSettings(data_dir=folder), gate=gate)
    return World(create_app(service), service, store, prepared.keys, prepared.places)


def _objects_of_ada(service: Service) -> dict[str, str]:
    """Return an object of Ada for each parameter that a path may have."""
    store = service.store
    document = {"task": {"strategy_name": "momentum", "optimization_config": {"n_calls": 10}}}
    schedule = NewSchedule("ada", "momentum", "nasdaq", "0 6 * * *", document, None)
    hook = store.webhooks.add("ada", url="https://example.com/hook", secret="x", events=["task.ended"])
    return {
        "task_id": store.tasks.create(NewTask("ada", "momentum", document)).task.id,
        "key_id": service.gate.keys.create("ada", "another").record.id,
        "schedule_id": store.schedules.add(schedule).id,
        "webhook_id": hook.id,
        "user_id": "ada",
        "strategy": "momentum",
        "name": "momentum",
        "iteration": "1",
    }


def _upload(service: Service, key: str) -> str:
    lines = [f"2024-01-{day:02},{day + 100.5}" for day in range(1, 29)]
    content = "\n".join(["timestamp,close", *lines]).encode()
    with TestClient(create_app(service)) as client:
        answer = client.post(
            "/api/v1/datasets",
            params={"name": "prices", "repair": "close_only"},
            headers={"Authorization": f"Bearer {key}"},
            files={"file": ("prices.csv", content)},
        )
    assert answer.status_code == 201, answer.text
    made: str = answer.json()["id"]
    return made
