"""Every code block of the pages works, or says what it needs that the tests have not.

- Python is executed, page by page, from the top.
- Commands are parsed by the programs themselves, which know their flags; `make` targets must exist.
- A block under `<!-- needs: … -->` is left alone.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import re
import shlex
import subprocess
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import pytest

import natural_mujoco
from agents.table import AGENTS
from agents.training.command_line import parse as parse_agent
from natural_mujoco.cli import main

from .conftest import ROOT

PAGES = [
    *sorted((ROOT / "docs").rglob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "agents/README.md")),
]
BLOCK = re.compile(r"(<!-- needs: [^>]+ -->\n)?^ *```([^\n]*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
SHELL = ("natural-mujoco", "python", "make", "pip", "sudo", "docker", "ray", "conda", "cp", "git")


@dataclass(frozen=True)
class Block:
    page: Path
    kind: str
    text: str

    @property
    def is_shell(self) -> bool:
        return self.kind == "bash" or (not self.kind and self.text.split(maxsplit=1)[0] in SHELL)


def blocks(page: Path) -> list[Block]:
    """The blocks of a page that claim to work here."""
    found = BLOCK.findall(page.read_text())
    return [
        Block(page, kind.strip(), textwrap.dedent(text))
        for needs, kind, text in found
        if not needs and text.strip()
    ]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def shortened(text: str) -> str:
    """`text` with few environments and trainings that are over at once."""
    for pattern, short in (
        (r"learn\([\d_]+\)", "learn(1)"),
        (r"n_steps=\d+", "n_steps=8"),
        (r"batch_size=\d+", "batch_size=16"),
        (r"num_envs=\d+", "num_envs=2"),
    ):
        text = re.sub(pattern, short, text)
    return text


@pytest.mark.parametrize("page", [p for p in PAGES if any(b.kind == "python" for b in blocks(p))], ids=name)
@pytest.mark.filterwarnings("ignore")
def test_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"gymnasium": gymnasium, "natural_mujoco": natural_mujoco}
    for block in blocks(page):
        if block.kind == "python":
            exec(compile(shortened(block.text), name(page), "exec"), names)
    for value in names.values():
        if isinstance(value, gymnasium.Env | gymnasium.vector.VectorEnv):
            value.close()


def test_json_is_json() -> None:
    for page in PAGES:
        for block in blocks(page):
            if block.kind == "json":
                for text in (
                    [block.text] if block.text.lstrip().startswith("{\n") else block.text.splitlines()
                ):
                    json.loads(text)


class Parsed(Exception):
    """A command line was understood."""


@pytest.fixture
def only_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every program stop where it has read its flags."""
    parse = argparse.ArgumentParser.parse_args

    def stop(self: argparse.ArgumentParser, *args: Any, **kwargs: Any) -> None:
        parse(self, *args, **kwargs)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.mark.usefixtures("only_parse")
@pytest.mark.parametrize("page", [p for p in PAGES if any(b.is_shell for b in blocks(p))], ids=name)
def test_commands_are_understood(page: Path) -> None:
    for block in blocks(page):
        if block.is_shell:
            assert subprocess.run(["bash", "-n"], input=block.text, text=True).returncode == 0, block.text
            for line in block.text.replace("\\\n", " ").splitlines():
                if "$" not in line and not re.match(r"\w+=", line):
                    understand(shlex.split(line, comments=True))


def understand(words: list[str]) -> None:
    """Fails where a command could not be meant."""
    if not words or words[0] in ("for", "done", "do"):
        return
    program, arguments = words[0], words[1:]
    if program == "make":
        targets = re.search(r"^\.PHONY:(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert targets
        assert {word for word in arguments if "=" not in word} <= set(targets[1].split()), words
        return
    if words[:2] == [".venv/bin/python", "-m"]:
        program = "python"
    if words[:3] == ["pip", "install", "-e"]:
        for extra in re.findall(r"\w+", words[3].partition("[")[2]):
            assert re.search(rf"^{extra} = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE), words
    elif program == "natural-mujoco":
        expect_parsed(lambda: main(arguments), words)
    elif program == "python" and arguments[0].startswith("examples/"):
        module = importlib.import_module(arguments[0].removesuffix(".py").replace("/", "."))
        expect_parsed(lambda: module.main(arguments[1:]), words)
    elif program == "python" and arguments[0] == "-m":
        assert importlib.util.find_spec(arguments[1]), words
        agent = arguments[1].removeprefix("natural_mujoco.").removeprefix("agents.")
        if agent in AGENTS:
            parse_agent(agent, arguments[2:])  # type: ignore[arg-type]
    elif program == "python":
        assert (ROOT / arguments[0]).exists(), words
    else:
        pytest.fail(f"{shlex.join(words)}: say what this needs, in a line <!-- needs: … --> above the block")


def expect_parsed(call: Callable[[], Any], words: list[str]) -> None:
    try:
        call()
    except Parsed:
        return
    pytest.fail(f"{shlex.join(words)} reads no flags")
