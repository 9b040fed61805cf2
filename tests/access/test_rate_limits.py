"""Buckets and counts of failures: exact, fair over time, and bounded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from access_worlds import Seconds
from strategy_optimizer.access.rate_limits import Failures, Rate, TokenBuckets, network_of
from strategy_optimizer.errors import TooManyRequestsError


@given(st.lists(st.floats(0, 3), min_size=1, max_size=200), st.integers(1, 10), st.floats(0.5, 20))
def test_no_window_lets_more_through_than_it_may(steps: list[float], at_once: int, rate: float) -> None:
    seconds = Seconds()
    buckets = TokenBuckets(Rate(rate, at_once), clock=seconds)
    passed = []
    for step in steps:
        seconds.move(step)
        if not buckets.take("ada"):
            passed.append(seconds.now)
    for first, begun in enumerate(passed):
        for last, ended in enumerate(passed[first:], first):
            assert last - first + 1 <= at_once + rate * (ended - begun) + 1e-6


def test_the_wait_is_long_enough_and_no_longer() -> None:
    seconds = Seconds()
    buckets = TokenBuckets(Rate(0.5, at_once=1), clock=seconds)
    assert buckets.take("ada") == 0
    assert buckets.take("ben") == 0
    wait = buckets.take("ada")
    assert wait == pytest.approx(2.0)
    seconds.move(wait - 0.01)
    assert buckets.take("ada") > 0
    seconds.move(0.02)
    assert buckets.take("ada") == 0


def test_a_refusal_says_when_to_come_back() -> None:
    buckets = TokenBuckets(Rate(0.1, at_once=1), clock=Seconds())
    buckets.check("ada")
    with pytest.raises(TooManyRequestsError, match=r"0\.1 requests a second") as caught:
        buckets.check("ada")
    assert caught.value.retry_after == 10


def test_twenty_failures_a_minute() -> None:
    seconds = Seconds()
    failures = Failures(20, 60.0, clock=seconds)
    waits = []
    for _ in range(1000):
        try:
            failures.check("10.0.0.1")
            failures.note("10.0.0.1")
        except TooManyRequestsError as error:
            waits.append(error.retry_after)
        seconds.move(0.059)
    assert len(waits) == 980
    assert (max(waits), min(waits)) == (59, 2)
    failures.check("10.0.0.2")
    seconds.move(60)
    failures.check("10.0.0.1")


def test_memory_is_bounded() -> None:
    buckets = TokenBuckets(Rate(1, at_once=1), most=100)
    failures = Failures(20, 60.0, most=100)
    for number in range(10_000):
        buckets.take(str(number))
        failures.note(str(number))
    assert (len(buckets), len(failures)) == (100, 100)


def test_threads_share_one_bucket() -> None:
    buckets = TokenBuckets(Rate(1e-9, at_once=500))
    with ThreadPoolExecutor(8) as threads:
        waits = list(threads.map(lambda _: buckets.take("ada"), range(2000)))
    assert waits.count(0.0) == 500


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
    ],
)
def test_what_counts_as_one_address(one: str, other: str, same: bool) -> None:
    assert (network_of(one) == network_of(other)) is same
