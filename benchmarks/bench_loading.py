"""Time from a file of a million one-minute bars to checked bars, beside pandas.read_csv.

    .venv/bin/python benchmarks/bench_loading.py [--bars 1000000] [--repeats 3]

"cold" is a fresh process, timed from after the import of strategy_optimizer.market (and NumPy with it) to
checked bars, so that the import of the file reader counts; "warm" is a second load in the same process. Best
of the repeats. "checks" are what load_bars does to arrays in memory.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

COLD = """
import sys, time
{imports}
times = []
for _ in range(2):
    begin = time.perf_counter()
    {work}
    times.append(time.perf_counter() - begin)
print(*times)
"""
OURS = ("from strategy_optimizer.market import load_bars", "assert load_bars({path!r}).n_bars == {n}")
CASES = {
    "load_bars, CSV": (*OURS, "bars.csv"),
    "load_bars, CSV, zone and fraction": (*OURS, "zoned.csv"),
    "load_bars, CSV, Unix milliseconds": (*OURS, "unix.csv"),
    "load_bars, CSV gzipped": (*OURS, "bars.csv.gz"),
    "load_bars, Parquet": (*OURS, "bars.parquet"),
    "load_bars, arrays in memory (checks)": (
        "from strategy_optimizer.market import load_bars, synthetic_market as new\nbars = new({n}, bar='1m')",
        "assert load_bars(bars).n_bars == {n}",
    ),
    "import polars alone": ("import numpy", "import polars; {n}"),
    "import pandas alone": ("import numpy", "import pandas; {n}"),
    "pandas.read_csv, dates parsed, no checks": (
        "import numpy",
        "import pandas; assert len(pandas.read_csv({path!r}, index_col=0, parse_dates=True)) == {n}",
        "bars.csv",
    ),
}


def write_files(folder: Path, n: int) -> None:
    import polars as pl

    rng = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 5e-4, n)))
    open_ = np.concatenate(([100.0], close[:-1])) * np.exp(rng.normal(0, 5e-5, n))
    high = np.maximum(open_, close) * np.exp(rng.exponential(1e-4, n))
    low = np.minimum(open_, close) * np.exp(-rng.exponential(1e-4, n))
    minutes = np.datetime64("2020-01-01", "ns") + np.arange(n) * np.timedelta64(60, "s")
    prices = {
        name: np.round(x, 4)
        for name, x in zip(("open", "high", "low", "close"), (open_, high, low, close), strict=True)
    }
    frame = pl.DataFrame({"timestamp": minutes, **prices, "volume": rng.integers(1, 100_000, n)})
    frame.write_parquet(folder / "bars.parquet")
    frame.write_csv(folder / "bars.csv", datetime_format="%Y-%m-%d %H:%M:%S")
    frame.write_csv(folder / "bars.csv.gz", datetime_format="%Y-%m-%d %H:%M:%S", compression="gzip")
    frame.write_csv(folder / "zoned.csv", datetime_format="%Y-%m-%dT%H:%M:%S%.3f+00:00")
    frame.with_columns(pl.col("timestamp").dt.epoch("ms")).write_csv(folder / "unix.csv")


def measure(imports: str, work: str, path: Path, n: int, repeats: int) -> tuple[float, float]:
    code = COLD.format(imports=imports.format(n=n), work=work.format(path=str(path), n=n))
    runs = [
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        for _ in range(repeats)
    ]
    times = [tuple(map(float, run.stdout.split())) for run in runs]
    return min(cold for cold, _ in times), min(warm for _, warm in times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bars", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder, options.bars)
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        print(f"{options.bars:,} bars, {machine}")
        print(f"{'':42}{'cold s':>8}{'warm s':>8}{'MB':>8}")
        for label, (imports, work, *file) in CASES.items():
            path = folder / (file[0] if file else "none")
            cold, warm = measure(imports, work, path, options.bars, options.repeats)
            size = f"{path.stat().st_size / 1e6:8.1f}" if file else ""
            print(f"{label:42}{cold:8.2f}{warm:8.2f}{size}")


if __name__ == "__main__":
    main()
