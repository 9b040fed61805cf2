"""Writes results/multi.md from the parts that multi_run.py has measured."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

HEAD = """# Pareto search beside its peers

    PYTHONPATH=src nice -n 10 .venv-search/bin/python benchmarks/search/multi_run.py functions strategies few speed

Written by multi_report.py from the multi_*.json files beside it. One process, one thread. Hypervolumes are exact.
*Ours* is `nsga2` with its defaults for the budget; the peers have their own defaults with the population stated.
"""


def write_page(results: Path) -> str:
    """Write the page from the parts that are there, and return it."""
    parts: dict[str, Callable[[dict[str, Any]], str]] = {
        "functions": _functions,
        "strategies": _strategies,
        "few": _few,
        "speed": _speed,
    }
    sections = [HEAD]
    for name, section in parts.items():
        path = results / f"multi_{name}.json"
        if path.exists():
            facts = json.loads(path.read_text())
            sections.append(section(facts) + f"\n{facts['machine']}; {facts['seconds']} s in all.\n")
    page = "\n".join(sections)
    (results / "multi.md").write_text(page)
    return page


def _functions(facts: dict[str, Any]) -> str:
    rows = facts["rows"]
    lines = []
    for problem in dict.fromkeys(row["problem"] for row in rows):
        own = [row for row in rows if row["problem"] == problem]
        cells = [
            _median(own, "ours", "all"),
            _median(own, "pymoo", "all"),
            _median(own, "ours", "hundred"),
            _median(own, "pymoo", "hundred"),
            _median(own, "pymoo", "population"),
        ]
        times = [_median(own, who, "seconds") for who in ("ours", "pymoo")]
        lines.append([problem, *(f"{value:.4f}" for value in cells), *(f"{value:.1f}" for value in times)])
    table = _table(
        ["problem", "all: ours", "pymoo", "100: ours", "pymoo", "pymoo's last 100", "s: ours", "pymoo"], lines
    )
    return f"""## Known fronts: ZDT and DTLZ, 25,000 trials

Share of the hypervolume of the whole true front, objectives normalised, reference point 1.1; medians of
{facts["seeds"]} seeds. pymoo's NSGA-II has a population of 100. *All*: the front of all trials. *100*: the best
spread 100 points of it. *pymoo's last 100*: its final population, which is what it returns. The names of DTLZ end
with the number of objectives. *s*: seconds spent asking and telling.

{table}

{_targets(rows)}
"""


def _targets(rows: Sequence[dict[str, Any]]) -> str:
    """Return the two figures that were asked for, each seed's worst."""
    dtlz2 = min(row["ours"]["hundred_to_nadir"] for row in rows if row["problem"] == "dtlz2-2")
    zdt1 = min(row["ours"]["hundred"] for row in rows if row["problem"] == "zdt1")
    better = sum(row["ours"]["all"] > row["pymoo"]["all"] for row in rows)
    thinned = sum(row["ours"]["hundred"] > row["pymoo"]["hundred"] for row in rows)
    return (
        f"Ours has the larger hypervolume in {better} of {len(rows)} runs with all trials, in {thinned} with 100 "
        "points.\n\n"
        f"DTLZ2 with two objectives to the nadir (reference point 1.0), 100 points, the worst seed: {dtlz2:.4f} "
        f"(target 0.2093, true front 0.2146).\n\n"
        f"ZDT1, 100 points, the worst seed: {zdt1:.2%} of the true front (target 99 %)."
    )


def _strategies(facts: dict[str, Any]) -> str:
    rows, who = facts["rows"], ("ours", "pymoo", "optuna")
    lines = []
    for cell in dict.fromkeys(row["cell"] for row in rows):
        own = [row for row in rows if row["cell"] == cell]
        lines.append([cell, *(f"{_median(own, name, 'all'):.3f}" for name in who)])
    means = [statistics.mean(row[name]["all"] for row in rows) for name in who]
    lines.append(["mean", *(f"{mean:.3f}" for mean in means)])
    best = sum(row["ours"]["all"] > max(row[name]["all"] for name in who[1:]) for row in rows)
    times = [f"{name} {_median(rows, name, 'seconds'):.1f}" for name in who]
    return f"""## Real strategies: Sharpe ratio, drawdown, turnover; 2,000 trials

Four strategies with 7 to 10 mixed parameters, conditions and constraints (cell_strategies.py) on two samples,
commission 0.0005, slippage 0.0002. Hypervolume as a share of that of all runs' fronts together, objectives scaled to
their range, reference point 0.1 below it; medians of {facts["seeds"]} seeds. The peers have a population of 50,
mixed-variable operators where the package has them, and do not pay for candidates that violate a constraint between
parameters. Our population for three objectives (half as many again as for two) was chosen on these strategies.

{_table(["strategy", *who], lines)}

Ours has the largest hypervolume in {best} of {len(rows)} runs. Median seconds of asking and telling:
{", ".join(times)}.
"""


def _few(facts: dict[str, Any]) -> str:
    rows = facts["rows"]
    who = [name for name in rows[0] if name not in ("objectives", "cell", "seed")]
    lines = []
    for name in who:
        means = [
            statistics.mean(row[name]["all"][k] for row in rows if row["objectives"] == m)
            for m in (2, 3)
            for k in range(3)
        ]
        each = 1e3 * statistics.mean(row[name]["seconds"] for row in rows) / 200
        lines.append([name, *(f"{mean:.3f}" for mean in means), f"{each:.1f}"])
    best = sum(row["bo"]["all"][-1] > max(row[name]["all"][-1] for name in who[1:]) for row in rows)
    return f"""## Real strategies, few trials: 50, 100, 200

The same strategies, with two objectives (Sharpe ratio, drawdown) and with three; *bo* and *nsga2* are ours, with their
defaults for 200 trials. Populations of 20; Optuna's models one trial at a time. Hypervolume as above; means over 8
cells and {facts["seeds"]} seeds.

{_table(["", *(f"{m} objectives, {k}" for m in (2, 3) for k in (50, 100, 200)), "ms a trial"], lines)}

bo has the largest hypervolume at 200 trials in {best} of {len(rows)} runs.
"""


def _speed(facts: dict[str, Any]) -> str:
    lines = [
        [
            row["space"],
            f"{row['parameters']}",
            f"{row['population']}",
            f"{row['ours']:,}",
            f"{row['pymoo']:,}",
            f"{row['ours'] / row['pymoo']:.0f}",
        ]
        for row in facts["rows"]
    ]
    return f"""## Speed: trials a second of asking and telling alone

Two objectives, a generation at a time, medians of {facts["seeds"]} seeds. Mixed spaces (those of the strategies):
pymoo's NSGA-II with its mixed-variable operators. `zdt1`: 30 real parameters, pymoo's vectorised operators.

{_table(["space", "parameters", "population", "ours", "pymoo", "times"], lines)}
"""


def _median(rows: Iterable[dict[str, Any]], who: str, what: str) -> float:
    return float(statistics.median(row[who][what] for row in rows))


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *lines])
