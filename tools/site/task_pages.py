"""One page a task, from the task table, dm_control's models, the shipped results and the measured speed.

- `write_task_pages`: writes them.

Nothing on these pages is typed: a new row in `natural_mujoco/tasks.py` gets a page.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from natural_mujoco import TASKS, Task
from natural_mujoco.evaluation.conditions import ACTION_REPEAT
from natural_mujoco.evaluation.published import PAPER, PAPER_LINK, published_entries
from natural_mujoco.evaluation.records import Results, read_results
from natural_mujoco.evaluation.references import reference_entries
from natural_mujoco.evaluation.scores import EntryScores
from natural_mujoco.experts import EXPERTS
from natural_mujoco.rendering.gl import import_dm_control

from .measured import Measured, measured_returns

HINGE = 3  # mjtJoint
POSITION_SERVO = 1  # mjtBias: affine


def write_task_pages(root: Path, folder: Path) -> None:
    """Writes `folder/TASK.md` for each task, with the scores of `root/results/*.json` and of learning curves."""
    folder.mkdir(parents=True, exist_ok=True)
    measured = [read_results(path) for path in sorted((root / "results").glob("*.json"))]
    curves = measured_returns(root)
    speed = json.loads((root / "docs" / "performance" / "bench.json").read_text())
    for task in TASKS.values():
        (folder / f"{task.name}.md").write_text(task_page(task, measured, curves, speed))


def task_page(task: Task, measured: list[Results], curves: list[Measured], speed: dict[str, Any]) -> str:
    """The page of `task` in Markdown."""
    env = import_dm_control().load(task.domain, task.task)
    control = env.control_timestep()
    actions = "the actions of the state expert" if task.name in EXPERTS else "smooth random actions"
    sections = [
        f"# {task.name}",
        task.goal,
        f"![{task.name}: standard, natural, matte](../pictures/{task.name}.webp)",
        "*From left to right: the standard picture, the natural one in front of a clip of the set `embedded`, and the "
        f"matte (white is foreground). One seed, {actions}.*",
        _table(
            ("", ""),
            [
                ("natural id", f"`{task.natural_id}`"),
                ("standard id", f"`{task.standard_id}`"),
                ("observation", f"`uint8[64, 64, 3]`, RGB, camera {task.camera_id}"),
                ("action", f"`float32[{env.action_spec().shape[0]}]` in [-1, 1]"),
                ("reward", "0 to 1 a control step, summed over the action repeat; an episode returns at most 1000"),
                ("time", f"a control step is {control:g} s, an agent step at the default repeat {2 * control:g} s"),
                ("episode", f"1000 control steps ({1000 * control:g} s), then truncated"),
                ("foreground", "the robot and the task's objects: everything except "
                 + _listed(f"`{name}`" for name in sorted(task.scenery))),
                ("samples a pixel", f"{task.samples}×{task.samples}"),
                ("dm_control", f"`suite.load({task.domain!r}, {task.task!r})`"),
            ],
        ),
        "## Actions",
        _table(("index", "actuator", "acts on", "what 1 means"), _actuators(env.physics)),
        "## Scores",
        "Mean returns, 0 to 1000, at action repeat 2 unless said. `zero`, `random` and `expert` do not look at the "
        "pixels, so they score the same in front of any background.",
        _table(("policy", "condition", "mean return", "source"), _scores(task, measured, curves)),
        "## Speed",
        _speed(task, speed),
        "## Try it",
        f"```bash\nnatural-mujoco preview {task.name} --out {task.name}.gif --videos embedded\n```",
        "Variants, seeds and keyword arguments are the same for all tasks: [environments](../environments.md).",
    ]  # fmt: skip
    return "\n\n".join(section for section in sections if section) + "\n"


def _actuators(physics: Any) -> list[tuple[str, ...]]:
    model, rows = physics.model, []
    for index in range(model.nu):
        kind, target = model.actuator_trntype[index], model.actuator_trnid[index, 0]
        joint = kind == 0
        hinge = joint and model.jnt_type[target] == HINGE
        acts_on = (
            f"joint `{model.id2name(target, 'joint')}`"
            if joint
            else f"tendon `{model.id2name(target, 'tendon')}`"
        )
        if model.actuator_biastype[index] == POSITION_SERVO:
            low, high = model.actuator_ctrlrange[index]
            meaning = f"target position {high:g} (−1: {low:g}), {'rad' if hinge else 'tendon length'}"
        else:
            strength = float(model.actuator_gear[index, 0] * model.actuator_gainprm[index, 0])
            meaning = f"{'torque' if hinge else 'force'} {strength:g} {'N·m' if hinge else 'N'}"
        rows.append((str(index), f"`{model.id2name(index, 'actuator')}`", acts_on, meaning))
    return rows


def _scores(task: Task, measured: list[Results], curves: list[Measured]) -> Iterable[tuple[str, ...]]:
    for results in reference_entries():
        units = EntryScores(results.episodes).units("natural-test", task.name)
        if len(units):
            source = f"{len(units)} episodes, shipped with the package"
            if results.entry.name == "expert":
                source += "; [privileged](../experts.md): it sees the physical state"
            yield results.entry.name, "any", f"{units.mean():.1f}", source
    told = set()  # agents whose records stand there already: their curves say the same
    for results in measured:
        scores = EntryScores(results.episodes)
        for condition in ("standard", "natural-train", "natural-test"):
            units = scores.units(condition, task.name)
            if len(units):
                over = scores.over if len(units) > 1 else scores.over.removesuffix("s")
                on = "" if condition == "standard" else f", videos {results.video_set.name}"
                repeats = sorted({run.action_repeat for run in results.runs if task.name in run.tasks})
                at = f", at action repeat {_listed(map(str, repeats))}" if repeats != [ACTION_REPEAT] else ""
                yield results.entry.name, condition, f"{units.mean():.1f}", f"{len(units)} {over}{on}{at}"
                told.add((results.entry.name.partition("-")[0], condition))
    for row in curves:
        if row.task == task.name and (row.agent.lower(), row.condition) not in told:
            source = (
                f"{row.seeds} training seed{'s' * (row.seeds > 1)}, {row.episodes} episodes, after "
                f"{row.control_steps:,} control steps at repeat {row.action_repeat}: [results](../results/index.md)"
            )
            yield f"{row.agent}, measured", row.condition, f"{row.mean:.1f}", source
    for entry in published_entries():
        value = entry.returns.get(task.name)
        if value is not None:
            yield entry.name, entry.condition, f"{value:.1f}", f"[{PAPER}]({PAPER_LINK}), table {entry.table}"


def _speed(task: Task, speed: dict[str, Any]) -> str:
    rows = {row["what"]: row for row in speed["rows"] if row["section"] == "environment"}
    natural, standard = (rows.get(f"{task.name} {variant}") for variant in ("natural", "standard"))
    if natural is None or standard is None:
        return "Not measured yet."
    machine = speed["machine"]
    return (
        f"One natural environment makes {natural['value']:.0f} agent steps a second, {natural['ratio']:.0f} times as "
        f"many as dm_control with its own 64×64 picture; the standard one makes {standard['value']:.0f}. "
        "dm_control's picture and the standard one, which are the same, have shadows and reflections; the natural one "
        f"has neither. Measured on {machine['cores']} cores of an {machine['processor']} with Mesa's software "
        "renderer: [performance](../performance/index.md)."
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def _listed(words: Iterable[str]) -> str:
    words = list(words)
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
