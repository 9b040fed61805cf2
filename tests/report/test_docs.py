"""docs/report.md is true: its examples run, and it names every section."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

import pytest

from strategy_optimizer.report.page import html_page

PAGE = Path(__file__).parents[2] / "docs" / "report.md"


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testfile(str(PAGE), module_relative=False)
    assert tried == 4
    assert failed == 0


def test_every_section_is_named(data: dict[str, Any]) -> None:
    text, page = PAGE.read_text(encoding="utf-8"), html_page(data)
    for title in page.split("<h2>")[1:]:
        assert title.split("</h2>")[0].removesuffix(" of the parameters") in text
