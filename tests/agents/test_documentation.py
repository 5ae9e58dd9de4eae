"""The agents' documents name things that exist."""

from __future__ import annotations

import functools
import importlib
import re
from pathlib import Path

import agents
from agents.table import AGENTS

FOLDER = Path(agents.__file__).parent
PAGES = Path(__file__).parents[2] / "docs" / "agents"


def _dotted(path: Path) -> str:
    return ".".join(("agents", *path.relative_to(FOLDER).with_suffix("").parts))


def named_objects() -> dict[str, str]:
    """Every `module.Name` and `module.Name.method` of the README's tables."""
    modules = {path.stem: _dotted(path) for path in FOLDER.glob("**/*.py")}
    words = re.findall(r"`([a-z_]+(?:\.[A-Za-z_]+)+)`", (FOLDER / "README.md").read_text())
    return {
        word: modules[word.split(".")[0]]
        for word in words
        if word.split(".")[0] in modules and not word.endswith(".py")
    }


def test_every_function_that_an_equation_is_mapped_to_exists() -> None:
    names = named_objects()
    assert len(names) > 20
    for name, module in names.items():
        found = importlib.import_module(module)
        for part in name.split(".")[1:]:
            found = getattr(found, part)


def test_every_equation_and_appendix_has_its_line() -> None:
    text = (FOLDER / "README.md").read_text()
    for line in (
        "eq. 1",
        "eq. 2",
        "eqs. 3, 4",
        "eq. 5",
        "eq. 6",
        "eq. 7",
        "eq. 8",
        "A.1",
        "A.2",
        "A.3",
        "appendix B",
    ):
        assert f"| {line}" in text or f"{line} |" in text or f"({line}" in text or f", {line}" in text, line


def test_every_file_is_in_the_floor_plan() -> None:
    text = (FOLDER / "README.md").read_text()
    missing = [p.name for p in FOLDER.glob("**/*.py") if p.name != "__init__.py" and p.name not in text]
    assert missing == []


def test_every_agent_has_a_page_that_maps_equations_and_explains_its_metrics() -> None:
    pages = {agent: (PAGES / f"{agent}.md").read_text() for agent in AGENTS}
    for agent, page in pages.items():
        for section in ("## What is implemented", "## Logged metrics", "## Results", "Paper:", "python -m"):
            assert section in page, (agent, section)
        explained = page + pages["cvrl"] * ("cvrl.md#logged-metrics" in page)
        names = metrics(FOLDER / f"{agent}.py")
        if agent in ("cvrl", "dreamer", "repo"):
            names |= metrics(FOLDER / "latent_agent.py")
        for metric in names:
            assert f"`{metric}`" in explained or metric.endswith("/gradient_norm"), (agent, metric)
        assert "gradient_norm`" in explained
    everywhere = "".join(pages.values())
    for metric in metrics(FOLDER / "model" / "world_model.py") | metrics(FOLDER / "training" / "trainer.py"):
        assert f"`{metric}`" in everywhere, metric


def metrics(path: Path) -> set[str]:
    """The names of logged metrics that stand in a file."""
    found = set(re.findall(r'"([a-z]+/[a-z_]+)"', path.read_text()))
    assert found, path
    return found - {"evaluation/episode"}  # a film


def test_what_the_pages_map_equations_to_exists() -> None:
    found = 0
    for agent in AGENTS:
        for file, names in re.findall(
            r"`agents/([a-z0-9_/]+)\.py`: ((?:`[\w.]+`(?:, )?)+)", (PAGES / f"{agent}.md").read_text()
        ):
            module = importlib.import_module(f"agents.{file.replace('/', '.')}")
            for name in re.findall(r"`([\w.]+)`", names):
                functools.reduce(getattr, name.split("."), module)
                found += 1
    assert found > 30
