"""Does the time of a wrong key tell whether its id is known? And what does a request pay for its key?

    python benchmarks/service/bench_key_timing.py [--rounds 5000]

Wrong keys with known and with unknown ids are shown in turn, in random order; a t-test of Welch and one of Mann and
Whitney compare their times. Time is that of the thread, so that others on the machine do not count.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import statistics
import tempfile
import time
from pathlib import Path

from scipy.stats import mannwhitneyu, ttest_ind

from strategy_optimizer.access.gate import Call, Gate, Limits
from strategy_optimizer.access.key_text import _checksum, new_key_text
from strategy_optimizer.access.rate_limits import Rate
from strategy_optimizer.errors import NotAuthenticatedError
from strategy_optimizer.storage import Store

FAST = Rate(1e9, at_once=10**9)
UNLIMITED = Limits(FAST, FAST, bad_keys=10**9)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5000)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "store.db") as store:
        store.upgrade()
        user = store.accounts.add_user("ada", "operator")
        gate = Gate(store, limits=UNLIMITED)
        good = [gate.keys.create(user.id, f"key {number}").text for number in range(200)]
        known, unknown = wrong_keys(gate, good, rounds)
        kept = [milliseconds(gate, good[0]) for _ in range(rounds)]
    print(f"wrong keys, {rounds:,} of each kind, interleaved; milliseconds of the thread\n")
    print("| kind | mean | median |\n|---|---|---|")
    for name, times in (("known id", known), ("unknown id", unknown), ("right key, looked up lately", kept)):
        print(f"| {name} | {statistics.fmean(times):.4f} | {statistics.median(times):.4f} |")
    print(f"\nWelch p = {ttest_ind(known, unknown, equal_var=False).pvalue:.3f}, ", end="")
    print(f"Mann-Whitney p = {mannwhitneyu(known, unknown).pvalue:.3f}")


def wrong_keys(gate: Gate, good: list[str], rounds: int) -> tuple[list[float], list[float]]:
    order = random.Random(0)
    times: dict[bool, list[float]] = {True: [], False: []}
    kinds = [True, False] * rounds
    order.shuffle(kinds)
    for is_known in kinds:
        key = with_other_secret(order.choice(good)) if is_known else new_key_text()
        times[is_known].append(milliseconds(gate, key))
    return times[True], times[False]


def with_other_secret(key: str) -> str:
    body = key[:12] + new_key_text()[12:55]
    return body + _checksum(body)


def milliseconds(gate: Gate, key: str) -> float:
    begun = time.thread_time()
    with contextlib.suppress(NotAuthenticatedError):
        gate.identify(Call("GET", "10.0.0.1", key=key))
    return 1e3 * (time.thread_time() - begun)


if __name__ == "__main__":
    main()
