"""What holds for bars of any content."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from strategy_optimizer.errors import DataError
from strategy_optimizer.market import REPAIRS, Bars, check_bars, load_bars
from strategy_optimizer.market.bars import COLUMNS

SETTINGS = settings(deadline=None)  # a shared machine is slow now and then
SETTINGS_FEW = settings(deadline=None, max_examples=40)
DAY = 86_400_000_000_000
PRICE = st.floats(1e-6, 1e9)
ANY_NUMBER = st.floats(allow_nan=True, allow_infinity=True, width=64)


@st.composite
def markets(draw: st.DrawFn) -> dict[str, Any]:
    """Consistent bars at increasing, otherwise arbitrary times."""
    n = draw(st.integers(2, 40))
    first = draw(st.integers(-(10**18), 10**18))
    steps = draw(hnp.arrays(np.int64, n, elements=st.integers(1, 10**15)))
    prices = np.sort(draw(hnp.arrays(np.float64, (n, 4), elements=PRICE)), axis=1)
    return {
        "timestamp": (first + np.cumsum(steps)).astype("M8[ns]"),
        "open": prices[:, 1],
        "high": prices[:, 3],
        "low": prices[:, 0],
        "close": prices[:, 2],
        "volume": draw(hnp.arrays(np.float64, n, elements=st.floats(0, 1e12))),
    }


@st.composite
def messes(draw: st.DrawFn) -> dict[str, Any]:
    """Anything that has the right columns."""
    n = draw(st.integers(1, 30))
    times = hnp.arrays(
        np.int64, n, elements=st.integers(0, 40).map(lambda day: day * DAY) | st.just(-(2**63))
    )
    numbers = hnp.arrays(np.float64, n, elements=st.sampled_from([1.0, 2.0, 3.0]) | ANY_NUMBER)
    return {"timestamp": draw(times).astype("M8[ns]"), **{column: draw(numbers) for column in COLUMNS}}


@SETTINGS
@given(markets())
def test_good_data_load_and_keep_every_bit(data: dict[str, Any]) -> None:
    bars = load_bars(data)
    for column in COLUMNS:
        np.testing.assert_array_equal(getattr(bars, column), data[column])
    np.testing.assert_array_equal(bars.timestamp, data["timestamp"].view(np.int64))


@SETTINGS_FEW
@given(markets())
def test_the_digest_is_the_same_from_csv_parquet_and_memory(data: dict[str, Any]) -> None:
    digest = load_bars(data).digest
    frame = pl.DataFrame(data)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frame.write_csv(folder / "a.csv", datetime_format="%Y-%m-%dT%H:%M:%S%.9f")
        frame.write_parquet(folder / "a.parquet")
        assert load_bars(folder / "a.csv").digest == digest
        assert load_bars(folder / "a.parquet").digest == digest


def sound(bars: Bars) -> bool:
    values = np.stack([bars.open, bars.high, bars.low, bars.close])
    return bool(
        (np.diff(bars.timestamp) > 0).all()
        and np.isfinite(values).all()
        and (values > 0).all()
        and (bars.high >= values.max(axis=0) * (1 - 2e-6)).all()
        and (bars.low <= values.min(axis=0) * (1 + 2e-6)).all()
        and (bars.volume >= 0).all()
        and np.isfinite(bars.volume).all()
    )


@SETTINGS
@given(messes(), st.sets(st.sampled_from(list(REPAIRS))))
def test_what_loads_is_sound_and_what_is_refused_names_rows(data: dict[str, Any], repair: set[str]) -> None:
    report = check_bars(data, repair=sorted(repair))
    if report.ok:
        assert sound(load_bars(data, repair=sorted(repair)))
        return
    with pytest.raises(DataError) as caught:
        load_bars(data, repair=sorted(repair))
    assert all(1 <= row <= len(data["close"]) for row in caught.value.rows)


@SETTINGS
@given(messes())
def test_all_repairs_leave_sound_data_or_too_little(data: dict[str, Any]) -> None:
    report = check_bars(data, repair=list(REPAIRS))
    assert {problem.kind for problem in report.errors} <= {"too_short"}


@SETTINGS
@given(messes(), st.sets(st.sampled_from(list(REPAIRS))))
def test_a_repair_removes_its_problem_and_adds_none(data: dict[str, Any], repair: set[str]) -> None:
    before = {problem.kind for problem in check_bars(data).errors}
    after = {problem.kind for problem in check_bars(data, repair=sorted(repair)).errors}
    # crossed bars hide what lies outside their range, and dropping rows may leave too few
    assert after <= before | {"outside_range", "too_short"}


@SETTINGS
@given(markets(), st.data())
def test_parts_of_bars(data: dict[str, Any], choose: st.DataObject) -> None:
    bars = load_bars(data)
    cut = choose.draw(st.integers(1, bars.n_bars - 1))
    left, right = bars.slice(0, cut), bars.slice(cut)
    assert len(left) + len(right) == len(bars)
    at = bars.timestamp[cut].astype("M8[ns]")
    assert bars.between(at, None) == right
    assert set(left.month_digests()) | set(right.month_digests()) == set(bars.month_digests())
    assert left != bars


@SETTINGS
@given(markets(), st.sampled_from(COLUMNS), st.data())
def test_any_change_changes_the_digest_and_one_month(
    data: dict[str, Any], column: str, choose: st.DataObject
) -> None:
    bars = load_bars(data)
    row = choose.draw(st.integers(0, bars.n_bars - 1))
    changed = {name: getattr(bars, name).copy() for name in COLUMNS}
    changed[column][row] = np.nextafter(changed[column][row], np.inf)
    other = Bars(**changed, timestamp=bars.timestamp, symbols=bars.symbols)
    assert other.digest != bars.digest
    months = bars.month_digests()
    differing = [month for month, digest in other.month_digests().items() if months[month] != digest]
    assert differing == [str(bars.timestamp[row].astype("M8[ns]"))[:7]]


@SETTINGS
@given(st.lists(st.sets(st.integers(0, 30), min_size=2), min_size=2, max_size=4))
def test_alignment_is_the_intersection(days: list[set[int]]) -> None:
    def table(chosen: set[int]) -> dict[str, Any]:
        times = np.array(sorted(chosen))
        prices = 100.0 + times
        return dict.fromkeys(COLUMNS, prices) | {"timestamp": (times * DAY).astype("M8[ns]")}

    common = sorted(set.intersection(*days))
    sources = {f"s{i}": table(chosen) for i, chosen in enumerate(days)}
    if len(common) < 2:
        assert [problem.kind for problem in check_bars(sources).errors] == ["no_common_times"]
        return
    bars = load_bars(sources)
    assert (bars.timestamp // DAY).tolist() == common
    assert (bars.close == 100.0 + np.array(common)[:, None]).all()
