"""The protocol of backtest engines behind HTTP, as the service speaks it; see docs/engines/http.md."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from strategy_optimizer.models.base import Model, Number, Value

Share = Annotated[float, Field(ge=0, le=1)]


class BacktestIn(Model):
    """One backtest to be made."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "version": 1,
                    "parameters": {"lookback_period": 20},
                    "window": [0.0, 0.75],
                    "idempotency_key": "a backtest of mine",
                }
            ]
        }
    )

    version: Literal[1] = 1
    task: str = Field(default="", max_length=200)
    parameters: dict[str, Value] = Field(max_length=200)
    window: tuple[Share, Share] = (0.0, 1.0)
    idempotency_key: str | None = Field(default=None, max_length=200)

    @model_validator(mode="after")
    def _is_forward(self) -> BacktestIn:
        if not self.window[0] < self.window[1]:
            raise ValueError(f"the window {list(self.window)} ends before it begins")
        return self


class BacktestOut(Model):
    """What came out."""

    version: Literal[1] = 1
    metrics: dict[str, Number]
    returns: list[float] = Field(description="from bar to bar")


class RefusedOut(Model):
    """Why these parameters cannot be tested: the trial fails with this text."""

    error: str


class EngineHealthOut(Model):
    """What the engine is."""

    version: Literal[1] = 1
    engine: str
    digest: str
    data: str
    windows: bool
    parameter_space: dict[str, Any]
    constraints: list[str]
