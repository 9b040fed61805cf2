from __future__ import annotations

import numpy as np
import pytest

from strategy_optimizer.optimizer import variation

SEED = 20


def parents(n: int = 20_000, d: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(SEED)
    return rng.random((n, d)), rng.random((n, d))


def test_classical_crossovers_only_exchange_genes() -> None:
    first, second = parents()
    rng = np.random.default_rng(SEED)
    for child in (
        variation.uniform_crossover(first, second, rng),
        variation.single_point_crossover(first, second, rng),
    ):
        assert ((child == first) | (child == second)).all()
        assert (child != first).any(axis=1).mean() > 0.8


def test_a_single_point_crossover_has_one_cut() -> None:
    first, second = np.zeros((500, 6)), np.ones((500, 6))
    child = variation.single_point_crossover(first, second, np.random.default_rng(SEED))
    assert (np.diff(child, axis=1) >= 0).all()
    assert set(child.sum(axis=1).tolist()) == {1.0, 2.0, 3.0, 4.0, 5.0}


def test_sbx_keeps_the_mean_of_the_parents_and_stays_inside() -> None:
    first, second = np.full((40_000, 1), 0.4), np.full((40_000, 1), 0.6)
    child = variation.sbx_crossover(first, second, np.array([False]), np.random.default_rng(SEED))
    blended = child[child[:, 0] != 0.4]
    assert len(blended) / 40_000 == pytest.approx(0.5, abs=0.02)
    # Deb and Agrawal: children mirror each other about the parents' mean, this one is the one near the first
    # parent; with eta 15 its distance to it is small against that between the parents.
    assert blended.mean() == pytest.approx(0.4, abs=0.01)
    assert 0.005 < blended.std() < 0.05
    wide = variation.sbx_crossover(*parents(), np.zeros(4, bool), np.random.default_rng(SEED))
    assert 0.0 <= wide.min() <= wide.max() <= 1.0


def test_sbx_exchanges_categories_whole() -> None:
    first, second = parents()
    child = variation.sbx_crossover(first, second, np.ones(4, bool), np.random.default_rng(SEED))
    assert ((child == first) | (child == second)).all()


def test_a_differential_move_of_equal_points_stays() -> None:
    point = np.full((100, 3), 0.3)
    moved = variation.differential_move(
        point, point, point, point, np.zeros(3, bool), np.random.default_rng(SEED)
    )
    np.testing.assert_allclose(moved, 0.3)


def test_a_differential_move_leads_towards_its_target() -> None:
    base, target = np.full((5000, 3), 0.2), np.full((5000, 3), 0.8)
    moved = variation.differential_move(
        base, target, base, base, np.zeros(3, bool), np.random.default_rng(SEED)
    )
    assert (moved != base).any(axis=1).all()
    assert 0.3 < moved.mean() < 0.7
    assert moved.max() <= 0.8


@pytest.mark.parametrize("scale", [1e-4, 0.01, 0.3])
def test_polynomial_steps_have_their_scale_and_stay_inside(scale: float) -> None:
    rng = np.random.default_rng(SEED)
    steps = variation.polynomial_step(np.full(50_000, 0.5), np.full(50_000, scale), rng) - 0.5
    assert 0.5 * scale < np.abs(steps).mean() < 1.1 * scale
    assert abs(steps.mean()) < 0.05 * scale
    edges = np.repeat([0.0, 1.0, 1e-9, 1 - 1e-9], 10_000)
    moved = variation.polynomial_step(edges, np.full(len(edges), scale), rng)
    assert np.isfinite(moved).all()
    assert 0.0 <= moved.min() <= moved.max() <= 1.0


def test_a_reset_takes_every_other_level_and_never_the_same() -> None:
    current = np.repeat([0, 1, 2, 3], 5000)
    reset = variation.reset_levels(current, np.full(len(current), 4), np.random.default_rng(SEED))
    assert (reset != current).all()
    counts = np.bincount(current * 4 + reset, minlength=16).reshape(4, 4)
    assert counts[~np.eye(4, dtype=bool)].min() > 1500
    assert variation.reset_levels(np.array([0]), np.array([1]), np.random.default_rng(SEED)).tolist() == [0]


def test_forced_rows_mutate_at_least_once() -> None:
    force = np.arange(1000) % 2 == 0
    mask = variation.mutation_mask(1000, np.zeros(1000), 5, np.random.default_rng(SEED), force)
    assert (mask.sum(axis=1) == force).all()


def test_reflection_folds_back_inside() -> None:
    assert variation.reflect(np.array([-0.25, 0.0, 0.4, 1.0, 1.3])).tolist() == pytest.approx(
        [0.25, 0.0, 0.4, 1.0, 0.7]
    )
