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
    ("returns", "sharpes", "verdict"),
    [
        ((0.2, 0.1), (1.0, 0.5), "It beat holding there"),
        ((0.2, 0.1), (0.4, 0.5), "That is no edge"),
        ((0.1, 0.2), (0.6, 0.5), "That is no edge"),
        ((0.1, 0.2), (0.4, 0.5), "No edge was found"),
        ((float("nan"), 0.2), (float("nan"), 0.5), "No edge was found"),
    ],
)
def test_plain_words_follow_the_numbers(returns, sharpes, verdict: str) -> None:
    result = optimize("momentum", "nasdaq", evaluations=20)
    mine, held = (
        {"annual_return": annual, "sharpe_ratio": sharpe}
        for annual, sharpe in zip(returns, sharpes, strict=True)
    )
    changed = replace(
        result,
        best=Performance(result.best.in_sample, mine),
        buy_and_hold=Performance(result.buy_and_hold.in_sample, held),
    )
    assert verdict in demo.plain_words(changed)[-1]
