"""Every fast function against a slow obvious twin, closed forms and properties."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from strategy_optimizer.errors import SearchError
from strategy_optimizer.optimizer.pareto import (
    ParetoArchive,
    closest_to,
    crowding_distances,
    das_dennis,
    hypervolume,
    is_non_dominated,
    keep_spread,
    knee_point,
    non_dominated_ranks,
    spread_directions,
)
from strategy_optimizer.optimizer.pareto.front import ParetoFront
from strategy_optimizer.optimizer.pareto.niching import Frame, associate, fill_niches
from strategy_optimizer.optimizer.pareto.survival import crowding_survivors, reference_survivors


@st.composite
def tables(draw: st.DrawFn, m: int | None = None, most: int = 40, least: int = 0, top: int = 5) -> np.ndarray:
    """Scores with many ties."""
    shape = draw(st.integers(least, most)), m or draw(st.integers(1, 5))
    return draw(arrays(np.float64, shape, elements=st.integers(0, top).map(float)))


def dominates(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a >= b).all() and (a > b).any())


def slow_ranks(scores: np.ndarray) -> list[int]:
    ranks = [-1] * len(scores)
    rank = 0
    while -1 in ranks:
        left = [i for i, found in enumerate(ranks) if found == -1]
        front = [i for i in left if not any(dominates(scores[j], scores[i]) for j in left)]
        for i in front:
            ranks[i] = rank
        rank += 1
    return ranks


def front_of(n: int, m: int = 2, seed: int = 0) -> np.ndarray:
    """Points that do not dominate each other: on a part of a sphere."""
    points = np.abs(np.random.default_rng(seed).normal(size=(n, m)))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


# -- sorting


@settings(max_examples=300, deadline=None)
@given(scores=tables())
def test_ranks_are_those_of_the_definition(scores: np.ndarray) -> None:
    expected = slow_ranks(scores)
    assert non_dominated_ranks(scores).tolist() == expected
    assert is_non_dominated(scores).tolist() == [rank == 0 for rank in expected]


@pytest.mark.parametrize("m", [2, 3, 4, 6])
@pytest.mark.parametrize("levels", [4, 40, 10**9])
def test_many_points_are_ranked_as_few_are(m: int, levels: int) -> None:
    scores = np.random.default_rng(m).integers(0, levels, (1500, m)).astype(float)
    beats = (scores[:, None] >= scores[None]).all(axis=2) & (scores[:, None] > scores[None]).any(axis=2)
    ranks = non_dominated_ranks(scores)
    # A rank is one more than the largest rank of those that dominate: the definition, by induction.
    above = np.where(beats, ranks[:, None], -1).max(axis=0)
    np.testing.assert_array_equal(ranks, above + 1)
    np.testing.assert_array_equal(is_non_dominated(scores), ranks == 0)


def test_minus_infinity_is_a_score() -> None:
    scores = np.array([[-np.inf, -np.inf], [-np.inf, 1.0], [0.0, -np.inf], [-np.inf, -np.inf]])
    assert non_dominated_ranks(scores).tolist() == [1, 0, 0, 1]
    assert is_non_dominated(scores).tolist() == [False, True, True, False]
    assert is_non_dominated(scores[[0, 3]]).tolist() == [True, True]


@settings(max_examples=100, deadline=None)
@given(scores=tables(most=25), seed=st.integers(0, 99))
def test_constraints_come_first(scores: np.ndarray, seed: int) -> None:
    violations = np.random.default_rng(seed).integers(0, 4, len(scores)) / 2.0
    ranks = non_dominated_ranks(scores, violations)

    def better(i: int, j: int) -> bool:  # Deb (2000)
        if violations[i] > 0.0 or violations[j] > 0.0:
            return bool(violations[i] < violations[j])
        return dominates(scores[i], scores[j])

    for i, rank in enumerate(ranks.tolist()):
        above = [ranks[j] for j in range(len(scores)) if better(j, i)]
        assert all(other < rank for other in above)
    assert sorted(set(ranks.tolist())) == list(range(ranks.max(initial=-1) + 1))


# -- crowding


def test_crowding_distances_are_the_gaps_between_neighbours() -> None:
    scores = np.array([[0.0, 10.0], [2.0, 8.0], [3.0, 4.0], [10.0, 0.0]])
    assert crowding_distances(scores).tolist() == [math.inf, 0.3 + 0.6, 0.8 + 0.8, math.inf]
    assert crowding_distances(scores[:1]).tolist() == [0.0]
    assert crowding_distances(np.ones((3, 2))).tolist() == [0.0, 0.0, 0.0]
    assert crowding_distances(np.empty((0, 2))).tolist() == []


@settings(max_examples=100, deadline=None)
@given(scores=tables(least=1), shift=st.integers(-5, 5), factor=st.sampled_from([0.5, 2.0, 8.0]))
def test_units_do_not_matter_for_crowding(scores: np.ndarray, shift: int, factor: float) -> None:
    np.testing.assert_allclose(crowding_distances(scores * factor + shift), crowding_distances(scores))


def slow_prune(scores: np.ndarray, n_keep: int) -> set[int]:
    """Take away the point with the least crowding distance, one after the other, on fixed ranges."""
    order = np.argsort(scores[:, 0])
    shares = (scores / (scores.max(axis=0) - scores.min(axis=0)))[order]
    left = list(range(len(order)))
    while len(left) > n_keep:
        gaps = [np.abs(shares[b] - shares[a]).sum() for a, b in zip(left, left[2:], strict=False)]
        del left[1 + int(np.argmin(gaps))]
    return set(order[left].tolist())


@pytest.mark.parametrize("seed", range(10))
def test_two_objectives_are_pruned_one_at_a_time(seed: int) -> None:
    scores = front_of(60, seed=seed)
    for n_keep in (59, 30, 3, 2):
        kept = keep_spread(scores, n_keep)
        assert set(kept.tolist()) == slow_prune(scores, n_keep)
        assert len(kept) == n_keep


@settings(max_examples=100, deadline=None)
@given(scores=tables(least=2, most=60, top=30), copies=st.integers(1, 3), data=st.data())
def test_pruning_keeps_distinct_points_first_and_never_the_wrong_number(
    scores: np.ndarray, copies: int, data: st.DataObject
) -> None:
    scores = np.repeat(scores[is_non_dominated(scores)], copies, axis=0)
    n_keep = data.draw(st.integers(1, len(scores)))
    kept = keep_spread(scores, n_keep)
    assert len(set(kept.tolist())) == len(kept) == n_keep
    n_distinct = len(np.unique(scores, axis=0))
    assert len(np.unique(scores[kept], axis=0)) == min(n_keep, n_distinct)


@pytest.mark.parametrize("m", [2, 3, 5])
def test_pruning_keeps_the_ends_and_spreads_better_than_chance(m: int) -> None:
    scores = front_of(300, m) ** 3  # crowded towards the axes
    kept = keep_spread(scores, 60)
    assert set(scores.argmax(axis=0).tolist()) <= set(kept.tolist())

    def nearest(chosen: np.ndarray) -> float:
        gaps = np.linalg.norm(scores[chosen][:, None] - scores[chosen][None], axis=2)
        return float(np.where(np.eye(len(chosen), dtype=bool), np.inf, gaps).min(axis=1).mean())

    rng = np.random.default_rng(1)
    assert nearest(kept) > max(nearest(rng.permutation(300)[:60]) for _ in range(50))


def slow_prune_many(scores: np.ndarray, n_keep: int) -> set[int]:
    """Take away the point with the least product of distances to its m nearest, the ends of each axis last."""
    shares = (scores - scores.min(axis=0)) / (scores.max(axis=0) - scores.min(axis=0))
    ends, left = set(scores.argmax(axis=0).tolist()), set(range(len(scores)))

    def room(i: int) -> float:
        gaps = sorted(float(np.linalg.norm(shares[i] - shares[j])) for j in left if j != i)
        return math.prod(gaps[: scores.shape[1]])

    while len(left) > n_keep:
        left.remove(min(left - ends, key=room))
    return left


@pytest.mark.parametrize("m", [3, 5])
@pytest.mark.parametrize("seed", range(6))
def test_the_most_crowded_of_many_objectives_go(m: int, seed: int) -> None:
    scores = front_of(40, m, seed) * 10.0 ** np.arange(m)
    for n_keep in (39, 38, 37):  # so few that they go one at a time
        assert set(keep_spread(scores, n_keep).tolist()) == slow_prune_many(scores, n_keep)


def test_of_twins_one_stays() -> None:
    alone = np.unique(das_dennis(3, 5), axis=0)
    twins = np.concatenate([alone, alone + 1e-3 * np.array([1.0, -1.0, 0.0]) * (1.0 + alone[:, :1])])
    kept = keep_spread(twins, len(alone))
    assert sorted((kept % len(alone)).tolist()) == list(range(len(alone)))


@pytest.mark.parametrize("m", [2, 3])
def test_the_loneliest_of_those_that_stay_come_first(m: int) -> None:
    scores = front_of(60, m)
    kept = keep_spread(scores, 20)
    left = crowding_distances(scores[kept])
    assert left.tolist() == sorted(left.tolist(), reverse=True)
    pair = np.array([[1.0, 2.0], [1.0, 2.0], [2.0, 1.0], [2.0, 1.0]])
    assert sorted(keep_spread(pair, 2).tolist()) == [0, 2]  # of equals the first


# -- hypervolume


@settings(max_examples=200, deadline=None)
@given(m=st.integers(1, 3), data=st.data())
def test_hypervolume_counts_unit_cells(m: int, data: st.DataObject) -> None:
    scores = data.draw(tables(m=m, most=15))
    cells = itertools.product(range(5), repeat=m)
    expected = sum(bool((scores > np.array(cell)).all(axis=1).any()) for cell in cells)
    assert hypervolume(scores, np.zeros(m)) == expected


@pytest.mark.parametrize("m", [2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_hypervolume_is_that_of_inclusion_and_exclusion(m: int, seed: int) -> None:
    scores = np.random.default_rng(seed).random((9, m))
    expected = 0.0
    for size in range(1, 10):
        for chosen in itertools.combinations(scores, size):
            expected -= (-1) ** size * float(np.prod(np.min(chosen, axis=0)))
    assert hypervolume(scores, np.zeros(m)) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=100, deadline=None)
@given(m=st.integers(2, 3), seed=st.integers(0, 999), n=st.integers(1, 60))
def test_hypervolume_grows_with_points_and_with_distance(m: int, seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.random((n, m))
    volume = hypervolume(scores, np.zeros(m))
    assert hypervolume(scores[:-1], np.zeros(m)) <= volume + 1e-15
    assert hypervolume(scores, np.full(m, -0.5)) > volume
    assert hypervolume(rng.permutation(scores), np.zeros(m)) == pytest.approx(volume, rel=1e-12)
    assert hypervolume(scores[:, ::-1], np.zeros(m)) == pytest.approx(volume, rel=1e-12)
    assert hypervolume(4.0 * scores, np.zeros(m)) == pytest.approx(4.0**m * volume, rel=1e-12)
    assert hypervolume(scores[is_non_dominated(scores)], np.zeros(m)) == pytest.approx(volume, rel=1e-12)


def front_of_zdt(name: str) -> np.ndarray:
    """Zitzler, Deb and Thiele (2000), minimised."""
    f1 = np.linspace(0.0, 1.0, 100_001)
    if name == "zdt6":
        f1 = np.linspace(0.2807753191, 1.0, 100_001)
    f2 = {
        "zdt1": 1.0 - np.sqrt(f1),
        "zdt2": 1.0 - f1**2,
        "zdt3": 1.0 - np.sqrt(f1) - f1 * np.sin(10.0 * np.pi * f1),
        "zdt6": 1.0 - f1**2,
    }[name]
    return np.column_stack([f1, f2])


@pytest.mark.parametrize(
    ("name", "reference", "expected"),
    [  # closed forms of the true fronts
        ("zdt1", 1.0, 2.0 / 3.0),
        ("zdt2", 1.0, 1.0 / 3.0),
        ("zdt3", 1.0, 1.0444),
        ("zdt6", 1.0, 0.32596),
        ("zdt1", 1.1, 0.87667),
        ("zdt2", 1.1, 0.54333),
        ("zdt3", 1.1, 1.3318),
        ("zdt6", 1.1, 0.50788),
    ],
)
def test_hypervolume_of_the_zdt_fronts(name: str, reference: float, expected: float) -> None:
    assert hypervolume(-front_of_zdt(name), (-reference, -reference)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("m", "shape", "reference", "expected"),
    [
        (2, "sphere", 1.0, 1.0 - math.pi / 4.0),
        (3, "sphere", 1.0, 1.0 - math.pi / 6.0),
        (3, "sphere", 1.1, 1.1**3 - math.pi / 6.0),
        (3, "plane", 0.5, 0.125 - 0.5**3 / 6.0),
    ],
)
def test_hypervolume_of_the_dtlz_fronts(m: int, shape: str, reference: float, expected: float) -> None:
    """DTLZ2 to 4 end on a sphere, DTLZ1 on a plane; a fine lattice comes close from below."""
    weights = das_dennis(m, 300 if m == 3 else 4000)
    losses = weights / np.linalg.norm(weights, axis=1, keepdims=True) if shape == "sphere" else 0.5 * weights
    volume = hypervolume(-losses, np.full(m, -reference))
    assert 0.985 * expected < volume < expected


def test_points_beyond_the_reference_add_nothing() -> None:
    assert hypervolume(np.array([[2.0, 2.0], [5.0, -1.0], [0.0, 9.0]]), (0.0, 0.0)) == 4.0
    assert hypervolume(np.empty((0, 3)), np.zeros(3)) == 0.0


@pytest.mark.parametrize(
    ("shape", "reference", "message"),
    [
        ((4, 2), (0.0,), "expected"),
        ((4,), (0.0,), "expected"),
        ((4, 4), np.zeros(4), "one to three"),
        ((4, 2), (0.0, math.nan), "finite numbers"),
    ],
)
def test_what_hypervolume_cannot_do_is_said(shape: tuple[int, ...], reference: object, message: str) -> None:
    with pytest.raises(SearchError, match=message):
        hypervolume(np.ones(shape), reference)  # type: ignore[arg-type]


# -- archive


@settings(max_examples=150, deadline=None)
@given(scores=tables(most=60), cuts=st.lists(st.integers(0, 60), max_size=6))
def test_the_archive_is_the_pareto_set_of_all_that_was_added(scores: np.ndarray, cuts: list[int]) -> None:
    archive = ParetoArchive(scores.shape[1])
    for part in np.split(np.arange(len(scores)), sorted(min(cut, len(scores)) for cut in cuts)):
        archive.add(scores[part], part)
    assert sorted(archive.labels.tolist()) == np.flatnonzero(is_non_dominated(scores)).tolist()
    np.testing.assert_array_equal(archive.scores, scores[archive.labels])


def test_a_bounded_archive_stays_bounded_and_keeps_the_ends() -> None:
    archive, rng = ParetoArchive(3, capacity=50), np.random.default_rng(0)
    everything = front_of(3000, 3) * rng.uniform(0.9, 1.0, (3000, 1))
    for part in np.split(np.arange(3000), 30):
        archive.add(everything[part], part)
        assert len(archive) <= 50
    assert is_non_dominated(archive.scores).all()
    assert (np.diff(archive.labels) > 0).all()  # in the order of adding
    assert set(everything.argmax(axis=0).tolist()) <= set(archive.labels.tolist())


# -- choosing


def test_the_knee_is_the_point_farthest_from_the_line_through_the_ends() -> None:
    scores = np.array([[0.0, 1.0], [0.2, 0.9], [0.7, 0.8], [0.9, 0.3], [1.0, 0.0]])
    assert knee_point(scores) == 2
    assert knee_point(scores * [1000.0, 0.01] + [5.0, -3.0]) == 2
    assert knee_point(scores[:1]) == 0
    assert knee_point(np.array([[1.0, 1.0], [1.0, 1.0]])) == 0


def test_a_front_without_a_knee_gives_its_most_balanced_point() -> None:
    first = np.linspace(0.0, 1.0, 11)
    assert knee_point(np.column_stack([first, 1.0 - first])) == 5
    assert knee_point(np.column_stack([first, (1.0 - first) ** 2])) == 4  # bends away from the ideal


def test_a_bulge_of_rounding_is_no_knee() -> None:
    first = np.linspace(0.1, 2.3, 51)  # some points seem 2e-16 beyond the line
    assert knee_point(np.column_stack([first, 3.3 - first])) == 25


def test_of_points_balanced_alike_the_one_with_more_of_the_rest_is_taken() -> None:
    assert knee_point(np.array([*np.eye(3), [0.2, 0.4, 0.2], [0.2, 0.2, 0.5]])) == 4


def test_the_closest_point_where_an_objective_does_not_differ() -> None:
    assert closest_to(np.array([[2.0, 7.0]]), (5.0, 5.0)) == 0
    assert closest_to(np.array([[0.0, 5.0, 3.0], [4.0, 1.0, 3.0]]), (4.0, 0.0, 3.0)) == 1


def test_of_points_that_fall_short_alike_the_closest_has_more_of_the_rest() -> None:
    scores = np.array([[1.0, 5.0, 0.0], [1.0, 0.0, 9.0], [0.0, 6.0, 10.0]])
    assert closest_to(scores, (10.0, 0.0, 0.0)) == 1


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 999), m=st.integers(2, 4), wanted=st.floats(-2.0, 3.0))
def test_the_closest_point_is_never_dominated_and_has_no_units(seed: int, m: int, wanted: float) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.random((40, m))
    aspiration = np.full(m, wanted) + rng.random(m)
    chosen = closest_to(scores, aspiration)
    assert not any(dominates(other, scores[chosen]) for other in scores)
    assert closest_to(scores * 100.0 - 7.0, aspiration * 100.0 - 7.0) == chosen


def test_an_attained_aspiration_is_chosen() -> None:
    front = front_of(50)
    assert [closest_to(front, point) for point in front] == list(range(50))


@pytest.mark.parametrize("aspiration", [(1.0,), (1.0, math.nan), (1.0, 2.0, 3.0)])
def test_a_bad_aspiration_is_refused(aspiration: tuple[float, ...]) -> None:
    with pytest.raises(SearchError, match="2 finite numbers"):
        closest_to(front_of(5), aspiration)


def test_a_front_speaks_raw_scores() -> None:
    scores = np.array([[2.0, 0.30], [1.8, 0.10], [0.5, 0.05]])  # Sharpe up, drawdown down
    params = [{"n": index} for index in range(3)]
    front = ParetoFront(params, scores, np.arange(3), ("maximize", "minimize"))
    assert len(front) == 3
    assert front.knee == 1
    assert front.closest_to((3.0, 0.30)) == 0
    assert front.closest_to((0.6, 0.0)) == 2
    assert front.hypervolume((0.0, 0.5)) == pytest.approx(2.0 * 0.2 + 1.8 * 0.2 + 0.5 * 0.05)
    empty = ParetoFront([], np.empty((0, 2)), np.empty(0, np.int64), ("maximize", "minimize"))
    assert (empty.knee, empty.closest_to((1.0, 1.0)), empty.hypervolume((0.0, 0.0))) == (None, None, 0.0)


@pytest.mark.parametrize(
    "wanted", [(1.0, 2.0, 3.0), 1.0, (1.0, math.nan), ("high", "low"), None, {"sharpe": 1.0}]
)
def test_a_front_repeats_the_scores_that_it_cannot_use(wanted: Any) -> None:
    for n in (2, 0):
        front = ParetoFront([{}] * n, np.eye(2)[:n], np.arange(n), ("maximize", "minimize"))
        for ask in (front.closest_to, front.hypervolume):
            with pytest.raises(SearchError, match=re.escape(f"is {wanted!r}; expected 2 finite numbers")):
                ask(wanted)


# -- reference directions and niches


@pytest.mark.parametrize(("m", "partitions"), [(1, 4), (2, 7), (3, 12), (4, 5), (6, 3)])
def test_the_simplex_lattice_is_complete(m: int, partitions: int) -> None:
    weights = das_dennis(m, partitions)
    assert len(weights) == math.comb(partitions + m - 1, m - 1)  # 91 for (3, 12), as in Deb and Jain
    assert len(np.unique(weights, axis=0)) == len(weights)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    np.testing.assert_allclose(weights * partitions, np.rint(weights * partitions), atol=1e-12)
    assert weights.min() >= 0.0


@pytest.mark.parametrize("m", range(1, 11))
@pytest.mark.parametrize("at_most", [12, 50, 100, 400])
def test_directions_are_distinct_and_no_more_than_the_population(m: int, at_most: int) -> None:
    directions = spread_directions(m, at_most)
    assert 1 <= len(directions) <= max(at_most, 1)
    assert len(np.unique(directions.round(9), axis=0)) == len(directions)
    np.testing.assert_allclose(directions.sum(axis=1), 1.0)


@pytest.mark.parametrize(("m", "n_outer", "n_inner"), [(8, 120, 36), (10, 220, 55), (15, 120, 15)])
def test_two_layers_of_directions_are_those_of_the_paper(m: int, n_outer: int, n_inner: int) -> None:
    """Deb and Jain (2014), table I; the inner layer is half as large about the centre."""
    directions = spread_directions(m, n_outer + n_inner)
    assert len(directions) == n_outer + n_inner
    outer, inner = directions[:n_outer], directions[n_outer:]
    assert (outer.min(), outer.max()) == (0.0, 1.0)
    assert (inner.min(), inner.max()) == pytest.approx((0.5 / m, 0.5 + 0.5 / m))


def test_each_place_gets_the_direction_at_the_smallest_angle() -> None:
    rng = np.random.default_rng(0)
    places, directions = rng.random((100, 4)), spread_directions(4, 60)
    niches, distances = associate(places, directions)
    for place, niche, distance in zip(places, niches, distances, strict=True):
        feet = [d * (place @ d) / (d @ d) for d in directions]
        gaps = [float(np.linalg.norm(place - foot)) for foot in feet]
        assert niche == int(np.argmin(gaps))
        assert distance == pytest.approx(min(gaps), abs=1e-9)


def test_a_frame_scales_the_plane_through_the_ends_to_one() -> None:
    frame = Frame(np.full(3, np.inf), np.empty((0, 3)))
    losses = das_dennis(3, 6) * [2.0, 30.0, 400.0] + [1.0, 2.0, 3.0]
    frame.update(losses[::2])
    frame.update(losses)
    np.testing.assert_allclose(frame.scale(losses, losses).sum(axis=1), 1.0)
    flat = np.ones((4, 3))
    frame = Frame(np.full(3, np.inf), np.empty((0, 3)))
    frame.update(flat)
    assert np.isfinite(frame.scale(flat, flat)).all()


@settings(max_examples=150, deadline=None)
@given(data=st.data(), n_niches=st.integers(1, 6), seed=st.integers(0, 999))
def test_niches_are_filled_as_by_the_papers_loop(data: st.DataObject, n_niches: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = data.draw(st.integers(1, 30))
    n_keep = data.draw(st.integers(0, n))
    niches, distances = rng.integers(0, n_niches, n), rng.random(n)
    taken = rng.integers(0, 3, n_niches)
    kept = fill_niches(niches, distances, taken, n_keep, np.random.default_rng(seed))
    assert len(set(kept.tolist())) == n_keep
    counts = taken + np.bincount(niches[kept], minlength=n_niches)
    left = np.setdiff1d(np.arange(n), kept)
    for niche in range(n_niches):
        own = [i for i in kept if niches[i] == niche]
        if own and taken[niche] == 0:  # the first one into an empty niche is the nearest to its line
            assert np.flatnonzero(niches == niche)[np.argmin(distances[niches == niche])] in own
        if own:  # nobody was added to a niche while a weaker one could have been served
            weaker = [other for other in niches[left] if counts[other] < counts[niche] - 1]
            assert not weaker


# -- survival


def test_survivors_are_by_feasibility_then_rank_then_loneliness() -> None:
    scores = np.array([[9.0, 9.0], [0.0, 3.0], [1.0, 2.0], [1.1, 1.9], [3.0, 0.0], [0.5, 0.5], [8.0, 8.0]])
    violations = np.array([2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
    assert crowding_survivors(scores, violations, 7).tolist() == [1, 4, 3, 2, 5, 6, 0]
    assert crowding_survivors(scores, violations, 6).tolist() == [1, 4, 3, 2, 5, 6]
    assert set(crowding_survivors(scores, violations, 3).tolist()) == {1, 3, 4}
    assert crowding_survivors(np.empty((0, 2)), np.empty(0), 5).tolist() == []


@settings(max_examples=100, deadline=None)
@given(scores=tables(m=4, most=40), size=st.integers(4, 30), seed=st.integers(0, 99))
def test_survival_by_reference_respects_ranks_and_constraints(
    scores: np.ndarray, size: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    violations = np.maximum(rng.integers(-3, 3, len(scores)), 0).astype(float)
    frame = Frame(np.full(4, np.inf), np.empty((0, 4)))
    chosen = reference_survivors(scores, violations, size, frame, spread_directions(4, size), rng)
    assert len(set(chosen.tolist())) == len(chosen) == min(size, len(scores))
    ranks = non_dominated_ranks(scores, violations)
    assert (np.diff(ranks[chosen]) >= 0).all()
    assert sorted(ranks[chosen].tolist()) == sorted(ranks.tolist())[:size]
