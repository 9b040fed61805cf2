"""Which column is what: guesses the roles of columns from their names, or says why it cannot."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from strategy_optimizer.errors import DataError, nearest_name
from strategy_optimizer.market.advice import ColumnChoice, columns_advice
from strategy_optimizer.market.bars import COLUMNS, PRICES

ROLES = ("timestamp", *COLUMNS, "symbol")
REQUIRED = ("timestamp", *PRICES)

# Names without case, accents, spaces and signs; a name of an earlier group wins over one of a later group. Beside the
# English ones those of German, French and Spanish banks and of their exchanges.
_ALIASES: dict[str, tuple[str, ...]] = {
    "timestamp": (
        "timestamp datetime date time",
        "opentime ts t dt datetimeutc timestamputc timeutc dateutc gmttime utctime unix unixtime epoch "
        "unixtimestamp timestampms timestampns tradedate tradingdate tradingday bartime starttime day "
        "datum zeitstempel zeitpunkt fecha horodatage",
        "index unnamed0 indexlevel0",
    ),
    "open": (
        "open o openprice priceopen pxopen opening openingprice",
        "eroffnung eroeffnung eroffnungskurs eroeffnungskurs erster eroffn ouverture ouv apertura",
    ),
    "high": (
        "high h highprice pricehigh pxhigh max highest",
        "hoch hochst hochstkurs hoechst hoechstkurs tageshoch haut plushaut maximo",
    ),
    "low": (
        "low l lowprice pricelow pxlow min lowest",
        "tief tiefst tiefstkurs tagestief bas plusbas minimo",
    ),
    "close": (
        "close c closeprice priceclose pxclose closing closingprice",
        "last closelast lastprice pxlast price settle "
        "schluss schlusskurs zuletzt cloture clot dernier cierre ultimo",
        "adjclose adjustedclose closeadj adjcloseprice",
    ),
    "volume": (
        "volume vol v volumen",
        "basevolume volumebase tickvolume tickvol quantity qty totalvolume shares",
    ),
    "symbol": ("symbol ticker", "sym tic instrument asset pair stock name"),
}
_RANKS = {
    (role, alias): rank
    for role, groups in _ALIASES.items()
    for rank, group in enumerate(groups)
    for alias in group.split()
}
_DAYS = frozenset(["date", "datum", "fecha", "tradedate", "tradingdate", "tradingday", "day"])
_CLOCKS = frozenset(["time", "zeit", "uhrzeit", "heure", "hora"])
_CLOCK_FORMAT = re.compile(r"%-?[HITRX]")
_ADJUSTED = 2  # the rank of an adjusted close
_UNNAMED = "unnamed0"
_LAST_RANK = 9


@dataclass(frozen=True)
class ColumnMap:
    """Role to column name; `clock` is the second column where date and time of day stand apart."""

    names: Mapping[str, str]
    timestamp_format: str | None = None
    clock: str | None = None
    unused_adjusted: str | None = None


def map_columns(
    names: Sequence[str],
    choices: Mapping[str, ColumnChoice] | None,
    *,
    label: str,
    preset: Mapping[str, str] | None = None,
) -> ColumnMap:
    """Return which column has which role.

    Parameters
    ----------
    names : sequence of str
        The columns found.
    choices : mapping of role to column, optional
        What the caller said; it wins over any guess.
    label : str
        What the data are called in an error.
    preset : mapping of role to column, optional
        What the source knows for certain, e.g. a frame's time index.

    Raises
    ------
    DataError
        When a needed role has no column or several; it lists what was found and how to say it.
    """
    choices = choices or {}
    known = {**(preset or {}), **_chosen(names, choices, label)}
    free = [name for name in names if name not in known.values()]
    found = {role: [known[role]] if role in known else _guess(role, free) for role in ROLES}
    found |= {role: [] for role, choice in choices.items() if choice is None}
    clock = None if preset and "timestamp" in preset else _split_off_clock(found, free, choices)
    _check_complete(found, names, label)
    unused = [name for name in names if _rank("close", name) == _ADJUSTED and [name] != found["close"]]
    choice = choices.get("timestamp")
    return ColumnMap(
        {role: columns[0] for role, columns in found.items() if columns},
        timestamp_format=choice[1] if isinstance(choice, tuple) else None,
        clock=clock,
        unused_adjusted=unused[0] if unused else None,
    )


def _chosen(names: Sequence[str], choices: Mapping[str, ColumnChoice], label: str) -> dict[str, str]:
    """Return role -> name of what the caller said, checked against what there is."""
    chosen: dict[str, str] = {}
    for role, choice in choices.items():
        if role not in ROLES:
            known = ", ".join(ROLES)
            raise DataError(
                f"there is no role {role!r} of a column{nearest_name(role, ROLES)}; the roles are {known}"
            )
        if choice is None:
            continue
        name = choice[0] if isinstance(choice, tuple) else choice
        if name not in names:
            raise DataError(
                f"{label} has no column {name!r}{nearest_name(name, names)}; found {_listed(names)}"
            )
        chosen[role] = name
    return chosen


def _guess(role: str, names: Sequence[str]) -> list[str]:
    """Return the columns whose names fit a role best; several when they fit equally well."""
    ranks = {name: _rank(role, name) for name in names}
    best = min(ranks.values(), default=_LAST_RANK)
    return [] if best == _LAST_RANK else [name for name, rank in ranks.items() if rank == best]


def _rank(role: str, name: str) -> int:
    ranks = [_RANKS.get((role, form), _LAST_RANK) for form in _forms(name)]
    if role == "volume" and min(ranks) == _LAST_RANK and normalised(name).startswith("volume"):
        return 3  # 'Volume BTC' beside 'Volume USDT': ambiguous, alone: fine
    return min(ranks)


def _forms(name: str) -> Iterator[str]:
    """Yield the ways to read a name: whole, and what follows a dot ('AAPL.Open', '1. open')."""
    yield normalised(name)
    head, dot, tail = name.rpartition(".")
    if dot and head:
        yield normalised(tail)


def normalised(name: str) -> str:
    """Return a column name without case, accents, spaces and signs.

    >>> normalised("Adj Close"), normalised("<OPEN>"), normalised("Er\u00f6ffnung"), normalised("")
    ('adjclose', 'open', 'eroffnung', 'unnamed0')
    """
    letters = unicodedata.normalize("NFKD", name.casefold())  # accents become characters of their own
    return re.sub(r"[^a-z0-9]", "", letters) or _UNNAMED


def _split_off_clock(
    found: dict[str, list[str]], free: Sequence[str], choices: Mapping[str, ColumnChoice]
) -> str | None:
    """Take a time-of-day column off the timestamps, or find one, when there is one of dates."""
    choice = choices.get("timestamp")
    if isinstance(choice, tuple) and not _CLOCK_FORMAT.search(choice[1]):
        return None  # the caller wrote how the whole timestamp is written, and there is no clock in it
    clocks = [name for name in free if normalised(name) in _CLOCKS]
    days = [name for name in found.get("timestamp", ()) if normalised(name) in _DAYS]
    if len(days) != 1 or len(clocks) != 1 or not set(found["timestamp"]) <= {*days, *clocks}:
        return None
    found["timestamp"] = days
    return clocks[0]


def _check_complete(found: Mapping[str, list[str]], names: Sequence[str], label: str) -> None:
    only_close = found.get("close") and not any(found.get(role) for role in ("open", "high", "low"))
    needed = ("timestamp", "close") if only_close else REQUIRED
    missing = [role for role in needed if not found.get(role)]
    several = {role: columns for role, columns in found.items() if len(columns) > 1}
    if not missing and not several:
        return
    lines = [f"{label}: the columns are not clear"]
    lines += [f"  - no column for {role}" for role in missing]
    lines += [f"  - {role} could be {' or '.join(map(repr, columns))}" for role, columns in several.items()]
    lines += [f"  found: {_listed(names)}", f"  needed: {', '.join(REQUIRED)}; optional: volume, symbol"]
    example = {role: several.get(role, ["..."])[0] for role in (*missing, *several)}
    lines.append(f"  fix: say which, {columns_advice(example)}")
    raise DataError("\n".join(lines))


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:20])
    return f"{shown}, and {len(names) - 20} more" if len(names) > 20 else shown or "no columns"
