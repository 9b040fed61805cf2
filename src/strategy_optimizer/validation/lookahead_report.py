"""What the look-ahead check says: the differences, the exceptions, and their text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from strategy_optimizer.errors import LookaheadError
from strategy_optimizer.plain import plain_fields


@dataclass(frozen=True)
class Difference:
    """A signal that changed with bars that came later.

    Attributes
    ----------
    array : str
        "entries", "exits", "short_entries", "short_exits", "size", "stop_loss", "take_profit" or
        "trailing_stop".
    bar : int
        The first bar, from 0, where it differs; `time` is its timestamp as text.
    symbol : str
        The symbol where it differs.
    cut : int
        How many bars were given (truncation) or kept (perturbation).
    test : {"truncation", "perturbation", "repetition", "bounds"}
        What showed it. "repetition": two runs on the same bars differ. "bounds": a compiled strategy reads or
        writes outside of its arrays; then `array` is empty.
    full, found : str
        The value of the full run and the one found.
    needs : int, optional
        How many later bars the signal needs to become that of the full run; None when that was not seen.
    """

    array: str
    bar: int
    time: str
    symbol: str
    cut: int
    test: str
    full: str
    found: str
    needs: int | None = None

    def __str__(self) -> str:
        if self.test == "bounds":
            return f"signals() reads or writes outside of its arrays when given {self.cut:,} bars{self.found}"
        where = f"{self.array} at bar {self.bar:,} ({self.time})"
        if self.test == "repetition":
            return f"{where} is {self.full} in one run and {self.found} in the next, on the same bars"
        if self.test == "perturbation":
            return (
                f"{where} is {self.full}, but {self.found} when the bars from {self.cut:,} on are other ones"
            )
        needs = (
            "" if self.needs is None else f"; it needs {self.needs} later bar{'s' if self.needs > 1 else ''}"
        )
        return (
            f"{where} is {self.full} with all bars, but {self.found} with only the first {self.cut:,}{needs}"
        )


@dataclass(frozen=True)
class Failure:
    """An exception of the strategy on the first `cut` bars."""

    cut: int
    message: str


@dataclass(frozen=True)
class LookaheadReport:
    """What `check_lookahead` found.

    Attributes
    ----------
    strategy : str
    params : dict
        The candidate that was tested.
    n_bars, warmup : int
    cuts : tuple of int
        The lengths on which the signals were computed.
    n_events : int
        Signals that switch on in the full run; with none of them the test says little.
    differences : tuple of Difference
        The first one for each array and test; empty for a clean strategy.
    failures : tuple of Failure
        Exceptions on shortened data. Those on data within the warm-up do not count against the strategy.
    """

    strategy: str
    params: Mapping[str, Any]
    n_bars: int
    warmup: int
    cuts: tuple[int, ...]
    n_events: int
    differences: tuple[Difference, ...] = ()
    failures: tuple[Failure, ...] = ()

    @property
    def found(self) -> bool:
        """Whether the strategy looks ahead."""
        return bool(self.differences)

    @property
    def late_failures(self) -> tuple[Failure, ...]:
        """The exceptions on data longer than the warm-up."""
        return tuple(failure for failure in self.failures if failure.cut > self.warmup)

    @property
    def ok(self) -> bool:
        """Whether nothing was found and nothing failed beyond the warm-up."""
        return not self.found and not self.late_failures

    def raise_if_found(self) -> None:
        """Raise a `LookaheadError` that names the first difference; do nothing when there is none."""
        if self.differences:
            first = self.differences[0]
            raise LookaheadError(f"{self.strategy}: {first}", bar=first.bar, column=first.array or None)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values for JSON."""
        return plain_fields(self) | {"ok": self.ok, "found": self.found}

    def __str__(self) -> str:
        lines = [self._verdict(), *(f"  {difference}" for difference in self.differences)]
        if not self.n_events and not self.differences:
            lines.append(
                "  no signal came in the full run, so this says little: try other parameters or more bars"
            )
        lines += [f"  raises on the first {f.cut:,} bars: {f.message}" for f in self.late_failures[:3]]
        short = [f for f in self.failures if f.cut <= self.warmup]
        if short:
            given = _some(failure.cut for failure in short)
            lines.append(f"  note: fails within the warm-up, given {given} bars: {short[0].message}")
        return "\n".join(lines)

    def _verdict(self) -> str:
        if any(difference.test == "repetition" for difference in self.differences):
            return f"{self.strategy} does not repeat its signals:"
        if self.found:
            return f"{self.strategy} uses bars of the future:"
        if self.late_failures:
            return f"{self.strategy} fails on shorter data (a longer warmup() would say so):"
        return (
            f"{self.strategy}: no look-ahead in {len(self.cuts)} cuts of {self.n_bars:,} bars "
            f"({self.n_events:,} signals)"
        )


def _some(numbers: Iterable[int]) -> str:
    listed = [f"{number:,}" for number in numbers]
    return ", ".join(listed[:4]) + (f" and {len(listed) - 4} more" if len(listed) > 4 else "")
