"""The paper's tables, held against sums that were taken from the paper's text by another way than the module's."""

from __future__ import annotations

import pytest

from natural_mujoco.evaluation.published import (
    INCONSISTENCIES,
    NATURAL,
    PAPER_TASKS,
    STANDARD,
    published_entries,
)

# Column sums, added up from the printed tables.
SUMS = {
    ("CVRL", STANDARD): 8531.3,
    ("Dreamer", STANDARD): 8655.0,
    ("SAC", STANDARD): 3015.2,
    ("D4PG", STANDARD): 6548.1,
    ("CVRL", NATURAL): 7359.6,
    ("Dreamer", NATURAL): 1115.3,
    ("SAC", NATURAL): 1097.3,
    ("CVRL, as in table 2", NATURAL): 7273.3,
    ("CVRL-generative", NATURAL): 1512.8,
    ("CVRL-no-MPC", NATURAL): 6947.7,
    ("CVRL-no-SAC", NATURAL): 6529.2,
    ("CVRL-reward-only", NATURAL): 2020.1,
}


def test_every_column_is_there_and_adds_up() -> None:
    found = {
        (e.name, e.condition): sum(v for v in e.returns.values() if v is not None)
        for e in published_entries()
    }
    assert found == pytest.approx(SUMS, abs=0.01)
    assert sum(v is not None for e in published_entries() for v in e.returns.values()) == 118


@pytest.mark.parametrize(
    ("name", "condition", "task", "value"),
    [
        ("CVRL", STANDARD, "walker-walk", 980.3),
        ("Dreamer", NATURAL, "walker-walk", 206.6),
        ("CVRL", NATURAL, "ball-in-cup-catch", 980.5),
        ("CVRL, as in table 2", NATURAL, "ball-in-cup-catch", 894.2),
        ("D4PG", STANDARD, "pendulum-swingup", 680.9),
        ("D4PG", STANDARD, "quadruped-walk", None),
        ("D4PG", STANDARD, "ball-in-cup-catch", None),
        ("SAC", NATURAL, "cartpole-balance", 206.0),
        ("CVRL-no-SAC", NATURAL, "quadruped-walk", 213.5),
        ("CVRL-reward-only", NATURAL, "pendulum-swingup", 20.8),
    ],
)
def test_numbers_as_printed(name: str, condition: str, task: str, value: float | None) -> None:
    [entry] = [e for e in published_entries() if (e.name, e.condition) == (name, condition)]
    assert entry.returns[task] == value


def test_sources_name_table_and_column_and_what_was_cited() -> None:
    sources = {(e.name, e.condition): e.source for e in published_entries()}
    assert sources["CVRL", NATURAL] == "Ma et al. 2020, table 1, Natural / CVRL"
    assert "cited from Hafner et al. 2019" in sources["D4PG", STANDARD]
    assert "cited from Hafner et al. 2019" in sources["Dreamer", STANDARD]
    assert "cited" not in sources["Dreamer", NATURAL]
    assert {e.training_steps for e in published_entries() if e.name == "D4PG"} == {100_000_000}
    assert {e.training_steps for e in published_entries() if e.name != "D4PG"} == {5_000_000}


def test_the_two_cvrl_columns_differ_in_the_task_that_is_marked_and_in_no_other() -> None:
    first, second = (
        next(e.returns for e in published_entries() if (e.name, e.condition) == (name, NATURAL))
        for name in ("CVRL", "CVRL, as in table 2")
    )
    assert [task for task in PAPER_TASKS if first[task] != second[task]] == ["ball-in-cup-catch"]
    assert {(i.entry, i.task) for i in INCONSISTENCIES} >= {
        ("CVRL", "ball-in-cup-catch"),
        ("CVRL", "cheetah-run"),
        ("CVRL", "finger-spin"),
    }
