"""A service with users of every role, their keys, and an object of each kind that somebody else owns."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from argon2 import profiles
from fastapi import FastAPI

from stored_searches import ONE, add, search
from strategy_optimizer.access.gate import Gate, Limits
from strategy_optimizer.access.passwords import Passwords
from strategy_optimizer.access.rate_limits import Rate
from strategy_optimizer.api.app import create_app
from strategy_optimizer.api.service import Service
from strategy_optimizer.catalogue.dataset_check import check_upload
from strategy_optimizer.service_settings import ServiceSettings
from strategy_optimizer.storage import NewSchedule, NewStrategyVersion, Store
from strategy_optimizer.storage.datasets import NewContent
from strategy_optimizer.tasks import Result

TASK = "opt_4f1c2a90b7d3e865"
"""The task of the examples."""
SUMMARY = {
    "task_id": "momentum-random-0011",
    "kind": "search",
    "recorded": "2026-01-05T12:00:00.000000+00:00",
    "interrupted": False,
    "strategy": "momentum",
    "strategy_digest": "00" * 16,
    "data": "nasdaq",
    "symbols": ["NASDAQ"],
    "first": "1999-01-04",
    "last": "2013-12-31",
    "searched_bars": 3773,
    "held_out_bars": 1258,
    "trials": 60,
    "distinct": 58,
    "held_out_looks": 1,
}
"""Of an entry of the ledger."""
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
        """Return a path with Ada's objects in it; what was deleted is there again."""
        if "{dataset_id}" in template and not self.store.datasets.all(owner="ada"):
            self.places["dataset_id"] = _dataset_of_ada(self.store)
        if "{schedule_id}" in template and not self.store.schedules.all(owner="ada"):
            self.places["schedule_id"] = _schedule_of_ada(self.store)
        if "{webhook_id}" in template and not self.store.webhooks.all(owner="ada"):
            self.places["webhook_id"] = _webhook_of_ada(self.store)
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


@cache
def _search() -> Result:
    return search("random", 60, ONE, validate=False)


def _objects_of_ada(service: Service) -> dict[str, str]:
    """Return an object of Ada for each parameter that a path may have."""
    store = service.store
    space = {
        "parameter_space": {"lookback_period": {"type": "discrete", "bounds": [10, 100]}},
        "constraints": [],
    }
    details = {"style": "compiled", "multi_symbol": False, "defaults": {"lookback_period": 20}}
    version = NewStrategyVersion("0" * 64, "Follows the trend.", space, details)
    store.strategies.save_version("momentum", "built_in", "", version)
    add(store, "ada", TASK, _search(), ONE, trials=60)
    return {
        "task_id": TASK,
        "iteration": "1",
        "key_id": service.gate.keys.create("ada", "another").record.id,
        "user_id": "ada",
        "strategy": "momentum",
        "data": "nasdaq",
        "name": "momentum",
        "dataset_id": _dataset_of_ada(store),
        "schedule_id": _schedule_of_ada(store),
        "webhook_id": _webhook_of_ada(store),
    }


def make_csv(n: int = 120) -> bytes:
    """Return bars that can be used, as CSV."""
    days = np.arange(n) + np.datetime64("2026-01-01")
    rows = (
        f"{day},{price},{price + 1},{price - 1},{price},5"
        for day, price in zip(days, range(100, 100 + n), strict=True)
    )
    return ("date,open,high,low,close,volume\n" + "\n".join(rows)).encode()


def _dataset_of_ada(store: Store) -> str:
    """Return the id of a dataset, checked in this process."""
    with tempfile.TemporaryDirectory() as folder:
        file, target = Path(folder) / "upload", Path(folder) / "bars.parquet"
        file.write_bytes(make_csv())
        request = {"file": str(file), "name": "prices", "columns": None, "repair": [], "target": str(target)}
        found, content = check_upload(request), target.read_bytes()
    sha = hashlib.sha256(content).hexdigest()
    store.datasets.put_content(
        found["digest"], NewContent(sha, len(content), lambda: [content], found["preview"])
    )
    return store.datasets.add(
        "ada", "prices", digest=found["digest"], size=len(content), details=found["details"]
    ).id


def _schedule_of_ada(store: Store) -> str:
    """Return the id of a schedule."""
    new = NewSchedule(
        "ada", "momentum", "nasdaq", "@daily", {"task": {}, "timezone": "UTC", "warm_start": True}, None
    )
    return store.schedules.add(new).id


def _webhook_of_ada(store: Store) -> str:
    """Return the id of a webhook."""
    return store.webhooks.add("ada", url="https://example.com", secret="s", events=["task.ended"]).id
