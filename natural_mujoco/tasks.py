"""The ten tasks: their names in dm_control, their camera, and what counts as scenery.

- `Task`: one row of the table.
- `TASKS`: the table, keyed by the name used in environment ids (`"WalkerWalk"`).
- `find_task`: looks a task up under any of its names.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import unknown


@dataclass(frozen=True)
class Task:
    """One task of the benchmark.

    `scenery` decides the matte: it lists the geoms (by MuJoCo name) that are *not* foreground. Everything else, sites
    and tendons included, is foreground: the robot and the task's own objects, such as the cup, its string and the ball,
    the spinner, and targets, wherever they are in the kinematic tree. Scenery is always fixed to the world and takes no
    part in the task: the floor, the walls of the reacher's arena, the rails on which the cart runs.
    """

    id_name: str
    """The name in environment ids, e.g. `BallInCupCatch`."""
    name: str
    """The paper's name and the command line's, e.g. `ball-in-cup-catch`."""
    domain: str
    """dm_control's domain, e.g. `ball_in_cup`."""
    task: str
    """dm_control's task, e.g. `catch`."""
    scenery: frozenset[str]
    """Names of the geoms that video replaces."""
    camera_id: int = 0
    """The camera of observations: 0, and 2 for the quadruped, as is the convention since PlaNet."""
    samples: int = 4
    """Samples per pixel in each direction: 2 where this gives coverage within 5 % of the exact one, else 4 (the cup's
    string is thinner than a pixel). Part of what `v0` means."""
    goal: str = ""
    """What earns reward, in a sentence or two."""

    @property
    def natural_id(self) -> str:
        """The id of the natural variant, in which video replaces the background and the floor."""
        return f"NaturalMujoco/{self.id_name}-v0"

    @property
    def standard_id(self) -> str:
        """The id of the standard variant, drawn as in dm_control."""
        return f"NaturalMujoco/{self.id_name}Standard-v0"


_FLOOR = frozenset({"floor"})
_GROUND = frozenset({"ground"})
_RAILS = frozenset({"rail1", "rail2"})
_WALLS = frozenset({"wall_x", "wall_y", "wall_neg_x", "wall_neg_y"})

TASKS: dict[str, Task] = {
    task.id_name: task
    for task in (
        Task(
            "WalkerWalk",
            "walker-walk",
            "walker",
            "walk",
            _FLOOR,
            samples=2,
            goal="Stand up and walk: full reward with the torso upright at 1.2 m and a speed of 1 m/s or more.",
        ),
        Task(
            "WalkerRun",
            "walker-run",
            "walker",
            "run",
            _FLOOR,
            samples=2,
            goal="Stand up and run: full reward with the torso upright at 1.2 m and a speed of 8 m/s or more.",
        ),
        Task(
            "CheetahRun",
            "cheetah-run",
            "cheetah",
            "run",
            _GROUND,
            goal="Run forwards: reward grows with speed and is full from 10 m/s.",
        ),
        Task(
            "FingerSpin",
            "finger-spin",
            "finger",
            "spin",
            _GROUND,
            samples=2,
            goal="A finger of two links flicks a spinner: reward 1 while it turns at 15 rad/s or more, else 0.",
        ),
        Task(
            "CartpoleBalance",
            "cartpole-balance",
            "cartpole",
            "balance",
            _FLOOR | _RAILS,
            goal="Keep a pole upright that starts upright, with the cart near the middle and little force.",
        ),
        Task(
            "CartpoleSwingup",
            "cartpole-swingup",
            "cartpole",
            "swingup",
            _FLOOR | _RAILS,
            goal="Swing a hanging pole up and keep it there, with the cart near the middle.",
        ),
        Task(
            "BallInCupCatch",
            "ball-in-cup-catch",
            "ball_in_cup",
            "catch",
            _GROUND,
            goal="Swing a ball on a string into the cup below which it hangs: reward 1 while it is inside, else 0.",
        ),
        Task(
            "ReacherEasy",
            "reacher-easy",
            "reacher",
            "easy",
            _GROUND | _WALLS,
            goal="Reach a target with the tip of an arm of two links: reward 1 while it touches, else 0.",
        ),
        Task(
            "QuadrupedWalk",
            "quadruped-walk",
            "quadruped",
            "walk",
            _FLOOR,
            camera_id=2,
            goal="Walk with four legs: full reward with the torso upright and a speed of 0.5 m/s or more.",
        ),
        Task(
            "PendulumSwingup",
            "pendulum-swingup",
            "pendulum",
            "swingup",
            _FLOOR,
            goal="Swing up a pendulum with a motor too weak to lift it at once: reward 1 within 8° of upright, else 0.",
        ),
    )
}

# Spellings that the paper's tables also use.
_ALIASES = {
    "cup-catch": "BallInCupCatch",
    "ball_in_cup-catch": "BallInCupCatch",
    "catpole-swingup": "CartpoleSwingup",
}


def find_task(name: str) -> Task:
    """The task called `name`: the id's name, the paper's name, or a full environment id.

    Raises `InvalidArgument` for any other name and lists the ten.

    >>> find_task("walker-walk") is find_task("NaturalMujoco/WalkerWalk-v0") is TASKS["WalkerWalk"]
    True
    """
    for task in TASKS.values():
        if name in (task.id_name, task.name, task.natural_id, task.standard_id):
            return task
    if name in _ALIASES:
        return TASKS[_ALIASES[name]]
    raise unknown("task", name, (task.name for task in TASKS.values()))
