"""Data of your own: a CSV or Parquet file, a frame, or arrays; loading lists all that is wrong with them."""

import tempfile
from pathlib import Path

import numpy as np

from strategy_optimizer import check_bars, load_bars, optimize

rng = np.random.default_rng(7)
close = 100 * np.exp(np.cumsum(rng.normal(0.0003, 0.01, 1_500)))
opens = np.append(100.0, close[:-1])
columns = {
    "timestamp": np.arange("2015-01-01", "2019-02-09", dtype="datetime64[D]")[:1_500],
    "open": opens,
    "high": np.maximum(opens, close) * 1.002,
    "low": np.minimum(opens, close) * 0.998,
    "close": close,
    "volume": rng.integers(1_000, 9_000, 1_500),
}

# Arrays, and also pandas and Polars frames, go in as they are.
bars = load_bars(columns, name="random walk")
print(bars)

# So does a file; columns are found by their names.
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "prices.csv"
    rows = zip(*(columns[name] for name in columns), strict=True)
    path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]))
    print("the same data from a file:", load_bars(path) == bars)

# What is wrong is listed with its rows; nothing is mended unless you ask for it with repair=.
spoiled = {**columns, "low": np.where(np.arange(1_500) == 700, 1e9, columns["low"])}
print(check_bars(spoiled, name="spoiled"))

# On a random walk the winner has no edge, and the held-out numbers show it.
result = optimize("ma_cross", bars, evaluations=500)
print(f"score in sample {result.best_score:.2f}, held out {result.best.held_out['composite_score']:.2f}")
