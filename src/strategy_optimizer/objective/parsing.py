"""Reads an objective from what people and files say: a name, weights as text, a mapping, a JSON file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from strategy_optimizer.errors import ObjectiveError, nearest_name
from strategy_optimizer.objective.directions import check_metric
from strategy_optimizer.objective.objective_function import ObjectiveFunction
from strategy_optimizer.objective.outcome import OutcomeConstraint

ObjectiveLike: TypeAlias = ObjectiveFunction | Mapping[str, Any] | str | Path
_FIELDS = ("type", "weights", "metric", "constraints")
_TYPES = ("multi_objective", "weighted", "metric")


def parse_objective(
    source: ObjectiveLike, constraints: Iterable[str | OutcomeConstraint] = ()
) -> ObjectiveFunction:
    """Return the objective that `source` describes.

    Parameters
    ----------
    source : str, Path, mapping or ObjectiveFunction
        A metric (``"sharpe_ratio"``); weights (``"sharpe_ratio:0.4,total_return:0.6"``, or a mapping of
        metrics to numbers); the JSON form (``{"type": "multi_objective", "weights": {...}, "constraints":
        [...]}``); or the path of a JSON file (ending in .json) with one of these.
    constraints : iterable of str
        Outcome constraints, added to those of the source.

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
    """
    objective = _read(source)
    constraints = [constraints] if isinstance(constraints, str) else list(constraints)
    if not constraints:
        return objective
    return ObjectiveFunction(
        objective.weights, objective.backtest, constraints=[*objective.constraints, *constraints]
    )


def _read(source: ObjectiveLike) -> ObjectiveFunction:
    if isinstance(source, ObjectiveFunction):
        return source
    if isinstance(source, Mapping):
        return _from_mapping(source)
    if isinstance(source, Path) or (isinstance(source, str) and source.strip().endswith(".json")):
        return _from_file(Path(source))
    if isinstance(source, str):
        return ObjectiveFunction(_weights_of_text(source) if ":" in source else source.strip())
    raise ObjectiveError(
        f"the objective is {source!r}; expected a metric's name, weights by metric, or a JSON file"
    )


def _from_mapping(data: Mapping[str, Any]) -> ObjectiveFunction:
    if not any(key in _FIELDS for key in data):
        return ObjectiveFunction(data)
    unknown = next((key for key in data if key not in _FIELDS), None)
    if unknown is not None:
        raise ObjectiveError(
            f"the objective has an unknown field {unknown!r}{nearest_name(str(unknown), _FIELDS)} "
            f"(known: {', '.join(_FIELDS)})"
        )
    kind = data.get("type", "multi_objective")
    if kind not in _TYPES:
        raise ObjectiveError(f"the objective's type is {kind!r}; expected one of {', '.join(_TYPES)}")
    if "metric" in data and "weights" in data:
        raise ObjectiveError("the objective has both 'metric' and 'weights'; leave one out")
    weights = check_metric(data["metric"]) if "metric" in data else data.get("weights")
    return ObjectiveFunction(weights, constraints=data.get("constraints", ()))


def _from_file(path: Path) -> ObjectiveFunction:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ObjectiveError(f"the objective file {path} cannot be read: {error}") from error
    except json.JSONDecodeError as error:
        raise ObjectiveError(f"the objective file {path} is not valid JSON: {error}") from error
    if not isinstance(data, (str, Mapping)):
        raise ObjectiveError(
            f"the objective file {path} holds {type(data).__name__}; expected an object or a name"
        )
    return _read(data)


def _weights_of_text(text: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = (piece.strip() for piece in part.partition(":"))
        check_metric(name)
        if name in weights:
            raise ObjectiveError(f"the objective {text!r} names {name} twice")
        try:
            weights[name] = float(number)
        except ValueError:
            raise ObjectiveError(
                f"the weight of {name} is {number!r}; expected a number, such as {name}:0.5"
            ) from None
    return weights
