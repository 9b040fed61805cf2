"""What to deploy after a search: not the luckiest trial, but a steady one among steady neighbours."""

from strategy_optimizer.validation.recommendation.engine import recommend_of_engine
from strategy_optimizer.validation.recommendation.recommend import (
    Contender,
    Recommendation,
    recommend,
)

__all__ = ["Contender", "Recommendation", "recommend", "recommend_of_engine"]
