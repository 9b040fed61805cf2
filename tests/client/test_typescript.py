"""The committed OpenAPI document, which the TypeScript client is made from, is the one of these routes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from strategy_optimizer.api import description, document
from strategy_optimizer.api.app import ROUTERS
from strategy_optimizer.api.description import MADE, operations

FOLDER = Path(__file__).parents[2] / "clients" / "typescript"


def test_the_document_is_current() -> None:
    kept = (FOLDER / "openapi.json").read_text(encoding="utf-8")
    assert kept == document.text(), "make client-ts writes it and the types anew"


def test_the_command_prints_it() -> None:
    command = [sys.executable, "-m", "strategy_optimizer.api.document"]
    printed = subprocess.run(command, capture_output=True, check=True, timeout=120).stdout
    assert printed == (FOLDER / "openapi.json").read_bytes()


def test_the_types_have_every_operation_and_model() -> None:
    types = (FOLDER / "src" / "schema.ts").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(document.text())
    names = [operation["operationId"] for _, _, operation in operations(found)]
    assert len(names) == len(set(names)) > 60
    assert MADE.keys() <= set(names)
    for name in [*names, *found["components"]["schemas"]]:
        assert f"readonly {name}: " in types or f"        {name}: " in types, name


def test_every_problem_is_described_and_every_body_has_an_example() -> None:
    found: dict[str, Any] = json.loads(document.text())
    schemas = found["components"]["schemas"]
    for method, path, operation in operations(found):
        for status, response in operation["responses"].items():
            assert not status.endswith("XX"), (method, path)
            if status >= "400" and (path, status) != ("/ready", "503"):
                named = found["components"]["responses"].get(response.get("$ref", "").rsplit("/", 1)[-1])
                assert "application/problem+json" in (named or response)["content"], (method, path, status)
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body is not None:
            assert schemas[body["schema"]["$ref"].rsplit("/", 1)[1]]["examples"], (method, path)


def test_every_answer_has_an_example_that_is_one() -> None:
    found: dict[str, Any] = json.loads(document.text())
    schemas, used = found["components"]["schemas"], set()
    for method, path, operation in operations(found):
        for status, response in operation["responses"].items():
            for kind, content in response.get("content", {}).items():
                schema = content.get("schema", {})
                if not status.startswith("2") or schema.get("format") == "binary":
                    continue  # a Parquet file has no text
                name = schema.get("$ref", "").rsplit("/", 1)[-1]
                shown = [content["example"]] if "example" in content else schemas[name].get("examples")
                assert shown, (method, path, status, kind)
                used.add(name)
    assert set(description.examples()) <= used, "the example of a model that nothing answers with"


def test_recorded_examples_are_of_their_models() -> None:
    models = {
        model.__name__: model
        for router in ROUTERS
        for route in router.routes
        if isinstance(model := getattr(route, "response_model", None), type)
    }
    for name, example in description.examples().items():
        models[name].model_validate_json(json.dumps(example))


def test_the_lock_names_no_registry() -> None:
    assert '"resolved"' not in (FOLDER / "package-lock.json").read_text(encoding="utf-8")
