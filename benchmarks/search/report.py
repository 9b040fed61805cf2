"""Tables, tests and plots of finished runs.

    .venv-search/bin/python benchmarks/search/report.py DIR [--reference bo] [--optimizers ...] [--name NAME]

Reads DIR/runs.jsonl, writes benchmarks/search/results/NAME.md and one plot a group of landscapes beside it. Only
landscapes that every optimizer has finished count. A landscape's mean is over its seeds; the 10th percentile is
over the seeds of each landscape, then averaged. Comparisons with the reference are Wilcoxon signed-rank tests
(two-sided) over landscape means of the seeds that both have, Holm-corrected over the peers of a table.

With `--every-seed` these means are over all seeds that each has: where a peer has one and ours ten, the seeds of
the two have nothing in common but their number, and ten say more. With `--read-at 100` longer runs count as well,
read off at 100 trials: for optimizers to which the budget makes no difference.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from landscapes import FACTS
from run import read_runs

RESULTS = Path(__file__).with_name("results")
GROUPS = {
    "real": (("strategy", "grid"), "Real strategies: full spaces and grids"),
    "strategy": (("strategy",), "Real strategies, full mixed spaces (best known by search)"),
    "grid": (("grid",), "Real strategies, grids (best known by enumeration)"),
    "mixint": (("mixint",), "Mixed-integer functions (logarithmic score)"),
}
OURS = ("bo", "auto", "hybrid", "ensemble", "ga", "random")
Runs = dict[str, dict[str, dict[int, dict[str, Any]]]]  # optimizer -> landscape -> seed -> run


def main() -> None:
    arguments = _arguments()
    records = valid(read_runs(arguments.folder / "runs.jsonl"))
    records = [r for r in records if not arguments.optimizers or r["optimizer"] in arguments.optimizers]
    if arguments.budget:
        records = [r for r in records if r["budget"] == arguments.budget]
    if arguments.read_at:
        records = read_off(records, arguments.read_at)
    RESULTS.mkdir(exist_ok=True)
    text = [_head(arguments, records)]
    budgets = sorted({r["budget"] for r in records})
    for budget, (group, (members, title)) in itertools.product(budgets, GROUPS.items()):
        chosen = [r for r in records if r["group"] in members and r["budget"] == budget]
        runs = arranged([r for r in chosen if "error" not in r])
        repeats_another = len(members) > 1 and len({r["group"] for r in chosen}) == 1
        if runs and not repeats_another:
            title = f"{title}, {budget:,} trials"
            plot = RESULTS / f"{arguments.name}_{group}_{budget}.png"
            draw(runs, budget, plot, title)
            text.append(section(runs, budget, title, plot.name, arguments.reference, arguments.every_seed))
    errors = [r for r in records if "error" in r]
    if errors:
        text.append(_errors(errors))
    (RESULTS / f"{arguments.name}.md").write_text("\n".join(text))
    print("\n".join(text))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--reference", help="compare the others with it (default: the first of ours that ran)"
    )
    parser.add_argument("--optimizers", nargs="*", help="only these (default: all that ran)")
    parser.add_argument("--budget", type=int, help="only runs of so many trials")
    parser.add_argument("--read-at", type=int, help="runs of so many trials and more, read off there")
    parser.add_argument("--every-seed", action="store_true", help="compare over all seeds that each has")
    parser.add_argument("--note", help="a sentence for the head of the page")
    parser.add_argument("--name", default="search")
    return parser.parse_args()


def _head(arguments: argparse.Namespace, records: list[dict[str, Any]]) -> str:
    machine, packages = (arguments.folder / "machine.txt").read_text().splitlines()
    seeds, budgets = {r["seed"] for r in records}, sorted({r["budget"] for r in records})
    return (
        "# Search: ours beside the peers\n\n"
        "Score of a run: (best found - median random) / (best known - median random). Sequential trials unless a\n"
        'name ends in "x8" (asked for eight at a time), one thread. "p10": 10th percentile over seeds. "suggest":\n'
        'median time of the optimizer a trial, asking and telling; "late": over the last tenth of the trials.\n'
        '"visited": share of the 10 x 10 cells over all pairs of parameters. See README.md for how each is used.\n\n'
        f"Up to {len(seeds)} seeds, budgets of {', '.join(f'{b:,}' for b in budgets)} trials.\n\n"
        f"Machine: {machine}\n\nVersions: {packages}\n" + (f"\n{arguments.note}\n" if arguments.note else "")
    )


# -- numbers


def valid(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the runs on landscapes as they are now."""
    facts = json.loads(FACTS.read_text())
    return [r for r in records if facts.get(r["landscape"], {}).get("digest") == r["digest"]]


def read_off(records: Sequence[dict[str, Any]], budget: int) -> list[dict[str, Any]]:
    """Return the runs of at least so many trials as if that had been their budget; of several one, the shortest."""
    chosen: dict[tuple[Any, ...], dict[str, Any]] = {}
    for record in sorted(records, key=lambda r: -r["budget"]):
        if record["budget"] >= budget:
            chosen[record["optimizer"], record["landscape"], record["seed"]] = record | {"budget": budget}
    return list(chosen.values())


def arranged(records: Sequence[dict[str, Any]]) -> Runs:
    """Return the runs by optimizer, landscape and seed: landscapes that all optimizers have."""
    runs: Runs = defaultdict(lambda: defaultdict(dict))
    for record in records:
        runs[record["optimizer"]][record["landscape"]][record["seed"]] = record
    common = set.intersection(*(set(of) for of in runs.values())) if runs else set()
    return (
        {name: {landscape: of[landscape] for landscape in sorted(common)} for name, of in runs.items()}
        if common
        else {}
    )


def score_at(run: dict[str, Any], budget: int) -> float:
    """Return the score of what a run had found after so many trials; 0 before anything succeeded."""
    reached = [score for n, score in run["curve"] if n <= budget]
    return reached[-1] if reached else 0.0


def landscape_means(
    of: dict[str, dict[int, dict[str, Any]]], budget: int, seeds: dict[str, set[int]] | None = None
) -> np.ndarray:
    """Return the mean over seeds of each landscape."""
    return np.array(
        [
            np.mean(
                [score_at(run, budget) for seed, run in by_seed.items() if not seeds or seed in seeds[name]]
            )
            for name, by_seed in of.items()
        ]
    )


def percentile(of: dict[str, dict[int, dict[str, Any]]], budget: int) -> float:
    """Return the mean over landscapes of the 10th percentile over seeds."""
    by_landscape = of.values()
    return float(
        np.mean([np.percentile([score_at(run, budget) for run in r.values()], 10) for r in by_landscape])
    )


def mean_of(of: dict[str, dict[int, dict[str, Any]]], field: str, statistic: Any = np.mean) -> float:
    """Return a statistic of one field over all runs."""
    return float(statistic([run[field] for by_seed in of.values() for run in by_seed.values()]))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values, in the given order.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values)
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def compare(
    runs: Runs, reference: str, peer: str, budget: int, every_seed: bool = False
) -> tuple[float, float, float]:
    """Return the means of the reference and the peer over the seeds both have, or all, and the p-value."""
    if every_seed:
        ours, theirs = (landscape_means(runs[who], budget) for who in (reference, peer))
        return float(ours.mean()), float(theirs.mean()), p_value(ours, theirs)
    seeds = {name: set(runs[reference][name]) & set(runs[peer][name]) for name in runs[reference]}
    seeds = {name: both for name, both in seeds.items() if both}
    ours, theirs = (
        landscape_means({name: runs[who][name] for name in seeds}, budget, seeds) for who in (reference, peer)
    )
    return float(ours.mean()), float(theirs.mean()), p_value(ours, theirs)


def p_value(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the p-value of Wilcoxon's signed-rank test; 1 where there is nothing to compare."""
    from scipy.stats import wilcoxon

    same = len(ours) == 0 or np.array_equal(ours, theirs)
    return 1.0 if same else float(wilcoxon(ours, theirs).pvalue)


# -- text


def section(
    runs: Runs, last: int, title: str, plot: str, reference: str | None, every_seed: bool = False
) -> str:
    """Return the tables of one group of landscapes for runs with `last` trials."""
    budgets = [b for b in (50, 100, 200, 1_000, 10_000) if b < last] + [last]
    names = sorted(runs, key=lambda name: -landscape_means(runs[name], last).mean())
    n_landscapes = len(runs[names[0]])
    lines = [f"\n## {title}\n", f"{n_landscapes} landscapes. ![best so far]({plot})\n"]
    cells = [f"{b:,}: mean | p10" for b in budgets]
    lines.append(
        f"| optimizer | {' | '.join(cells)} | suggest, ms | late, ms | visited | duplicates | failed | seeds |"
    )
    lines.append("|---|" + "---:|" * (2 * len(budgets) + 6))
    lines += [_row(name, runs[name], budgets) for name in names]
    reference = reference or next((name for name in OURS if name in runs), None)
    if reference in runs and len(runs) > 1:
        others = [name for name in names if name != reference]
        lines += _comparison(runs, reference, others, budgets, every_seed)
    return "\n".join(lines) + "\n"


def _row(name: str, of: dict[str, dict[int, dict[str, Any]]], budgets: list[int]) -> str:
    numbers = []
    for budget in budgets:
        numbers += [f"{landscape_means(of, budget).mean():.3f}", f"{percentile(of, budget):.3f}"]
    seeds = sorted({len(by_seed) for by_seed in of.values()})
    numbers += [
        f"{mean_of(of, 'suggest_ms', np.median):,.2f}",
        f"{mean_of(of, 'suggest_ms_late', np.median):,.2f}",
        f"{mean_of(of, 'coverage'):.2f}",
        f"{mean_of(of, 'duplicates'):.1f}",
        f"{mean_of(of, 'failed'):.1f}",
        "-".join(str(n) for n in (seeds[0], seeds[-1])) if len(seeds) > 1 else str(seeds[0]),
    ]
    return f"| {name} | {' | '.join(numbers)} |"


def _comparison(
    runs: Runs, reference: str, others: list[str], budgets: list[int], every_seed: bool
) -> list[str]:
    seeds = "all seeds that each has" if every_seed else "seeds that both have"
    lines = [f"\n{reference} minus the other, {seeds}; p after Holm's correction:\n"]
    lines.append(f"| other | {' | '.join(f'{b:,}: difference | p' for b in budgets)} |")
    lines.append("|---|" + "---:|" * (2 * len(budgets)))
    columns = []
    for budget in budgets:
        results = [compare(runs, reference, name, budget, every_seed) for name in others]
        adjusted = holm([p for _, _, p in results])
        columns.append([f"{r[0] - r[1]:+.3f} | {p:.2g}" for r, p in zip(results, adjusted, strict=True)])
    return lines + [f"| {name} | {' | '.join(row)} |" for name, *row in zip(others, *columns, strict=True)]


def _errors(records: list[dict[str, Any]]) -> str:
    lines = [
        "\n## Runs that ended in an error\n",
        "| optimizer | landscape | seed | error |",
        "|---|---|---:|---|",
    ]
    lines += [f"| {r['optimizer']} | {r['landscape']} | {r['seed']} | {r['error']} |" for r in records]
    return "\n".join(lines) + "\n"


# -- plot


def draw(runs: Runs, last: int, path: Path, title: str) -> None:
    """Draw the mean best-so-far score over trials, ours in bold."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    trials = np.unique(np.geomspace(5, last, 60).astype(int))
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    names = sorted(runs, key=lambda name: -landscape_means(runs[name], last).mean())
    for i, name in enumerate(names):
        scores = [landscape_means(runs[name], n).mean() for n in trials]
        bold = name.split(" ")[0] in OURS
        axes.plot(
            trials, scores, label=name, lw=2.5 if bold else 1.2, ls="-" if bold else "--", color=f"C{i % 10}"
        )
    axes.set(xscale="log", xlabel="trials", ylabel="score, mean over landscapes", title=title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, ncols=2)
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
