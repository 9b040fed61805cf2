"""Strategies of freqtrade as an engine, backtested by freqtrade itself.

freqtrade is under the GPL 3.0. It is never imported here: a program in an environment of its own is asked through
pipes (`freqtrade_runner`), and parameters travel in freqtrade's own parameter file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from strategy_optimizer.engines.account import Account
from strategy_optimizer.engines.base import Engine, EngineRun
from strategy_optimizer.engines.division import bars_searched, checked_holdout
from strategy_optimizer.engines.freqtrade_files import parameter_document, read_parameters, write_json
from strategy_optimizer.engines.freqtrade_process import borrowed_runner
from strategy_optimizer.engines.freqtrade_runner import LOOSE
from strategy_optimizer.errors import EngineError, nearest_name, place_in
from strategy_optimizer.space import ParameterSpace

OLDEST = (2026, 9)
"""The version that `make test-freqtrade` runs; it has to record the wallet over time."""
INSTALLING = (
    "install freqtrade in an environment of its own (in this project: make freqtrade) and give its Python, "
    "python='.venv-freqtrade/bin/python'"
)
_SECONDS_A_YEAR = 365.25 * 86_400
_TIMEFRAME = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class FreqtradeEngine(Engine):
    """Backtests a strategy of freqtrade, in freqtrade's own environment and without an exchange.

    Parameters
    ----------
    strategy : str
        Name of the strategy's class.
    config : str, Path, mapping, or sequence of str or Path
        freqtrade's configuration: its files in their order, or its content.
    python : str or Path, optional
        The Python of the environment that has freqtrade, or the program ``freqtrade`` in it. Left out: the
        ``freqtrade`` that a shell would find.
    user_directory : str or Path
        freqtrade's user directory; the strategy is looked for in its folder ``strategies``.
    data : str or Path, optional
        The data directory; ``USER_DIRECTORY/data/EXCHANGE`` when left out.
    timerange : str, optional
        As for ``freqtrade backtesting --timerange``.
    sections : sequence of str, optional
        Which declared parameters `space` has, as for ``freqtrade hyperopt --spaces``; all when left out.
    markets : str, Path or mapping, optional
        The exchange's markets as ccxt describes them, or a JSON file of them, for its precision, limits and fees.
        Left out: spot markets of the configured pairs with the exchange's usual fee, eight decimals and no limits.
        ``"exchange"``: loaded from the exchange by each trial.
    **options
        Further options of ``freqtrade backtesting``, spelled with underscores: ``fee=0.001``,
        ``enable_protections=True``, ``timeframe_detail="5m"``.

    Notes
    -----
    Parameters are the strategy's declared ones by name, and ``stoploss``, ``max_open_trades``, ``trailing_stop``,
    ``trailing_stop_positive``, ``trailing_stop_positive_offset``, ``trailing_only_offset_is_reached`` and
    ``roi_MINUTES``. Those that are left out keep the value of the file beside the strategy, or their default. A value
    that freqtrade does not use, since its configuration says otherwise, fails the trial.

    Equity is the wallet at the open of each candle, before it trades, and at the end, after freqtrade has sold what
    was open; so returns are from candle to candle and the last one pays for the sale. Trades that were sold only for
    that count as open. Metrics of freqtrade keep its names: ``"profit_total"``, ``"sharpe"``, ``"sqn"``.
    """

    def __init__(
        self,
        strategy: str,
        config: str | Path | Mapping[str, Any] | Sequence[str | Path],
        *,
        python: str | Path | None = None,
        user_directory: str | Path = "user_data",
        data: str | Path | None = None,
        timerange: str | None = None,
        sections: Sequence[str] | None = None,
        markets: str | Path | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.label = f"freqtrade: {strategy}"
        self._strategy = strategy
        self._python = _python(python)
        self._strategies = _folder(Path(user_directory) / "strategies", "strategies of freqtrade")
        self._files, self._config = _configuration(config)
        exchange = _exchange(self._files, self._config)
        self._data = _folder(Path(data or Path(user_directory) / "data" / exchange), "data of freqtrade")
        self._timerange = timerange
        self._sections = tuple(sections) if sections is not None else None
        self._markets = _markets(markets)
        self._options = options
        self._known: dict[str, Any] | None = None

    # -- what an engine is -------------------------------------------------------------------------------------

    def run(self, parameters: Mapping[str, Any]) -> EngineRun:
        """Backtest the parameters in a process and a user directory of their own."""
        document = parameter_document(self._strategy, self._beside(), self._sections_of(parameters))
        answer = self._ask("run", parameter_file=document, in_force=dict(parameters))
        account = _account(answer["equity"], answer["trades"])
        held = np.array([row[2] for row in answer["equity"][1:]])
        metrics = {
            **answer["statistics"],
            **account.metrics(),
            "exposure": float(held.mean()) if len(held) else 0.0,
            "costs_paid": float(sum(trade[5] for trade in answer["trades"])),
        }
        return EngineRun(metrics, account.returns())

    def check(self) -> None:
        """Find out whether freqtrade is there in a supported version, with the strategy and data of each pair."""
        known = self._description()
        missing = [pair for pair in known["pairs"] if pair not in known["data"]]
        if missing:
            raise EngineError(
                f"{self._data} has no candles of {missing[0]} at {known['timeframe']}; download them with "
                f"freqtrade download-data, or write them with write_candles"
            )
        self._check_sections(known)
        self._span(known)

    def _check_sections(self, known: Mapping[str, Any]) -> None:
        sections = {declared["section"] for declared in known["declared"]}
        for name in self._sections or ():
            if name not in sections:
                raise EngineError(
                    f"{self._strategy} has no parameters in the section '{name}'{nearest_name(name, sections)} "
                    f"(it has {', '.join(sorted(sections)) or 'none'})"
                )

    def digest(self) -> str:
        """Return the digest of strategies, configuration, candles, markets, options and versions."""
        known = self._description()
        digest = hashlib.sha256()
        prefixes = tuple(f"{re.sub('[/ .@$+:]', '_', pair)}-" for pair in known["pairs"])
        for folder, is_wanted in (
            (self._strategies, lambda file: file.suffix in (".py", ".json")),
            (self._data, lambda file: file.name.startswith(prefixes)),
        ):
            for file in sorted(folder.rglob("*")):
                if is_wanted(file) and file.is_file():
                    _add(digest, str(file.relative_to(folder)), file.read_bytes())
        for name in self._files:
            _add(digest, "configuration", Path(name).read_bytes())
        settings = [
            self._strategy,
            self._config,
            self._markets,
            self._options,
            self._timerange,
            self.versions(),
        ]
        environment = {name: value for name, value in os.environ.items() if name.startswith("FREQTRADE__")}
        _add(digest, "settings", json.dumps([*settings, environment], sort_keys=True, default=str).encode())
        return digest.hexdigest()

    def space(self) -> ParameterSpace | None:
        """Return the space of the declared parameters with ``optimize`` and ``load``; None where there are none.

        The defaults are the values in force: those of the parameter file beside the strategy, if there is one.
        """
        self._check_sections(self._description())
        space = ParameterSpace(self._strategy)
        for declared in self._description()["declared"]:
            wanted = self._sections is None or declared["section"] in self._sections
            if wanted and declared["optimize"] and declared["load"]:
                _add_parameter(space, declared)
        return space if space.names else None

    def divide(self, holdout: float) -> tuple[Engine, Engine | None]:
        """Cut the time in two; the second part's indicators warm up on the candles before it, as freqtrade does it."""
        if checked_holdout(holdout) == 0.0:
            return self, None
        known = self._description()
        self.check()
        start, stop = self._span(known)
        step = _step(known["timeframe"])
        searched = bars_searched(int((stop - start) // step) + 1, holdout, self.label)
        cut = start + searched * step
        return self._during(start, cut - step), self._during(cut, stop)

    def versions(self) -> dict[str, str]:
        """Return the versions of freqtrade, its Python and its numeric packages."""
        return dict(self._description()["versions"])

    # -- what freqtrade's users ask for ------------------------------------------------------------------------

    def write_parameters(self, path: str | Path, parameters: Mapping[str, Any]) -> Path:
        """Write parameters as freqtrade's own parameter file, which its bot reads from beside the strategy.

        Parameters
        ----------
        path : str or Path
            The file, or the folder of the strategy, where it gets the strategy's name as freqtrade expects it.
        parameters : mapping
            What `run` takes. Other parameters of a file that is already beside the strategy are kept.

        Returns
        -------
        Path
            Of the file.
        """
        target = Path(path)
        if target.suffix != ".json":
            target = target / Path(self._description()["file"]).with_suffix(".json").name
        sections = self._sections_of(parameters)
        write_json(target, parameter_document(self._strategy, self._beside(), sections))
        return target

    # -- details -----------------------------------------------------------------------------------------------

    def _description(self) -> dict[str, Any]:
        """Return what freqtrade says of the strategy and the data; asked once."""
        if self._known is None:
            self._known = self._ask("describe")
        return self._known

    def _ask(self, what: str, **more: Any) -> dict[str, Any]:
        order = {
            "do": what,
            "strategy": self._strategy,
            "strategies": str(self._strategies),
            "config": self._config,
            "config_files": self._files,
            "data": str(self._data),
            "markets": self._markets,
            "options": {**self._options, "timerange": self._timerange},
            **more,
        }
        with borrowed_runner(self._python) as runner:
            _check_runner(runner.versions, runner.problem, self._python)
            answer = runner.ask(order)
            if "error" in answer:
                raise EngineError(f"freqtrade: {answer['error']}{place_in(answer.get('traceback', ''))}")
            return {**answer, "versions": runner.versions}

    def _beside(self) -> dict[str, Any]:
        """Return the parameters of the file beside the strategy."""
        file = self._strategies / Path(self._description()["file"]).with_suffix(".json").name
        return read_parameters(file, self._strategy)

    def _sections_of(self, parameters: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return parameters by name as sections of the parameter file."""
        known = self._description()
        places = {declared["name"]: declared["section"] for declared in known["declared"]} | LOOSE
        sections: dict[str, dict[str, Any]] = {}
        for name, value in parameters.items():
            minutes = re.fullmatch(r"roi_(\d+)", name)
            if name in places:
                sections.setdefault(places[name], {})[name] = value
            elif minutes:  # the table is replaced as a whole there
                sections.setdefault("roi", dict(known["roi"]))[minutes[1]] = value
            else:
                raise EngineError(
                    f"{self._strategy} has no parameter '{name}'{nearest_name(name, places)} (it has "
                    f"{', '.join(places)} and roi_MINUTES)"
                )
        return sections

    def _span(self, known: Mapping[str, Any]) -> tuple[float, float]:
        """Return the first and the last second that all pairs and the time range have."""
        start, stop = known["span"]
        first = max(data[0] for data in known["data"].values())
        last = min(data[1] for data in known["data"].values())
        begin, end = max(first, start or first), min(last, stop or last)
        if first > last:
            raise EngineError(f"the pairs {', '.join(known['data'])} have no candle at the same time")
        if begin > end:
            raise EngineError(
                f"the time range {self._timerange} holds no candles; those of all pairs are from {_day(first)} to "
                f"{_day(last)}"
            )
        return begin, end

    def _during(self, start: float, stop: float) -> FreqtradeEngine:
        """Return this engine on the candles from `start` to `stop`, both included."""
        other = object.__new__(FreqtradeEngine)
        other.__dict__.update(self.__dict__)
        other._timerange = "-".join(
            datetime.fromtimestamp(moment, UTC).strftime("%Y%m%dT%H%M") for moment in (start, stop)
        )
        return other


def _day(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"


def _python(given: str | Path | None) -> Path:
    """Return the Python of freqtrade's environment."""
    found = given if given is not None else shutil.which("freqtrade")
    if found is None:
        raise EngineError(f"freqtrade was not found; {INSTALLING}")
    path = Path(found).absolute()  # a link to a Python must not be followed: it is what makes the environment
    if path.name.startswith("freqtrade"):
        path = path.with_name("python")
    if not path.exists():
        raise EngineError(f"{path} does not exist; {INSTALLING}")
    return path


def _check_runner(versions: Mapping[str, str], problem: str | None, python: Path) -> None:
    if problem is not None:
        raise EngineError(f"{python}: {problem}; {INSTALLING}")
    version = versions["freqtrade"]
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers < OLDEST:
        raise EngineError(
            f"freqtrade {version} is not supported; expected {OLDEST[0]}.{OLDEST[1]} or later: {INSTALLING}"
        )


def _folder(path: Path, of: str) -> Path:
    if not path.is_dir():
        raise EngineError(f"found no folder {path}; expected the {of}")
    return path.absolute()


def _configuration(config: Any) -> tuple[list[str], dict[str, Any]]:
    """Return the files and the content of a configuration."""
    if isinstance(config, Mapping):
        return [], dict(config)
    files = [config] if isinstance(config, str | Path) else list(config)
    for file in files:
        if not Path(file).is_file():
            raise EngineError(f"found no file {file}; expected a configuration of freqtrade")
    return [str(Path(file).absolute()) for file in files], {}


def _exchange(files: Iterable[str], config: Mapping[str, Any]) -> str:
    """Return the exchange's name, which names the data directory."""
    name = config.get("exchange", {}).get("name")
    for file in files:
        found = re.search(r'"exchange"\s*:\s*\{[^{}]*?"name"\s*:\s*"([^"]+)"', Path(file).read_text())
        name = found[1] if found else name
    if not name:
        _check_json(files)
        raise EngineError(
            'the configuration names no exchange; expected {"exchange": {"name": "binance", ...}}'
        )
    return str(name)


def _check_json(files: Iterable[str]) -> None:
    """Refuse a configuration that says nothing because it is broken. freqtrade's may hold comments, ours reads past."""
    for file in files:
        try:
            json.loads(Path(file).read_text())
        except ValueError as error:
            raise EngineError(
                f'{file} is not plain JSON ({error}), and no {{"exchange": {{"name": "binance", ...}}}} '
                "was found in it"
            ) from error


def _markets(markets: Any) -> Any:
    if markets is None or markets == "exchange" or isinstance(markets, Mapping):
        return markets
    try:
        found = json.loads(Path(markets).read_text())
    except (OSError, ValueError) as error:
        raise EngineError(f"markets: {markets} cannot be read as JSON: {error}") from error
    return found


def _add(digest: Any, name: str, content: bytes) -> None:
    """Add a named content so that no other split of the same bytes gives the same digest."""
    digest.update(f"{name}\0{len(content)}\0".encode() + content)


def _add_parameter(space: ParameterSpace, declared: Mapping[str, Any]) -> None:
    name, kind, value = declared["name"], declared["kind"], declared["value"]
    if kind == "categorical":
        space.add_parameter(name, kind, declared["choices"], value if value in declared["choices"] else None)
        return
    low, high = declared["bounds"]
    decimals = declared.get("decimals")
    if kind == "discrete":
        low, high = int(low), int(high)
    elif decimals is not None:
        low, high = round(low, decimals), round(high, decimals)
    default = value if low <= value <= high else None
    step = 10.0**-decimals if decimals is not None else None
    space.add_parameter(name, kind, (low, high), default, step=step)


def _step(timeframe: str) -> int:
    """Return the seconds of a timeframe such as ``5m``; months do not have any."""
    unit = timeframe[-1]
    if unit not in _TIMEFRAME:
        raise EngineError(f"candles of {timeframe} cannot be divided; expected minutes, hours, days or weeks")
    return int(timeframe[:-1]) * _TIMEFRAME[unit]


def _account(equity: Sequence[Sequence[float]], trades: Sequence[Sequence[Any]]) -> Account:
    """Return the account at the opens of the candles; a fill belongs to the first open after it."""
    moments = np.array([row[0] for row in equity])
    values = np.array([row[1] for row in equity])
    n = len(moments)
    opened, closed, entry, exit_, pnl = (np.array([t[k] for t in trades], dtype=float) for k in range(5))
    forced = np.array([trade[6] == "force_exit" for trade in trades], dtype=bool)
    entry_bars = np.minimum(np.searchsorted(moments, opened, side="right"), n - 1)
    exit_bars = np.searchsorted(moments, closed, side="right")
    return Account(
        equity=values,
        cash=float(values[0]),
        years=float(moments[-1] - moments[0]) / _SECONDS_A_YEAR,
        entry_bars=entry_bars,
        exit_bars=np.where(forced, n, exit_bars),
        pnl=pnl,
        entry_notionals=entry,
        fill_bars=np.concatenate([entry_bars, np.minimum(exit_bars, n - 1)]),
        fill_notionals=np.concatenate([entry, exit_]),
    )
