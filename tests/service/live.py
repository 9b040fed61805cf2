"""Fixtures: a real service with one worker, for all tests of a file, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.service.server import Running, serving

from strategy_optimizer.client import Client, Patience

PATIENT = Patience(timeout=120.0)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("live") / "data", "--workers", "1") as running:
        yield running


@pytest.fixture
def client(service: Running) -> Iterator[Client]:
    with Client(service.url, service.key, patience=PATIENT) as client:
        yield client
