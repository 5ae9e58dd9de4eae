"""The plots of an entry's own page.

- `conditions_chart`: every task under every condition, beside the blind baselines.
- `improvement_chart`: how likely a run of this entry beats one of another.
- `curve_chart`: evaluations during training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from ..evaluation.conditions import CONDITIONS, TASK_NAMES, Condition
from ..evaluation.records import Curve
from ..evaluation.statistics import MAX_RETURN, Estimate, TaskEstimate
from .overview_charts import in_words
from .svg import Drawing, Scale

CONDITION_STYLES: dict[str, tuple[str, int]] = {
    "standard": ("c3", 1),
    "natural-train": ("c5", 2),
    "natural-test": ("c0", 0),
}
"""Class and marker of each condition."""


def conditions_chart(
    tasks: Mapping[Condition, Mapping[str, TaskEstimate]], references: Mapping[str, Mapping[str, float]]
) -> Markup:
    """Mean returns with intervals, a row per task and a mark per condition; references as ticks."""
    shown = [task for task in TASK_NAMES if any(task in means for means in tasks.values())]
    conditions = [condition for condition in CONDITIONS if condition in tasks]
    width, top, lane = 400.0, 8.0, 13.0
    step = 24 + lane * len(conditions)
    height = top + step * len(shown) + 24
    drawing = Drawing(width, height, "Mean return by task and condition", "conditions")
    x = Scale(0, MAX_RETURN, 8, width - 16)
    for tick in (0, 250, 500, 750, 1000):
        drawing.line(x(tick), top, x(tick), height - 24, "grid")
        kind = "tick" if tick == 0 else "tick end" if tick == 1000 else "tick middle"
        drawing.text(x(tick), height - 8, str(tick), kind)
    for k, task in enumerate(shown):
        y = top + step * k
        drawing.text(8, y + 12, task, "name")
        for name, means in references.items():
            if task not in means:
                continue
            drawing.begin(f"{name} on {task}: {means[task]:.0f}", name)
            drawing.line(x(means[task]), y + 17, x(means[task]), y + step - 4, "reference")
            drawing.end()
        for lane_number, condition in enumerate(conditions):
            estimate = tasks[condition].get(task)
            if estimate is None:
                continue
            middle = y + 23 + lane * lane_number
            css, shape = CONDITION_STYLES[condition]
            drawing.begin(f"{task}, {condition}: {in_words(estimate.mean)}", css)
            if estimate.mean.has_interval:
                drawing.line(x(estimate.mean.low), middle, x(estimate.mean.high), middle, "whisker")
            drawing.marker(x(estimate.mean.point), middle, shape, "mark")
            drawing.end()
    return drawing.render()


def improvement_chart(name: str, others: Sequence[tuple[str, str, Estimate]]) -> Markup:
    """Probability that a run of `name` beats one of each other entry (name, class, probability)."""
    width, step, top = 400.0, 36.0, 22.0
    height = top + step * len(others) + 24
    drawing = Drawing(
        width, height, f"Probability that a run of {name} beats one of another entry", "improvement"
    )
    x = Scale(0, 1, 8, width - 16)
    for tick in (0, 0.25, 0.5, 0.75, 1):
        drawing.line(x(tick), top, x(tick), height - 22, "diagonal" if tick == 0.5 else "grid")
        kind = "tick" if tick == 0 else "tick end" if tick == 1 else "tick middle"
        drawing.text(x(tick), height - 6, f"{tick * 100:.0f} %", kind)
    drawing.text(x(0), 12, "the other is better", "muted")
    drawing.text(x(1), 12, "this entry is better", "muted end")
    for k, (other, css, estimate) in enumerate(others):
        y = top + step * k
        percent = Estimate(*(value * 100 for value in estimate))
        drawing.begin(f"better than {other} with probability {in_words(percent)} %", css)
        drawing.text(8, y + 13, f"against {other}", "name", 44)
        drawing.text(width - 16, y + 13, f"{percent.point:.0f} %", "value end")
        if estimate.has_interval:
            drawing.rect(x(estimate.low), y + 18, max(x(estimate.high) - x(estimate.low), 1.5), 9, "band")
        drawing.marker(x(estimate.point), y + 22.5, 0, "mark")
        drawing.end()
    return drawing.render()


def curve_chart(task: str, curves: Sequence[Curve], references: Mapping[str, Mapping[str, float]]) -> Markup:
    """Returns of evaluations during training on one task, a line per training seed."""
    width, height = 230.0, 170.0
    drawing = Drawing(width, height, f"Learning curves on {task}", "curves")
    most = max(curve.steps[-1] for curve in curves) or 1
    x, y = Scale(0, most, 40, width - 12), Scale(0, MAX_RETURN, height - 30, 22)
    drawing.text(40, 12, task, "name")
    for tick in (0, 500, 1000):
        drawing.line(x(0), y(tick), x(most), y(tick), "grid")
        drawing.text(34, y(tick) + 4, str(tick), "tick end")
    drawing.text(x(0), height - 14, "0", "tick middle")
    drawing.text(x(most), height - 14, short_steps(most), "tick end")
    drawing.text(x(most / 2), height - 2, "control steps", "tick middle")
    for name, means in references.items():
        if task not in means:
            continue
        drawing.begin(f"{name}: {means[task]:.0f}", name)
        drawing.line(x(0), y(means[task]), x(most), y(means[task]), "reference")
        drawing.end()
    for curve in curves:
        css, _ = CONDITION_STYLES.get(curve.condition, ("c4", 4))
        points = list(zip(curve.steps, curve.returns, strict=True))
        drawing.begin(f"{curve.condition}, training seed {curve.training_seed}", css)
        drawing.path([(x(step), y(value)) for step, value in _thinned(points)], "curve")
        if len(points) == 1:
            drawing.marker(x(points[0][0]), y(points[0][1]), 0, "mark")
        drawing.end()
    return drawing.render()


def short_steps(steps: int) -> str:
    """Steps as people say them.

    >>> short_steps(5_000_000), short_steps(120_000), short_steps(800)
    ('5M', '120k', '800')
    """
    if steps >= 1_000_000:
        return f"{steps / 1_000_000:.3g}M"
    return f"{steps / 1000:.3g}k" if steps >= 1000 else str(steps)


def _thinned(points: list[tuple[int, float]], most: int = 200) -> list[tuple[int, float]]:
    """At most `most` points, the last among them: a plot this small shows no more."""
    stride = -(-len(points) // most)
    return [*points[:-1:stride], points[-1]]
