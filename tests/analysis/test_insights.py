"""Each sentence is said of a landscape where it is true, and not of one where it is not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from planted_landscapes import FloatArray, Function, crowded, cube, history_with, mixed_space, target_with

from strategy_optimizer import ObjectiveFunction, ParameterSpace
from strategy_optimizer.analysis import Insight, analyse_importance, find_insights
from strategy_optimizer.analysis.insights import find_failures, share_text
from strategy_optimizer.analysis.regions import regions_of
from strategy_optimizer.records import Trial
from strategy_optimizer.tasks import history_of

N = 500


def insights(
    space: ParameterSpace,
    function: Function,
    *,
    crowd: bool = False,
    n: int = N,
    noise: float = 0.0,
    seed: int = 1,
) -> list[Insight]:
    points = crowded(space, function, n, seed) if crowd else space.sample(n, seed)
    target = target_with(space, points, function, noise)
    return list(find_insights(target, analyse_importance(target)))


def kinds(found: list[Insight], kind: str) -> list[Insight]:
    return [each for each in found if each.kind == kind]


def cliff(unit: FloatArray) -> FloatArray:
    """Good below 0.6 of the first parameter, of which the rest is a slope; bad above."""
    return np.asarray(np.where(unit[:, 0] > 0.6, -1.0, 0.3 * unit[:, 0]) + 0.5 * np.sin(3.0 * unit[:, 1]))


@pytest.mark.parametrize("crowd", [False, True])
def test_a_range_that_never_helped(crowd: bool) -> None:
    found = kinds(insights(cube(3), cliff, crowd=crowd), "never_helped")
    above = [each for each in found if each.parameter == "a" and each.numbers["side"] == "above"]
    assert len(above) == 1
    assert above[0].numbers["bound"] == pytest.approx(0.6, abs=0.11)
    assert above[0].text.startswith(f"a above {above[0].numbers['bound']:g} never helped: the best of ")
    assert not [each for each in found if each.parameter == "c"]


def test_the_numbers_are_those_of_the_trials() -> None:
    space = cube(3)
    points = space.sample(N, 1)
    target = target_with(space, points, cliff)
    said = kinds(list(find_insights(target, analyse_importance(target))), "never_helped")[0]
    inside = points[:, 0] > said.numbers["bound"]
    assert said.numbers["trials"] == inside.sum()
    assert said.numbers["best_there"] == target.values[inside].max()
    assert said.numbers["best_elsewhere"] == target.values[~inside].max()


def test_a_choice_that_never_helped() -> None:
    space = mixed_space()
    found = insights(space, lambda unit: np.where(unit[:, 1] < 0.3, -2.0, 0.0) - (unit[:, 0] - 0.5) ** 2)
    assert [
        each.text.split(" never")[0] for each in kinds(found, "never_helped") if each.parameter == "stop"
    ] == ["stop = none"]


def test_choices_that_are_called_like_sides() -> None:
    space = ParameterSpace("s").add_parameter("x", "continuous", (0.0, 1.0))
    space.add_parameter("side", "categorical", ["above", "below", "is"])
    space.add_parameter("y", "continuous", (0.0, 1.0))
    found = kinds(
        insights(space, lambda unit: np.where(unit[:, 1] > 0.8, 1.0, -1.0) + 0.1 * unit[:, 0]), "never_helped"
    )
    assert {each.text.split(" never")[0] for each in found} >= {"side = above", "side = below"}


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("crowd", [False, True])
def test_nothing_is_said_to_never_help_where_all_helps(seed: int, crowd: bool) -> None:
    """Ripples everywhere as high: no range is worse than another."""

    def ripples(unit: FloatArray) -> FloatArray:
        return np.asarray(np.sin(12.0 * unit[:, 0]) + np.sin(12.0 * unit[:, 1]))

    assert kinds(insights(cube(3), ripples, crowd=crowd, seed=seed), "never_helped") == []


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("crowd", [False, True])
def test_of_noise_nothing_is_said_but_that_it_is_rough(seed: int, crowd: bool) -> None:
    noise = np.random.default_rng(seed)

    def lottery(unit: FloatArray) -> FloatArray:
        return noise.standard_normal(len(unit))

    found = insights(cube(4), lottery, crowd=crowd, seed=seed)
    assert {each.kind for each in found} <= {"rough"}


def test_rough_and_smooth() -> None:
    assert kinds(insights(cube(3), cliff, noise=3.0), "rough")
    assert not kinds(insights(cube(3), cliff), "rough")


def test_what_matters_most_is_named_where_it_is_clear() -> None:
    said = kinds(insights(cube(3), lambda unit: 5.0 * unit[:, 1] + unit[:, 0]), "matters_most")
    assert [each.parameter for each in said] == ["b"]
    assert said[0].text.startswith("b matters most: it takes part in 9")
    assert said[0].numbers["total"] == pytest.approx(25 / 26, abs=0.03)
    assert not kinds(insights(cube(3), lambda unit: unit[:, 1] + unit[:, 0]), "matters_most")


def test_no_influence_is_said_of_what_has_none() -> None:
    found = insights(cube(3), lambda unit: unit[:, 0] + np.sin(4.0 * unit[:, 1]))
    assert [each.parameter for each in kinds(found, "no_influence")] == ["c"]
    little = insights(cube(3), lambda unit: unit[:, 0] + np.sin(4.0 * unit[:, 1]) + 0.3 * unit[:, 2])
    assert not kinds(little, "no_influence")


def test_no_influence_is_not_said_of_what_was_hardly_varied() -> None:
    space = cube(3)
    points = space.sample(N, 1)
    points[:, 2] = 0.5 + 0.01 * points[:, 2]
    target = target_with(space, points, lambda unit: unit[:, 0] + unit[:, 1])
    assert not kinds(list(find_insights(target, analyse_importance(target))), "no_influence")


@pytest.mark.parametrize(("slope", "side"), [(1.0, "upper"), (-1.0, "lower")])
def test_the_best_at_a_bound(slope: float, side: str) -> None:
    space = (
        ParameterSpace("s")
        .add_parameter("n", "discrete", (1, 40))
        .add_parameter("x", "continuous", (0.0, 1.0))
    )
    found = insights(space, lambda unit: slope * unit[:, 0] - (unit[:, 1] - 0.5) ** 2)
    said = kinds(found, "at_bound")
    bound = 40 if side == "upper" else 1
    assert [each.parameter for each in said] == ["n"]
    assert said[0].text.startswith(f"the best lies at the {side} bound of n ({bound})")


@pytest.mark.parametrize("seed", range(4))
def test_a_bound_is_not_named_for_a_best_inside_or_a_parameter_without_influence(seed: int) -> None:
    found = insights(cube(3), lambda unit: -((unit[:, 0] - 0.5) ** 2) - (unit[:, 1] - 0.4) ** 2, seed=seed)
    assert not kinds(found, "at_bound")


# -- failures


def failures(
    fails: Callable[[FloatArray], np.ndarray], space: ParameterSpace | None = None, n: int = N
) -> list[Insight]:
    space = space or cube(3)
    return list(find_failures(history_with(space, space.sample(n, 1), cliff, fails=fails)))


def test_failures_and_where_they_lie() -> None:
    found = failures(lambda unit: unit[:, 1] > 0.5)
    assert len(found) == 1
    assert found[0].text == "half of the trials failed with no_trades, nearly all of them with b above 0.5"
    assert found[0].numbers["caught"] == 1.0


def test_failures_of_a_choice() -> None:
    found = failures(lambda unit: (unit[:, 1] > 0.3) & (unit[:, 1] < 0.7), mixed_space())
    assert found[0].text == "30 % of the trials failed with no_trades, nearly all of them with stop = fixed"


def test_failures_anywhere_are_blamed_on_nothing() -> None:
    coins = np.random.default_rng(0)
    found = failures(lambda unit: coins.random(len(unit)) < 0.4)
    assert len(found) == 1
    assert found[0].parameter is None
    assert "with no_trades" in found[0].text
    assert "of them with" not in found[0].text


def test_few_failures_are_not_spoken_of() -> None:
    assert failures(lambda unit: unit[:, 0] > 0.95) == []
    assert failures(lambda unit: unit[:, 0] > 0.5, n=60) == []


def test_violations_are_spoken_of_as_such() -> None:
    space = cube(2)
    params = space.to_dicts(space.sample(200, 1))
    trials = [
        Trial(
            i + 1,
            each,
            {"trades": 5.0},
            1.0,
            "completed",
            each["a"] < 0.5,
            0.0,
            "" if each["a"] < 0.5 else "violates trades >= 30",
        )
        for i, each in enumerate(params)
    ]
    found = list(find_failures(history_of(space, ObjectiveFunction("sharpe_ratio"), trials)))
    assert [each.kind for each in found] == ["violations"]
    assert "of the trials violates trades >= 30, nearly all of them with a above 0.5" in found[
        0
    ].text.replace("violate ", "violates ")


# -- guards


def test_few_trials_say_nothing() -> None:
    assert insights(cube(3), cliff, n=99) == []
    assert insights(cube(3), cliff, n=100) != []


def test_a_minimized_metric_is_told_the_right_way_round() -> None:
    space = cube(3)
    points = space.sample(N, 1)
    target = target_with(space, points, cliff)
    turned = type(target)("max_drawdown", True, space, points, 5.0 - target.values, target.feasible)
    said = kinds(list(find_insights(turned, analyse_importance(turned))), "never_helped")[0]
    assert said.numbers["best_there"] > said.numbers["best_elsewhere"]


def test_regions_are_the_widest_first_and_shown_as_they_are_tested() -> None:
    space = cube(1)
    above = [region.bound for region in regions_of(space, 0) if region.side == "above"]
    below = [region.bound for region in regions_of(space, 0) if region.side == "below"]
    assert above == sorted(above)
    assert below == sorted(below, reverse=True)
    for region in regions_of(space, 0):
        assert region.bound == region.shown
        points = region.sample(space, 50, np.random.default_rng(0))
        assert len(points) == 50
        assert region.holds(points[:, 0]).all()


def test_shares() -> None:
    assert [share_text(share) for share in (0.5, 0.34, 0.26, 0.66, 0.9)] == [
        "half",
        "a third",
        "a quarter",
        "two thirds",
        "90 %",
    ]
