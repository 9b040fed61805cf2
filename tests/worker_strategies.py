"""Strategies that misbehave, installed for a worker as a package would be: by an entry point on its path."""

from __future__ import annotations

import hashlib
import os
from importlib.metadata import EntryPoint
from pathlib import Path

from strategy_optimizer import ParameterSpace

CODE = '''
import ctypes, os, signal, subprocess, sys, time
from pathlib import Path
import numpy as np
from strategy_optimizer import Discrete, Strategy, Signals

HERE = Path(__file__).parent


class Base(Strategy):
    parameters = {"n": Discrete(5, 400, default=20), "m": Discrete(1, 400, default=7)}
    seconds = 0.002

    def warmup(self, p):
        return int(p.n)

    def signals(self, bars):
        self.misbehave()
        time.sleep(self.seconds)
        past = np.roll(bars.close, int(self.n))
        return Signals(entries=bars.close > past, exits=bars.close < np.roll(bars.close, int(self.m)))

    def misbehave(self):
        pass


class Slow(Base):
    """Is slow while a search of some hundred trials runs, and quick when its winner is checked."""

    name = "slow"
    seconds = float(os.environ.get("SLOW_SECONDS", "0.005"))
    left = 500

    def misbehave(self):
        type(self).left -= 1
        if self.left < 0:
            type(self).seconds = 0.0


class VerySlow(Slow):
    """Is slow for the first seconds of the check as well."""

    name = "very_slow"
    seconds = 0.15
    left = 60


class Noting(Base):
    """Notes the parameters of each trial in a file."""

    name = "noting"
    seconds = 0.03

    def misbehave(self):
        with (HERE / "noted").open("a") as file:
            file.write(f"{int(self.n)} {int(self.m)}\\n")


class Stuck(Base):
    """Hangs in compiled code after two seconds, by when trials are saved, where Python cannot be interrupted."""

    name = "stuck"
    begun = None

    def misbehave(self):
        type(self).begun = self.begun or time.monotonic()
        if time.monotonic() > self.begun + 2.0:
            (HERE / "stuck").touch()
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1})
            ctypes.PyDLL(None).pause()  # holds the interpreter's lock for ever


class Crash(Base):
    """Dies of a segmentation fault, always at the same trial."""

    name = "crash"

    def misbehave(self):
        if self.n % 13 == 5:
            ctypes.string_at(0)


class Leaves(Base):
    name = "leaves"

    def misbehave(self):
        if self.n % 13 == 5:
            os._exit(7)


class Exits(Base):
    name = "exits"

    def misbehave(self):
        if self.n % 13 == 5:
            raise SystemExit(4)


class Hungry(Base):
    name = "hungry"
    kept = []

    def misbehave(self):
        self.kept.append(np.ones(2**22))


class Loud(Base):
    name = "loud"

    def misbehave(self):
        print("loud " * 2000)
        print("secret", os.environ.get("CANARY_PASSWORD"), os.environ.get("STRATEGY_OPTIMIZER_DATABASE_URL"))


class Parent(Base):
    """Leaves a process behind in each trial."""

    name = "parent"

    def misbehave(self):
        subprocess.Popen(["sleep", "54321"], start_new_session=True)
        time.sleep(0.2)
'''


def make_space() -> ParameterSpace:
    """Return the space of all of them."""
    space = ParameterSpace("misbehaving")
    space.add_parameter("n", "discrete", (5, 400), 20)
    return space.add_parameter("m", "discrete", (1, 400), 7)


NAMES = {
    "slow": "Slow",
    "very_slow": "VerySlow",
    "stuck": "Stuck",
    "crash": "Crash",
    "leaves": "Leaves",
    "exits": "Exits",
    "hungry": "Hungry",
    "loud": "Loud",
    "noting": "Noting",
    "parent": "Parent",
}


def version_of(name: str) -> str | None:
    """Return the version that a task pins of one of them; None for a built-in strategy."""
    if name not in NAMES:
        return None
    point = EntryPoint(name, f"misbehaving:{NAMES[name]}", "strategy_optimizer.strategies")
    return hashlib.sha256(f"package misbehaving 1.0 {point.name} {point.value}".encode()).hexdigest()


def install(folder: Path) -> str:
    """Put the package into a folder and return the PYTHONPATH that has it."""
    information = folder / "misbehaving-1.0.dist-info"
    information.mkdir(parents=True)
    (folder / "misbehaving.py").write_text(CODE)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: misbehaving\nVersion: 1.0\n")
    points = [f"{name} = misbehaving:{class_name}" for name, class_name in NAMES.items()]
    (information / "entry_points.txt").write_text(
        "\n".join(["[strategy_optimizer.strategies]", *points]) + "\n"
    )
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
