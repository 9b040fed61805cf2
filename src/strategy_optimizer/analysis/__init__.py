"""What the trials of a search say: convergence, importance, surfaces, predictions, comparisons, sentences.

It returns data and draws nothing. The names are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from strategy_optimizer.lazy import lazy_names

_HOMES = {
    "analysis": ("Analysis", "TrialAnalysis", "analyse", "analyse_trials"),
    "before_after": ("BeforeAfter", "compare_before_after"),
    "convergence": ("Course", "Regret", "analyse_course"),
    "importance": ("Importance", "analyse_importance"),
    "insights": ("Insight", "find_insights"),
    "optimizer_comparison": ("OptimizerComparison", "compare_optimizers"),
    "prediction": ("Prediction", "Predictor", "predict"),
    "surfaces": ("Surface", "profile", "surface"),
    "task_table": ("TaskRow", "compare_tasks"),
    "target": ("Target", "target_of"),
}

if TYPE_CHECKING:
    from strategy_optimizer.analysis.analysis import Analysis, TrialAnalysis, analyse, analyse_trials
    from strategy_optimizer.analysis.before_after import BeforeAfter, compare_before_after
    from strategy_optimizer.analysis.convergence import Course, Regret, analyse_course
    from strategy_optimizer.analysis.importance import Importance, analyse_importance
    from strategy_optimizer.analysis.insights import Insight, find_insights
    from strategy_optimizer.analysis.optimizer_comparison import OptimizerComparison, compare_optimizers
    from strategy_optimizer.analysis.prediction import Prediction, Predictor, predict
    from strategy_optimizer.analysis.surfaces import Surface, profile, surface
    from strategy_optimizer.analysis.target import Target, target_of
    from strategy_optimizer.analysis.task_table import TaskRow, compare_tasks

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
