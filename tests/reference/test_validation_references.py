"""The validation statistics give the published numbers."""

from __future__ import annotations

import pytest

from reference.validation_references import REFERENCES, Reference


@pytest.mark.parametrize("reference", REFERENCES, ids=[f"{r.source}: {r.claim}" for r in REFERENCES])
def test_published_number(reference: Reference) -> None:
    found = reference.compute()
    assert abs(found - reference.expected) <= reference.tolerance, f"{reference.claim}: found {found!r}"


def test_every_reference_is_named_once() -> None:
    names = [(r.claim, r.source, r.expected) for r in REFERENCES]
    assert len(set(names)) == len(names)
