"""CSV files as programs and places of this world write them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategy_optimizer.errors import DataError
from strategy_optimizer.market import Bars, load_bars
from strategy_optimizer.market.csv_dialect import recognise

PRICES = ("open", "high", "low", "close")


@pytest.fixture
def bars(columns: dict[str, Any]) -> Bars:
    return load_bars(columns | {"volume": columns["volume"] * 1000})


@pytest.fixture
def frame(bars: Bars) -> pd.DataFrame:
    index = pd.DatetimeIndex(bars.timestamp.view("M8[ns]"), name="Date")
    fields = {field.title(): getattr(bars, field) for field in ("close", "high", "low", "open", "volume")}
    return pd.DataFrame(fields, index=index)


def downloaded(**frames: pd.DataFrame) -> pd.DataFrame:
    """Return the frame that yfinance's `download` returns for some tickers."""
    joined = pd.concat(frames, axis=1).swaplevel(axis=1).sort_index(axis=1)
    return joined.rename_axis(columns=["Price", "Ticker"])


def save(tmp_path: Path, content: str | bytes, name: str = "prices.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# -- yfinance


def test_what_yfinance_writes_of_one_ticker(tmp_path: Path, frame: pd.DataFrame, bars: Bars) -> None:
    content = downloaded(AAPL=frame).to_csv()
    assert content.startswith(
        "Price,Close,High,Low,Open,Volume\nTicker,AAPL,AAPL,AAPL,AAPL,AAPL\nDate,,,,,\n"
    )
    loaded = load_bars(save(tmp_path, content))
    assert loaded == bars
    assert (loaded.name, loaded.symbols) == ("prices", ("AAPL",))
    assert load_bars(save(tmp_path, gzip.compress(content.encode()))) == bars


@pytest.mark.parametrize("shape", ["by field", "by ticker", "without names of the levels"])
def test_what_yfinance_writes_of_several_tickers(
    tmp_path: Path, frame: pd.DataFrame, bars: Bars, shape: str
) -> None:
    both = downloaded(AAPL=frame, **{"7203.T": frame.iloc[3:] * 2})
    if shape == "by ticker":
        both = both.swaplevel(axis=1).sort_index(axis=1)
    if shape == "without names of the levels":
        both = both.rename_axis(columns=[None, None]).rename_axis(index=None)
    loaded = load_bars(save(tmp_path, both.to_csv()))
    assert sorted(loaded.symbols) == ["7203.T", "AAPL"]
    np.testing.assert_array_equal(loaded.close[:, loaded.symbols.index("AAPL")], bars.close[3:])
    np.testing.assert_array_equal(loaded.close[:, loaded.symbols.index("7203.T")], bars.close[3:] * 2)


def test_a_parquet_file_of_yfinance(tmp_path: Path, frame: pd.DataFrame, bars: Bars) -> None:
    downloaded(AAPL=frame).to_parquet(tmp_path / "prices.parquet")
    loaded = load_bars(tmp_path / "prices.parquet")
    assert loaded == bars
    assert loaded.symbols == ("AAPL",)


def test_problems_of_a_ticker_name_it_and_count_its_rows(tmp_path: Path, frame: pd.DataFrame) -> None:
    lines = downloaded(AAPL=frame).to_csv().splitlines()
    lines[3 + 4] = lines[3 + 4].replace(lines[3 + 4].split(",")[1], "n/a")
    with pytest.raises(DataError, match=r"close is missing or no number \(found 'n/a'\)") as caught:
        load_bars(save(tmp_path, "\n".join(lines)))
    assert caught.value.rows == (5,)
    with pytest.raises(DataError, match=r"AAPL: prices\.csv has no column 'Clos'; did you mean 'Close'"):
        load_bars(save(tmp_path, downloaded(AAPL=frame).to_csv()), columns={"close": "Clos"})


def test_an_ordinary_header_is_one_line(tmp_path: Path) -> None:
    content = "Date,Open,High,Low,Close\n2020-01-01,,,,\n2020-01-02,1,2,1,2\n"
    with pytest.raises(DataError, match="open is missing") as caught:
        load_bars(save(tmp_path, content))
    assert 1 in caught.value.rows


# -- European Excel


def european(value: float) -> str:
    """Return 1.234,56."""
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


@pytest.fixture
def excel(bars: Bars) -> Callable[..., str]:
    """Return a function that writes the bars with decimal commas and, unless told otherwise, groups of digits."""

    def write(separator: str = ";", number: Callable[[float], str] = european, quote: str = "") -> str:
        lines = [["Datum", "Eröffnung", "Hoch", "Tief", "Schluss", "Volumen"]]
        for t, row in enumerate(zip(*(getattr(bars, price) for price in PRICES), strict=True)):
            day = f"{bars.timestamp.view('M8[ns]')[t].astype('M8[D]').item():%d.%m.%Y}"
            lines.append([day, *(number(30 * price) for price in row), f"{int(bars.volume[t])}"])
        return "\n".join(separator.join(f"{quote}{cell}{quote}" for cell in line) for line in lines) + "\n"

    return write


@pytest.mark.parametrize("separator", [";", "\t", '"'])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_decimal_commas_and_groups_of_digits(
    tmp_path: Path, bars: Bars, excel: Callable[..., str], separator: str, encoding: str
) -> None:
    content = excel(",", quote='"') if separator == '"' else excel(separator)
    assert "2.9" in content
    loaded = load_bars(save(tmp_path, content.encode(encoding)))
    np.testing.assert_array_equal(loaded.close, [float(f"{30 * close:.2f}") for close in bars.close])
    np.testing.assert_array_equal(loaded.volume, np.floor(bars.volume))


def test_the_line_that_tells_excel_the_separator(tmp_path: Path, excel: Callable[..., str]) -> None:
    plain = load_bars(save(tmp_path, excel()))
    assert load_bars(save(tmp_path, "sep=;\n" + excel())) == plain


def test_groups_of_digits_with_a_decimal_point(tmp_path: Path, excel: Callable[..., str]) -> None:
    content = excel(",", number=lambda value: f"{value:,.2f}", quote='"')
    assert load_bars(save(tmp_path, content)) == load_bars(save(tmp_path, excel()))


def test_without_a_header_and_without_volume(tmp_path: Path) -> None:
    content = "".join(f"0{day}.01.2020;1,5;2,25;1,25;2,0\n" for day in range(1, 8))
    loaded = load_bars(save(tmp_path, content))
    assert (loaded.open[0], loaded.high[0], loaded.n_bars) == (1.5, 2.25, 7)


@pytest.mark.parametrize(
    ("separator", "cells", "numbers"),
    [
        (";", ["1,5"], "decimal comma"),
        (";", ["1,234"], "decimal comma"),
        ("\t", ["1.234,5"], "decimal comma"),
        ("\t", ["1,234"], "plain"),
        ("\t", ["1,234", "9.5"], "comma groups"),
        (",", ['"1,234,567"'], "comma groups"),
        (",", ['"1,234.5"', '"1,234"'], "comma groups"),
        (";", ["1.5", "12"], "plain"),
    ],
)
def test_how_numbers_are_meant(separator: str, cells: list[str], numbers: str) -> None:
    header = separator.join(["Date", "Open", "High", "Low", "Close"][: len(cells) + 1])
    assert recognise(f"{header}\n{separator.join(['2020-01-01', *cells])}\n").numbers == numbers


def test_a_number_written_unlike_the_others_is_refused(tmp_path: Path, excel: Callable[..., str]) -> None:
    lines = excel().splitlines()
    lines[7] = ";".join([lines[7].split(";")[0], "2.9", *lines[7].split(";")[2:]])
    with pytest.raises(DataError, match=r"open is missing or no number \(found '2.9'\)") as caught:
        load_bars(save(tmp_path, "\n".join(lines)))
    assert caught.value.rows == (7,)


def test_half_a_number_at_the_end_of_what_was_looked_at_says_nothing(tmp_path: Path) -> None:
    header, row = "Date,Open,High,Low,Close\n", '2020-01-01,"1,100.5","1,200.5","1,100.5","1,100.5"\n'
    looked_at, cut = 65_536, row.index('"1,20') + len('"1,20')
    start = header + "#" * ((looked_at - len(header) - 1 - cut) % len(row)) + "\n"
    rows = "".join(row.replace("2020-01-01", f"{np.datetime64('2000-01-01') + day}") for day in range(2000))
    content = start + rows
    assert content[:looked_at].endswith('"1,20')
    assert load_bars(save(tmp_path, content)).high[0] == 1200.5


# -- other places


def test_lines_before_the_header(tmp_path: Path, frame: pd.DataFrame, bars: Bars) -> None:
    content = "https://www.cryptodatadownload.com\n\n" + frame.to_csv()
    assert load_bars(save(tmp_path, content)) == bars
    long = content + "2021-01-01,1,1,1,1,1,1\n"
    with pytest.raises(DataError, match="more than 6 fields") as caught:
        load_bars(save(tmp_path, long))
    assert caught.value.rows == (bars.n_bars + 1,)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_metatrader_5(tmp_path: Path, frame: pd.DataFrame, bars: Bars, encoding: str) -> None:
    names = ["<DATE>", "<TIME>", "<OPEN>", "<HIGH>", "<LOW>", "<CLOSE>", "<TICKVOL>", "<SPREAD>"]
    table = frame[["Open", "High", "Low", "Close", "Volume"]].assign(Time="00:00:00", Spread=0)
    table.insert(0, "Date", frame.index.strftime("%Y.%m.%d"))
    table = table[["Date", "Time", "Open", "High", "Low", "Close", "Volume", "Spread"]]
    table.columns = names
    assert load_bars(save(tmp_path, table.to_csv(sep="\t", index=False).encode(encoding))) == bars


def test_metatrader_4_has_no_header_and_a_clock(tmp_path: Path, frame: pd.DataFrame, bars: Bars) -> None:
    table = frame[["Open", "High", "Low", "Close", "Volume"]].reset_index(drop=True)
    table.insert(0, "date", frame.index.strftime("%Y.%m.%d"))
    table.insert(1, "time", "00:00")
    loaded = load_bars(save(tmp_path, table.to_csv(index=False, header=False)))
    assert loaded == bars
    assert "taken as date, time, open" in str(loaded.report)


@pytest.mark.parametrize("factor", [1_000_000, 1_000])  # milliseconds, and microseconds since 2025
def test_binance_klines(tmp_path: Path, bars: Bars, factor: int) -> None:
    table = {"opened": bars.timestamp // factor} | {price: getattr(bars, price) for price in PRICES}
    table |= {"volume": bars.volume, "closed": (bars.timestamp + 86_399 * 10**9) // factor}
    frame = pd.DataFrame(table | dict.fromkeys(("quote", "count", "taker", "taker_quote", "ignore"), 1))
    assert load_bars(save(tmp_path, frame.to_csv(index=False, header=False))) == bars


def test_a_gzipped_file_that_is_cut_is_named(tmp_path: Path, frame: pd.DataFrame) -> None:
    whole = gzip.compress(pd.concat([frame] * 30).to_csv().encode())
    for length in (40, len(whole) // 2):
        with pytest.raises(DataError, match=r"prices\.csv\.gz cannot be read: "):
            load_bars(save(tmp_path, whole[:length], "prices.csv.gz"))


def test_day_and_month_in_doubt_are_shown_where_they_differ(tmp_path: Path) -> None:
    days = ["01/01/2020", "01/02/2020", "01/03/2020"]
    content = "Date,Time,Open,High,Low,Close\n" + "".join(f"{day},09:30,1,2,1,2\n" for day in days)
    path = save(tmp_path, content)
    with pytest.raises(DataError, match=r"like '01/02/2020 09:30', which mean 2020-01-02 .* or 2020-02-01 "):
        load_bars(path)
    loaded = load_bars(path, columns={"timestamp": ("Date", "%d/%m/%Y %H:%M")})
    assert str(loaded.timestamp.view("M8[ns]")[1])[:16] == "2020-02-01T09:30"
