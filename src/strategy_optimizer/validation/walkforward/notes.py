"""What the numbers of a walk-forward alone might hide, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from strategy_optimizer.market.report import counted
from strategy_optimizer.validation.statistics import NotEnough
from strategy_optimizer.validation.walkforward.result import WalkForward
from strategy_optimizer.validation.walkforward.stability import RANDOM_SPREAD
from strategy_optimizer.validation.walkforward.track_record import TrackRecord

CONFIDENCE = 0.95


def write_notes(found: WalkForward, n_bars: int) -> tuple[str, ...]:
    """Return the sentences; `n_bars` is how many the data have."""
    return (
        *_missing(found),
        *_against_chance(found),
        *_against_rivals(found),
        *_flat(found),
        *_unsteady(found),
        *_open_ends(found),
        *_untested(found, n_bars),
    )


def _missing(found: WalkForward) -> Iterator[str]:
    if not found.complete:
        yield (
            f"interrupted: {len(found.windows)} of {counted(found.planned, 'window')} are done, and all numbers are "
            "of these"
        )


def _against_chance(found: WalkForward) -> Iterator[str]:
    psr = found.out_of_sample.psr_h0
    if isinstance(psr, NotEnough):
        yield f"whether the return out of sample is luck cannot be said: {psr}"
    elif psr < CONFIDENCE:
        yield f"the PSR (h0) of all tests end to end is {psr:.2f}, below {CONFIDENCE}: what they made may be luck"


def _against_rivals(found: WalkForward) -> Iterator[str]:
    mine = found.out_of_sample.metrics["sharpe_ratio"]
    if found.defaults is None:
        yield "the default parameters fail on these bars"
    else:
        yield from _behind(mine, found.defaults, "the default parameters, never optimised, had")
    yield from _behind(mine, found.buy_and_hold, "buy-and-hold had")


def _behind(mine: float, rival: TrackRecord, who: str) -> Iterator[str]:
    theirs = rival.metrics["sharpe_ratio"]
    if not mine > theirs and theirs == theirs:
        yield f"over the same bars {who} a Sharpe ratio of {theirs:.2f}, the re-optimised ones {mine:.2f}"


def _flat(found: WalkForward) -> Iterator[str]:
    reasons = Counter(window.reason for window in found.windows if window.reason)
    for reason, n in reasons.items():
        yield f"{counted(n, 'window')} held cash: {reason}"


def _unsteady(found: WalkForward) -> Iterator[str]:
    names = [one.name for one in found.stability if one.spread is not None and one.spread >= RANDOM_SPREAD]
    if names and len(found.windows) > 2:
        yield (
            f"the choice of {', '.join(names)} moved from window to window as much as random values would: "
            "the past says little about it"
        )


def _open_ends(found: WalkForward) -> Iterator[str]:
    n = sum(window.closing_cost > 0 for window in found.windows)
    if n:
        cost = sum(window.closing_cost for window in found.windows)
        yield (
            f"{counted(n, 'window')} ended with an open position, marked at the close and not charged for closing; "
            f"that would have cost {100 * cost:.2g}% in all"
        )


def _untested(found: WalkForward, n_bars: int) -> Iterator[str]:
    left = n_bars - found.windows[-1].test.stop
    if left and found.complete:
        yield f"the last {counted(left, 'bar')} are less than half a test window and were not tested"
