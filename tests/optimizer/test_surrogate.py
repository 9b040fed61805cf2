"""The surrogate: its answers in the units of the values, tails, failures, mixed spaces, and what it keeps of many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from strategy_optimizer import ParameterSpace
from strategy_optimizer.errors import SearchError
from strategy_optimizer.optimizer import surrogate as surrogate_module
from strategy_optimizer.optimizer.bayes.gaussian_process import GaussianProcess, Hyperparameters
from strategy_optimizer.optimizer.surrogate import Straightening, farthest, features_of, fit_surrogate


@pytest.fixture(scope="module")
def square() -> ParameterSpace:
    space = ParameterSpace("square").add_parameter("x", "continuous", (0.0, 1.0))
    return space.add_parameter("y", "continuous", (0.01, 1.0), log=True)


@pytest.fixture(scope="module")
def mixed() -> ParameterSpace:
    space = ParameterSpace("mixed").add_parameter("n", "discrete", (2, 60))
    space.add_parameter("stop", "categorical", ["none", "fixed", "trailing"])
    space.add_parameter("trail", "continuous", (0.01, 0.2), log=True, condition="stop == 'trailing'")
    return space.add_constraint("n != 30")


def hill(space: ParameterSpace, points: np.ndarray) -> np.ndarray:
    unit = space.to_unit(points)
    return np.asarray(3.0 - 8.0 * (unit[:, 0] - 0.3) ** 2 + np.sin(3.0 * unit[:, 1]))


def mixed_values(space: ParameterSpace, points: np.ndarray) -> np.ndarray:
    unit = space.to_unit(points)
    bonus = np.array([0.0, 1.0, 0.5])[points[:, 1].astype(int)]
    return np.asarray(np.cos(4.0 * unit[:, 0]) + bonus - np.where(np.isnan(unit[:, 2]), 0.0, unit[:, 2]))


def r_squared(found: np.ndarray, true: np.ndarray) -> float:
    return float(1.0 - np.mean((found - true) ** 2) / true.var())


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e5])
def test_it_knows_a_smooth_function_in_its_own_units(square: ParameterSpace, scale: float) -> None:
    points, fresh = square.sample(150, 1), square.sample(300, 2)
    surrogate = fit_surrogate(square, points, scale * hill(square, points) - 7.0 * scale)
    mean, deviation = surrogate.predict(fresh)
    assert r_squared(mean, scale * hill(square, fresh) - 7.0 * scale) > 0.99
    assert np.all(deviation < 0.5 * scale)
    assert surrogate.predict_mean(fresh) == pytest.approx(mean, abs=0.05 * scale)


def test_without_tails_it_is_the_plain_gaussian_process(square: ParameterSpace) -> None:
    points, fresh = square.sample(60, 1), square.sample(40, 2)
    values = np.linspace(-1.0, 1.0, 60)  # no value is two spreads from the median
    surrogate = fit_surrogate(square, points, values)
    known = surrogate._model
    twin = GaussianProcess(
        features_of(square, points),
        (values - values.mean()) / values.std(),
        None,
        square.kinds == 2,
        known.hyperparameters,
    )
    mean, deviation = twin.predict_trial(features_of(square, fresh))
    middle, width = values.mean() + values.std() * mean, values.std() * deviation
    assert surrogate.predict_mean(fresh) == pytest.approx(middle, abs=1e-12)
    straight, doubt = surrogate.predict_straight(fresh)
    assert surrogate.restore(straight - 0.5 * doubt) == pytest.approx(middle - width / 2)
    found = surrogate.predict(fresh)  # what lies far beyond all that was seen counts less
    assert found[0] == pytest.approx(middle, abs=0.01)
    assert found[1] == pytest.approx(width, rel=0.05)


def test_moments_are_those_of_many_draws(square: ParameterSpace) -> None:
    points, fresh = square.sample(80, 1), square.sample(20, 2)
    values = -np.exp(6.0 * square.to_unit(points)[:, 0])
    surrogate = fit_surrogate(square, points, values)
    middle, deviation = surrogate.predict_straight(fresh)
    draws = np.random.default_rng(0).standard_normal((len(fresh), 200_000))
    drawn = surrogate.restore(middle[:, None] + deviation[:, None] * draws)
    mean, found = surrogate.predict(fresh)
    error = drawn.std(axis=1)
    assert np.all(np.abs(mean - drawn.mean(axis=1)) < 0.02 * error)
    assert found == pytest.approx(error, rel=0.05)


def test_bad_tails_and_failures_leave_the_good_part_as_it_is(square: ParameterSpace) -> None:
    points, fresh = square.sample(200, 1), square.sample(300, 2)
    values = hill(square, points)
    ruined = values.copy()
    worst = np.argsort(values)[:20]
    ruined[worst] = -(10.0 ** np.linspace(1.0, 6.0, 20))
    ruined[::7] = np.nan
    surrogate = fit_surrogate(square, points, ruined)
    good = hill(square, fresh) > np.quantile(values, 0.3)
    assert r_squared(surrogate.predict_mean(fresh[good]), hill(square, fresh[good])) > 0.8
    assert not np.isin(np.arange(0, 200, 7), surrogate.rows).any()


def test_mixed_and_conditional_parameters(mixed: ParameterSpace) -> None:
    points, fresh = mixed.sample(250, 1), mixed.sample(300, 2)
    surrogate = fit_surrogate(mixed, points, mixed_values(mixed, points))
    assert r_squared(surrogate.predict(fresh)[0], mixed_values(mixed, fresh)) > 0.98


def test_noise_is_in_the_deviation_and_bands_hold_it(square: ParameterSpace) -> None:
    rng = np.random.default_rng(3)
    points, fresh = square.sample(400, 1), square.sample(1000, 2)
    surrogate = fit_surrogate(square, points, hill(square, points) + rng.normal(0.0, 0.5, 400))
    values = hill(square, fresh) + rng.normal(0.0, 0.5, 1000)
    mean, deviation = surrogate.predict_straight(fresh)
    assert 0.86 < np.mean(np.abs(surrogate.straighten(values) - mean) <= 1.645 * deviation) < 0.94


def test_of_many_the_best_are_known_and_the_rest_fills_the_space(square: ParameterSpace) -> None:
    rng = np.random.default_rng(5)
    crowd = square.from_unit(np.clip(rng.normal([0.3, 0.5], 0.02, (1900, 2)), 0.0, 1.0))
    points = np.concatenate([crowd, square.sample(100, 1)])
    values = hill(square, points)
    surrogate = fit_surrogate(square, points, values, most=200)
    assert len(surrogate.rows) == len(set(surrogate.rows.tolist())) == 200
    assert set(np.argsort(-values, kind="stable")[:66].tolist()) <= set(surrogate.rows.tolist())
    assert np.isin(np.arange(1900, 2000), surrogate.rows).mean() > 0.5  # where hardly anything else is
    assert np.isin(np.arange(1900), surrogate.rows).sum() > 80
    fresh = square.sample(300, 2)
    assert r_squared(surrogate.predict(fresh)[0], hill(square, fresh)) > 0.9


def test_farthest_is_the_slow_search(square: ParameterSpace) -> None:
    features, taken = square.to_unit(square.sample(50, 1)), square.to_unit(square.sample(3, 2))
    expected, known = [], list(taken)
    for _ in range(10):
        gaps = [min(np.sum((row - other) ** 2) for other in known) for row in features]
        expected.append(int(np.argmax(gaps)))
        known.append(features[expected[-1]])
    assert farthest(features, taken, square.kinds == 2, 10).tolist() == expected


def test_the_same_seed_gives_the_same(square: ParameterSpace) -> None:
    points = square.sample(300, 1)
    found = [fit_surrogate(square, points, hill(square, points), seed=4).predict(points) for _ in range(2)]
    assert np.array_equal(found[0], found[1])


def test_equal_values_are_predicted_as_they_are(square: ParameterSpace) -> None:
    mean, deviation = fit_surrogate(square, square.sample(20, 1), np.full(20, 0.001)).predict(
        square.sample(5, 2)
    )
    assert mean.tolist() == [0.001] * 5
    assert deviation.tolist() == [0.0] * 5


def test_what_it_explains_is_what_leaving_one_out_foresees(square: ParameterSpace) -> None:
    points = square.sample(40, 1)
    values = np.clip(hill(square, points) + np.random.default_rng(0).normal(0.0, 0.3, 40), 1.0, 3.5)
    surrogate = fit_surrogate(square, points, values)
    foreseen = []
    for row in range(40):
        others = np.arange(40) != row
        model = surrogate._model
        twin = GaussianProcess(
            model.features[others], model.scores[others], None, square.kinds == 2, model.hyperparameters
        )
        foreseen.append(float(twin.predict_mean(model.features[[row]])[0]))
    assert surrogate.explained == pytest.approx(
        r_squared(np.array(foreseen), model.scores), abs=1e-3
    )  # its mean is that of all


def test_noise_alone_is_not_explained(square: ParameterSpace) -> None:
    values = np.random.default_rng(1).normal(size=300)
    assert fit_surrogate(square, square.sample(300, 1), values).explained < 0.1


def test_refitted_has_new_values_and_the_old_lengths(square: ParameterSpace) -> None:
    points, fresh = square.sample(100, 1), square.sample(50, 2)
    first = fit_surrogate(square, points, hill(square, points))
    again = first.refitted(points, hill(square, points))
    assert np.array_equal(first.predict(fresh)[0], again.predict(fresh)[0])
    turned = first.refitted(points, -hill(square, points))
    assert turned.predict_mean(fresh) == pytest.approx(-first.predict_mean(fresh), abs=1e-9)


def test_no_points_give_no_predictions(square: ParameterSpace) -> None:
    surrogate = fit_surrogate(square, square.sample(20, 1), np.arange(20.0))
    assert [len(part) for part in surrogate.predict(np.empty((0, 2)))] == [0, 0]
    assert len(surrogate.predict_mean(np.empty((0, 2)))) == 0


def test_too_few_values_are_one_clear_error(square: ParameterSpace) -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, np.nan, np.inf])
    with pytest.raises(SearchError, match="needs 5 values, found 4 that are finite"):
        fit_surrogate(square, square.sample(6, 1), values)


finite = st.floats(-1e9, 1e9, allow_nan=False)


@given(st.lists(finite, min_size=5, max_size=40))
@example([0.0, 0.0, 0.0, 1.0, 5e-324])
def test_straightening_rises_and_comes_back(values: list[float]) -> None:
    found = np.array(values)
    straightening = Straightening.of(found)
    straight = straightening.apply(found)
    if straightening.spread == 0.0:
        assert np.array_equal(straight, np.zeros(len(found)))
        return
    assert np.all(np.diff(straight[np.argsort(found, kind="stable")]) >= 0.0)
    assert straightening.invert(straight) == pytest.approx(found, rel=1e-9, abs=1e-9 * straightening.spread)


def test_what_is_brought_back_stays_within_a_spread_of_what_was_seen() -> None:
    straightening = Straightening.of(np.arange(5.0))  # a spread of 2 around 2
    assert straightening.apply(np.array([0.0, 4.0])).tolist() == [-1.0, 1.0]
    far = straightening.invert(np.array([-50.0, -2.0, 2.0, 50.0]))
    assert far.tolist() == [-2.0, -2.0, 6.0, 6.0]


def test_lengths_are_fitted_to_a_part_of_many(
    square: ParameterSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    def fit(features: np.ndarray, *_: object) -> Hyperparameters:
        sizes.append(len(features))
        return Hyperparameters.default(2)

    monkeypatch.setattr(surrogate_module, "fit", fit)
    points = square.sample(300, 1)
    assert len(fit_surrogate(square, points, hill(square, points)).rows) == 300
    assert sizes == [256]
