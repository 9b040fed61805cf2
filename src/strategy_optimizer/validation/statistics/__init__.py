"""Overfitting statistics: what a Sharpe ratio is worth after a search.

Pure functions of arrays. Sharpe ratios are per observation, never annualised; returns are fractions per observation;
a kurtosis is non-excess. Where the data cannot carry a number the answer is a `NotEnough`.
"""

from strategy_optimizer.validation.statistics.autocorrelation import LoSharpe, lo_scaling, lo_sharpe
from strategy_optimizer.validation.statistics.block_length import BlockLengths, optimal_block_length
from strategy_optimizer.validation.statistics.bootstrap import (
    ConfidenceBand,
    MaximumDistribution,
    confidence_bands,
    maximum_distribution,
)
from strategy_optimizer.validation.statistics.expected_maximum import (
    Maximum,
    approximate_expected_maximum,
    best_sharpe_without_skill,
    deflated_sharpe_2012,
    deflated_sharpe_h0,
    even_trials,
    expected_maximum,
    minimum_backtest_length,
    null_sharpe_variance,
    trials_sharpe_variance,
)
from strategy_optimizer.validation.statistics.not_enough import NotEnough, where_known
from strategy_optimizer.validation.statistics.pbo import (
    Degradation,
    OverfittingProbability,
    block_sums,
    overfitting_probability,
)
from strategy_optimizer.validation.statistics.resampling import circular_indices, stationary_indices
from strategy_optimizer.validation.statistics.sharpe import (
    SharpeMoments,
    minimum_track_record_2012,
    minimum_track_record_h0,
    psr_2012,
    psr_h0,
    sharpe_moments,
    sharpe_standard_error_2012,
    sharpe_standard_error_h0,
)
from strategy_optimizer.validation.statistics.sharpe_power import (
    critical_sharpe,
    false_discovery_rate,
    level_for_false_discovery_rate,
    observed_false_discovery_rate,
    sharpe_power,
)
from strategy_optimizer.validation.statistics.spa import (
    SuperiorAbility,
    SuperiorModels,
    reality_check,
    superior_models,
    superior_predictive_ability,
)
from strategy_optimizer.validation.statistics.trial_counts import (
    TrialCounts,
    average_correlation_count,
    cluster_count,
    distinct_count,
    effective_rank,
    effective_rank_of,
    independent_trials,
    trial_counts,
)

__all__ = [
    "BlockLengths",
    "ConfidenceBand",
    "Degradation",
    "LoSharpe",
    "Maximum",
    "MaximumDistribution",
    "NotEnough",
    "OverfittingProbability",
    "SharpeMoments",
    "SuperiorAbility",
    "SuperiorModels",
    "TrialCounts",
    "approximate_expected_maximum",
    "average_correlation_count",
    "best_sharpe_without_skill",
    "block_sums",
    "circular_indices",
    "cluster_count",
    "confidence_bands",
    "critical_sharpe",
    "deflated_sharpe_2012",
    "deflated_sharpe_h0",
    "distinct_count",
    "effective_rank",
    "effective_rank_of",
    "even_trials",
    "expected_maximum",
    "false_discovery_rate",
    "independent_trials",
    "level_for_false_discovery_rate",
    "lo_scaling",
    "lo_sharpe",
    "maximum_distribution",
    "minimum_backtest_length",
    "minimum_track_record_2012",
    "minimum_track_record_h0",
    "null_sharpe_variance",
    "observed_false_discovery_rate",
    "optimal_block_length",
    "overfitting_probability",
    "psr_2012",
    "psr_h0",
    "reality_check",
    "sharpe_moments",
    "sharpe_power",
    "sharpe_standard_error_2012",
    "sharpe_standard_error_h0",
    "stationary_indices",
    "superior_models",
    "superior_predictive_ability",
    "trial_counts",
    "trials_sharpe_variance",
    "where_known",
]
