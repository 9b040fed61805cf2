"""A program for freqtrade's own Python: reads orders as JSON lines, backtests, answers in JSON lines.

freqtrade is under the GPL and lives in an environment of its own, so `engines.freqtrade` starts this file there; it
uses nothing of this package. freqtrade is imported once. Each order is carried out in a forked child, so that nothing
a strategy leaves behind reaches the next one, in a user directory of its own. The program ends, and takes its child
and its folders along, as soon as its standard input closes: when the process that started it is gone, however.
"""

from __future__ import annotations

import difflib
import fcntl
import importlib.metadata
import json
import logging
import os
import platform
import re
import select
import shutil
import signal
import tempfile
import traceback
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from pathlib import Path
from typing import Any

LOOSE = {
    "stoploss": "stoploss",
    "max_open_trades": "max_open_trades",
    "trailing_stop": "trailing",
    "trailing_stop_positive": "trailing",
    "trailing_stop_positive_offset": "trailing",
    "trailing_only_offset_is_reached": "trailing",
}
"""Settings that every strategy has, and the section of the parameter file in which each stands."""


_PREFIX = "freqtrade-trials-"


class OrderError(Exception):
    """The order cannot be carried out, for a reason that its sender can remove."""


# -- the program ---------------------------------------------------------------------------------------------------


def main() -> None:
    """Carry out orders until standard input ends; the next one may come when the last was answered."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what freqtrade and strategies print must not mix with the answers
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # the terminal's Ctrl-C reaches the whole group; our parent decides
    _remove_abandoned()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    lock = (folder / "lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        print(json.dumps(_ready()), file=answers)
        for line in _lines():
            answer = _in_child(json.loads(line), folder)
            if answer is None:
                return
            print(answer, file=answers)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned() -> None:
    """Remove the folders of programs that were killed; each living one holds the lock in its own."""
    for file in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/lock"):
        try:
            with file.open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # it lives, or it is somebody else's
            continue
        shutil.rmtree(file.parent, ignore_errors=True)


def _ready() -> dict[str, Any]:
    """Import freqtrade, once for all orders."""
    import warnings

    warnings.simplefilter("ignore")
    try:
        import freqtrade.configuration
        import freqtrade.optimize.backtesting  # noqa: F401
    except ImportError as error:
        return {"error": f"freqtrade cannot be imported: {error}"}
    names = ("freqtrade", "ccxt", "pandas", "numpy", "ta-lib")
    return {"versions": {"python": platform.python_version(), **{name: _version(name) for name in names}}}


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def _lines() -> Iterator[bytes]:
    """Yield the lines of standard input, unbuffered, so that its end can be seen while a child works."""
    rest = b""
    while chunk := os.read(0, 1 << 16):
        rest += chunk
        while b"\n" in rest:
            line, rest = rest.split(b"\n", 1)
            yield line


def _in_child(order: Mapping[str, Any], folder: Path) -> str | None:
    """Return a child's answer to the order; None when nobody waits for it any more."""
    user = Path(tempfile.mkdtemp(dir=folder))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be_child(order, user, writing)
    os.close(writing)
    try:
        return _answer_of(child, reading)
    finally:
        os.close(reading)
        shutil.rmtree(user, ignore_errors=True)


def _answer_of(child: int, reading: int) -> str | None:
    parts: list[bytes] = []
    while True:
        ready, _, _ = select.select([0, reading], [], [])
        if reading in ready:
            chunk = os.read(reading, 1 << 20)
            if not chunk:
                break
            parts.append(chunk)
        elif not os.read(0, 1):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
    _, status = os.waitpid(child, 0)
    text = b"".join(parts).decode()
    return text or json.dumps(
        {"error": f"the backtest's process ended without an answer, wait status {status}"}
    )


def _be_child(order: Mapping[str, Any], user: Path, writing: int) -> None:
    try:
        answer = _carry_out(order, user)
    except OrderError as error:
        answer = {"error": str(error)}
    except BaseException as error:
        answer = {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc(limit=-20)}
    with os.fdopen(writing, "w") as pipe:
        json.dump(answer, pipe)
    os._exit(0)


# -- one order -----------------------------------------------------------------------------------------------------


def _carry_out(order: Mapping[str, Any], user: Path) -> dict[str, Any]:
    config = _config(order, user)
    if config.get("trading_mode", "spot") != "spot":
        raise OrderError(
            f"the configuration trades {config['trading_mode']}; expected spot: freqtrade's wallet does not hold the "
            "positions of futures and margin, so their equity over time is not known"
        )
    complaints = _listen()
    with _markets(order.get("markets")):
        strategy, backtesting = _prepare(order, config)
        try:
            if order["do"] == "describe":
                return _describe(strategy, config)
            answer = _backtest(order, strategy, backtesting)
        finally:
            backtesting.cleanup()
    if complaints:
        raise OrderError(f"the strategy raised, and freqtrade went on without it: {complaints[0]}")
    return answer


def _listen() -> list[str]:
    """Return a list that gets what strategies' callbacks raise: freqtrade logs it and takes a default instead."""
    logging.getLogger().handlers[:] = [logging.NullHandler()]
    listener = Listener()
    logging.getLogger("freqtrade.strategy.strategy_wrapper").addHandler(listener)
    return listener.said


class Listener(logging.Handler):
    """Keeps the warnings of a logger."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the text."""
        self.said.append(record.getMessage())


@contextmanager
def _heard(name: str) -> Iterator[list[str]]:
    """Give the warnings that a logger of freqtrade gets meanwhile."""
    logger, listener = logging.getLogger(name), Listener()
    logger.addHandler(listener)
    try:
        yield listener.said
    finally:
        logger.removeHandler(listener)


def _config(order: Mapping[str, Any], user: Path) -> dict[str, Any]:
    """Return freqtrade's configuration for a user directory that holds a copy of the strategies."""
    from freqtrade.configuration import Configuration
    from freqtrade.enums import RunMode

    strategies = user / "strategies"
    shutil.copytree(order["strategies"], strategies, ignore=shutil.ignore_patterns("__pycache__"))
    file = user / "config.json"
    file.write_text(json.dumps(order["config"]))
    _check_options(order["options"])
    arguments = {
        "command": "backtesting",
        "config": [*order["config_files"], str(file)],
        "user_data_dir": str(user),
        "strategy": order["strategy"],
        "strategy_path": str(strategies),
        "datadir": order["data"],
        "export": "none",
        "backtest_cache": "none",
        **order["options"],
    }
    arguments = {name: value for name, value in arguments.items() if value is not None}
    config: dict[str, Any] = Configuration(arguments, RunMode.BACKTEST).get_config()
    return config


def _check_options(options: Mapping[str, Any]) -> None:
    """Refuse an option that freqtrade's backtesting does not have: it would be left out without a word."""
    from freqtrade.commands import arguments

    known = {*arguments.ARGS_COMMON, *arguments.ARGS_STRATEGY, *arguments.ARGS_BACKTEST}
    for name in options:
        if name not in known:
            raise OrderError(
                f"its backtesting has no option '{name}'{_nearest(name, known)} (it has {', '.join(sorted(known))})"
            )


def _nearest(name: str, known: Collection[str]) -> str:
    match = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean '{match[0]}'?" if match else ""


@contextmanager
def _markets(markets: Any) -> Iterator[None]:
    """Let the exchange know its markets without asking it: a mapping of ccxt markets, or None to derive them.

    ``"exchange"`` leaves freqtrade to load them from the network.
    """
    from freqtrade.exchange import Exchange

    if markets == "exchange":
        yield
        return
    loading = Exchange._api_reload_markets

    async def load(self: Any, reload: bool = False) -> None:
        known = markets or _derived_markets(self._config, self._api_async)
        self._api_async.set_markets(list(known.values()))

    Exchange._api_reload_markets = load
    try:
        yield
    finally:
        Exchange._api_reload_markets = loading


def _derived_markets(config: Mapping[str, Any], api: Any) -> dict[str, Any]:
    """Return spot markets of the configured pairs: the exchange's usual fee, no limits, eight decimals."""
    fees = api.fees.get("trading", {})
    step = 1e-8 if api.precisionMode == 4 else 8  # ccxt's TICK_SIZE counts in steps, the others in decimals
    markets = {}
    for pair in config["exchange"]["pair_whitelist"]:
        base, _, quote = pair.partition("/")
        if not quote or ":" in quote:
            raise OrderError(
                f"found the pair {pair}; without `markets` only spot pairs such as BTC/USDT can be backtested: give "
                "the exchange's markets as ccxt describes them"
            )
        markets[pair] = {
            "id": pair.replace("/", ""), "symbol": pair, "base": base, "quote": quote, "baseId": base,
            "quoteId": quote, "active": True, "type": "spot", "spot": True, "margin": False, "swap": False,
            "future": False, "option": False, "contract": False, "info": {},
            "taker": fees.get("taker"), "maker": fees.get("maker"), "percentage": True,
            "precision": {"amount": step, "price": step},
            "limits": {name: {"min": None, "max": None} for name in ("amount", "price", "cost", "leverage")},
        }  # fmt: skip
    return markets


def _prepare(order: Mapping[str, Any], config: dict[str, Any]) -> tuple[Any, Any]:
    """Return the strategy with the parameters in force, and freqtrade's backtesting of it."""
    from freqtrade.optimize.backtesting import Backtesting

    file = _strategy_file(config, order["strategy"])
    if order.get("parameter_file") is not None:
        file.with_suffix(".json").write_text(json.dumps(order["parameter_file"]))
    backtesting = Backtesting(config)
    strategy = backtesting.strategylist[0]
    strategy.ft_load_hyper_params(False)
    return strategy, backtesting


def _strategy_file(config: dict[str, Any], name: str) -> Path:
    from freqtrade.resolvers import StrategyResolver

    with _heard("freqtrade.resolvers.iresolver") as said:
        found = StrategyResolver.search_all_objects(config, enum_failed=True)
    for item in found:
        if item["name"] == name:
            return Path(item["location"])
    known = sorted({item["name"] for item in found if item["name"]})  # the folder may be searched twice
    failed = [
        re.sub(r"^Could not import .*?([^/]+\.py) due to", r"\1 cannot be imported:", line) for line in said
    ]
    raise OrderError(
        f"found no strategy {name} in the folder{_nearest(name, known)} (it has {', '.join(known) or 'none'})"
        + "".join(f"; {line}" for line in dict.fromkeys(failed))
    )


def _describe(strategy: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the strategy declares, and the first and last time and the number of each pair's candles."""
    from freqtrade.configuration import TimeRange
    from freqtrade.data.history import load_data

    pairs = config["exchange"]["pair_whitelist"]
    data = load_data(config["datadir"], strategy.timeframe, pairs, data_format=config["dataformat_ohlcv"])
    span = TimeRange.parse_timerange(config.get("timerange"))
    return {
        "file": Path(strategy.__file__).name,
        "timeframe": strategy.timeframe,
        "declared": [_declaration(parameter) for _, parameter in strategy.enumerate_parameters()],
        "loose": {name: getattr(strategy, name, None) for name in LOOSE},
        "roi": {str(minutes): share for minutes, share in strategy.minimal_roi.items()},
        "pairs": pairs,
        "span": [span.startts or None, span.stopts or None],
        "data": {
            pair: [_seconds(d["date"].iloc[0]), _seconds(d["date"].iloc[-1]), len(d)]
            for pair, d in data.items()
        },
    }


def _declaration(parameter: Any) -> dict[str, Any]:
    """Return one declared parameter: its kind from its most special known class."""
    kinds = {type_.__name__ for type_ in type(parameter).__mro__}
    common = {
        "name": parameter.name,
        "section": parameter.space,
        "value": parameter.value,
        "optimize": parameter.optimize,
        "load": parameter.load,
    }
    if "CategoricalParameter" in kinds:
        return {**common, "kind": "categorical", "choices": list(parameter.opt_range)}
    bounds = [parameter.low, parameter.high]
    if "IntParameter" in kinds:
        return {**common, "kind": "discrete", "bounds": bounds}
    return {
        **common,
        "kind": "continuous",
        "bounds": bounds,
        "decimals": getattr(parameter, "decimals", None),
    }


def _seconds(moment: Any) -> float:
    return float(moment.timestamp())


def _backtest(order: Mapping[str, Any], strategy: Any, backtesting: Any) -> dict[str, Any]:
    """Return equity, trades and freqtrade's own numbers; the steps of its ``start()`` without the tables it prints."""
    from freqtrade.optimize.optimize_reports import generate_backtest_stats

    _check_in_force(order["in_force"], strategy)
    data, span = backtesting.load_bt_data()
    first, last = backtesting.backtest_one_strategy(strategy, data, span)
    content = backtesting.all_bt_content[strategy.get_strategy_name()]
    statistics = generate_backtest_stats(data, backtesting.all_bt_content, min_date=first, max_date=last)
    numbers = statistics["strategy"][strategy.get_strategy_name()].items()
    return {
        "equity": _equity(backtesting, content),
        "trades": _trades(content["results"]),
        # Moments are no metrics, and those of the run itself differ from run to run.
        "statistics": {k: float(v) for k, v in numbers if _is_number(v) and not k.endswith("_ts")},
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _check_in_force(expected: Mapping[str, Any], strategy: Any) -> None:
    """Stop if freqtrade trades other values than it was handed: a configuration or ``load=False`` wins over them."""
    declared = {name: parameter.value for name, parameter in strategy.enumerate_parameters()}
    roi = {f"roi_{minutes}": share for minutes, share in strategy.minimal_roi.items()}
    for name, value in expected.items():
        found = declared.get(name, roi.get(name, getattr(strategy, name, None)))
        if found != value and not (name == "max_open_trades" and value == -1):
            raise OrderError(
                f"{name} was to be {value!r} and freqtrade uses {found!r}: a setting of the configuration or a "
                "parameter with load=False wins over the parameter file; remove it there or from the space"
            )


def _equity(backtesting: Any, content: Mapping[str, Any]) -> list[list[float]]:
    """Return ``[seconds, equity, 1 if something is held]`` at the open of each candle, before it trades, and the end.

    The wallet has one row for the stake currency and one for each currency held, at its candle's open.
    """
    stake = backtesting.config["stake_currency"]
    last = _seconds(backtesting.wallet_captures[-1][0]) if backtesting.wallet_captures else 0.0
    held: dict[float, dict[str, float]] = {}
    for moment, currency, price, total in backtesting.wallet_captures:
        held.setdefault(_seconds(moment), {})[currency] = price * total
    rows = [[t, sum(values.values()), float(len(values.keys() - {stake}) > 0)] for t, values in held.items()]
    return [*rows, [last + backtesting.timeframe_secs, float(content["final_balance"]), 0.0]]


def _trades(frame: Any) -> list[list[Any]]:
    """Return ``[opened, closed, bought for, sold for, pnl, fees, exit reason]`` of each trade, in stake currency."""
    if not len(frame):
        return []
    bought, sold = frame["amount"] * frame["open_rate"], frame["amount"] * frame["close_rate"]
    columns = [
        frame["open_date"].map(_seconds),
        frame["close_date"].map(_seconds),
        bought,
        sold,
        frame["profit_abs"],
        frame["fee_open"] * bought + frame["fee_close"] * sold,
        frame["exit_reason"].astype(str),
    ]
    return [list(row) for row in zip(*(column.tolist() for column in columns), strict=True)]


if __name__ == "__main__":
    main()
