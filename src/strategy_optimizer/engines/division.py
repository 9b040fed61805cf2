"""Cuts the data of an engine into the part that is searched and the part that is kept out."""

from __future__ import annotations

from strategy_optimizer.errors import DataError, EngineError


def checked_holdout(holdout: float) -> float:
    """Return the share of the bars to keep out, from 0 to 0.9, or raise an EngineError."""
    is_number = isinstance(holdout, (int, float)) and not isinstance(holdout, bool)
    if not is_number or not 0.0 <= holdout <= 0.9:
        raise EngineError(f"holdout is {holdout!r}; expected a fraction from 0 (none) to 0.9")
    return float(holdout)


def bars_searched(n_bars: int, holdout: float, label: str) -> int:
    """Return how many of the first bars are searched; the others are held out.

    >>> bars_searched(1000, 0.25, "prices")
    750
    """
    n_out = round(n_bars * checked_holdout(holdout))
    split = n_bars - n_out
    if split < 2 or (holdout > 0 and n_out < 2):
        raise DataError(
            f"{label} has {n_bars} bars; divided by holdout={holdout:g} that leaves {split} to search and "
            f"{n_out} held out; expected at least 2 in each part"
        )
    return split
