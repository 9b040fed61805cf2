"""The landscapes of benchmarks/search know their optimum, and their file is not stale."""

import numpy as np
import pytest
from landscapes import definitions, landscapes
from mixint import mixed_functions

CHEAP = [
    "momentum-sp500-sharpe",
    "grid-momentum-nasdaq-sharpe30",
    "grid-rsi-sp500_b-calmar",
    "rotation-pair-sharpe",
]


def test_every_landscape_is_prepared_and_there_are_enough():
    ready = landscapes()
    groups = [landscape.group for landscape in ready]
    assert groups.count("strategy") + groups.count("grid") >= 24
    assert groups.count("grid") >= groups.count("strategy") >= 12
    assert groups.count("mixint") == 8
    assert len({landscape.name for landscape in ready}) == len(ready)
    assert all(landscape.best_known > landscape.median_random for landscape in ready)


def test_grids_can_be_enumerated_and_the_others_are_mixed():
    for landscape in landscapes(["strategy", "grid"]):
        size = landscape.space.cardinality
        assert (size is not None and size <= 500_000) == landscape.exact
        assert 4 <= landscape.space.n_dims <= 10


@pytest.mark.parametrize("name", [*CHEAP, "mixint"])
def test_no_random_point_beats_the_best_known(name):
    for landscape in landscapes(name):
        assert landscape.evaluate(landscape.best_point[None])[0] == pytest.approx(
            landscape.best_known, abs=1e-12
        )
        scores = landscape.evaluate(landscape.space.sample(500, 5))
        assert np.nanmax(scores) <= landscape.best_known
        assert landscape.score(landscape.best_known) == pytest.approx(1.0)
        assert landscape.score(landscape.median_random) == pytest.approx(0.0, abs=1e-12)
        assert landscape.score(np.nan) == 0.0


def test_an_enumerated_optimum_is_the_grids():
    (landscape,) = landscapes("grid-rsi-sp500_b-calmar")
    scores = landscape.evaluate(landscape.space.enumerate(500_000))
    assert np.nanmax(scores) == landscape.best_known
    assert np.nanmedian(scores) == landscape.median_random


def test_one_candidate_scores_as_in_a_population():
    (landscape,) = landscapes("momentum-sp500-sharpe")
    points = landscape.space.sample(5, 1)
    assert [landscape.evaluate_dict(p) for p in landscape.space.to_dicts(points)] == landscape.evaluate(
        points
    ).tolist()


def test_too_few_trades_fail_under_the_constraint():
    (landscape,) = landscapes("grid-rsi-nasdaq-sharpe")
    constrained = type(landscape.function)("rsi", "nasdaq", "sharpe30", finite=True)
    points = landscape.space.sample(300, 2)
    free, bound = landscape.evaluate(points), constrained(points)
    assert np.isnan(bound).sum() > np.isnan(free).sum()
    kept = ~np.isnan(bound)
    assert (free[kept] == bound[kept]).all()


@pytest.mark.parametrize("function", mixed_functions(), ids=lambda function: function.name)
def test_mixed_functions_have_their_optimum_where_they_say(function):
    assert function(function.best_point[None])[0] == pytest.approx(0.0, abs=1e-12)
    assert function.space.is_feasible(function.best_point[None])[0]
    neighbours = function.space.neighbours(function.best_point)
    assert (function(neighbours) < 0.0).all()


def test_a_stale_entry_is_refused(monkeypatch, tmp_path):
    import landscapes as module

    name = "sphere"
    (tmp_path / "facts.json").write_text('{"sphere": {"digest": "other"}}')
    monkeypatch.setattr(module, "FACTS", tmp_path / "facts.json")
    with pytest.raises(LookupError, match=r"sphere has changed since .*prepare.py sphere"):
        landscapes(name)
    with pytest.raises(LookupError, match="ackley is not in"):
        landscapes("ackley")


def test_unknown_names_are_refused():
    with pytest.raises(LookupError, match=r"no landscape or group nonsense; known: .*mixint"):
        definitions(["nonsense"])
