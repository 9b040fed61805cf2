"""Published numbers that the validation statistics reproduce: one row for each, for the tests and for docs/evidence.md.

Tolerances are 1e-9 where a source or an exact formula gives all digits, else half a unit of the last one published.
"""

from __future__ import annotations

from collections.abc import Callable
from math import atan, log, pi, sqrt
from typing import NamedTuple

import numpy as np

from strategy_optimizer.splits import combinatorial_purged
from strategy_optimizer.validation import statistics as s


class Reference(NamedTuple):
    claim: str
    source: str
    expected: float
    tolerance: float
    compute: Callable[[], float]


PYPBO = "pypbo, tests/test_pbo.py"
BRIONES = "rubenbriones/Probabilistic-Sharpe-Ratio, tests"
PAPER_2025 = "López de Prado, Lipton, Zoonekynd (2025), SSRN 5520741"
DSR_2014 = "Bailey and López de Prado (2014), worked example"
LO = "Lo (2002)"
EXACT = "closed form"
CSCV = "direct computation by definition (default_rng, Sharpe ddof 1)"
ARCH = "arch, tests/bootstrap/test_block_length.py"
SKFOLIO = "combinatorics, as in skfolio"

FUND = s.SharpeMoments(0.036 / 0.079, 24, -2.448, 10.164)
FUND_AR = s.SharpeMoments(0.036 / 0.079, 24, -2.448, 10.164, autocorrelation=0.2)
BOTH = ((FUND, "rho = 0"), (FUND_AR, "rho = 0.2"))
SELECTED = s.SharpeMoments(2.5 / sqrt(250), 1250, -3.0, 10.0)
SELECTED_NORMAL = s.SharpeMoments(2.5 / sqrt(250), 1250)


def _annual(sharpe: float, periods: int, **moments: float) -> s.SharpeMoments:
    return s.SharpeMoments(sharpe / sqrt(periods), 1000, **moments)


def _years(sharpe: float, benchmark: float, periods: int, **moments: float) -> Callable[[], float]:
    found = _annual(sharpe, periods, **moments)
    return lambda: s.minimum_track_record_2012(found, benchmark / sqrt(periods)) / periods


def _pbo(seed: int, shape: tuple[int, int], n_blocks: int) -> s.OverfittingProbability:
    returns = np.random.default_rng(seed).standard_normal(shape) * 0.01
    return s.overfitting_probability(s.block_sums(returns, n_blocks))


def _ar_blocks() -> s.BlockLengths:
    x = np.random.RandomState(0).standard_normal(10_100)
    for i in range(1, len(x)):
        x[i] += 0.3 * x[i - 1]
    return s.optimal_block_length(x[100:])


def _fdr_level(moments: s.SharpeMoments) -> float:
    return s.level_for_false_discovery_rate(moments, 0.5, 0.1, 0.25)


def _ar_scaling(q: int, rho: float) -> Callable[[], float]:
    return lambda: s.lo_scaling(q, [rho**k for k in range(1, q)])


def _deflated_k10(moments: s.SharpeMoments) -> float:
    return s.deflated_sharpe_h0(moments, n_trials=10, trials_variance=0.1, method="approximate")


def _paper_2025() -> list[Reference]:
    rows = [
        ("standard error at the observed SR", 0.329, lambda: s.sharpe_standard_error_h0(FUND, FUND.sharpe)),
        (
            "the same, normal returns",
            0.214,
            lambda: s.sharpe_standard_error_h0(s.SharpeMoments(FUND.sharpe, 24), FUND.sharpe),
        ),
        ("minimum track record, level 0.05", 13.029, lambda: s.minimum_track_record_h0(FUND)),
        ("beta at SR1 = 0.5, level 0.05", 0.315, lambda: 1 - s.sharpe_power(FUND, 0.5)),
        (
            "pFDR, prior 0.05, level 0.05",
            0.581,
            lambda: s.false_discovery_rate(0.05, s.sharpe_power(FUND, 0.5), 0.05),
        ),
        ("oFDR, prior 0.05", 0.306, lambda: s.observed_false_discovery_rate(FUND, 0.5, 0.05)),
        (
            "E[max], K = 10, variance 0.1",
            0.498,
            lambda: s.best_sharpe_without_skill(0.1, 10, method="approximate"),
        ),
    ]
    columns: list[tuple[str, tuple[float, float], Callable[[s.SharpeMoments], float]]] = [
        ("PSR(0)", (0.987, 0.966), s.psr_h0),
        ("PSR(0.1)", (0.939, 0.900), lambda m: s.psr_h0(m, 0.1)),
        ("MinTRL(0), level 0.1", (7.909, 11.863), lambda m: s.minimum_track_record_h0(m, confidence=0.9)),
        (
            "MinTRL(0.1), level 0.1",
            (16.456, 23.899),
            lambda m: s.minimum_track_record_h0(m, 0.1, confidence=0.9),
        ),
        ("critical SR, level 0.1", (0.262, 0.320), lambda m: s.critical_sharpe(m, level=0.1)),
        ("power at SR1 = 0.5, level 0.1", (0.758, 0.676), lambda m: s.sharpe_power(m, 0.5, level=0.1)),
        (
            "pFDR, prior 0.1, level 0.1",
            (0.543, 0.571),
            lambda m: s.false_discovery_rate(0.1, s.sharpe_power(m, 0.5, level=0.1), 0.1),
        ),
        ("oFDR, prior 0.1", (0.173, 0.361), lambda m: s.observed_false_discovery_rate(m, 0.5, 0.1)),
        ("DSR, K = 10", (0.416, 0.427), _deflated_k10),
        (
            "DSR, K = 10, variance of one normal",
            (0.451, 0.457),
            lambda m: s.psr_h0(m, 0.4979, maximum_variance=1.0),
        ),
        ("level for pFDR 0.25", (0.0224, 0.0175), _fdr_level),
        ("its beta", (0.396, 0.527), lambda m: 1 - s.sharpe_power(m, 0.5, level=_fdr_level(m))),
        ("its critical SR", (0.410, 0.527), lambda m: s.critical_sharpe(m, level=_fdr_level(m))),
    ]
    for claim, both, function in columns:
        for (moments, label), expected in zip(BOTH, both, strict=True):
            rows.append((f"{claim}, {label}", expected, lambda f=function, m=moments: f(m)))
    return [
        Reference(claim, PAPER_2025, expected, 5e-5 if expected < 0.03 else 5e-4, function)
        for claim, expected, function in rows
    ]


def _probabilistic() -> list[Reference]:
    return [
        Reference(
            "PSR 2012, SR 1.585 a year",
            f'{PYPBO} ("The Sharpe ratio efficient frontier")',
            0.91323430688486018,
            1e-9,
            lambda: s.psr_2012(s.SharpeMoments(1.585 / sqrt(12), 24, -2.448, 10.164)),
        ),
        Reference(
            "PSR 2012, SR 0.458",
            BRIONES,
            0.913,
            5e-4,
            lambda: s.psr_2012(s.SharpeMoments(0.458, 24, -2.448, 10.164)),
        ),
        Reference(
            "PSR 2012, SR 0.458, normal", BRIONES, 0.982, 5e-4, lambda: s.psr_2012(s.SharpeMoments(0.458, 24))
        ),
        Reference(
            "standard error 2012, n = 134",
            BRIONES,
            0.1028,
            5e-5,
            lambda: s.sharpe_standard_error_2012(s.SharpeMoments(0.7079, 134, -0.2250, 2.9570)),
        ),
        Reference(
            "standard error 2012, n = 134, skewed",
            BRIONES,
            0.1550,
            5e-5,
            lambda: s.sharpe_standard_error_2012(s.SharpeMoments(0.8183, 134, -1.4455, 7.0497)),
        ),
        Reference("MinTRL 2012, daily, years", PYPBO, 2.7311878017281761, 1e-9, _years(2, 1, 250)),
        Reference("MinTRL 2012, weekly, years", PYPBO, 2.8288335869452368, 1e-9, _years(2, 1, 52)),
        Reference(
            "MinTRL 2012, monthly, skewed, years",
            PYPBO,
            27.352920196040301,
            1e-9,
            _years(3, 2.5, 12, skew=-0.72, kurtosis=5.78),
        ),
        Reference(
            "MinTRL 2012, n = 134, years",
            BRIONES,
            0.7152,
            5e-5,
            lambda: s.minimum_track_record_2012(s.SharpeMoments(0.7079, 134, -0.2250, 2.9570)) / 12,
        ),
        Reference(
            "MinTRL 2012, n = 134, skewed, years",
            BRIONES,
            1.1593,
            5e-5,
            lambda: s.minimum_track_record_2012(s.SharpeMoments(0.8183, 134, -1.4455, 7.0497)) / 12,
        ),
    ]


def _maximum() -> list[Reference]:
    def deflated(moments: s.SharpeMoments, n_trials: int) -> Callable[[], float]:
        return lambda: s.deflated_sharpe_2012(
            moments, n_trials=n_trials, trials_variance=0.5 / 250, method="approximate"
        )

    exact = [
        (2, 1.0 / sqrt(pi)),
        (3, 1.5 / sqrt(pi)),
        (4, 6.0 / pi**1.5 * atan(sqrt(2.0))),
        (5, 5.0 / (4.0 * sqrt(pi)) + 15.0 / (2.0 * pi**1.5) * np.arcsin(1.0 / 3.0)),
    ]
    tabled = [(10, 1.538753, 0.586808), (100, 2.507594, 0.429424), (1000, 3.241436, 0.351366)]
    approximate = [(2, 0.519755), (5, 1.192594), (10, 1.574598), (1000, 3.255122)]
    tables = "Gauss-Hermite quadrature of the order statistic"
    return [
        Reference(
            "approximate E[max], N = 100",
            PYPBO,
            2.5306028932016846,
            1e-9,
            lambda: s.approximate_expected_maximum(100),
        ),
        *(
            Reference(
                f"approximate E[max], N = {n}",
                DSR_2014,
                value,
                5e-7,
                lambda n=n: s.approximate_expected_maximum(n),
            )
            for n, value in approximate
        ),
        *(
            Reference(f"E[max], N = {n}", EXACT, value, 1e-9, lambda n=n: s.expected_maximum(n).mean)
            for n, value in exact
        ),
        Reference("Var[max], N = 2", EXACT, 1 - 1 / pi, 1e-9, lambda: s.expected_maximum(2).deviation ** 2),
        *(
            Reference(f"E[max], N = {n}", tables, mean, 5e-7, lambda n=n: s.expected_maximum(n).mean)
            for n, mean, _ in tabled
        ),
        *(
            Reference(
                # The quadrature of the source has an error of 4e-6 at N = 1000 (SciPy's quad: 0.3513622306).
                f"sd[max], N = {n}",
                tables,
                deviation,
                5e-6,
                lambda n=n: s.expected_maximum(n).deviation,
            )
            for n, _, deviation in tabled
        ),
        Reference(
            "DSR 2012, N = 100", f"{PYPBO} ({DSR_2014})", 0.90039683444939034, 1e-9, deflated(SELECTED, 100)
        ),
        Reference(
            "its benchmark, per day",
            DSR_2014,
            0.11317200186513214,
            1e-9,
            lambda: s.best_sharpe_without_skill(0.5 / 250, 100, method="approximate"),
        ),
        Reference("DSR 2012, N = 46", DSR_2014, 0.9505017068755786, 1e-9, deflated(SELECTED, 46)),
        Reference(
            "DSR 2012, normal, N = 88", DSR_2014, 0.9504908166760138, 1e-9, deflated(SELECTED_NORMAL, 88)
        ),
        Reference(
            "minimum backtest length, N = 45",
            PYPBO,
            4.9980870044434038,
            1e-9,
            lambda: s.minimum_backtest_length(45, 1.0, method="approximate"),
        ),
        Reference("its bound 2 ln N", EXACT, 7.61, 5e-3, lambda: 2 * log(45)),
    ]


def _autocorrelation() -> list[Reference]:
    errors = [(0.5, 12, 0.3062), (0.5, 24, 0.2165), (0.5, 60, 0.1369), (1.0, 60, 0.1581)]
    yearly = [
        (0, 3.4641),
        (0.1, 3.1601),
        (0.2, 2.8788),
        (0.3, 2.6148),
        (0.5, 2.1213),
        (0.9, 1.2070),
        (-0.2, 4.1708),
    ]
    daily = [(0, 15.8745), (0.05, 15.1027), (0.1, 14.3648), (0.2, 12.9722)]
    return [
        *(
            Reference(
                f"standard error, SR {sharpe}, T = {n}",
                LO,
                value,
                5e-5,
                lambda sharpe=sharpe, n=n: s.sharpe_standard_error_h0(s.SharpeMoments(sharpe, n), sharpe),
            )
            for sharpe, n, value in errors
        ),
        *(
            Reference(f"eta({q}), AR(1) {rho}", LO, value, 5e-5, _ar_scaling(q, rho))
            for q, table in ((12, yearly), (252, daily))
            for rho, value in table
        ),
    ]


def _counts() -> list[Reference]:
    matrix = np.array([[10, 1, 7], [1, 10, 8], [7, 8, 10]]) / 10
    return [
        Reference(
            "trials by average correlation 0.5, M = 100",
            BRIONES,
            50.5,
            1e-9,
            lambda: s.independent_trials(0.5, 100),
        ),
        Reference(
            "effective rank of the identity", PAPER_2025, 3.0, 1e-9, lambda: s.effective_rank_of(np.eye(3))
        ),
        Reference(
            "effective rank of three trials", PAPER_2025, 1.84, 1e-2, lambda: s.effective_rank_of(matrix)
        ),
        Reference(
            "effective rank of two of them",
            PAPER_2025,
            2.0,
            2e-2,
            lambda: s.effective_rank_of(matrix[:2, :2]),
        ),
    ]


def _resampled() -> list[Reference]:
    small, large = (0, (96, 10), 8), (1, (160, 20), 10)
    return [
        Reference("PBO, 96 x 10, S = 8", CSCV, 4 / 70, 1e-9, lambda: _pbo(*small).pbo),
        Reference("its mean logit", CSCV, 1.444625567353293, 1e-9, lambda: float(_pbo(*small).logits.mean())),
        Reference("its probability of loss", CSCV, 0.1, 1e-9, lambda: _pbo(*small).loss_probability),
        Reference("PBO, 160 x 20, S = 10", CSCV, 43 / 252, 1e-9, lambda: _pbo(*large).pbo),
        Reference(
            "its mean logit", CSCV, 0.8236791162320736, 1e-9, lambda: float(_pbo(*large).logits.mean())
        ),
        Reference(
            "block length, AR(1) 0.3, stationary", ARCH, 13.635665, 5e-7, lambda: _ar_blocks().stationary
        ),
        Reference("block length, AR(1) 0.3, circular", ARCH, 15.60894, 5e-6, lambda: _ar_blocks().circular),
        *(
            Reference(
                f"paths of CPCV({folds}, {tested})",
                SKFOLIO,
                paths,
                0.0,
                lambda folds=folds, tested=tested: float(len(combinatorial_purged(100, folds, tested).paths)),
            )
            for folds, tested, paths in ((6, 2, 5), (10, 2, 9), (10, 8, 36))
        ),
    ]


REFERENCES = [
    *_probabilistic(),
    *_paper_2025(),
    *_maximum(),
    *_autocorrelation(),
    *_counts(),
    *_resampled(),
]
