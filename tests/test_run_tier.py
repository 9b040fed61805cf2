"""The page with the last run of each tier keeps the lines of the others."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture
def run_tier(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("run_tier", Path(__file__).with_name("run_tier.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "PAGE", tmp_path / "engine-tiers.md")
    return module


def rows(page):
    return [line for line in page.read_text().splitlines() if line.startswith("| ")][1:]


def test_each_tier_has_its_last_line(run_tier):
    run_tier.write("ray", ["failed"])
    run_tier.write("nautilus", ["passed"])
    run_tier.write("ray", ["passed"])
    assert run_tier.PAGE.read_text().startswith(run_tier.HEAD)
    assert rows(run_tier.PAGE) == ["| nautilus | passed |", "| ray | passed |"]


def test_lines_outlive_a_change_of_the_text_above_them(run_tier):
    run_tier.PAGE.write_text("# Shorter\n\n| tier | outcome |\n|---|---|\n| freqtrade | passed |\n")
    run_tier.write("ray", ["passed"])
    assert rows(run_tier.PAGE) == ["| freqtrade | passed |", "| ray | passed |"]
