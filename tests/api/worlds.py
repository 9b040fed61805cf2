"""A service with users of every role, their keys, and an object of each kind that somebody else owns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argon2 import profiles
from fastapi import FastAPI

from strategy_optimizer.access.gate import Gate, Limits
from strategy_optimizer.access.passwords import Passwords
from strategy_optimizer.access.rate_limits import Rate
from strategy_optimizer.api.app import create_app
from strategy_optimizer.api.service import Service
from strategy_optimizer.service_settings import ServiceSettings
from strategy_optimizer.storage import NewTask, Store

PASSWORD = "correct horse battery staple"
_FAST = Rate(1e9, at_once=10**9)
UNLIMITED = Limits(_FAST, _FAST, bad_keys=10**6, bad_sessions=10**6, bad_passwords=10**6)
USERS = {"ada": "operator", "ben": "operator", "viv": "viewer", "root": "admin", "boss": "admin"}
"""Ada owns what the tests ask for, Ben is somebody else, boss is there so that root is not the last admin."""


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


def make_world(store: Store, folder: Path, limits: Limits = UNLIMITED, **settings: Any) -> World:
    """Return a service over a store that has no user yet; its passwords are checked at once."""
    for name, role in USERS.items():
        store.accounts.add_user(name, role, user_id=name)
    gate = Gate(store, limits=limits, passwords=Passwords(profiles.CHEAPEST))
    service = Service(store, ServiceSettings(data_dir=folder, **settings), gate=gate)
    return World(create_app(service), service, store, _keys(service), _objects_of_ada(service))


def _keys(service: Service) -> dict[str, str]:
    return {name: service.gate.keys.create(name, "test").text for name in USERS}


def _objects_of_ada(service: Service) -> dict[str, str]:
    """Return an object of Ada for each parameter that a path may have."""
    store = service.store
    document = {"task": {"strategy_name": "momentum", "optimization_config": {"n_calls": 10}}}
    return {
        "task_id": store.tasks.create(NewTask("ada", "momentum", document)).task.id,
        "key_id": service.gate.keys.create("ada", "another").record.id,
        "user_id": "ada",
        "strategy": "momentum",
    }
