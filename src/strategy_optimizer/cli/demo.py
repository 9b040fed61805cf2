"""The command `demo`: one search that needs nothing but this package, and its outcome in plain words."""

from __future__ import annotations

import math

from strategy_optimizer.cli.exits import DONE, INTERRUPTED
from strategy_optimizer.cli.progress import SearchProgress
from strategy_optimizer.cli.result_view import print_result
from strategy_optimizer.cli.terminal import console, note, wrapped
from strategy_optimizer.tasks import Result, make_task
from strategy_optimizer.validation import run_and_validate

EVALUATIONS = 5_000
REQUIRED = "trades >= 30"
VERDICTS = {
    "deploy": "The verdict is to deploy it: so much luck, in sample and after, is rarer than 1 in 100.",
    "paper": "The verdict is to watch it on paper: it may be more than luck, but that is not proven.",
    "reject": (
        "The verdict is to reject it, the usual fate of a winner among thousands: what looked like skill was mostly a "
        "good fit to the past. No edge was found here, and it is better to know."
    ),
}
NEXT = (
    "strategy-optimizer optimize ma_cross --data nasdaq --evaluations 5000",
    "strategy-optimizer strategies",
    "strategy-optimizer check my_strategy.py --data my_prices.csv",
)


def run_demo(seed: int) -> int:
    """Search, print the result and what it means."""
    note("Optimising the momentum strategy on twenty years of the NASDAQ Composite (sample data).")
    with SearchProgress() as progress:
        task = make_task(
            "momentum",
            "nasdaq",
            outcome_constraints=[REQUIRED],
            evaluations=EVALUATIONS,
            seed=seed,
            progress=progress,
        )
        result = run_and_validate(task)
    print_result(result)
    out = console()
    out.print("\nIn plain words", style="bold")
    for sentence in plain_words(result):
        out.print(wrapped(sentence, out))
    out.print("\nNext", style="bold")
    for line in NEXT:
        out.print(f"  {line}", soft_wrap=True)
    return INTERRUPTED if result.stop_reason == "interrupted" else DONE


def plain_words(result: Result) -> list[str]:
    """Return what the numbers say, for someone who does not read tables."""
    seen, unseen = result.best.in_sample, result.best.held_out or {}
    held = result.buy_and_hold.held_out or {}
    years = result.data.in_sample_dates[0][:4], result.data.in_sample_dates[1][:4]
    chosen = (
        f"Of {result.counts.trials:,} parameter sets, the best one made {_percent(seen)} a year on the bars "
        f"it was chosen on ({years[0]} to {years[1]}), the defaults {_percent(result.defaults.in_sample)}."
    )
    later = (
        f"On the bars after that, which the search never saw, it made {_percent(unseen)} a year; simply "
        f"holding the index made {_percent(held)}."
    )
    return [chosen, later, *_recommended(result), _verdict(result)]


def _recommended(result: Result) -> list[str]:
    """Return what is said of the recommended parameters where they are not the best ones."""
    if result.validation is None or result.recommended_parameters == result.best_parameters:
        return []
    found = result.validation.recommendation.regions[0].performance
    return [
        "The best of thousands is the luckiest too. A steadier set among steady neighbours is recommended in its "
        f"place: it made {_percent(found.in_sample)} a year, and {_percent(found.held_out or {})} after that."
    ]


def _verdict(result: Result) -> str:
    """Return what the verdict means; without one, what the comparison with holding says."""
    if result.verdict is not None:
        return VERDICTS[result.verdict.decision]
    mine, held = result.best.held_out or {}, result.buy_and_hold.held_out or {}
    if _above(mine, held, "annual_return") and _above(mine, held, "sharpe_ratio"):
        return "It beat holding there. One period and one winner of many are not proof."
    return "It did not beat holding there."


def _above(mine: dict[str, float], held: dict[str, float], name: str) -> bool:
    a, b = mine.get(name, math.nan), held.get(name, math.nan)
    return a > b


def _percent(metrics: dict[str, float]) -> str:
    value = metrics.get("annual_return", math.nan)
    return f"{value:+.1%}" if math.isfinite(value) else "nothing"
