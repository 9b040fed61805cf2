from __future__ import annotations

from typing import Any

import pytest

from strategy_optimizer.errors import DataError
from strategy_optimizer.market.columns import map_columns

USUAL = {"timestamp": "Date", "open": "Open", "high": "High", "low": "Low", "close": "Close"}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("Date Open High Low Close", USUAL),
        ("Date,Open,High,Low,Close,Adj Close,Volume", USUAL | {"volume": "Volume"}),
        (
            "t o h l c v",
            {"timestamp": "t", "open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"},
        ),
        (
            "<TICKER>,<DATE>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>",
            {
                "timestamp": "<DATE>",
                "open": "<OPEN>",
                "high": "<HIGH>",
                "low": "<LOW>",
                "close": "<CLOSE>",
                "volume": "<VOL>",
                "symbol": "<TICKER>",
            },
        ),
        (
            "timestamp,1. open,2. high,3. low,4. close,5. volume",
            {
                "timestamp": "timestamp",
                "open": "1. open",
                "high": "2. high",
                "low": "3. low",
                "close": "4. close",
                "volume": "5. volume",
            },
        ),
        (
            ",AAPL.Open,AAPL.High,AAPL.Low,AAPL.Close",
            {
                "timestamp": "",
                "open": "AAPL.Open",
                "high": "AAPL.High",
                "low": "AAPL.Low",
                "close": "AAPL.Close",
            },
        ),
        ("Date,Open,High,Low,Adj Close", USUAL | {"close": "Adj Close"}),
        ("unix,date,open,high,low,close,Volume BTC", {"timestamp": "date", "volume": "Volume BTC"}),
        ("DATETIME,OPEN,HIGH,LOW,CLOSE,Name", {"timestamp": "DATETIME", "symbol": "Name"}),
    ],
)
def test_usual_names_are_understood(names: str, expected: dict[str, str]) -> None:
    found = map_columns(names.split("," if "," in names else " "), None, label="file").names
    assert {role: found.get(role) for role in expected} == expected


def test_date_and_time_of_day_belong_together() -> None:
    chosen = map_columns(["Date", "Time", "Open", "High", "Low", "Close"], None, label="file")
    assert (chosen.names["timestamp"], chosen.clock) == ("Date", "Time")


def test_an_unused_adjusted_close_is_remembered() -> None:
    assert map_columns([*USUAL.values(), "Adj Close"], None, label="file").unused_adjusted == "Adj Close"
    assert map_columns(list(USUAL.values()), None, label="file").unused_adjusted is None


def test_choices_win_over_guesses() -> None:
    choices: dict[str, Any] = {"close": "Adj Close", "timestamp": ("When", "%d.%m.%Y"), "volume": None}
    chosen = map_columns(["When", *USUAL.values(), "Adj Close", "Volume"], choices, label="file")
    assert chosen.names["close"] == "Adj Close"
    assert chosen.names["timestamp"] == "When"
    assert chosen.timestamp_format == "%d.%m.%Y"
    assert "volume" not in chosen.names


def test_missing_and_ambiguous_columns_are_all_listed_with_the_fix() -> None:
    with pytest.raises(DataError) as caught:
        map_columns(["Date", "Timestamp", "Open", "High", "Px"], None, label="prices.csv")
    text = str(caught.value)
    assert "prices.csv" in text
    assert "no column for low" in text
    assert "no column for close" in text
    assert "timestamp could be 'Date' or 'Timestamp'" in text
    assert "found: 'Date', 'Timestamp', 'Open', 'High', 'Px'" in text
    assert "--columns low=...,close=...,timestamp=Date " in text
    assert '(Python: columns={"low": "...", "close": "...", "timestamp": "Date"})' in text


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"clse": "Close"}, "did you mean 'close'"),
        ({"close": "Clsoe"}, "no column 'Clsoe'; did you mean 'Close'"),
    ],
)
def test_wrong_choices_are_refused_with_the_nearest_name(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        map_columns(list(USUAL.values()), choices, label="file")


def test_two_volumes_are_ambiguous_until_one_is_chosen() -> None:
    names = [*USUAL.values(), "Volume BTC", "Volume USDT"]
    with pytest.raises(DataError, match="volume could be 'Volume BTC' or 'Volume USDT'"):
        map_columns(names, None, label="file")
    assert map_columns(names, {"volume": "Volume BTC"}, label="file").names["volume"] == "Volume BTC"


@pytest.mark.parametrize(
    "names",
    [
        "Datum;Eröffnung;Hoch;Tief;Schluss",
        "Datum;Erster;Hoch;Tief;Schlusskurs",
        "date;ouv;haut;bas;clot",
        "Fecha;Apertura;Máximo;Mínimo;Cierre",
    ],
)
def test_names_of_other_languages(names: str) -> None:
    listed = names.split(";")
    found = map_columns(listed, None, label="file").names
    assert [found[role] for role in USUAL] == listed


@pytest.mark.parametrize(
    ("names", "clock"),
    [("Date Time", "Time"), ("Datum Uhrzeit", "Uhrzeit"), ("Date Heure", "Heure"), ("Datetime Time", None)],
)
def test_a_clock_belongs_to_a_column_of_dates(names: str, clock: str | None) -> None:
    columns = [*names.split(), "Open", "High", "Low", "Close"]
    chosen: dict[str, Any] = {"timestamp": columns[0]}
    assert map_columns(columns, chosen, label="file").clock == clock
    if clock is not None:
        assert map_columns(columns, None, label="file").clock == clock


def test_a_format_says_whether_the_clock_is_part_of_it() -> None:
    columns = ["Date", "Time", "Open", "High", "Low", "Close"]
    for fmt, clock in (("%d/%m/%Y %H:%M", "Time"), ("%d/%m/%Y", None)):
        assert map_columns(columns, {"timestamp": ("Date", fmt)}, label="file").clock == clock
