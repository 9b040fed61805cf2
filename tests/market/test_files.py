from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from strategy_optimizer.errors import DataError
from strategy_optimizer.market import Bars, load_bars


@pytest.fixture
def frame(columns: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(columns)


@pytest.fixture
def bars(columns: dict[str, Any]) -> Bars:
    return load_bars(columns)


def written(frame: pl.DataFrame, **options: Any) -> str:
    return frame.write_csv(datetime_format=options.pop("datetime_format", "%Y-%m-%d"), **options)


def save(tmp_path: Path, content: str | bytes, name: str = "prices.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_csv_keeps_every_bit(tmp_path: Path, frame: pl.DataFrame, bars: Bars) -> None:
    loaded = load_bars(save(tmp_path, written(frame)))
    assert loaded == bars
    assert loaded.name == "prices"
    assert loaded.symbols == ("prices",)


@pytest.mark.parametrize(
    "options",
    [
        {"separator": ";"},
        {"separator": "\t"},
        {"separator": "|"},
        {"quote_style": "always"},
        {"line_terminator": "\r\n"},
        {"include_bom": True},
        {"datetime_format": "%Y-%m-%dT%H:%M:%S+00:00"},
        {"datetime_format": "%Y%m%d"},
        {"datetime_format": "%d.%m.%Y"},
        {"include_header": False},
    ],
    ids=str,
)
def test_dialects_of_csv(tmp_path: Path, frame: pl.DataFrame, bars: Bars, options: dict[str, Any]) -> None:
    assert load_bars(save(tmp_path, written(frame, **options))) == bars


def test_decimal_comma(tmp_path: Path, frame: pl.DataFrame, bars: Bars) -> None:
    content = written(frame, separator=";").replace(".", ",")
    assert load_bars(save(tmp_path, content)) == bars


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
def test_encodings(tmp_path: Path, frame: pl.DataFrame, bars: Bars, encoding: str) -> None:
    assert load_bars(save(tmp_path, written(frame).encode(encoding))) == bars


@pytest.mark.parametrize("name", ["prices.csv.gz", "prices.csv"])
def test_gzip_whatever_the_name(tmp_path: Path, frame: pl.DataFrame, bars: Bars, name: str) -> None:
    path = save(tmp_path, gzip.compress(written(frame).encode()), name)
    assert load_bars(path) == bars


def test_spaces_comments_and_empty_lines(tmp_path: Path, frame: pl.DataFrame, bars: Bars) -> None:
    lines = written(frame).splitlines()
    content = "# made by hand\n" + "\n".join(line.replace(",", ", ") for line in lines) + "\n\n\n"
    assert load_bars(save(tmp_path, content)) == bars


def test_parquet_keeps_every_bit(tmp_path: Path, frame: pl.DataFrame, bars: Bars) -> None:
    frame.write_parquet(tmp_path / "prices.parquet")
    assert load_bars(tmp_path / "prices.parquet") == bars


def test_parquet_with_the_index_of_pandas(tmp_path: Path, frame: pl.DataFrame, bars: Bars) -> None:
    frame.to_pandas().set_index("timestamp").to_parquet(tmp_path / "prices.parquet")
    assert load_bars(str(tmp_path / "prices.parquet")) == bars


def test_parquet_of_whole_numbers_zones_and_narrow_floats(tmp_path: Path, frame: pl.DataFrame) -> None:
    moved = frame.with_columns(
        pl.col("timestamp").dt.cast_time_unit("ms").dt.replace_time_zone("America/New_York"),
        pl.col("close").cast(pl.Float32),
        pl.col("volume").cast(pl.Int32),
    )
    moved.write_parquet(tmp_path / "prices.parquet")
    loaded = load_bars(tmp_path / "prices.parquet", repair="widen_high_low")
    assert loaded.timestamp[0] % 86_400_000_000_000 == 5 * 3_600_000_000_000
    assert loaded.close.dtype == np.float64


def test_a_folder_holds_one_symbol_in_each_file(tmp_path: Path, frame: pl.DataFrame) -> None:
    save(tmp_path, written(frame), "B.csv")
    frame.write_parquet(tmp_path / "A.parquet")
    save(tmp_path, "not prices", "README.md")
    loaded = load_bars(tmp_path)
    assert loaded.symbols == ("A", "B")
    assert (loaded.close[:, 0] == loaded.close[:, 1]).all()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.csv", "", "is empty"),
        ("p.csv", "Date,Open,High,Low,Close\n", "no rows"),
        ("p.csv", "1,2\n3,4\n", "no header line and 2 columns"),
        ("p.parquet", "nonsense", "not a readable Parquet file"),
        ("p.xlsx", "PK", "no kind of file that can be read"),
        ("p.csv", "Date,Open,High,Low,Close\nx,1,1,1,1\ny,1,1,1,1\n", "no known format"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_bars(save(tmp_path, content, name))


def test_lines_that_are_too_long_are_named(tmp_path: Path) -> None:
    content = "Date,Open,High,Low,Close\n2020-01-01,1,1,1,1\n2020-01-02,1,1,1,1,9,9\n2020-01-03,1,1,1,1\n"
    with pytest.raises(DataError, match="more than 5 fields") as caught:
        load_bars(save(tmp_path, content))
    assert caught.value.rows == (2,)


def test_a_folder_where_a_file_was_meant(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no files that end with"):
        load_bars(tmp_path)


def test_a_name_that_is_neither_sample_nor_file() -> None:
    with pytest.raises(DataError, match=r"'sp50'; did you mean 'sp500'\?; samples are nasdaq, sp500"):
        load_bars("sp50")


def test_an_empty_name_is_not_the_current_folder(
    tmp_path: Path, frame: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, written(frame))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="the name of the data is empty; expected a sample"):
        load_bars("")


def test_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path, "Date,Open,High,Low,Close\n")

    def refuse(*args: Any, **options: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        load_bars(path)


def test_texts_among_the_numbers_are_quoted_with_their_rows(tmp_path: Path) -> None:
    lines = [
        f"2020-01-{day:02d},1,2,1,{close}"
        for day, close in enumerate(["1.5", "N/A", '"12,34.5"', "", "2"], 6)
    ]
    with pytest.raises(
        DataError, match=r"close is missing or no number \(found 'N/A', '12,34.5'\)"
    ) as caught:
        load_bars(save(tmp_path, "Date,Open,High,Low,Close\n" + "\n".join(lines)))
    assert caught.value.rows == (2, 3, 4)


def test_date_and_time_columns_are_joined(tmp_path: Path) -> None:
    content = "Date,Time,Open,High,Low,Close\n" + "".join(
        f"2020-01-06,{h:02d}:30,1,2,1,2\n" for h in range(9, 13)
    )
    assert load_bars(save(tmp_path, content)).bar_size == 3_600_000_000_000


def test_a_long_table_is_split_by_its_symbols(tmp_path: Path, frame: pl.DataFrame, bars: Bars) -> None:
    both = pl.concat([frame.with_columns(Ticker=pl.lit(name)) for name in ("MSFT", "AAPL")]).sort(
        "timestamp", "close"
    )
    loaded = load_bars(save(tmp_path, written(both)))
    assert sorted(loaded.symbols) == ["AAPL", "MSFT"]
    assert (loaded.close[:, 0] == bars.close).all()


@pytest.mark.parametrize("ending", ["\n\n\n", "\n,,,,,,\n"])
def test_blank_lines_are_no_symbol(tmp_path: Path, frame: pl.DataFrame, ending: str) -> None:
    both = pl.concat([frame.with_columns(Ticker=pl.lit(name)) for name in ("MSFT", "AAPL")])
    assert load_bars(save(tmp_path, written(both) + ending)).symbols == ("MSFT", "AAPL")


def test_only_the_ending_is_cut_off_a_name(tmp_path: Path, frame: pl.DataFrame) -> None:
    for name in ("BRK.A.csv", "BRK.B.csv.gz"):
        save(tmp_path, written(frame), name)
    assert load_bars(tmp_path).symbols == ("BRK.A", "BRK.B")
    assert load_bars(tmp_path / "BRK.A.csv").name == "BRK.A"


def test_a_folder_keeps_its_name_however_it_is_written(
    tmp_path: Path, frame: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, written(frame), "a.csv")
    monkeypatch.chdir(tmp_path)
    assert load_bars(".").name == tmp_path.name


def test_two_files_of_one_symbol_are_not_one(tmp_path: Path, frame: pl.DataFrame) -> None:
    save(tmp_path, written(frame), "aapl.csv")
    frame.write_parquet(tmp_path / "aapl.parquet")
    with pytest.raises(DataError, match=r"two files of one symbol, aapl\.csv and aapl\.parquet"):
        load_bars(tmp_path)


def test_a_single_symbol_gives_its_name(tmp_path: Path, frame: pl.DataFrame, bars: Bars) -> None:
    loaded = load_bars(save(tmp_path, written(frame.with_columns(symbol=pl.lit("AAPL")))))
    assert loaded.symbols == ("AAPL",)
    assert loaded == bars
