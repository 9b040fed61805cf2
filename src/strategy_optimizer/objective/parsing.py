"""Reads an objective from what people and files say: names, weights as text, a mapping, a JSON file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from strategy_optimizer.backtest.metrics import METRICS
from strategy_optimizer.errors import ObjectiveError, nearest_name
from strategy_optimizer.json_files import read_json_file
from strategy_optimizer.objective.base import Objective
from strategy_optimizer.objective.directions import check_metric
from strategy_optimizer.objective.objective_function import ObjectiveFunction
from strategy_optimizer.objective.outcome import OutcomeConstraint
from strategy_optimizer.objective.pareto_objective import DIRECTIONS, ParetoObjective

ObjectiveLike: TypeAlias = Objective | Mapping[str, Any] | Sequence[str] | str | Path
_FIELDS = ("type", "weights", "metric", "metrics", "reference", "constraints")
_OF_TYPE: Mapping[str, tuple[str, ...]] = {
    "multi_objective": ("weights", "metric"),
    "weighted": ("weights", "metric"),
    "metric": ("weights", "metric"),
    "pareto": ("metrics", "reference"),
}
"""The fields of each type, besides ``type`` and ``constraints``."""


DEFAULT_OBJECTIVE = "sharpe_ratio"
"""What is made large where nothing is said."""


def parse_objective(
    source: ObjectiveLike,
    constraints: Iterable[str | OutcomeConstraint] = (),
    reference: Mapping[str, float] | str | None = None,
    names: tuple[str, ...] = METRICS,
) -> Objective:
    """Return the objective that `source` describes.

    Parameters
    ----------
    source : str, list of str, Path, mapping or Objective
        A metric (``"sharpe_ratio"``); weights (``"sharpe_ratio:0.4,total_return:0.6"``, or a mapping of
        metrics to numbers); several metrics for a Pareto search (``["sharpe_ratio", "exposure:minimize"]``,
        ``"sharpe_ratio,max_drawdown"``, or a mapping of metrics to directions); the JSON form (``{"type":
        "multi_objective", "weights": {...}, "constraints": [...]}``, ``{"type": "pareto", "metrics": [...]}``);
        or the path of a JSON file (ending in .json) with one of these.
    constraints : iterable of str
        Outcome constraints, added to those of the source.
    reference : mapping of str to float, or str, optional
        Of a Pareto search: wanted values (``"sharpe_ratio:1,max_drawdown:0.2"``), see `ParetoObjective`.
    names : tuple of str
        All metrics that the engine gives; those of our own by default.

    Raises
    ------
    ObjectiveError
        Unknown metric (with the nearest name), a weight that is no number, a file that cannot be read.

    Examples
    --------
    >>> str(parse_objective("sharpe_ratio:0.7,max_drawdown:0.3"))
    '0.7 * sharpe_ratio + 0.3 * (1 - max_drawdown)'
    >>> parse_objective({"metric": "max_drawdown", "constraints": ["trades >= 30"]}).constraints
    (OutcomeConstraint(metric='trades', relation='>=', bound=30.0),)
    >>> str(parse_objective("sharpe_ratio,max_drawdown,exposure:minimize"))
    'maximize sharpe_ratio, minimize max_drawdown, minimize exposure'
    """
    objective = _Reader(names).read(source)
    if reference is not None:
        objective = _with_reference(objective, reference)
    constraints = [constraints] if isinstance(constraints, str) else list(constraints)
    return objective.with_constraints(constraints) if constraints else objective


def _with_reference(objective: Objective, reference: Mapping[str, float] | str) -> ParetoObjective:
    if not isinstance(objective, ParetoObjective):
        raise ObjectiveError(
            f"the reference point {reference!r} is for a Pareto search; the objective is {objective}, which "
            "has one best trial. Name two metrics or more, such as 'sharpe_ratio,max_drawdown'"
        )
    if isinstance(reference, str):
        reference = _numbers_of_text(reference, "the reference point", "value", objective.names)
    return objective.with_reference(reference)


class _Reader:
    """Reads objectives over the metrics of these names."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def read(self, source: ObjectiveLike) -> Objective:
        if isinstance(source, Objective):
            return source
        if isinstance(source, Mapping):
            return self._from_mapping(source)
        if isinstance(source, Path) or (isinstance(source, str) and source.strip().endswith(".json")):
            return self._from_file(Path(source))
        if isinstance(source, str):
            return self._from_text(source)
        if isinstance(source, (list, tuple)):
            return ParetoObjective(source, names=self.names)
        raise ObjectiveError(
            f"the objective is {source!r}; expected a metric's name or several, weights by metric, or a JSON file"
        )

    def _from_mapping(self, data: Mapping[str, Any]) -> Objective:
        if not any(key in _FIELDS for key in data):
            if data and all(value in DIRECTIONS for value in data.values()):
                return ParetoObjective(
                    [f"{name}:{direction}" for name, direction in data.items()], names=self.names
                )
            return ObjectiveFunction(data, names=self.names)
        unknown = next((key for key in data if key not in _FIELDS), None)
        if unknown is not None:
            raise ObjectiveError(
                f"the objective has an unknown field {unknown!r}{nearest_name(str(unknown), _FIELDS)} "
                f"(known: {', '.join(_FIELDS)})"
            )
        kind = data.get("type", "pareto" if "metrics" in data else "multi_objective")
        _check_fields(kind, data)
        constraints = data.get("constraints", ())
        if kind == "pareto":
            return ParetoObjective(
                data.get("metrics", ()),
                reference=data.get("reference"),
                constraints=constraints,
                names=self.names,
            )
        weights = check_metric(data["metric"], self.names) if "metric" in data else data.get("weights")
        return ObjectiveFunction(weights, constraints=constraints, names=self.names)

    def _from_file(self, path: Path) -> Objective:
        data = read_json_file(path, "objective file", ObjectiveError)
        if not isinstance(data, (str, list, Mapping)):
            raise ObjectiveError(
                f"the objective file {path} holds {type(data).__name__}; expected an object, a name or a list of names"
            )
        return self.read(data)

    def _from_text(self, text: str) -> Objective:
        """Return one metric, weights when all metrics have one, else several metrics with or without directions."""
        parts = [part.strip() for part in text.split(",")]
        if len(parts) == 1 and ":" not in text:
            return ObjectiveFunction(parts[0], names=self.names)
        unweighted = [part for part in parts if ":" not in part or part.split(":")[1].strip() in DIRECTIONS]
        if not unweighted:
            return ObjectiveFunction(
                _numbers_of_text(text, "the objective", "weight", self.names), names=self.names
            )
        for part in parts:
            check_metric(part.partition(":")[0].strip(), self.names)
        weighted = next((part for part in parts if _is_number(part.partition(":")[2])), None)
        if weighted is not None:
            raise ObjectiveError(
                f"the objective {text!r} gives {weighted.split(':')[0]} a weight but not {unweighted[0]}; give all "
                "of them a weight (one score), or none (a Pareto search)"
            )
        return ParetoObjective(parts, names=self.names)


def _check_fields(kind: Any, data: Mapping[str, Any]) -> None:
    """Refuse fields that the objective's type does not have."""
    if kind not in _OF_TYPE:
        raise ObjectiveError(f"the objective's type is {kind!r}; expected one of {', '.join(_OF_TYPE)}")
    wrong = next((key for key in data if key not in ("type", "constraints", *_OF_TYPE[kind])), None)
    if wrong is not None:
        raise ObjectiveError(
            f"the objective has {wrong!r}, which the type {kind!r} does not use; it has "
            f"{' and '.join(map(repr, _OF_TYPE[kind]))}"
        )
    if "metric" in data and "weights" in data:
        raise ObjectiveError("the objective has both 'metric' and 'weights'; leave one out")


def _numbers_of_text(text: str, what: str, kind: str, names: tuple[str, ...]) -> dict[str, float]:
    """Return the numbers of ``name:number,name:number``; `what` and `kind` are what errors call them."""
    numbers: dict[str, float] = {}
    for part in text.split(","):
        name, colon, number = (piece.strip() for piece in part.partition(":"))
        if "=" in part and not colon:
            raise ObjectiveError(f"{what} has {part.strip()!r}; expected a colon, such as sharpe_ratio:0.5")
        check_metric(name, names)
        if name in numbers:
            raise ObjectiveError(f"{what} {text!r} names {name} twice")
        if not _is_number(number):
            hint = " (or maximize or minimize, for a Pareto search)" if kind == "weight" else ""
            hint = " (a fraction, not percent: 25 % is 0.25)" if number.endswith("%") else hint
            raise ObjectiveError(
                f"the {kind} of {name} is {number!r}; expected a number, such as {name}:0.5{hint}"
            )
        numbers[name] = float(number)
    return numbers


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
