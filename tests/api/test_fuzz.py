"""Every operation under Schemathesis, in this process; `make fuzz-api` asks a real service far more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_schema_conformance,
    status_code_conformance,
)
from tests.api.worlds import World, make_world

from strategy_optimizer.api.app import bare_app
from strategy_optimizer.api.description import COMPUTED, describe
from strategy_optimizer.storage import Store

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    ignored_auth,
]
OWN = ("change_user", "revoke_key")
"""They could end the access that the test works with. What child processes compute is left to `make fuzz-api` too."""


SCHEMA = schemathesis.openapi.from_dict(describe(bare_app())).exclude(operation_id=[*COMPUTED, *OWN])
SCHEMA.config.phases.coverage.enabled = False  # hundreds of cases of each operation: `make fuzz-api` has them
BASE = "http://testserver"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An app where Ada has an object of each kind; root asks."""
    folder = tmp_path_factory.mktemp("fuzz")
    with Store(folder / "store.db") as store:
        store.upgrade()
        yield make_world(store, folder, private_webhooks=True)


@SCHEMA.parametrize()
@settings(
    max_examples=15,
    phases=(Phase.explicit, Phase.generate),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_every_operation_keeps_to_its_description(case: Case, world: World) -> None:
    if case.path.endswith("/events"):
        case.query.pop("wait", None)  # nothing happens that it could wait for
    if case.meta is None or case.meta.generation.mode is GenerationMode.POSITIVE:
        known = {name: world.places.get(name, value) for name, value in case.path_parameters.items()}
        case.path_parameters = known
    case.operation.schema.app = case.operation.app = world.app
    case.call_and_validate(base_url=BASE, headers=world.headers("root"), checks=CHECKS)
