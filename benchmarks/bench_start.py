"""Time of a second start: the whole command in fresh processes, with everything compiled before, and its parts.

    .venv/bin/python benchmarks/bench_start.py > benchmarks/results/start.md   # a minute on a quiet machine

Each command is run twice first, so that machine code and bytecode are kept. The ledger is in a folder of its own, and
knows the runs before. "cpu" is user and system time of all threads. Parts are wall time between the events of a search,
in fresh processes too, without the command's own output. With `--before FOLDER` the sources there, of an earlier
version, are measured in turn with these.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import machine_line, versions

COMMAND = ["optimize", "momentum", "--data", "sp500", "--evaluations", "2000"]
CASES = {
    "everything on": COMMAND,
    "--no-validate": [*COMMAND, "--no-validate"],
    "--help": ["optimize", "--help"],
}
PROGRAM = "from strategy_optimizer.cli.program import main; main()"
PARTS = """
import time
stamps = [time.perf_counter()]
from strategy_optimizer.cli import app, searching
from strategy_optimizer.records import Finished, Started, Validating
from strategy_optimizer.tasks import make_task
from strategy_optimizer.validation import run_and_validate

def note(event=None):
    if event is None or isinstance(event, (Finished, Started, Validating)):
        stamps.append(time.perf_counter())

note()
task = make_task("momentum", "sp500", evaluations=2000, progress=note)
note()
run_and_validate(task)
note()
print(*(b - a for a, b in zip(stamps, stamps[1:])))
"""
PART_NAMES = (
    "imports",
    "bars, space, settings",
    "machine code loaded, default parameters run",
    "search: 2,000 trials",
    "winner on held-out bars, run again by the reference simulator",
    "recommendation, ledger, verdict",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--before", metavar="FOLDER", help="src of an earlier version")
    given = parser.parse_args()
    repeats = given.repeats
    sources = {"": None} if given.before is None else {"": None, ", before": given.before}
    print("# Second start\n")
    arguments = "".join(f" {argument}" for argument in sys.argv[1:])
    print(f"    .venv/bin/python benchmarks/bench_start.py{arguments} > benchmarks/results/start.md\n")
    print(f"`strategy-optimizer {' '.join(COMMAND)}`, {repeats} fresh processes after two that compiled.\n")
    print(f"Machine: {machine_line()}; {versions(['numpy', 'numba', 'scipy'])}.\n")
    print("| | wall, best | wall, median | cpu, best | cpu, median |\n|---|---:|---:|---:|---:|")
    for name, arguments in CASES.items():
        for version, (walls, cpus) in times(arguments, repeats, sources).items():
            figures = (min(walls), statistics.median(walls), min(cpus), statistics.median(cpus))
            print(f"| {name}{version} | {' | '.join(f'{x:.2f} s' for x in figures)} |", flush=True)
    print("\n| part | wall, best | wall, median |\n|---|---:|---:|")
    for name, seconds in zip(PART_NAMES, zip(*parts(repeats), strict=True), strict=True):
        print(f"| {name} | {min(seconds):.2f} s | {statistics.median(seconds):.2f} s |")
    print(f"\nLoad at the end: {os.getloadavg()[0]:.2f}.")


def times(
    arguments: list[str], repeats: int, sources: dict[str, str | None]
) -> dict[str, tuple[list[float], list[float]]]:
    """Return wall and processor seconds of each run, for each version; the versions take turns."""
    found: dict[str, tuple[list[float], list[float]]] = {version: ([], []) for version in sources}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(2 + repeats):
            for version, source in sources.items():
                before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
                run([PROGRAM, *arguments], Path(folder) / version.strip(", "), source)
                wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
                if turn >= 2:
                    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                    found[version][0].append(wall)
                    found[version][1].append(cpu)
    return found


def parts(repeats: int) -> list[list[float]]:
    """Return the seconds of each part, one list a run."""
    with tempfile.TemporaryDirectory() as folder:
        run([PARTS], Path(folder))
        return [[float(word) for word in run([PARTS], Path(folder)).split()] for _ in range(repeats)]


def run(arguments: list[str], folder: Path, source: str | None = None) -> str:
    """Run a program with its data in a folder and return what it wrote; bytecode is kept, as users have it."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"XDG_DATA_HOME": str(folder / "data"), "XDG_STATE_HOME": str(folder / "state")}
    environment |= {} if source is None else {"PYTHONPATH": source}
    done = subprocess.run(
        [sys.executable, "-c", *arguments], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


if __name__ == "__main__":
    main()
