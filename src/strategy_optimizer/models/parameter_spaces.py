"""Parameter spaces as users keep them for strategies."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StrictBool

from strategy_optimizer.models.base import Model, Value
from strategy_optimizer.models.task import ParameterModel

Constraint = Annotated[str, Field(max_length=500)]
_SPACE: dict[str, Any] = {
    "parameter_space": {
        "lookback_period": {"type": "discrete", "bounds": [10, 60], "default": 20},
        "threshold": {"type": "continuous", "bounds": [0.01, 0.05], "log": True},
    },
    "constraints": ["threshold * lookback_period < 2"],
}


class SpaceIn(Model):
    """A space; parameters that it leaves out keep their default. A constraint is text such as ``fast < slow``."""

    model_config = ConfigDict(json_schema_extra={"examples": [_SPACE]})

    parameter_space: dict[Annotated[str, Field(max_length=100)], ParameterModel] = Field(
        min_length=1, max_length=200
    )
    constraints: list[Constraint] = Field(default=[], max_length=100)

    def document(self) -> dict[str, Any]:
        """Return the JSON form of a space."""
        parameters = {
            name: parameter.model_dump(exclude_unset=True, exclude_none=True)
            for name, parameter in self.parameter_space.items()
        }
        return {"parameter_space": parameters, "constraints": list(self.constraints)}


class NamedSpaceIn(SpaceIn):
    """A space for a strategy."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"strategy_name": "momentum_strategy", **_SPACE}]}
    )

    strategy_name: str = Field(min_length=1, max_length=200)
    validate_only: StrictBool = Field(default=False, description="check it, and keep nothing")


class SpaceOut(Model):
    """The space in which one's tasks search a strategy when they give none themselves."""

    strategy_name: str
    strategy_version: str
    source: Literal["strategy", "owner"] = Field(description="the strategy's own, or one that was put here")
    parameter_space: dict[str, Any]
    constraints: list[str]
    defaults: dict[str, Value]
    feasible: bool | None = Field(
        default=None,
        description="whether a point satisfies all constraints; null where it was not looked for",
    )
    problem: str | None = Field(
        default=None, description="why it does not fit the newest version of the strategy"
    )
    changed_at: datetime | None = None
