"""Survival by reference directions, by the definitions of Deb and Jain (2014)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from strategy_optimizer.optimizer.pareto import das_dennis, non_dominated_ranks, spread_directions
from strategy_optimizer.optimizer.pareto.niching import Frame, fill_niches
from strategy_optimizer.optimizer.pareto.survival import crowding_survivors, reference_survivors


def unseen(m: int) -> Frame:
    return Frame(np.full(m, np.inf), np.empty((0, m)))


def bowl_of(m: int, partitions: int = 6) -> np.ndarray:
    """Losses on a part of the unit sphere, the ends of the axes among them."""
    weights = das_dennis(m, partitions)
    return weights / np.linalg.norm(weights, axis=1, keepdims=True)


# -- the frame


def test_the_ends_of_a_frame_lie_on_its_axes() -> None:
    units, ideal = np.array([2.0, 30.0, 400.0]), np.array([1.0, 2.0, -3.0])
    frame = unseen(3)
    frame.update(bowl_of(3) * units + ideal)
    np.testing.assert_allclose(frame.ends, np.diag(units) + ideal)
    np.testing.assert_allclose(frame.scale(frame.ends, frame.ends), np.eye(3), atol=1e-12)


def test_a_frame_remembers_the_ideal_and_the_ends() -> None:
    frame, losses = unseen(3), bowl_of(3)
    frame.update(losses)
    frame.update(losses[losses.min(axis=1) > 0.2])  # the middle of the same front
    np.testing.assert_array_equal(frame.ideal, np.zeros(3))
    np.testing.assert_array_equal(frame.ends, np.eye(3))
    frame.update(losses - 0.5)
    np.testing.assert_array_equal(frame.ideal, np.full(3, -0.5))


@pytest.mark.parametrize(
    ("ends", "worst", "intercepts"),
    [
        ([[1.0, 0.0], [0.0, 1.0]], [3.0, 3.0], [1.0, 1.0]),  # within the front: the plane
        ([[1.0, 0.5], [0.5, 1.0]], [1.0, 1.0], [1.0, 1.0]),  # at 1.5, where the front has no point: its worst
        ([[4.0, 0.0], [0.0, 2.0]], [3.0, 3.0], [3.0, 2.0]),  # each axis for itself
        ([[1.0, 2.0], [2.0, 3.0]], [2.0, 3.0], [2.0, 3.0]),  # at -1 and 1, behind the ideal
        ([[1.0, 2.0], [2.0, 4.0]], [2.0, 4.0], [2.0, 4.0]),  # no plane
    ],
)
def test_axes_are_cut_by_the_plane_but_never_beyond_the_worst_of_the_front(
    ends: list[list[float]], worst: list[float], intercepts: list[float]
) -> None:
    ideal = np.array([10.0, -20.0])
    frame = Frame(ideal, np.array(ends) + ideal)
    front = np.diag(worst) + ideal
    np.testing.assert_allclose(frame.scale(np.ones((1, 2)) + ideal, front), [1.0 / np.array(intercepts)])


# -- niches


def test_an_empty_niche_gets_the_nearest_and_any_other_one_at_random() -> None:
    niches, distances = np.zeros(3, np.int64), np.array([0.3, 0.1, 0.2])

    def drawn(taken: int) -> set[int]:
        kept = [
            fill_niches(niches, distances, np.array([taken]), 1, np.random.default_rng(n)) for n in range(60)
        ]
        return {index for each in kept for index in each.tolist()}

    assert drawn(taken=0) == {1}
    assert drawn(taken=1) == {0, 1, 2}


def test_of_niches_equally_weak_any_is_served() -> None:
    each, taken = np.arange(3), np.ones(3, np.int64)
    kept = [fill_niches(each, np.zeros(3), taken, 1, np.random.default_rng(n)).tolist() for n in range(60)]
    assert {index for (index,) in kept} == {0, 1, 2}


# -- survival


def slow_niches(losses: np.ndarray, first: np.ndarray, directions: np.ndarray) -> list[int]:
    """Return the direction of each point by the paper's section IV-C and D; `first` is the first front."""
    m = first.shape[1]
    ideal, worst = first.min(axis=0), first.max(axis=0)
    ends = []
    for axis in range(m):
        weights = [1.0 if i == axis else 1e-6 for i in range(m)]
        ends.append(min(first - ideal, key=lambda gap: max(gap[i] / weights[i] for i in range(m))))
    scales = worst - ideal
    if np.linalg.matrix_rank(ends) == m:
        plane = np.linalg.inv(ends).sum(axis=1)
        if (plane > 0.0).all():
            scales = np.minimum(1.0 / plane, scales)
    niches = []
    for place in (losses - ideal) / scales:
        feet = [d * (place @ d) / (d @ d) for d in directions]
        niches.append(int(np.argmin([np.linalg.norm(place - foot) for foot in feet])))
    return niches


def evenly_filled(niches: list[int], ranks: np.ndarray, size: int, n_directions: int) -> list[int]:
    """Return how strong the niches are in the end, weakest first: one point at a time to a weakest one."""
    last = sorted(ranks)[size - 1]
    counts, waiting = [0] * n_directions, [0] * n_directions
    for niche, rank in zip(niches, ranks, strict=True):
        counts[niche] += rank < last
        waiting[niche] += rank == last
    while sum(counts) < size:
        weakest = min((i for i in range(n_directions) if waiting[i]), key=lambda i: counts[i])
        counts[weakest] += 1
        waiting[weakest] -= 1
    return sorted(counts)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("m", [3, 4])
def test_niches_are_as_even_as_by_the_papers_algorithm(m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = np.abs(rng.normal(size=(60, m)))
    radii = rng.uniform(1.0, 1.6, 60) / np.linalg.norm(points, axis=1)
    losses = points * radii[:, None] * 10.0 ** np.arange(m)
    directions, size = spread_directions(m, 12), 40
    frame = unseen(m)
    chosen = reference_survivors(-losses, np.zeros(60), size, frame, directions, rng)
    ranks = non_dominated_ranks(-losses)
    niches = slow_niches(losses, losses[ranks == 0], directions)
    counts = np.bincount(np.array(niches)[chosen], minlength=len(directions))
    assert sorted(counts.tolist()) == evenly_filled(niches, ranks, size, len(directions))


def test_a_frame_learns_from_the_first_front_even_where_all_survive() -> None:
    losses = np.concatenate([bowl_of(3, 2), bowl_of(3, 2) + 1.0])
    frame = unseen(3)
    reference_survivors(
        -losses, np.zeros(len(losses)), 50, frame, spread_directions(3, 12), np.random.default_rng(0)
    )
    np.testing.assert_array_equal(frame.ideal, np.zeros(3))
    np.testing.assert_array_equal(frame.ends, np.eye(3))


def test_trials_that_violate_alike_survive_in_their_order() -> None:
    scores = np.array([[1.0, 5.0], [5.0, 1.0], [9.0, 9.0], [0.0, 10.0], [math.pi, 0.0]])
    violations = np.array([2.0, 1.0, 1.0, 1.0, 0.0])
    assert crowding_survivors(scores, violations, 3).tolist() == [4, 1, 2]
    assert crowding_survivors(scores, violations, 5).tolist() == [4, 1, 2, 3, 0]
