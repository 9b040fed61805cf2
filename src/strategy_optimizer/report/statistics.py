"""The statistics of validation, each with a sentence on what it says and what would be good."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any

from strategy_optimizer.validation.verdict import DEPLOY_BELOW, PAPER_BELOW

RIVALS = {"defaults": "the default parameters", "buy_and_hold": "buy-and-hold", "cash": "cash"}
COUNTS = {
    "average_correlation": "by mean correlation",
    "effective_rank": "by effective rank",
    "clusters": "by clusters",
}


def statistics_data(validation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return groups of statistics; each has a name, a value, what it says and what would be good.

    Parameters
    ----------
    validation : mapping
        The JSON values of a `Validation`.

    Returns
    -------
    list of dict
        A value is a number, ``{"not_enough": text}``, or None where it is infinite.
    """
    found = validation["overfitting"]
    groups = [
        ("Was it luck?", _luck(validation)),
        ("The best trial against all trials, in sample", _against_trials(found)),
        ("Did the search overfit?", _overfit(found)),
        ("The best trial alone, in sample", _alone(found)),
    ]
    if validation.get("held_out") is not None:
        groups.append(("The recommended parameters on the held-out bars", _held_out(validation["held_out"])))
    return [{"title": title, "rows": rows} for title, rows in groups]


def _row(name: str, value: Any, kind: str, says: str, good: str) -> dict[str, Any]:
    return {"name": name, "value": value, "kind": kind, "says": says, "good": good}


def _luck(validation: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        _row(
            "chance of so much luck",
            validation["verdict"]["luck"],
            "chance",
            "How often a strategy without skill does as well in both: in sample after so many trials, and held out.",
            f"below {DEPLOY_BELOW:.0%} to deploy, below {PAPER_BELOW:.0%} to watch on paper; the verdict rests on it",
        ),
        _row("look-ahead", *_lookahead(validation.get("lookahead"))),
    ]


def _lookahead(found: Mapping[str, Any] | None) -> tuple[Any, str, str, str]:
    says = (
        "Whether the signals change when later bars are cut off or altered, as those that see the future do."
    )
    if found is None or "not_enough" in found:
        return found, "text", says, "none found"
    text = "found" if found["found"] else "none found" if found["ok"] else "fails on shorter data"
    return text, "text", says, "none found"


def _against_trials(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    every = found.get("all_tasks") or found
    scope = "of all searches on these data" if found.get("all_tasks") else "of this search"
    # A mapping says what there is not enough of; results of earlier versions have none.
    by_null = not isinstance(found.get("null_variance", {}), Mapping)
    rows = [
        _row(
            "different trials",
            every["distinct"],
            "count",
            f"How many trials {scope} had different returns: the more there are, the better the best of them by luck.",
            "few, for the same result",
        ),
        _row(
            "Sharpe ratio to expect by luck",
            _annual(every["expected_best_sharpe"], found),
            "number",
            "The annual Sharpe ratio that the best of so many trials without any skill would have.",
            f"well below that of the best trial, {_text(_annual(_moment(found, 'sharpe'), found))}",
        ),
        _row(
            "deflated Sharpe ratio",
            every["deflated_sharpe_null" if by_null else "deflated_sharpe_2012"],
            "chance",
            "The probability that the best trial is better than the best of so many trials without skill.",
            "above 95%; the verdict rests on it",
        ),
        _row(
            "chance that resampled luck does as well",
            found["maximum_p_value"],
            "chance",
            "How often the best trial does as well when all are resampled together without their mean.",
            "below 5%; without an edge a search gets there in about 20% of cases",
        ),
    ]
    if by_null:
        rows.append(
            _row(
                "deflated Sharpe ratio, by the variance of the trials",
                every["deflated_sharpe_2012"],
                "chance",
                "The same as it is usually computed. An edge spreads the trials apart, which makes it stricter.",
                "above 95%; decides nothing",
            )
        )
    for name, label in COUNTS.items():
        if name in found["deflated_by_count"]:
            rows.append(
                _row(
                    f"deflated Sharpe ratio, trials counted {label} ({found['counts'][name]:,.4g})",
                    found["deflated_by_count"][name],
                    "chance",
                    "The same for another way to count trials that resemble each other; it passes too many winners.",
                    "above 95%; decides nothing",
                )
            )
    return rows


def _overfit(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = [
        _row(
            "probability of backtest overfitting",
            found["pbo"],
            "chance",
            "How often the best trial on one half of the bars is below the middle of all trials on the other half.",
            "well below 50%, which is what trials without any information give; crowded trials give more",
        ),
        _row(
            "the same of an even sample",
            found["control_pbo"],
            "chance",
            f"The same for {found['control_trials']:,} trials spread evenly over the space, not crowded by the search.",
            "well below 50%",
        ),
        _row(
            "chance of a loss",
            found["loss_probability"],
            "chance",
            "How often the best trial on one half of the bars loses money on the other half.",
            "below 5%",
        ),
    ]
    for name, test in found["superior"].items():
        rows.append(
            _row(
                f"chance that none beats {RIVALS.get(name, name)}",
                test if "not_enough" in test else test["p_consistent"],
                "chance",
                "Hansen's test: how likely trials spread evenly look so good where none of them is better than "
                f"{RIVALS.get(name, name)}.",
                "below 5%",
            )
        )
    for name, better in found.get("better", {}).items():
        rows.append(
            _row(
                f"parameters better than {RIVALS.get(name, name)}",
                better,
                "count",
                f"How many of {found['control_trials']:,} trials spread evenly StepM finds better, with an error in "
                "any of them in at most 5%.",
                "many",
            )
        )
    return rows


def _alone(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    lo, bars = found["lo"], _text(_moment(found, "n_obs"), "count")
    return [
        _row(
            "probability that its Sharpe ratio is above 0 (2012)",
            found["psr_2012"],
            "chance",
            "Were it the only trial ever made; it does not know that it was chosen as the best of many.",
            "above 95%; not enough by itself",
        ),
        _row(
            "the same in the convention of 2025 (h0)",
            found["psr_h0"],
            "chance",
            "With the scatter of a Sharpe ratio that is 0, and autocorrelation counted.",
            "above 95%; not enough by itself",
        ),
        _row(
            "annual Sharpe ratio, autocorrelation counted",
            lo if "not_enough" in lo else lo["sharpe"],
            "number",
            "Returns that depend on earlier ones make the plain annual ratio too high or too low; this is corrected.",
            "" if "not_enough" in lo else f"several times its standard error, {lo['standard_error']:.2f}",
        ),
        _row(
            "bars for 95% certainty",
            found["minimum_track_record"],
            "count",
            "How long a record must be to say with 95% that such a Sharpe ratio is above 0.",
            f"fewer than it has, {bars}",
        ),
        _row(
            "bars for luck not to reach it",
            found["minimum_backtest"],
            "count",
            "How long a backtest must be so that the best of so many trials without skill does not look as good.",
            f"fewer than it has, {bars}",
        ),
    ]


def _held_out(held: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = [
        _row(
            "annual Sharpe ratio",
            held["annual_sharpe"],
            "number",
            "What the recommended parameters earned for their risk on bars that the search never saw.",
            "near that in sample",
        ),
        _row(
            "probability that its Sharpe ratio is above 0 (2012)",
            held["psr"],
            "chance",
            "From the held-out returns alone; the verdict rests on it.",
            "above 95%",
        ),
        _row(
            "the same in the convention of 2025 (h0)",
            held["psr_h0"],
            "chance",
            "With the scatter of a Sharpe ratio that is 0, and autocorrelation counted.",
            "above 95%",
        ),
        _row(
            "trades",
            held["trades"],
            "count",
            "Round trips on the held-out bars: a few of them tell little.",
            "at least 10, better 30",
        ),
        _row(
            "bars for 95% certainty",
            held["minimum_track_record"],
            "count",
            "How long a record must be to say with 95% that the Sharpe ratio seen here is above 0.",
            f"fewer than there are, {held['n_bars']:,}",
        ),
    ]
    looks = held.get("looks", 1)
    if looks > 1 and isinstance(held["psr"], float):
        rows.insert(
            3,
            _row(
                f"the first after {looks:,} looks",
                held["psr"] ** looks,
                "chance",
                f"{looks:,} different parameters were judged by these bars: the best of them looks good by luck too.",
                "above 95%",
            ),
        )
    return rows


def _moment(found: Mapping[str, Any], name: str) -> Any:
    moments = found["moments"]
    return moments if "not_enough" in moments else moments[name]


def _annual(sharpe: Any, found: Mapping[str, Any]) -> Any:
    return sharpe * sqrt(found["periods_per_year"]) if isinstance(sharpe, float) else sharpe


def _text(value: Any, kind: str = "number") -> str:
    if not isinstance(value, (int, float)):
        return "not known"
    return f"{value:,.0f}" if kind == "count" else f"{value:.2f}"
