"""How the trials that a slow engine is allowed are shared among the parts of the examination."""

from __future__ import annotations

from collections.abc import Mapping

from strategy_optimizer.validation.robustness.cost_perturbation import MOST_BREAK_EVEN_TRIALS
from strategy_optimizer.validation.robustness.data_perturbation import KINDS
from strategy_optimizer.validation.robustness.metric_values import LEAST_REPLICATIONS
from strategy_optimizer.validation.robustness.parameter_perturbation import LEAST_NEIGHBOURS
from strategy_optimizer.validation.statistics.not_enough import require

SINGLE_TRIALS = 3  # the candidate itself, raised costs, delay
LEAST_TRIALS = SINGLE_TRIALS + LEAST_NEIGHBOURS

# What goes first when trials run short stands last.
_LEAST: Mapping[str, int] = {"parameters": LEAST_NEIGHBOURS, **dict.fromkeys(KINDS, LEAST_REPLICATIONS)}


def allotted_trials(neighbours: int, replications: int, most_trials: int | None) -> dict[str, int]:
    """Return the trials of each part: `parameters`, the `KINDS` of perturbed data, and `break_even`.

    Parameters
    ----------
    neighbours, replications : int
        What the parts want: neighbours in the parameter space, and replications of each kind of data.
    most_trials : int, optional
        Cap on all backtests, those of `SINGLE_TRIALS` included.

    Notes
    -----
    Each part gets at least what its statistic needs, or nothing. What is left is shared by what they want. The
    break-even is all or nothing, and takes at most a quarter.

    Examples
    --------
    >>> allotted_trials(86, 100, 100)
    {'parameters': 10, 'noise': 20, 'resampling': 20, 'dropped_bars': 20, 'break_even': 24}
    """
    wanted = {"parameters": neighbours, **dict.fromkeys(KINDS, replications)}
    whole = sum(wanted.values()) + MOST_BREAK_EVEN_TRIALS + SINGLE_TRIALS
    if most_trials is None or most_trials >= whole:
        return {**wanted, "break_even": MOST_BREAK_EVEN_TRIALS}
    require(most_trials >= LEAST_TRIALS, "most_trials", most_trials, f"at least {LEAST_TRIALS}")
    rest = most_trials - SINGLE_TRIALS
    break_even = MOST_BREAK_EVEN_TRIALS if rest >= 4 * MOST_BREAK_EVEN_TRIALS else 0
    shares = _shrunk(wanted, rest - break_even)
    return {**{part: shares.get(part, 0) for part in wanted}, "break_even": break_even}


def _shrunk(wanted: Mapping[str, int], rest: int) -> dict[str, int]:
    """Give each part its least, and all of them the same share of what they want beyond; else drop the last."""
    least = {part: min(_LEAST[part], number) for part, number in wanted.items()}
    spare = rest - sum(least.values())
    if spare < 0:
        return _shrunk(dict(list(wanted.items())[:-1]), rest)
    share = min(1.0, spare / max(sum(wanted.values()) - sum(least.values()), 1))
    return {part: least[part] + int(share * (wanted[part] - least[part])) for part in wanted}
