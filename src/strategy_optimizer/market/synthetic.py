r"""Synthetic markets: bars with known properties, for tests and for calibrating what says "there is an edge".

Notation, per bar: :math:`\sigma_t` standard deviation of the log return, :math:`w` share of its variance
that falls between the previous close and the open, :math:`e_t` noise of mean 0 and variance 1,
:math:`s_t` the sign of the log return over the last `lookback` bars, :math:`S` the edge.

How the edge is planted
-----------------------
The return from open to close is :math:`\sigma_t \sqrt{1-w}\, z_t` with

.. math:: z_t = a_t s_{t-1} + \sqrt{1 - a_t^2}\, e_t, \qquad a_t = m / (\sigma_t \sqrt{1-w}), \qquad
          m = S \bar\sigma / \sqrt{1 + S^2}

where :math:`\bar\sigma^2` is the unconditional variance. The gap before the open is pure noise. So
:math:`z_t` keeps mean 0 and variance 1, and holding :math:`s_{t-1}` over bar *t* (the oracle: long after
a rise over `lookback` bars, short after a fall) earns *m* a bar at variance :math:`\bar\sigma^2 - m^2`: a
Sharpe ratio of exactly *S* a bar before costs, whether it fills at the close or at the next open.
`measure_edge` measures it; its standard error is :math:`1/\sqrt{n}`. A negative *S* makes the market
revert. Drift, and regimes whose drifts differ, add an edge of their own; without them no strategy has one
when *S* is 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from strategy_optimizer.errors import DataError
from strategy_optimizer.market.bars import Bars, FloatArray, IntArray
from strategy_optimizer.market.moments import DAY, HOUR, MINUTE, SECOND, YEAR, Moment, parse_moment

_FIRST_PRICE = 100.0
_MEAN_VOLUME = 1e6
_MOST_LEANING = 0.99  # where the volatility is tiny the planted return may not exceed it
_STEPS = {"s": SECOND, "m": MINUTE, "h": HOUR}
_END = parse_moment("2262")
_BUSINESS_DAYS = 365.25 * 5 / 7  # a year


@dataclass(frozen=True)
class RandomWalk:
    """Independent normal log returns; `volatility` and `drift` a year."""

    volatility: float = 0.2
    drift: float = 0.0


@dataclass(frozen=True)
class Garch:
    """GARCH(1, 1) volatility around `volatility` a year, with Student noise of `tails` degrees of freedom.

    ``variance[t+1] = omega + alpha * return[t]**2 + beta * variance[t]``; ``tails=None`` is normal noise.
    """

    volatility: float = 0.2
    drift: float = 0.0
    alpha: float = 0.08
    beta: float = 0.9
    tails: float | None = 6.0


@dataclass(frozen=True)
class Regimes:
    """A Markov chain of regimes, each with its volatility and drift a year and its probability to stay.

    From a regime that ends, all others are equally likely to follow.
    """

    volatilities: tuple[float, ...] = (0.12, 0.35)
    drifts: tuple[float, ...] = (0.1, -0.25)
    stay: tuple[float, ...] = (0.995, 0.98)


Model = RandomWalk | Garch | Regimes


def synthetic_market(
    n_bars: int,
    model: Model | None = None,
    *,
    seed: int | np.random.Generator = 0,
    edge: float = 0.0,
    lookback: int = 20,
    n_symbols: int = 1,
    correlation: float = 0.5,
    overnight: float = 0.0,
    bar: str = "1d",
    start: Moment = "2000-01-03",
    name: str = "synthetic",
) -> Bars:
    """Return a synthetic market.

    Parameters
    ----------
    n_bars : int
    model : RandomWalk, Garch or Regimes
        How volatility and drift move; a `RandomWalk` by default.
    seed : int or numpy.random.Generator
        The same seed gives the same market.
    edge : float
        Sharpe ratio per bar, before costs, of the oracle that holds the sign of the last `lookback` bars'
        return; 0 plants nothing. See the module's text for how.
    lookback : int
        Bars that the oracle looks back.
    n_symbols : int
        Symbols, each with the edge on its own past.
    correlation : float
        Between the noise of any two symbols, in [0, 1).
    overnight : float
        Share of the variance that falls between a close and the next open, in [0, 1); with 0 each open is the
        previous close.
    bar : str
        ``"1d"`` for Monday to Friday, or ``"1h"``, ``"5m"``, ``"1s"`` and the like around the clock.
    start : str, date, datetime or numpy.datetime64
        Where the timestamps begin.
    name : str

    Returns
    -------
    Bars
        Highs and lows are drawn from the exact distribution of a Brownian path's maximum and minimum between
        its open and close (each by itself).

    Raises
    ------
    DataError
        When a number is out of its range, or the bars would end after the year 2261.

    Examples
    --------
    >>> bars = synthetic_market(500, Garch(), seed=7)
    >>> bars
    <Bars synthetic: 500 bars of 1 day, 2000-01-03 to 2001-11-30>
    >>> bool((bars.high >= bars.close).all())
    True
    """
    model = RandomWalk() if model is None else model
    _check_model(model)
    _check_settings(n_bars, n_symbols, lookback, correlation, overnight, edge)
    rng = np.random.default_rng(seed)
    timestamp, per_year = _timestamps(n_bars, bar, start)
    drift, sd = _drift_and_sd(model, n_bars, per_year, rng)
    noise = _noise(rng, n_bars, n_symbols, correlation, model.tails if isinstance(model, Garch) else None)
    nights = _noise(rng, n_bars, n_symbols, correlation, None)
    planting = _Planting(edge, lookback, _mean_sd(model, per_year), overnight)
    paths = [
        _path(noise[:, i], nights[:, i], drift, sd, planting, model if isinstance(model, Garch) else None)
        for i in range(n_symbols)
    ]
    gap, body, sds = (np.stack(parts, axis=1) for parts in zip(*paths, strict=True))
    arrays = _prices(gap, body, sds * math.sqrt(1 - overnight), rng)
    arrays["volume"] = _volume(gap + body, sds, rng)
    symbols = tuple(f"{name}{i + 1}" for i in range(n_symbols)) if n_symbols > 1 else (name,)
    shape = (n_bars, n_symbols) if n_symbols > 1 else (n_bars,)
    columns: dict[str, Any] = {column: values.reshape(shape) for column, values in arrays.items()}
    return Bars(**columns, timestamp=timestamp, symbols=symbols, name=name)


def measure_edge(bars: Bars, lookback: int = 20) -> FloatArray:
    """Return the oracle's Sharpe ratio per bar for each symbol: close to close, before costs.

    The oracle holds, over bar *t*, the sign of ``close[t-1] / close[t-1-lookback] - 1``. Look-ahead: none,
    but the figure uses the whole sample.

    Returns
    -------
    (n_symbols,) float64

    Examples
    --------
    >>> bars = synthetic_market(50_000, edge=0.1, seed=1)
    >>> abs(float(measure_edge(bars)[0]) - 0.1) < 3 / 50_000**0.5
    True
    """
    if bars.n_bars < lookback + 3:
        raise DataError(f"{bars.n_bars} bars are too few to measure an edge with a lookback of {lookback}")
    log_close = np.log(bars.close.reshape(bars.n_bars, bars.n_symbols))
    signal = np.sign(log_close[lookback:-1] - log_close[: -1 - lookback])
    returns = signal * np.diff(log_close, axis=0)[lookback:]
    sharpe: FloatArray = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
    return sharpe


# -- checks


def _check_settings(
    n_bars: int, n_symbols: int, lookback: int, correlation: float, overnight: float, edge: float
) -> None:
    for label, count in (("n_bars", n_bars), ("n_symbols", n_symbols), ("lookback", lookback)):
        if count < 1:
            raise DataError(f"{label} is {count}; expected at least 1")
    for label, share in (("correlation", correlation), ("overnight", overnight)):
        if not 0 <= share < 1:
            raise DataError(f"{label} is {share}; expected 0 <= {label} < 1")
    if not edge**2 * overnight < 1 - overnight:  # else a[t] would exceed 1
        raise DataError(
            f"edge {edge} cannot be planted; with overnight {overnight} it is too large or not a number"
        )


def _check_model(model: Model) -> None:
    if isinstance(model, Regimes):
        lengths = {len(model.volatilities), len(model.drifts), len(model.stay)}
        if len(lengths) != 1 or 0 in lengths:
            raise DataError(f"{model} needs one volatility, drift and probability to stay for each regime")
        if not all(0 <= p < 1 for p in model.stay) and len(model.stay) > 1:
            raise DataError(f"{model} has probabilities to stay outside 0 <= p < 1")
    volatilities = model.volatilities if isinstance(model, Regimes) else (model.volatility,)
    if not all(0 < volatility < math.inf for volatility in volatilities):
        raise DataError(f"{model} has a volatility that is not positive")
    if isinstance(model, Garch) and not (
        model.alpha >= 0 and model.beta >= 0 and model.alpha + model.beta < 1
    ):
        raise DataError(f"{model} needs alpha, beta >= 0 and alpha + beta < 1, else its variance has no mean")
    if isinstance(model, Garch) and model.tails is not None and not model.tails > 2:
        raise DataError(f"{model} needs tails > 2, else its noise has no variance")


# -- timestamps


def _timestamps(n_bars: int, bar: str, start: Moment) -> tuple[IntArray, float]:
    """Return timestamps and bars a year."""
    first = parse_moment(start)
    if bar == "1d":
        day = np.datetime64(first // DAY, "D")
        days = np.busday_offset(day, np.arange(n_bars), roll="forward")
        _check_end(int(days[-1].astype(np.int64)) * DAY, n_bars, bar)
        return days.astype("M8[ns]").view(np.int64), _BUSINESS_DAYS
    number, unit = bar[:-1], bar[-1:]
    if unit not in _STEPS or not number.isdigit() or int(number) < 1:
        raise DataError(f"bar {bar!r} is no bar size; expected '1d', or a number with s, m or h such as '5m'")
    step = int(number) * _STEPS[unit]
    _check_end(first + (n_bars - 1) * step, n_bars, bar)
    return first + np.arange(n_bars, dtype=np.int64) * step, YEAR / step


def _check_end(last: int, n_bars: int, bar: str) -> None:
    if last >= _END:
        raise DataError(f"{n_bars:,} bars of {bar} end after the year 2261, which nanoseconds cannot express")


# -- returns


@dataclass(frozen=True)
class _Planting:
    edge: float
    lookback: int
    mean_sd: float
    overnight: float

    @property
    def mean(self) -> float:
        """The oracle's mean log return a bar."""
        return self.edge * self.mean_sd / math.sqrt(1 + self.edge**2)


def _mean_sd(model: Model, per_year: float) -> float:
    """Return the root of the unconditional variance a bar."""
    if isinstance(model, Regimes):
        leaving = 1 - np.array(model.stay)
        time_in = 1 / leaving if len(leaving) > 1 else np.ones(1)
        variance = float(np.average(np.square(model.volatilities), weights=time_in))
        return math.sqrt(variance / per_year)
    return model.volatility / math.sqrt(per_year)


def _drift_and_sd(
    model: Model, n_bars: int, per_year: float, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return drift and standard deviation of each bar, (n,); for GARCH its starting value throughout."""
    if isinstance(model, Regimes):
        states = _states(model, n_bars, rng)
        drifts, volatilities = np.array(model.drifts), np.array(model.volatilities)
        return drifts[states] / per_year, volatilities[states] / math.sqrt(per_year)
    sd = model.volatility / math.sqrt(per_year)
    return np.full(n_bars, model.drift / per_year), np.full(n_bars, sd)


def _states(model: Regimes, n_bars: int, rng: np.random.Generator) -> IntArray:
    count = len(model.stay)
    states = np.zeros(n_bars, np.int64)
    if count == 1:
        return states
    at, state = 0, int(rng.integers(count))
    while at < n_bars:
        length = int(rng.geometric(1 - model.stay[state]))
        states[at : at + length] = state
        at += length
        state = (state + int(rng.integers(1, count))) % count
    return states


def _noise(
    rng: np.random.Generator, n_bars: int, n_symbols: int, correlation: float, tails: float | None
) -> FloatArray:
    """Return noise of mean 0, variance 1 and equal correlations, (n, n_symbols)."""
    common = rng.standard_normal((n_bars, 1))
    own = rng.standard_normal((n_bars, n_symbols))
    rho = correlation if n_symbols > 1 else 0.0
    noise = math.sqrt(rho) * common + math.sqrt(1 - rho) * own
    if tails is None:
        return noise
    scale = np.sqrt((tails - 2) / rng.chisquare(tails, (n_bars, 1)))  # Student, scaled to variance 1
    return np.asarray(noise * scale)


def _path(
    noise: FloatArray,
    nights: FloatArray,
    drift: FloatArray,
    sd: FloatArray,
    planting: _Planting,
    garch: Garch | None,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return log gaps, log bodies and standard deviations of one symbol, (n,) each.

    Bar by bar, because the edge depends on the path and GARCH on the last return.
    """
    day_share, night_share = math.sqrt(1 - planting.overnight), math.sqrt(planting.overnight)
    mean, lookback = planting.mean, planting.lookback
    sds, drifts, es, gs = sd.tolist(), drift.tolist(), noise.tolist(), nights.tolist()
    log_close = [0.0]  # before the first bar
    bodies, gaps = [], []
    variance = sds[0] ** 2
    omega = variance * (1 - garch.alpha - garch.beta) if garch else 0.0
    for t in range(len(es)):
        if garch:
            sds[t] = math.sqrt(variance)
        z = es[t]
        if mean and t > lookback:
            rise = log_close[t] - log_close[t - lookback]
            a = max(-_MOST_LEANING, min(_MOST_LEANING, mean / (sds[t] * day_share)))
            z = math.copysign(a, a * rise) + math.sqrt(1 - a * a) * z
        gap, body = sds[t] * night_share * gs[t], sds[t] * day_share * z
        if garch:
            variance = omega + garch.alpha * (gap + body) ** 2 + garch.beta * variance
        gaps.append(gap)
        bodies.append(body + drifts[t])
        log_close.append(log_close[t] + gap + bodies[t])
    return np.array(gaps), np.array(bodies), np.array(sds)


# -- bars


def _prices(
    gap: FloatArray, body: FloatArray, sd: FloatArray, rng: np.random.Generator
) -> dict[str, FloatArray]:
    """Return open, high, low and close, (n, n_symbols)."""
    log_close = np.cumsum(gap + body, axis=0)
    close = _FIRST_PRICE * np.exp(log_close)
    before = np.vstack((np.full((1, close.shape[1]), _FIRST_PRICE), close[:-1]))
    open_ = before * np.exp(gap)
    # Maximum and minimum of a Brownian bridge from 0 to x with variance v: (x +- sqrt(x^2 - 2 v ln U)) / 2.
    spread = -2 * sd**2
    up = (body + np.sqrt(body**2 + spread * np.log(1 - rng.random(body.shape)))) / 2
    down = (body - np.sqrt(body**2 + spread * np.log(1 - rng.random(body.shape)))) / 2
    high = np.maximum(open_ * np.exp(up), np.maximum(open_, close))
    low = np.minimum(open_ * np.exp(down), np.minimum(open_, close))
    return {"open": open_, "high": high, "low": low, "close": close}


def _volume(returns: FloatArray, sd: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return whole volumes, larger on bars that move far for their volatility."""
    surprise = np.minimum(np.abs(returns) / sd, 4.0)
    return np.round(_MEAN_VOLUME * np.exp(0.3 * rng.standard_normal(returns.shape) + 0.4 * (surprise - 0.8)))
