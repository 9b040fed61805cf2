"""The validation statistics give the published numbers."""

from __future__ import annotations

import pytest

from reference.evidence import PAGE, written
from reference.validation_references import REFERENCES, Reference


@pytest.mark.parametrize("reference", REFERENCES, ids=[f"{r.source}: {r.claim}" for r in REFERENCES])
def test_published_number(reference: Reference) -> None:
    found = reference.compute()
    assert abs(found - reference.expected) <= reference.tolerance, f"{reference.claim}: found {found!r}"


def test_the_evidence_page_lists_them_all() -> None:
    rows = [line.split(" | ") for line in written(PAGE.read_text(encoding="utf-8"))]
    assert len(rows) == len(REFERENCES)
    for cells, reference in zip(rows, REFERENCES, strict=True):
        assert cells[0] == f"| {reference.claim}", "`make evidence` writes it anew"
        assert cells[1] == reference.source
        assert abs(float(cells[2]) - reference.expected) <= 1e-9 * max(1.0, abs(reference.expected))
        assert abs(float(cells[4].rstrip(" |")) - reference.expected) <= reference.tolerance + 1e-11


def test_every_reference_is_named_once() -> None:
    names = [(r.claim, r.source, r.expected) for r in REFERENCES]
    assert len(set(names)) == len(names)
