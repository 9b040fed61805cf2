"""Robustness: how much of a result is left when what it hangs on is a little different.

Pure functions of one candidate. They return data, draw nothing, and answer `NotEnough` where the data cannot carry
a number.
"""

from strategy_optimizer.validation.robustness.cost_perturbation import CostPerturbation, cost_perturbation
from strategy_optimizer.validation.robustness.data_perturbation import DataPerturbation, data_perturbation
from strategy_optimizer.validation.robustness.delay_perturbation import (
    DelayPerturbation,
    delay_perturbation,
    delayed_signals,
)
from strategy_optimizer.validation.robustness.examination import Robustness, examine_robustness
from strategy_optimizer.validation.robustness.metric_bands import BAND_METRICS, metric_bands
from strategy_optimizer.validation.robustness.metric_values import MetricQuantiles
from strategy_optimizer.validation.robustness.parameter_perturbation import (
    Neighbour,
    ParameterPerturbation,
    Plateau,
    parameter_perturbation,
)
from strategy_optimizer.validation.robustness.reshuffled_trades import ReshuffledTrades, reshuffled_trades
from strategy_optimizer.validation.robustness.subject import Subject

__all__ = [
    "BAND_METRICS",
    "CostPerturbation",
    "DataPerturbation",
    "DelayPerturbation",
    "MetricQuantiles",
    "Neighbour",
    "ParameterPerturbation",
    "Plateau",
    "ReshuffledTrades",
    "Robustness",
    "Subject",
    "cost_perturbation",
    "data_perturbation",
    "delay_perturbation",
    "delayed_signals",
    "examine_robustness",
    "metric_bands",
    "parameter_perturbation",
    "reshuffled_trades",
]
