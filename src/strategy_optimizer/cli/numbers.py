"""How numbers look on the terminal: as everywhere, see `strategy_optimizer.number_texts`."""

from strategy_optimizer.number_texts import (
    duration_text,
    metric_text,
    rate_text,
    score_text,
    value_text,
)

__all__ = ["duration_text", "metric_text", "rate_text", "score_text", "value_text"]
