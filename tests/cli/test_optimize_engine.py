"""`optimize-engine` takes the files that the service takes: what may be tried can stand beside the backtest."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from engine_files import write_files
from strategy_optimizer.engines.nautilus import NAUTILUS
from strategy_optimizer.engines.packages import BACKTESTING_PY, VECTORBT
from strategy_optimizer.engines.registry import engines_in, get_engine
from strategy_optimizer.errors import EngineError
from strategy_optimizer.strategies.strategy_file import EXTRAS, import_file

BARE = "def backtest(parameters):\n    return 10.0 - abs(parameters['n'] - 3)\n"
SPACE = """
from strategy_optimizer import Discrete, ParameterSpace
space = ParameterSpace("mine", {"n": Discrete(0, 9, 8)})
"""
FOLDS = """
from strategy_optimizer import Continuous, ParameterSpace
space = ParameterSpace("mine", {"x": Continuous(0.0, 1.0)})
def on_fold(parameters, fold):
    return {"score": 0.3 * fold - 4 * (parameters["x"] - 0.3 - 0.01 * fold) ** 2}
"""
ENGINES = """
from strategy_optimizer.engines import CallableEngine
one = CallableEngine(lambda p: 1.0, space)
two = also_two = CallableEngine(lambda p: 2.0)
_hidden = CallableEngine(lambda p: 3.0)
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def put(text: str) -> Path:
        path = tmp_path / "mine.py"
        path.write_text(text)
        return path

    return put


def test_the_space_of_the_file_is_searched(call: Callable[..., object], write: Callable[[str], Path]) -> None:
    options = (
        "--executor",
        "serial",
        "--evaluations",
        "10",
        "--no-cache",
        "--no-ledger",
        "--json",
        "--quiet",
    )
    outcome = call("optimize-engine", write(SPACE + BARE), *options)
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["best_parameters"] == {"n": 3}
    lacking = call("optimize-engine", write(BARE), *options)
    assert lacking.code == 2
    assert "declares no parameters; give space=" in lacking.err


def test_a_number_is_one_row_of_the_table(call: Callable[..., object], write: Callable[[str], Path]) -> None:
    options = ("--executor", "serial", "--evaluations", "10", "--no-cache", "--no-ledger", "--quiet")
    outcome = call("optimize-engine", write(SPACE + BARE), *options)
    assert outcome.code == 0, outcome.err
    assert [line.split() for line in outcome.out.splitlines() if line.startswith("score ")] == [
        ["score", "score"],  # which metric it is
        ["score", "10", "5"],
    ]


@pytest.mark.parametrize(
    ("prune", "expected"), [((), True), (("--prune", "0.2"), True), (("--prune", "off"), False)]
)
def test_a_function_of_folds_is_pruned_unless_told_otherwise(
    call: Callable[..., object], write: Callable[[str], Path], prune: tuple[str, ...], expected: bool
) -> None:
    options = (
        "--folds",
        "6",
        "--executor",
        "serial",
        "--evaluations",
        "40",
        "--no-ledger",
        "--json",
        "--quiet",
    )
    outcome = call("optimize-engine", write(FOLDS), *options, *prune)
    assert outcome.code == 0, outcome.err
    result = json.loads(outcome.out)
    assert (result["counts"]["pruned"] > 0) is expected
    execution = result["execution"]
    saved = (execution.get("folds_saved", 0) > 0, execution.get("seconds_saved", 0.0) > 0)
    assert saved == (expected, expected)
    assert abs(result["best_parameters"]["x"] - 0.3) < 0.1


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("folds", ("--prune", "0.01"), "cannot be called with one dict of parameters"),
        ("folds", ("--prune", "0.01"), "say how many folds there are: folds=8, or --folds 8"),
        ("folds", ("--folds", "1"), "folds is 1; expected a whole number from 2 up"),
        ("folds", ("--folds", "8", "--prune", "yes"), "--prune is 'yes'; expected the chance of catching up"),
        ("folds", ("--folds", "8", "--prune", "3"), "above 0 and below 0.5 such as 0.003, or off"),
        (
            "bare",
            ("--folds", "8"),
            "backtest(parameters) cannot be called with one dict of parameters and a fold",
        ),
        ("bare", ("--prune", "0.02"), "prune is 0.02, but backtest has no folds"),
        (
            "engine",
            ("--folds", "8"),
            "one is an engine (<lambda>), and folds are for a function of (parameters, fold)",
        ),
    ],
)
def test_folds_that_cannot_be(
    call: Callable[..., object],
    write: Callable[[str], Path],
    text: str,
    options: tuple[str, ...],
    message: str,
) -> None:
    source = {"folds": FOLDS, "bare": SPACE + BARE, "engine": SPACE + ENGINES}[text]
    name = f"{write(source)}:one" if text == "engine" else write(source)
    outcome = call("optimize-engine", name, *options)
    assert outcome.code == 2
    assert message in outcome.err


def test_what_a_file_offers(write: Callable[[str], Path]) -> None:
    offered = engines_in(import_file(write(SPACE + BARE)))
    assert list(offered) == ["backtest"]
    assert offered["backtest"].space() is offered["backtest"].given_space is not None
    assert engines_in(import_file(write(BARE))) == {}
    assert list(engines_in(import_file(write(SPACE + ENGINES)))) == ["one", "two"]
    with pytest.raises(EngineError, match="its space is 3 \\(int\\); expected a ParameterSpace"):
        engines_in(import_file(write("space = 3\n" + BARE)))


def test_one_of_several_is_named(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "files", "several", "wild")
    assert get_engine(f"{folder / 'several.py'}:second").engine.run({}).metrics == {"score": 1.0}
    with pytest.raises(EngineError, match=r"has first, second; name one of them: .*several\.py:first"):
        get_engine(str(folder / "several.py"))


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        (BARE, ":backtst", "mine.py has no 'backtst'; did you mean 'backtest'? (it has backtest)"),
        (ENGINES, "", "mine.py cannot be loaded: NameError: name 'space' is not defined (mine.py:3)"),
        ("import no_such_module", "", "(mine.py:1); install it in the environment of strategy-optimizer"),
        ("import nautilus_trader.model", "", "(mine.py:1); pip install 'strategy-optimizer[nautilus]'"),
        ("import freqtrade.strategy", "", "in an environment of its own: name the strategy in FreqtradeEngine"),
        (SPACE + "def backtest(p):\n    return p['m']\n", "", "raised: KeyError: 'm' (mine.py:5, in backtest)"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_one_error_that_says_where(
    call: Callable[..., object], write: Callable[[str], Path], text: str, place: str, message: str
) -> None:
    outcome = call("optimize-engine", f"{write(text)}{place}", "--executor", "serial", "--no-cache", "-q")
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.err.count("\n") == 1


def test_the_extras_that_files_are_sent_to_exist() -> None:
    pyproject = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert set(EXTRAS.values()) <= set(pyproject["project"]["optional-dependencies"])
    for package in (BACKTESTING_PY, VECTORBT, NAUTILUS):
        assert EXTRAS[package.module] == package.extra
