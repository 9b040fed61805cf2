"""What the trials of a search say: convergence, importance, surfaces, predictions, comparisons, sentences.

It returns data and draws nothing. The names are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from strategy_optimizer.lazy import lazy_names

_HOMES = {
    "analysis": ("Analysis", "TrialAnalysis", "analyse", "analyse_trials"),
    "comparison": (
        "BeforeAfter",
        "OptimizerComparison",
        "TaskRow",
        "compare_before_after",
        "compare_optimizers",
        "compare_tasks",
    ),
    "convergence": ("Course", "Regret", "analyse_course"),
    "importance": ("Importance", "analyse_importance"),
    "insights": ("Insight", "find_insights"),
    "prediction": ("Prediction", "Predictor", "predict"),
    "surfaces": ("Surface", "profile", "surface"),
    "target": ("Target", "target_of"),
}

if TYPE_CHECKING:
    from strategy_optimizer.analysis.analysis import Analysis, TrialAnalysis, analyse, analyse_trials
    from strategy_optimizer.analysis.comparison import (
        BeforeAfter,
        OptimizerComparison,
        TaskRow,
        compare_before_after,
        compare_optimizers,
        compare_tasks,
    )
    from strategy_optimizer.analysis.convergence import Course, Regret, analyse_course
    from strategy_optimizer.analysis.importance import Importance, analyse_importance
    from strategy_optimizer.analysis.insights import Insight, find_insights
    from strategy_optimizer.analysis.prediction import Prediction, Predictor, predict
    from strategy_optimizer.analysis.surfaces import Surface, profile, surface
    from strategy_optimizer.analysis.target import Target, target_of

__all__ = [
    "Analysis",
    "BeforeAfter",
    "Course",
    "Importance",
    "Insight",
    "OptimizerComparison",
    "Prediction",
    "Predictor",
    "Regret",
    "Surface",
    "Target",
    "TaskRow",
    "TrialAnalysis",
    "analyse",
    "analyse_course",
    "analyse_importance",
    "analyse_trials",
    "compare_before_after",
    "compare_optimizers",
    "compare_tasks",
    "find_insights",
    "predict",
    "profile",
    "surface",
    "target_of",
]


__getattr__ = lazy_names(__name__, _HOMES)
