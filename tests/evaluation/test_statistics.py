"""The statistics against rliable (the authors' own library), against hand-computed values and against theory."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from natural_mujoco.errors import InvalidArgument
from natural_mujoco.evaluation.statistics import (
    Bootstrap,
    aggregates,
    difference,
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
    ratio,
    task_estimates,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from rliable import library, metrics

SHAPES = [(10, 5), (10, 3), (3, 10), (1, 7), (10, 2), (7, 13)]
score_matrices = arrays(
    np.float64,
    st.tuples(st.integers(1, 10), st.integers(1, 12)),
    elements=st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0])),
)


def random_scores(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Scores as benchmarks give them: tasks of different difficulty, with many exact zeros and ties."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(2, 3, shape) * rng.uniform(0.2, 1, (shape[0], 1))
    scores[rng.uniform(size=shape) < 0.2] = 0
    return scores


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(5))
def test_points_equal_rliable(shape: tuple[int, int], seed: int) -> None:
    scores = random_scores(shape, seed)
    ours = aggregates(scores, Bootstrap(*shape, draws=50))
    assert ours.iqm.point == pytest.approx(metrics.aggregate_iqm(scores.T), abs=1e-9)
    assert ours.median.point == pytest.approx(metrics.aggregate_median(scores.T), abs=1e-9)
    assert ours.mean.point == pytest.approx(metrics.aggregate_mean(scores.T), abs=1e-9)
    assert ours.optimality_gap.point == pytest.approx(metrics.aggregate_optimality_gap(scores.T), abs=1e-9)
    taus = np.linspace(0, 1, 21)
    profile = performance_profile(scores, taus, Bootstrap(*shape, draws=50))
    np.testing.assert_allclose(profile.share, library.score_distributions(scores.T, taus), atol=1e-9)


@pytest.mark.parametrize("target", [0.3, 0.9])
def test_optimality_gap_counts_scores_above_its_target_as_the_target(target: float) -> None:
    scores = random_scores((10, 5), 3)
    ours = aggregates(scores, Bootstrap(10, 5, draws=500), target)
    assert ours.optimality_gap.point == pytest.approx(
        metrics.aggregate_optimality_gap(scores.T, target), abs=1e-9
    )
    assert ours.optimality_gap.low <= ours.optimality_gap.point <= ours.optimality_gap.high


@pytest.mark.parametrize(("units_x", "units_y"), [(5, 5), (3, 10), (10, 2)])
def test_probability_of_improvement_equals_rliable(units_x: int, units_y: int) -> None:
    for seed in range(5):
        x, y = random_scores((10, units_x), seed), random_scores((10, units_y), seed + 100)
        theirs = metrics.probability_of_improvement(x.T, y.T)
        assert probability_of_improvement(x, y).point == pytest.approx(theirs, abs=1e-9)


def test_intervals_equal_rliable_to_bootstrap_error() -> None:
    scores, other = random_scores((10, 5), 1), random_scores((10, 4), 2)
    np.random.seed(0)  # noqa: NPY002 - rliable draws from the global generator

    def four(matrix: np.ndarray) -> np.ndarray:
        return np.array(
            [
                metrics.aggregate_iqm(matrix),
                metrics.aggregate_median(matrix),
                metrics.aggregate_mean(matrix),
                metrics.aggregate_optimality_gap(matrix),
            ]
        )

    _, theirs = library.get_interval_estimates({"x": scores.T}, four, reps=4000)
    ours = aggregates(scores)
    for k, estimate in enumerate((ours.iqm, ours.median, ours.mean, ours.optimality_gap)):
        # The 2.5 % quantile of 4,000 draws is itself uncertain by about 4 % of the interval's width.
        tolerance = 0.08 * (estimate.high - estimate.low)
        assert estimate.low == pytest.approx(theirs["x"][0, k], abs=tolerance)
        assert estimate.high == pytest.approx(theirs["x"][1, k], abs=tolerance)

    def improvement(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.array([metrics.probability_of_improvement(x, y)])

    _, theirs = library.get_interval_estimates({"xy": [scores.T, other.T]}, improvement, reps=500)
    estimate = probability_of_improvement(scores, other)
    tolerance = 0.2 * (estimate.high - estimate.low)
    assert estimate.low == pytest.approx(theirs["xy"][0, 0], abs=tolerance)
    assert estimate.high == pytest.approx(theirs["xy"][1, 0], abs=tolerance)

    taus = np.linspace(0, 1, 11)
    _, bands = library.create_performance_profile({"x": scores.T}, taus, reps=1000)
    profile = performance_profile(scores, taus)
    np.testing.assert_allclose(profile.low, bands["x"][0], atol=0.04)
    np.testing.assert_allclose(profile.high, bands["x"][1], atol=0.04)


@settings(max_examples=60, deadline=None)
@given(score_matrices)
def test_counted_draws_equal_gathered_draws(scores: np.ndarray) -> None:
    """The cumulative sums over counts give what resampling by hand and trimming each draw gives."""
    tasks, units = scores.shape
    boot = Bootstrap(tasks, units, draws=20)
    for d in range(0, boot.draws, 7):
        gathered = np.array([np.repeat(scores[t], boot.counts[t, :, d]) for t in range(tasks)])
        assert gathered.shape == scores.shape
        expected = scipy.stats.trim_mean(gathered, 0.25, axis=None)
        assert boot.iqms(scores)[d] == pytest.approx(expected, abs=1e-9)
        np.testing.assert_allclose(boot.means(scores)[:, d], gathered.mean(axis=1), atol=1e-9)


def test_student_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for estimate in task_estimates(list(rng.normal(500, 60, (2000, 5)))):
        covered += estimate.mean.low <= 500 <= estimate.mean.high
    assert 0.935 <= covered / 2000 <= 0.965


def test_task_estimates_by_hand() -> None:
    [three, one, wide] = task_estimates([[100, 200, 300], [42.0], [0.0, 1000.0]])
    # mean 200, standard deviation 100, t(0.975, 2) = 4.30265, so ± 4.30265·100/√3 = 248.4, cut at 0.
    assert three.mean == pytest.approx((200, 0, 448.414), abs=1e-3)
    assert (three.median, three.units) == (200, 3)
    assert one.mean.point == 42
    assert not one.mean.has_interval
    assert (wide.mean.low, wide.mean.high) == (0, 1000)


def test_gap_and_ratio_by_hand() -> None:
    train, test = np.full((10, 4), 0.8), np.full((10, 4), 0.6)
    assert difference(train, test) == pytest.approx((0.2, 0.2, 0.2))
    assert ratio(test, train) == pytest.approx((0.75, 0.75, 0.75))
    assert np.isnan(ratio(test, np.zeros((10, 4))).point)


def test_same_units_are_resampled_together() -> None:
    """A gap that is the same for every seed has no uncertainty, however different the seeds are."""
    train = random_scores((10, 5), 7) * 0.5 + 0.3
    gap = difference(train, train - 0.1)
    assert gap == pytest.approx((0.1, 0.1, 0.1))


def test_an_entry_neither_beats_nor_loses_to_itself() -> None:
    scores = random_scores((10, 5), 9)
    estimate = probability_of_improvement(scores, scores)
    assert estimate.point == 0.5
    assert estimate.low < 0.5 < estimate.high
    assert probability_of_improvement(scores + 1, scores) == pytest.approx((1, 1, 1))


def test_one_unit_gives_no_interval() -> None:
    ours = aggregates(random_scores((10, 1), 0))
    assert not ours.iqm.has_interval
    assert not ours.optimality_gap.has_interval
    assert not probability_of_improvement(np.ones((3, 1)), np.ones((3, 5))).has_interval
    assert np.isnan(performance_profile(np.ones((3, 1)), [0.5]).low).all()


def test_same_scores_give_the_same_intervals_every_time() -> None:
    scores = random_scores((10, 5), 11)
    assert aggregates(scores, Bootstrap(10, 5, draws=500)) == aggregates(scores, Bootstrap(10, 5, draws=500))


def test_draws_are_stratified() -> None:
    counts = Bootstrap(4, 6, draws=300).counts
    assert (counts.sum(axis=1) == 6).all()
    # Each unit is drawn once on average, each with variance 1 − 1/6.
    np.testing.assert_allclose(counts.mean(axis=2), 1, atol=0.25)
    assert len({counts[t].tobytes() for t in range(4)}) == 4


@pytest.mark.parametrize(
    "scores",
    [[], [[]], [1.0, 2.0], [[np.nan, 1.0]], [[np.inf, 1.0]]],
    ids=["empty", "row", "flat", "nan", "inf"],
)
def test_what_is_no_score_matrix_is_refused(scores: object) -> None:
    for function in (interquartile_mean, aggregates):
        with pytest.raises(InvalidArgument):
            function(scores)  # type: ignore[operator]


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="not of the same units"):
        difference(np.ones((10, 5)), np.ones((10, 4)))
    with pytest.raises(InvalidArgument, match="10 tasks with scores on 9"):
        probability_of_improvement(np.ones((10, 5)), np.ones((9, 5)))
    with pytest.raises(InvalidArgument, match="does not fit"):
        aggregates(np.ones((10, 5)), Bootstrap(10, 4, draws=10))
    with pytest.raises(InvalidArgument, match="No bootstrap"):
        Bootstrap(0, 5)
