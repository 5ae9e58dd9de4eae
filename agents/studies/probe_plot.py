"""The picture of a probe: mean R² over updates, and R² of each quantity for each model at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COLOURS = {
    "cvrl": "tab:blue",
    "generative": "tab:orange",
    "reward-only": "tab:green",
    "supervised": "tab:red",
}


def plot_probe(result: dict[str, Any], path: Path) -> None:
    """Writes the PNG for the `data` of ProbeResults; lines and bars are means over seeds, dots single seeds."""
    runs: dict[tuple[str, str], list[list[dict]]] = {}
    for entry in result["results"]:
        runs.setdefault((entry["model"], entry["variant"]), []).append(entry["probes"])
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 4.5), width_ratios=(1, 2), layout="constrained")
    for (model, variant), seeds in runs.items():
        style = "-" if variant == "natural" else "--"
        updates = [p["update"] for p in seeds[0]]
        means = np.array([[p["r2"]["features"]["mean"] for p in probes] for probes in seeds])
        left.plot(updates, means.mean(0), style, color=COLOURS[model], label=f"{model}, {variant}")
        for row in means:
            left.plot(updates, row, ".", color=COLOURS[model], alpha=0.4)
        if all("r2_train_videos" in p for probes in seeds for p in probes):
            known = [[p["r2_train_videos"]["features"]["mean"] for p in probes] for probes in seeds]
            left.plot(updates, np.mean(known, 0), ":", color=COLOURS[model], alpha=0.7)
    left.set(
        xlabel="world-model updates",
        ylabel="mean R², held-out videos (dotted: training videos)",
        ylim=(-0.2, 1),
    )
    left.axhline(0, color="grey", linewidth=0.5)
    left.legend(fontsize=8)

    names = [n for n in next(iter(runs.values()))[0][-1]["r2"]["features"] if n != "mean"]
    width = 0.8 / len(runs)
    for i, ((model, variant), seeds) in enumerate(runs.items()):
        heights = [np.mean([probes[-1]["r2"]["features"][n] for probes in seeds]) for n in names]
        right.bar(
            np.arange(len(names)) + i * width,
            np.clip(heights, -0.2, 1),
            width,
            color=COLOURS[model],
            alpha=1 if variant == "natural" else 0.4,
            label=f"{model}, {variant}",
        )
    right.set_xticks(np.arange(len(names)) + 0.4, names, rotation=60, ha="right", fontsize=7)
    right.set(ylabel="R² at the end", ylim=(-0.2, 1))
    right.axhline(0, color="grey", linewidth=0.5)
    counts = sorted({len(seeds) for seeds in runs.values()})
    figure.suptitle(
        f"{result['task']}: linear probes of the posterior, {' to '.join(map(str, counts))} seed(s)"
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)
