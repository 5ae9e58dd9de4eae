"""Score against cost: bands, half-way, core-hours; every number on the page again from the file, by other code."""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import trim_mean

from natural_mujoco.evaluation.checking import check_results
from natural_mujoco.evaluation.conditions import TASK_NAMES
from natural_mujoco.evaluation.curves import Cost
from natural_mujoco.evaluation.records import Curve, Results, write_results
from natural_mujoco.evaluation.references import reference_means, steady
from natural_mujoco.experts import EXPERTS
from natural_mujoco.leaderboard.board import make_board
from natural_mujoco.leaderboard.learning import Learner
from natural_mujoco.leaderboard.learning_page import learning_page
from natural_mujoco.leaderboard.site import build_site
from tests.evaluation.made_up import make_results

RANDOM = reference_means()["random"]
EXPERT = dict.fromkeys(TASK_NAMES, 1000.0) | reference_means()["expert"]  # a task may have none


def learned(
    name: str, seeds: int = 3, tasks: Any = TASK_NAMES, device: str = "cpu", pace: float = 1.0
) -> Results:
    """An entry whose seed k gets `pace` · (1 − k / 10) of the way from random to expert in 20 evaluations."""
    entry = make_results(name, 0.6, training_seeds=seeds, tasks=tasks)
    steps = tuple(range(50_000, 1_000_001, 50_000))
    curves = [
        Curve(
            task=task,
            condition="natural-test",
            training_seed=seed,
            steps=steps,
            returns=tuple(
                RANDOM[task] + (EXPERT[task] - RANDOM[task]) * pace * (1 - seed / 10) * s / 10**6
                for s in steps
            ),
            cost=Cost(hours=tuple(s / 100_000 for s in steps), cores=2, device=device),
        )
        for task in tasks
        for seed in range(seeds)
    ]
    return entry.model_copy(update={"curves": tuple(curves)})


def test_half_way_is_the_first_evaluation_there_and_the_median_over_seeds() -> None:
    learner = Learner(learned("mine"), "natural-test")
    reached = learner.reached("finger-spin")
    assert reached is not None
    assert reached.threshold == pytest.approx((RANDOM["finger-spin"] + EXPERT["finger-spin"]) / 2)
    # Seeds get there at 500,000, 555,556 and 625,000 steps: the evaluations at 500, 600 and 650 thousand.
    assert (reached.steps, reached.core_hours, reached.runs) == (600_000, 12.0, 3)
    efficiency = learner.efficiency()
    assert efficiency is not None
    assert (efficiency.tasks, efficiency.reached) == (10, 10)
    assert (efficiency.steps, efficiency.core_hours, efficiency.run_core_hours) == (600_000, 12.0, 20.0)


def test_runs_that_never_get_there_count_as_longer_than_any() -> None:
    learner = Learner(learned("mine", pace=0.52), "natural-test")  # of three seeds the first alone gets there
    reached, efficiency = learner.reached("finger-spin"), learner.efficiency()
    assert reached is not None
    assert efficiency is not None
    assert (reached.steps, reached.core_hours, reached.most_steps) == (None, None, 1_000_000)
    assert (efficiency.reached, efficiency.steps) == (0, None)


def test_what_ran_on_a_gpu_has_no_core_hours() -> None:
    learner = Learner(learned("mine", device="cuda"), "natural-test")
    assert learner.has("control steps")
    assert not learner.has("core-hours")
    efficiency = learner.efficiency()
    assert efficiency is not None
    assert (efficiency.core_hours, efficiency.run_core_hours) == (None, None)
    assert learner.task_band("walker-walk", "core-hours") is None


def test_bands_are_over_training_seeds_as_far_as_all_runs_went() -> None:
    entry = learned("mine")
    short = entry.curves[0].model_copy(
        update={"steps": (70_000, 130_000), "returns": (10.0, 20.0), "cost": None}
    )
    learner = Learner(entry.model_copy(update={"curves": (short, *entry.curves[1:])}), "natural-test")
    band = learner.task_band("walker-walk", "control steps")
    assert band is not None
    assert list(band.x) == [70_000, 100_000, 130_000]
    at = [np.interp(100_000, c.steps, c.returns) for c in (short, *entry.curves[1:3])]
    assert band.point[1] == pytest.approx(np.mean(at))
    reach = 4.302653 * np.std(at, ddof=1) / 3**0.5  # Student's, two degrees of freedom
    assert (band.low[1], band.high[1]) == pytest.approx((max(0, np.mean(at) - reach), np.mean(at) + reach))
    assert learner.task_band("walker-walk", "core-hours") is None  # one of the three does not say
    [one] = [learned("mine", seeds=1)]
    alone = Learner(one, "natural-test").iqm_band(TASK_NAMES, "control steps")
    assert alone is not None
    assert not alone.has_interval


def test_the_interquartile_mean_is_that_of_all_runs_at_each_point() -> None:
    entry = learned("mine")
    band = Learner(entry, "natural-test").iqm_band(TASK_NAMES, "core-hours")
    assert band is not None
    last = [curve.returns[-1] for curve in entry.curves]
    assert (band.x[-1], band.point[-1]) == (20.0, pytest.approx(trim_mean(last, 0.25)))
    assert band.low[-1] < band.point[-1] < band.high[-1]
    assert (
        Learner(learned("two", tasks=TASK_NAMES[:2]), "natural-test").iqm_band(TASK_NAMES, "control steps")
        is None
    )


def test_entries_that_lack_tasks_are_not_drawn_over_those_tasks() -> None:
    board = make_board([learned("seven", tasks=TASK_NAMES[:7]), learned("two", tasks=TASK_NAMES[:2])])
    [view] = learning_page(board)["views"]
    assert "Interquartile mean over 7 tasks" in view["over"][0]["plot"]
    assert "1 of 2 entries lack some of these tasks." in view["over_note"]
    assert [plot.count('<g class="c') for plot in view["by_task"][0]["plots"]] == [2, 2, 1, 1, 1, 1, 1]


def test_every_plot_has_zero_random_and_expert(tmp_path: Path) -> None:
    tasks = tuple(EXPERTS)
    build_site([(Path("a"), learned("mine", tasks=tasks))], tmp_path / "site")
    source = (tmp_path / "site" / "cost.html").read_text()
    plots = re.findall(r'<svg class="plot learning".*?</svg>', source, re.S)
    assert len(plots) == 2 * (1 + len(tasks))
    for plot in plots:
        for name in ("zero", "random", "expert"):
            assert f'<g class="{name}"><title>{name}: ' in plot


@pytest.mark.parametrize(
    ("cost", "fault"),
    [
        ({"hours": (1.0,), "cores": 1, "device": "cpu"}, "20 steps but 1 hours"),
        ({"hours": tuple(float(20 - k) for k in range(20)), "cores": 1, "device": "cpu"}, "hours must not decrease"),
    ],
)  # fmt: skip
def test_costs_that_cannot_be_are_refused(cost: dict[str, Any], fault: str) -> None:
    entry = learned("mine")
    wrong = entry.curves[0].model_copy(update={"cost": Cost(**cost)})
    faults = check_results(entry.model_copy(update={"curves": (wrong, *entry.curves[1:])})).faults
    assert len(faults) == 1
    assert fault in faults[0]


COMMITTED = sorted((Path(__file__).resolve().parents[2] / "results").glob("*.json"))


def test_every_cost_on_the_page_is_that_of_the_committed_records(tmp_path: Path) -> None:
    """From the JSON alone, by code that shares nothing with the page's."""
    write_results(tmp_path / "mine.json", learned("mine", tasks=tuple(EXPERTS)))
    write_results(tmp_path / "seven.json", learned("seven", seeds=1, tasks=TASK_NAMES[:7], pace=0.55))
    for path in [*COMMITTED, tmp_path / "mine.json", tmp_path / "seven.json"]:
        data = json.loads(path.read_text())
        board = make_board([Results.model_validate_json(path.read_text())])
        for view in learning_page(board)["views"]:
            condition = "standard" if view["key"] == "standard" else view["key"].partition("-embedded")[0]
            [row] = view["rows"]
            repeat = data["runs"][0]["action_repeat"]
            random = reference_means(steady(repeat))["random"]
            medians = []
            for task, cell in zip(view["tasks"], row["cells"], strict=True):
                middle = (random[task] + EXPERT[task]) / 2
                first = []
                for curve in data["curves"]:
                    if (curve["task"], curve["condition"]) == (task, condition):
                        there = [
                            s for s, r in zip(curve["steps"], curve["returns"], strict=True) if r >= middle
                        ]
                        first.append(there[0] if there else float("inf"))
                median = statistics.median(first)
                medians.append(median)
                assert cell["steps"] == (None if median == float("inf") else median), (path.name, task)
            over = statistics.median(medians)
            assert row["efficiency"].steps == (None if over == float("inf") else over)
            hours = [
                curve["cost"]["hours"][-1] * curve["cost"]["cores"]
                for curve in data["curves"]
                if curve["condition"] == condition and (curve.get("cost") or {}).get("device") == "cpu"
            ]
            if row["efficiency"].run_core_hours is not None:
                assert row["efficiency"].run_core_hours == pytest.approx(sum(hours) / len(hours))
