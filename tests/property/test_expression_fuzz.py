"""The same strings as `make fuzz-expressions`, fewer of them: each is refused, or computes and does nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from expression_fuzz import CORPUS, Outcome, Watch, strings, tried


@pytest.fixture(scope="module")
def watch() -> Watch:
    watch = Watch()
    for text in CORPUS:  # what is loaded when it is first used is loaded now
        tried(text, watch)
    return watch


def test_strings_are_refused_or_compute(watch: Watch) -> None:
    outcomes = {text: tried(text, watch) for text in strings(4000, 7, made=500)}
    assert {text: one.problem for text, one in outcomes.items() if one.problem} == {}
    accepted = sum(one.accepted for one in outcomes.values())
    assert 50 < accepted < len(outcomes) - 200


def test_known_escapes_are_refused(watch: Watch) -> None:
    accepted = {text for text in CORPUS if tried(text, watch).accepted}
    # Odd and harmless: arithmetic beyond what a float holds, and text over several literals.
    assert not [
        text for text in accepted if "_" in text.replace("1_000_000", "") or "." in text.replace(".0", "")
    ]
    assert len(accepted) < 40


@pytest.mark.parametrize(
    "did", [Path("/dev/null").read_bytes, lambda: __import__("colorsys"), lambda: eval("1")]
)
def test_the_watch_would_see_an_escape(did: object, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    def escape(text: str) -> bool:
        did()  # type: ignore[operator]
        return True

    monkeypatch.setattr("expression_fuzz._use", escape)
    sys.modules.pop("colorsys", None)
    outcome: Outcome = tried("a > 1", watch)
    assert outcome.problem.startswith("the interpreter did")


def test_other_eyes_would_see_what_the_parser_let_through(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("expression_fuzz._use", lambda text: True)
    for text in ("a.b > 1", "a[0]", "eval(a)", "[a]", "a ** 2", "lambda: a"):
        assert tried(text, watch).problem.startswith("accepted"), text
