"""What every peer has in common: the interface, and the translation of a space into the peer's parameters."""

from __future__ import annotations

import math
import queue
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from strategy_optimizer import Categorical, Continuous, Discrete, ParameterSpace

_PAIR = re.compile(r"\s*(\w+)\s*(<=|<)\s*(\w+)\s*")
MAX_REJECTED = 50  # suggestions in a row that violate a constraint before a random feasible point is tried


@dataclass(frozen=True)
class Axis:
    """One parameter as a peer sees it; ``natural = origin + stride * value``, or ``exp(value)`` when `curved`.

    Attributes
    ----------
    kind : {"real", "integer", "choice"}
        A choice is the index of its category.
    low, high : float
        Inclusive bounds of the value; for a choice 0 and the number of choices - 1.
    log : bool
        Whether the peer should put a logarithmic scale on it itself.
    """

    name: str
    kind: str
    low: float
    high: float
    log: bool = False
    origin: float = 0.0
    stride: float = 1.0
    curved: bool = False

    def decode(self, value: Any) -> float:
        """Return the natural value (the index of a choice), not yet on its step."""
        return math.exp(float(value)) if self.curved else self.origin + self.stride * float(value)

    def encode(self, natural: float) -> float | int:
        """Return the peer's value of a natural one."""
        value = math.log(natural) if self.curved else (natural - self.origin) / self.stride
        return round(value) if self.kind != "real" else min(max(value, self.low), self.high)


@dataclass(frozen=True)
class Pair:
    """The constraint that one parameter is below another, in natural units: left < right, or left <= right."""

    left: int
    right: int
    strict: bool


def pairs_of(space: ParameterSpace) -> list[Pair]:
    """Return the constraints of the space; all of our landscapes' have this form."""
    names, pairs = list(space.names), []
    for text in space.constraints:
        match = _PAIR.fullmatch(str(text))
        if match is None:
            raise NotImplementedError(
                f"the peers' adapters know constraints like 'fast < slow', not {text!r}"
            )
        pairs.append(Pair(names.index(match[1]), names.index(match[3]), match[2] == "<"))
    return pairs


def axes_of(space: ParameterSpace, *, native_log: bool) -> list[Axis]:
    """Return the parameters as axes: stepped ones as integers, log scales left to the peer or taken out."""
    return [_axis(name, parameter, native_log) for name, parameter in space.parameters.items()]


def _axis(name: str, p: Any, native_log: bool) -> Axis:
    if isinstance(p, Categorical):
        return Axis(name, "choice", 0, len(p.choices) - 1)
    if p.log and not native_log:
        margin = 0.5 if isinstance(p, Discrete) else 0.0
        return Axis(name, "real", math.log(p.low - margin), math.log(p.high + margin), curved=True)
    if p.log:
        return Axis(name, "real" if isinstance(p, Continuous) else "integer", p.low, p.high, log=True)
    if p.step:
        return Axis(name, "integer", 0, p.size - 1, origin=float(p.low), stride=float(p.step))
    return Axis(name, "real", float(p.low), float(p.high))


class Peer(ABC):
    """A search algorithm of another package, asked for one candidate at a time.

    An adapter adds `_begin`, `_suggest` and `_report`. Values are dense: conditions are unknown to most peers, so
    an inactive parameter keeps what the peer said and the evaluation ignores it. A suggestion that violates a
    constraint is reported back as a failure, without counting as a trial, and the next one is asked for.
    """

    native_log: ClassVar[bool] = False

    def start(self, space: ParameterSpace, budget: int, seed: int) -> None:
        """Begin a search that maximises."""
        self.space, self.budget, self.seed = space, budget, seed
        self.axes, self.pairs = axes_of(space, native_log=self.native_log), pairs_of(space)
        self.worst: float | None = None
        self.n_rejected = 0
        self._rng = np.random.default_rng([97, seed])
        self._begin()

    def ask(self) -> dict[str, Any]:
        """Return a feasible candidate."""
        for _ in range(MAX_REJECTED):
            values = self._suggest()
            point = self._point(values)
            if self.space.is_feasible(point[None])[0]:
                self._asked = values
                return self.space.to_dicts(point[None])[0]
            self.n_rejected += 1
            self._report(values, math.nan)
        point = self.space.sample(1, self._rng)
        dense = np.where(np.isnan(point), self.space.default_values, point)[0]
        self._asked = [axis.encode(v) for axis, v in zip(self.axes, dense.tolist(), strict=True)]
        self._adopt(self._asked)
        return self.space.to_dicts(point)[0]

    def tell(self, params: Mapping[str, Any], score: float) -> None:
        """Report the score of the candidate asked last; NaN is a failed trial."""
        if not math.isnan(score):
            self.worst = score if self.worst is None else min(self.worst, score)
        self._report(self._asked, score)

    def close(self) -> None:  # noqa: B027  # most have nothing to release
        """Release what the peer holds."""

    @abstractmethod
    def _begin(self) -> None:
        """Make the peer's optimizer."""

    @abstractmethod
    def _suggest(self) -> Sequence[Any]:
        """Return the next values, one per axis."""

    @abstractmethod
    def _report(self, values: Sequence[Any], score: float) -> None:
        """Tell the score of values, larger is better; NaN failed or violates a constraint."""

    def _adopt(self, values: Sequence[Any]) -> None:  # noqa: B027
        """Prepare for the report of values that the peer did not suggest."""

    def _point(self, values: Sequence[Any]) -> np.ndarray:
        dense = np.array([axis.decode(v) for axis, v in zip(self.axes, values, strict=True)])
        return self.space.deactivate(self.space.snap(dense[None]))[0]

    def _feasible(self, values: Sequence[Any]) -> bool:
        """Return whether values satisfy the constraints; quick, since some peers ask for thousands of points."""
        for pair in self.pairs:
            left, right = (self._natural(i, values[i]) for i in (pair.left, pair.right))
            if left > right or (pair.strict and left == right):
                return False
        return True

    def _natural(self, i: int, value: Any) -> float:
        natural = self.axes[i].decode(value)
        return round(natural) if self.space.kinds[i] == 1 else natural

    def _finite_loss(self, score: float) -> float:
        """Return the loss, a failure being as bad as the worst trial so far (0 before there is one)."""
        return -score if not math.isnan(score) else -(self.worst or 0.0)


class BlockingPeer(Peer):
    """A peer that only has a blocking ``minimize(function)``: it runs in a thread and waits for each score."""

    def _begin(self) -> None:
        self._out: queue.Queue[Any] = queue.Queue()
        self._in: queue.Queue[float] = queue.Queue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._minimize(self._function)
            self._out.put(StopIteration(f"{type(self).__name__} ended before its budget"))
        except _Closed:
            pass
        except BaseException as error:
            self._out.put(error)

    def _function(self, values: Sequence[Any]) -> float:
        self._out.put(list(values))
        answer = self._in.get()
        if answer == math.inf:
            raise _Closed
        return answer

    def _suggest(self) -> Sequence[Any]:
        answer = self._out.get()
        if isinstance(answer, BaseException):
            raise RuntimeError(f"{type(self).__name__} failed") from answer
        return answer

    def _report(self, values: Sequence[Any], score: float) -> None:
        self._in.put(self._loss(score))

    def close(self) -> None:
        self._in.put(math.inf)
        self._thread.join(timeout=5.0)

    def _loss(self, score: float) -> float:
        return self._finite_loss(score)

    @abstractmethod
    def _minimize(self, function: Callable[[Sequence[Any]], float]) -> None:
        """Minimise, calling the function with values, one per axis."""


class _Closed(Exception):  # noqa: N818
    """The search is over; unwinds the thread."""


class SeedGA(Peer):
    """The seed's GA: tournaments of three, single-point crossover, each gene redrawn with probability 0.1.

    Population 20 up to 200 trials, else 50; the two best survive unchanged and are not evaluated again.
    Children that violate a constraint are replaced by their first parent, mutated anew.
    """

    def _begin(self) -> None:
        self._size = 20 if self.budget <= 200 else 50
        self._queue = list(self._dense(self.space.sample(self._size, self._rng)))
        self._parents: list[tuple[float, np.ndarray]] = []
        self._children: list[tuple[float, np.ndarray]] = []

    def _dense(self, points: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(points), self.space.default_values, points)

    def _suggest(self) -> Sequence[Any]:
        if not self._queue:
            self._next_generation()
        row = self._queue.pop(0)
        return [axis.encode(v) for axis, v in zip(self.axes, row.tolist(), strict=True)]

    def _report(self, values: Sequence[Any], score: float) -> None:
        dense = np.array([axis.decode(v) for axis, v in zip(self.axes, values, strict=True)])
        self._children.append((-math.inf if math.isnan(score) else score, dense))

    def _next_generation(self) -> None:
        elite = sorted(self._parents, key=lambda pair: -pair[0])[:2]
        self._parents, self._children = elite + self._children, []
        while len(self._queue) < self._size - 2:
            child = self._child()
            while not self.space.is_feasible(child[None])[0]:
                child = self._child()
            self._queue.append(child)

    def _child(self) -> np.ndarray:
        first, second = self._winner(), self._winner()
        cut = self._rng.integers(1, len(first)) if len(first) > 1 else 1
        child = np.concatenate([first[:cut], second[cut:]])
        mutated = self._rng.random(len(child)) < 0.1
        fresh = self._dense(self.space.from_unit(self._rng.random((1, len(child)))))[0]
        return self.space.snap(np.where(mutated, fresh, child)[None])[0]

    def _winner(self) -> np.ndarray:
        rivals = self._rng.integers(0, len(self._parents), 3)
        return max((self._parents[i] for i in rivals), key=lambda pair: pair[0])[1]
