"""From records to units: what is averaged, what is resampled, what is left out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import trim_mean

from natural_mujoco.evaluation.conditions import TASK_NAMES
from natural_mujoco.evaluation.scores import EntryScores, summarise

from .made_up import make_results


def test_several_training_seeds_are_the_units() -> None:
    results = make_results(training_seeds=3, episodes=4)
    scores = EntryScores(results.episodes)
    assert scores.over == "training seeds"
    own = [e.return_ for e in results.episodes if e.task == "reacher-easy" and e.condition == "natural-test"]
    np.testing.assert_allclose(
        scores.units("natural-test", "reacher-easy"), np.reshape(own, (3, 4)).mean(axis=1)
    )
    [matrix] = scores.matrix("natural-test")  # type: ignore[misc]
    assert matrix.shape == (len(TASK_NAMES), 3)
    np.testing.assert_allclose(
        matrix[TASK_NAMES.index("reacher-easy")] * 1000, np.reshape(own, (3, 4)).mean(axis=1)
    )


def test_episodes_are_the_units_of_a_single_training_seed() -> None:
    results = make_results(training_seeds=1, episodes=4)
    scores = EntryScores(reversed(results.episodes))
    assert scores.over == "episodes"
    own = [e.return_ for e in results.episodes if e.task == "walker-run" and e.condition == "standard"]
    np.testing.assert_array_equal(scores.units("standard", "walker-run"), own)


def test_aggregates_need_all_tasks() -> None:
    scores = EntryScores(make_results(tasks=TASK_NAMES[:-1]).episodes)
    assert scores.matrix("standard") is None
    assert len(scores.units("standard", TASK_NAMES[-1])) == 0


def test_units_that_a_task_lacks_are_left_out_of_the_matrix() -> None:
    results = make_results(training_seeds=3)
    kept = [e for e in results.episodes if e.task != "finger-spin" or e.training_seed != 1]
    [matrix] = EntryScores(kept).matrix("standard")  # type: ignore[misc]
    assert matrix.shape == (len(TASK_NAMES), 2)


def test_conditions_are_paired_by_unit() -> None:
    results = make_results(training_seeds=3)
    kept = [e for e in results.episodes if e.condition != "standard" or e.training_seed != 2]
    natural, standard = EntryScores(kept).matrix("natural-test", "standard")  # type: ignore[misc]
    assert natural.shape == standard.shape == (len(TASK_NAMES), 2)


def test_summary_is_of_the_records() -> None:
    results = make_results(training_seeds=2)
    summary = summarise(results)["natural-train"]
    own = [e.return_ for e in results.episodes if e.task == "cheetah-run" and e.condition == "natural-train"]
    assert summary.tasks["cheetah-run"] == pytest.approx(np.mean(own), abs=1e-5)
    runs = np.array(
        [
            [np.mean([e.return_ for e in results.episodes if (e.task, e.condition, e.training_seed) == key]) for key in
             [(task, "natural-train", 0), (task, "natural-train", 1)]]
            for task in TASK_NAMES
        ]
    )  # fmt: skip
    assert summary.iqm == pytest.approx(trim_mean(runs.ravel(), 0.25), abs=1e-5)
