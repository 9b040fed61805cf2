"""The verdict: whether what a search recommends is worth deploying, watching on paper, or nothing.

The rule, in one paragraph. Two questions that share no data are asked: how likely a Sharpe ratio as good as that of
the best trial in sample is for the best of as many trials without skill (one minus its deflated Sharpe ratio, with
the raw number of distinct trials, each counted as a hundred evenly spread ones since a search goes where it was good
by luck, and the variance that the Sharpe ratios of evenly spread trials have when none has skill, over all searches
on the same data that the trial ledger knows; of engines whose trials cannot be run again, with the number of trials
as it is and the variance of their Sharpe ratios), and how likely one as good as that of the recommended parameters on
the held-out bars is for a strategy without skill (one minus their PSR there; where L different parameters have been
judged by these bars, one minus the PSR to the power of L, Sidak's correction [2]_). Their normal scores are added and
divided by the root of two (Stouffer's method [1]_); the chance that is left, of so much luck in both, decides: below
1 % `deploy`, below 10 % `paper`, else `reject`. Whatever that chance, parameters that lost on the held-out bars are
rejected, and so is a strategy whose signals use bars of the future; without held-out bars, with fewer than a hundred
of them or five trades there, or without one of the statistics `paper` is the most.

Neither question is enough alone: on markets without an edge the best of a thousand trials had a deflated Sharpe ratio
above 95 % in 3 of 100 searches and a PSR above 95 % on the held-out bars in 5 of 100. Asking for both at 95 % finds
fewer planted edges than adding them up does. `benchmarks/bench_verdict.py` has the numbers.

References
----------
.. [1] Stouffer et al. (1949). The American Soldier, volume 1. Princeton University Press. (adding normal scores)
.. [2] Šidák (1967). Rectangular confidence regions for the means of multivariate normal distributions. Journal of the
   American Statistical Association 62(318). (1 - p of the best of L tests is that of one to the power of L)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite, isnan, sqrt
from typing import Literal, TypeAlias

from strategy_optimizer.market.report import counted
from strategy_optimizer.validation.held_out import HeldOut
from strategy_optimizer.validation.lookahead_report import LookaheadReport
from strategy_optimizer.validation.overfitting import Overfitting
from strategy_optimizer.validation.statistics import NotEnough
from strategy_optimizer.validation.statistics.normal import normal_cdf, normal_quantile

Decision: TypeAlias = Literal["deploy", "paper", "reject"]

DEPLOY_BELOW, PAPER_BELOW = 0.01, 0.1  # chance of so much luck
FEW_TRADES = 5  # on the held-out bars
FEW_BARS = 100  # held out: of 30, and a position in a fourth of them, luck looks like less than 1 % in 3.5 of 100 cases
SURE = 1e-12  # probabilities are kept this far from 0 and 1


@dataclass(frozen=True)
class Verdict:
    """What to do with the recommended parameters, and why.

    Attributes
    ----------
    decision : {"deploy", "paper", "reject"}
    luck : float
        The chance that a strategy without skill does as well in sample, after so many trials, and held out.
    reasons : tuple of str
        Sentences with the numbers, the gravest first.
    """

    decision: Decision
    luck: float | NotEnough
    reasons: tuple[str, ...]


def judge(
    overfitting: Overfitting,
    held_out: HeldOut | None,
    lookahead: LookaheadReport | NotEnough | None = None,
    *,
    remarks: tuple[str, ...] = (),
) -> Verdict:
    """Return the verdict on what a search recommends.

    Parameters
    ----------
    overfitting : Overfitting
        Of all trials, in sample; where the ledger knows earlier ones on the same data, of those too.
    held_out : HeldOut, optional
        The recommended parameters on bars that the search never saw; None without such bars.
    lookahead : LookaheadReport, optional
        Of the recommended parameters.
    remarks : tuple of str
        What else is to be said, after the reasons: what was not examined, and why.

    Examples
    --------
    >>> round(combined_chance(0.95, 0.95), 4)  # each alone leaves 5 %
    0.01
    """
    verdict = _by_luck(overfitting, held_out)
    verdict = replace(verdict, reasons=(*verdict.reasons, *remarks))
    if not isinstance(lookahead, LookaheadReport) or not lookahead.found:
        return verdict
    found = f"the signals are no result of the past alone: {lookahead.differences[0]}"
    return Verdict("reject", verdict.luck, (found, *verdict.reasons))


def _by_luck(overfitting: Overfitting, held_out: HeldOut | None) -> Verdict:
    deflated = overfitting.decisive_deflated_sharpe
    in_sample = _in_sample_reason(overfitting)
    if held_out is None:
        why = "no bars were held out: nothing says how the parameters do on data that the search has not seen"
        good = not isinstance(deflated, NotEnough) and 1.0 - deflated < PAPER_BELOW
        return Verdict("paper" if good else "reject", NotEnough("held-out bars", 0, 2), (why, in_sample))
    out_of_sample = _held_out_reason(held_out, overfitting.periods_per_year)
    if isinstance(deflated, NotEnough) or isinstance(held_out.psr, NotEnough):
        lacking = deflated if isinstance(deflated, NotEnough) else held_out.psr
        assert isinstance(lacking, NotEnough)
        decision: Decision = (
            "reject" if held_out.sharpe <= 0.0 or isinstance(deflated, NotEnough) else "paper"
        )
        return Verdict(decision, lacking, (out_of_sample, in_sample))
    psr = held_out.psr_after_looks
    assert not isinstance(psr, NotEnough)
    luck = combined_chance(deflated, psr)
    return _decide(luck, held_out, (_luck_reason(luck), in_sample, out_of_sample))


def _decide(luck: float, held_out: HeldOut, reasons: tuple[str, ...]) -> Verdict:
    if held_out.sharpe <= 0.0:
        return Verdict("reject", luck, ("the recommended parameters lost on the held-out bars", *reasons))
    if luck >= PAPER_BELOW:
        return Verdict("reject", luck, reasons)
    if luck >= DEPLOY_BELOW:
        return Verdict("paper", luck, reasons)
    lacking = _too_little(held_out)
    return Verdict("paper" if lacking else "deploy", luck, (*lacking, *reasons))


def _too_little(held_out: HeldOut) -> tuple[str, ...]:
    """Return what the held-out record has too little of to deploy on it."""
    bars = f"only {held_out.n_bars:,} bars were held out, fewer than {FEW_BARS}: watch it first"
    few_bars = (bars,) if held_out.n_bars < FEW_BARS else ()
    enough = held_out.trades >= FEW_TRADES  # NaN where they are not known
    return few_bars if enough else (*few_bars, _few_trades(held_out.trades))


def _few_trades(trades: float) -> str:
    if isnan(trades):
        return (
            "the engine does not say how many trades there were on the held-out bars, and it takes "
            f"{FEW_TRADES} (give the metric 'trades'): watch it first"
        )
    return f"only {trades:.0f} trades on the held-out bars, fewer than {FEW_TRADES}: watch it first"


def combined_chance(deflated: float, psr: float) -> float:
    """Return the chance of as much luck in two independent tests, from one minus each one's p-value; [1]_."""
    scores = [normal_quantile(min(max(p, SURE), 1.0 - SURE)) for p in (deflated, psr)]
    return normal_cdf(-sum(scores) / sqrt(2.0))


def _luck_reason(luck: float) -> str:
    return (
        f"a strategy without skill does as well, in sample after so many trials and held out, in {luck:.2%} of cases "
        f"(deploy below {DEPLOY_BELOW:.0%}, paper below {PAPER_BELOW:.0%})"
    )


def _in_sample_reason(overfitting: Overfitting) -> str:
    deflated, expected = overfitting.decisive_deflated_sharpe, overfitting.expected_best_sharpe
    distinct, whose = float(overfitting.distinct), ""
    if (every := overfitting.all_tasks) is not None:
        expected, distinct = every.expected_best_sharpe, every.distinct
        whose = f", those of {counted(every.searches, 'earlier search', 'earlier searches')} on these data included,"
    if isinstance(deflated, NotEnough):
        return f"in sample nothing can be said: {deflated}"
    assert not isinstance(expected, NotEnough)
    assert not isinstance(overfitting.moments, NotEnough)
    best, usual = (
        _sharpe_text(sharpe, overfitting.periods_per_year)
        for sharpe in (overfitting.moments.sharpe, expected)
    )
    return (
        f"in sample the best Sharpe ratio is {best}; the best of {distinct:,.0f} trials without skill{whose} would "
        f"have about {usual} (deflated Sharpe ratio {deflated:.0%})"
    )


def _sharpe_text(sharpe: float, periods_per_year: float) -> str:
    """Return a Sharpe ratio per observation as people read it: annual, where the length of a year is known."""
    if isfinite(periods_per_year):
        return f"{sharpe * sqrt(periods_per_year):.2f}"
    return f"{sharpe:.4f} a bar"


def _held_out_reason(held_out: HeldOut, periods_per_year: float) -> str:
    shown = f"{held_out.annual_sharpe:.2f}" if isfinite(held_out.annual_sharpe) else "none"
    if not isfinite(periods_per_year):  # another engine, which counts years in its own way
        own = f" (by the engine {shown} a year)" if isfinite(held_out.annual_sharpe) else ""
        shown = _sharpe_text(held_out.sharpe, periods_per_year) + own
    if isinstance(held_out.psr, NotEnough):
        return f"held out the Sharpe ratio of the recommended parameters is {shown}: {held_out.psr}"
    sure = f"above 0 with {held_out.psr:.0%}"
    if held_out.looks > 1:
        corrected = f"{held_out.psr_after_looks:.0%}"
        sure += f", as the best of {held_out.looks:,} that these bars judged {corrected}"
    return f"held out that of the recommended parameters is {shown} over {held_out.n_bars:,} bars ({sure})"
