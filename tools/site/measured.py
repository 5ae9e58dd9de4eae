"""What the reference agents have been measured to earn, from the learning curves in `docs/results/control/`.

- `Measured`: the end of one agent's curve on one task. `measured_returns`: all of them.
- `python -m tools.site.measured`: draws the front page's figure, `docs/_static/measured.png`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from natural_mujoco.evaluation.published import published_entries
from natural_mujoco.evaluation.references import reference_means, steady

ROOT = Path(__file__).parents[2]
AGENTS = {
    "cvrl": ("CVRL", "#1f6f50"),
    "dreamer": ("Dreamer", "#c2571a"),
    "ppo": ("PPO", "#3b6fb6"),
    "repo": ("RePo", "#8a5fb0"),
    "sac": ("SAC", "#b0903a"),
    "drqv2": ("DrQ-v2", "#7a7a7a"),
}
"""Name and colour of each agent, in the figure's order."""
COLOURS = dict(AGENTS.values())


@dataclass(frozen=True)
class Measured:
    """The last evaluation of an agent's runs on one task; `control_steps` is that of the shortest run."""

    task: str
    condition: str
    agent: str
    mean: float
    seeds: int
    episodes: int
    control_steps: int
    action_repeat: int


def measured_returns(root: Path = ROOT) -> list[Measured]:
    """One row for each task, condition and agent of the files `TASK-VARIANT.json`; others hold ablations."""
    found = []
    for path in sorted((root / "docs" / "results" / "control").glob("*.json")):
        curves = json.loads(path.read_text())
        if path.stem != f"{curves['task']}-{curves['variant']}":
            continue
        runs = defaultdict(list)
        for run in curves["runs"]:
            runs[run["agent"]].append(run)
        for agent, same in runs.items():
            last = [run["returns"][-1] for run in same]
            found.append(
                Measured(
                    task=curves["task"],
                    condition=curves["condition"],
                    agent=AGENTS[agent][0],
                    mean=float(np.mean([np.mean(returns) for returns in last])),
                    seeds=len(same),
                    episodes=sum(map(len, last)),
                    control_steps=min(run["steps"][-1] for run in same),
                    action_repeat=curves["action_repeat"],
                )
            )
    return found


def draw_figure(path: Path) -> None:
    """Measured returns (filled) beside the paper's (hollow), between the random policy and the expert, by task."""
    import matplotlib.pyplot as plt

    rows = measured_returns()
    places = sorted({(row.task, row.condition) for row in rows}, reverse=True)
    agents = [name for name in reversed(COLOURS) if any(row.agent == name for row in rows) or name == "SAC"]
    columns = min((4, 3), key=lambda n: (-len(places) % n, -n)) if len(places) > 4 else len(places)
    lines = -(-len(places) // columns)
    figure, grid = plt.subplots(
        lines, columns, figsize=(3.6 * columns, 2.4 * lines + 0.3), sharey=True, squeeze=False
    )
    for axes in grid.flat[len(places) :]:
        axes.axis("off")
    for axes, (task, condition) in zip(grid.flat, places, strict=False):
        here = [row for row in rows if (row.task, row.condition) == (task, condition)]
        references = reference_means(steady(here[0].action_repeat)) | {"expert": reference_means()["expert"]}
        for name, style in (("random", ":"), ("expert", "--")):
            if task in references[name]:
                axes.axvline(
                    references[name][task], color="#777777", linestyle=style, linewidth=1.2, label=name
                )
        variant = condition.partition("-")[0]
        paper = {
            entry.name: entry.returns[task]
            for entry in published_entries()
            if entry.table == 1 and entry.condition.startswith(variant) and task in entry.returns
        }
        for height, agent in enumerate(agents):
            if agent in paper:
                axes.plot(paper[agent], height, "o", mfc="none", mec=COLOURS[agent], ms=8)
            for row in here:
                if row.agent == agent:
                    axes.plot(row.mean, height, "o", color=COLOURS[agent], ms=8)
                    steps = f"{row.control_steps / 1e6:.2g} M"
                    axes.annotate(
                        steps, (row.mean, height), (0, 7), textcoords="offset points", ha="center", size=7
                    )
        axes.set_yticks(range(len(agents)), agents)
        axes.set(
            xlim=(-20, 1020), ylim=(-0.6, len(agents) - 0.2), xlabel="return", title=f"{task}, {variant}"
        )
        axes.grid(axis="x", alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    handles = [
        plt.Line2D([], [], marker="o", linestyle="", color="#444444", label="measured (control steps)"),
        plt.Line2D([], [], marker="o", linestyle="", mfc="none", mec="#444444", label="the paper (5 M)"),
        plt.Line2D([], [], linestyle=":", color="#777777", label="random"),
        plt.Line2D([], [], linestyle="--", color="#777777", label="expert: sees the state"),
    ]
    figure.legend(handles=handles, loc="lower center", ncols=4, frameon=False, fontsize=9)
    figure.tight_layout(rect=(0, 0.09, 1, 1))
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    draw_figure(ROOT / "docs" / "_static" / "measured.png")
