"""The command `demo`, and what it says of a result."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strategy_optimizer import optimize
from strategy_optimizer.cli import demo
from strategy_optimizer.tasks import Performance, SearchLoop


def test_the_demo(call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "EVALUATIONS", 200)
    outcome = call("demo")
    assert outcome.code == 0
    assert "momentum on nasdaq" in outcome.out
    assert "In plain words" in outcome.out
    assert "Of 200 parameter sets" in " ".join(outcome.out.split())
    assert "\n  strategy-optimizer optimize " in outcome.out
    assert all(len(line) <= 80 for line in outcome.out.splitlines() if not line.startswith("trials"))


def test_an_interrupted_demo_says_so(call, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop_soon(loop: SearchLoop) -> str | None:
        return "interrupted" if len(loop.history) >= 500 else None

    monkeypatch.setattr(SearchLoop, "_reason_to_stop", stop_soon)
    outcome = call("demo")
    assert outcome.code == 130
    assert "cut short" in outcome.out


@pytest.mark.parametrize(
    ("decision", "words"),
    [("deploy", "deploy it"), ("paper", "not proven"), ("reject", "No edge was found")],
)
def test_plain_words_follow_the_verdict(decision: str, words: str) -> None:
    result = optimize("momentum", "nasdaq", evaluations=20)
    verdict = replace(result.verdict, decision=decision)
    changed = replace(result, validation=replace(result.validation, verdict=verdict))
    assert words in demo.plain_words(changed)[-1]


@pytest.mark.parametrize(("annual", "words"), [(0.2, "It beat holding"), (0.1, "It did not beat holding")])
def test_without_a_verdict_holding_is_the_measure(annual: float, words: str) -> None:
    result = optimize("momentum", "nasdaq", evaluations=20, validate=False)
    mine, held = ({"annual_return": value, "sharpe_ratio": value} for value in (annual, 0.15))
    changed = replace(
        result,
        best=Performance(result.best.in_sample, mine),
        buy_and_hold=Performance(result.buy_and_hold.in_sample, held),
    )
    assert words in demo.plain_words(changed)[-1]
