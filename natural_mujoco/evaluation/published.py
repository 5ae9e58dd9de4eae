"""The results that the paper reports: all numbers of its tables 1 and 2.

- `published_entries`: one entry for each column, and for table 1 also for each variant.
- `INCONSISTENCIES`: places where the paper contradicts itself.

Source: X. Ma, S. Chen, D. Hsu, W. S. Lee, "Contrastive Variational Model-Based Reinforcement Learning for Complex
Observations", CoRL 2020, arXiv:2008.02430. Each number is a mean over 3 training seeds; the paper gives neither
spread nor the number of episodes, so that intervals, interquartile means and probabilities cannot be computed. The
natural results are on videos from ILSVRC that the paper does not name, and it does not say whether they were also used
in training. They therefore form a condition of their own, `natural (as published)`, and are not ranked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PAPER = "Ma et al. 2020"
PAPER_LINK = "https://arxiv.org/abs/2008.02430"
TRAINING_SEEDS = 3

PAPER_TASKS = (
    "walker-walk",
    "walker-run",
    "cheetah-run",
    "finger-spin",
    "cartpole-balance",
    "cartpole-swingup",
    "ball-in-cup-catch",
    "reacher-easy",
    "quadruped-walk",
    "pendulum-swingup",
)
"""The tasks of both tables, in the paper's order."""

_N = None  # a dash in the paper's table

# Standard: CVRL, Dreamer, SAC, D4PG. Natural: CVRL, Dreamer, SAC.
_TABLE_1: tuple[tuple[float | None, ...], ...] = (
    (980.3, 961.7, 355.7, 968.3, 941.5, 206.6, 44.1),
    (377.7, 824.6, 153.0, 567.2, 382.1, 82.7, 78.1),
    (528.1, 894.5, 181.8, 523.8, 248.7, 100.7, 35.8),
    (989.2, 498.8, 309.5, 985.7, 850.4, 13.6, 23.8),
    (997.1, 979.6, 355.5, 992.8, 911.9, 163.7, 206.0),
    (863.4, 833.6, 252.5, 862.0, 413.8, 117.6, 150.5),
    (964.9, 962.5, 537.3, _N, 980.5, 131.1, 202.2),
    (968.2, 935.1, 458.6, 967.4, 909.1, 133.7, 137.7),
    (950.3, 931.6, 382.7, _N, 878.7, 153.2, 204.3),
    (912.1, 833.0, 28.6, 680.9, 842.9, 12.4, 14.8),
)
# All natural: CVRL, CVRL-generative, CVRL-no-MPC, CVRL-no-SAC, CVRL-reward-only.
_TABLE_2: tuple[tuple[float | None, ...], ...] = (
    (941.5, 297.7, 904.8, 915.2, 197.9),
    (382.1, 71.4, 343.2, 378.3, 115.4),
    (248.7, 113.3, 430.1, 301.0, 284.8),
    (850.4, 13.9, 753.3, 668.8, 68.7),
    (911.9, 188.4, 996.3, 962.3, 431.6),
    (413.8, 160.5, 353.0, 465.9, 176.3),
    (894.2, 254.8, 881.4, 930.4, 368.7),
    (909.1, 235.8, 858.9, 880.5, 167.2),
    (878.7, 157.3, 595.2, 213.5, 188.7),
    (842.9, 19.7, 831.5, 813.3, 20.8),
)

PublishedCondition = Literal["standard", "natural (as published)"]
STANDARD: PublishedCondition = "standard"
NATURAL: PublishedCondition = "natural (as published)"


@dataclass(frozen=True)
class PublishedEntry:
    """One column of a table, under one condition."""

    name: str
    condition: PublishedCondition
    table: int
    column: str
    """The column's heading in the paper."""
    training_steps: int
    """Environment (control) steps."""
    returns: dict[str, float | None]
    """Mean return by task; `None` where the table has a dash."""
    cited_from: str | None = None
    """Where the paper took the column from, if the numbers are not its own."""

    @property
    def source(self) -> str:
        """The place in the paper, in words."""
        place = f"{PAPER}, table {self.table}, {self.column}"
        return f"{place}, there cited from {self.cited_from}" if self.cited_from else place


@dataclass(frozen=True)
class Inconsistency:
    """Two places of the paper that disagree. `entry` and `task` say which number of the tables is concerned."""

    entry: str
    task: str
    what: str


_DREAMER = "Hafner et al. 2019 (Dreamer)"
_FIVE_MILLION = 5_000_000
_HUNDRED_MILLION = 100_000_000

# Name, condition, table, column index, heading, steps, cited from.
_COLUMNS: tuple[tuple[str, PublishedCondition, int, int, str, int, str | None], ...] = (
    ("CVRL", STANDARD, 1, 0, "Standard / CVRL", _FIVE_MILLION, None),
    ("Dreamer", STANDARD, 1, 1, "Standard / Dreamer", _FIVE_MILLION, _DREAMER),
    ("SAC", STANDARD, 1, 2, "Standard / SAC", _FIVE_MILLION, None),
    ("D4PG", STANDARD, 1, 3, "Standard / D4PG", _HUNDRED_MILLION, _DREAMER),
    ("CVRL", NATURAL, 1, 4, "Natural / CVRL", _FIVE_MILLION, None),
    ("Dreamer", NATURAL, 1, 5, "Natural / Dreamer", _FIVE_MILLION, None),
    ("SAC", NATURAL, 1, 6, "Natural / SAC", _FIVE_MILLION, None),
    ("CVRL, as in table 2", NATURAL, 2, 0, "CVRL", _FIVE_MILLION, None),
    ("CVRL-generative", NATURAL, 2, 1, "CVRL-generative", _FIVE_MILLION, None),
    ("CVRL-no-MPC", NATURAL, 2, 2, "CVRL-no-MPC", _FIVE_MILLION, None),
    ("CVRL-no-SAC", NATURAL, 2, 3, "CVRL-no-SAC", _FIVE_MILLION, None),
    ("CVRL-reward-only", NATURAL, 2, 4, "CVRL-reward-only", _FIVE_MILLION, None),
)

INCONSISTENCIES: tuple[Inconsistency, ...] = (
    Inconsistency(
        "CVRL",
        "ball-in-cup-catch",
        "Natural CVRL is 980.5 in table 1 and 894.2 in table 2; the other nine tasks agree.",
    ),
    Inconsistency(
        "CVRL",
        "cheetah-run",
        "The text of section 4.3 gives natural CVRL 497.3 where both tables give 248.7, and concludes that leaving "
        "out SAC (301.0) makes it worse; by the tables it makes it better.",
    ),
    Inconsistency(
        "CVRL",
        "finger-spin",
        "The text of section 4.3 gives natural CVRL 987.1 where both tables give 850.4.",
    ),
    Inconsistency(
        "CVRL-reward-only",
        "cheetah-run",
        "Section 4.3 says that reward-only training is worse in all cases; table 2 gives it 284.8 against 248.7.",
    ),
    Inconsistency(
        "CVRL, as in table 2",
        "cartpole-swingup",
        "Table 2 prints CVRL's 413.8 in bold as the best; CVRL-no-SAC has 465.9 in the same row.",
    ),
    Inconsistency(
        "CVRL",
        "all tasks",
        "The caption of table 1 and section 4.2 give 5·10⁶ training steps, section 4.1 gives 5⁶ (15,625); the "
        "caption's number is used here.",
    ),
)


def published_entries() -> tuple[PublishedEntry, ...]:
    """All columns of tables 1 and 2 as entries, in the paper's order."""
    tables = {1: _TABLE_1, 2: _TABLE_2}
    return tuple(
        PublishedEntry(
            name=name,
            condition=condition,
            table=table,
            column=heading,
            training_steps=steps,
            returns={task: row[index] for task, row in zip(PAPER_TASKS, tables[table], strict=True)},
            cited_from=cited,
        )
        for name, condition, table, index, heading, steps, cited in _COLUMNS
    )
