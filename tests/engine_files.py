"""Files that offer engines: one that behaves, and some whose trials do not."""

from __future__ import annotations

import time
from pathlib import Path

from strategy_optimizer.catalogue.strategy_folder import StrategyFolder
from strategy_optimizer.storage import Store

HILL = '''
"""A hill, whose top is at x = 7, y = 3; each trial takes 20 ms."""

import time

import numpy as np

from _helper import height
from strategy_optimizer import Discrete, ParameterSpace
from strategy_optimizer.engines import CallableEngine

space = ParameterSpace("hill", {"x": Discrete(0, 40, 20), "y": Discrete(0, 40, 20)})
noise = np.random.default_rng(5).normal(0.0, 0.01, (2, 600))


def run(parameters, part):
    time.sleep(0.02)
    returns = noise[part] + 1e-4 * height(parameters)
    return {"sharpe_ratio": float(returns.mean() / returns.std()) * 252**0.5, "trades": 50, "returns": returns}


def _searched(parameters):
    return run(parameters, 0)


def _held_out(parameters):
    return run(parameters, 1)


engine = CallableEngine(_searched, held_out=_held_out, label="the hill", data="noise 5")
'''
HELPER = """
def height(parameters):
    return 30 - abs(parameters["x"] - 7) - abs(parameters["y"] - 3)
"""
WILD = '''
"""Does what its parameter says."""

import ctypes, os, time
from pathlib import Path

from strategy_optimizer import Categorical, ParameterSpace

HOW = ["behave", "raise", "crash", "exit", "hang", "hold", "eat", "fork", "text", "secret"]
space = ParameterSpace("wild", {"how": Categorical(HOW, "behave")})


def backtest(parameters):
    match parameters["how"]:
        case "raise":
            raise ValueError("no such bar")
        case "crash":
            ctypes.string_at(0)
        case "exit":
            os._exit(7)
        case "hang":
            time.sleep(600)
        case "hold":  # the interpreter's lock, for ever
            ctypes.PyDLL(None).sleep(600)
        case "eat":
            kept = []
            while True:
                kept.append(bytearray(2**22))
                time.sleep(0.002)
        case "fork":
            while True:
                if os.fork() == 0:
                    time.sleep(600)
        case "text":
            return {"score": "high"}
        case "secret":
            raise ValueError(f"{os.environ.get('ENGINE_SECRET')} {os.environ.get('CANARY_PASSWORD')}")
    return {"score": 1.0}
'''
ENDLESS = '''
"""A trial of this takes longer than anybody waits."""

import os, subprocess
from pathlib import Path

from strategy_optimizer import Discrete, ParameterSpace

space = ParameterSpace("endless", {"x": Discrete(0, 9, 4)})


def backtest(parameters):
    if parameters["x"] != 4:  # all but the first
        subprocess.run(["sleep", "65432"])
    return {"score": 1.0}
'''
LACKING = '''
"""An engine whose package is not installed here."""

from strategy_optimizer import Discrete, ParameterSpace
from strategy_optimizer.engines import BacktestingEngine

space = ParameterSpace("lacking", {"n": Discrete(2, 50, 10)})


class Cross:
    n = 10

    def init(self): ...

    def next(self): ...


engine = BacktestingEngine(Cross, "nasdaq")
'''
WITHOUT_SPACE = """
from strategy_optimizer.engines import CallableEngine


def backtest(parameters):
    return 1.0


engine = CallableEngine(backtest)
"""
SEVERAL = """
from strategy_optimizer import Discrete, ParameterSpace

space = ParameterSpace("several", {"n": Discrete(2, 50, 10)})


def first(parameters):
    return 1.0


def second(parameters):
    return 1.0
"""
FOLDED = """
from strategy_optimizer import Continuous, ParameterSpace
from strategy_optimizer.engines import FoldedEngine


def on_fold(parameters, fold):
    return {"score": 0.3 * fold - 4 * (parameters["x"] - 0.3 - 0.01 * fold) ** 2}


space = ParameterSpace("folded", {"x": Continuous(0.0, 1.0)})
engine = FoldedEngine.of_function(on_fold, 6)
"""
FILES = {
    "hill": HILL,
    "_helper": HELPER,
    "wild": WILD,
    "endless": ENDLESS,
    "lacking": LACKING,
    "without_space": WITHOUT_SPACE,
    "several": SEVERAL,
    "folded": FOLDED,
}


def write_files(folder: Path, *names: str) -> Path:
    """Write files, all of them by default, into a folder that is made, and return it."""
    folder.mkdir(exist_ok=True)
    for name in names or FILES:
        (folder / f"{name}.py").write_text(FILES[name])
    return folder


def tell(store: Store, data_dir: Path, folder: Path) -> StrategyFolder:
    """Tell a store of the folder, as a worker does, without waiting for files to settle."""
    watched = StrategyFolder(store, data_dir, folder, clock=lambda: time.time() + 3)
    watched.scan()
    return watched
