"""Parameter spaces: what a search may try."""

from strategy_optimizer.space.checks import Value
from strategy_optimizer.space.constraints import Constraint
from strategy_optimizer.space.parameter_space import ParameterSpace
from strategy_optimizer.space.parameters import Categorical, Continuous, Discrete, Parameter

__all__ = ["Categorical", "Constraint", "Continuous", "Discrete", "Parameter", "ParameterSpace", "Value"]
