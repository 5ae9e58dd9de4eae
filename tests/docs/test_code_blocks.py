"""Every code block of the pages works, or says what it needs that the tests have not.

- Python is executed, page by page, from the top.
- Commands are parsed by the programs themselves, which know their flags; `make` targets must exist. They are executed
  by `test_tutorials.py` and `test_commands.py`.
- A block under `<!-- needs: … -->` is left alone, one under `<!-- takes: … -->` is not executed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import pytest
import tyro

from agents.table import AGENTS
from agents.training.command_line import parse as parse_agent
from natural_mujoco.cli import main

from .code_blocks import PAGES, ROOT, Block, blocks, commands, having, name

CHECKED = ("bash", "python", "json")
NO_CODE = ("text", "bibtex")


def test_every_block_says_what_it_is() -> None:
    for page in PAGES:
        for block in blocks(page):
            assert block.kind in (*CHECKED, *NO_CODE) or block.kind.startswith("{"), (
                f"{name(page)}: call this block bash, python, json or text:\n{block.text}"
            )


def shortened(text: str) -> str:
    """`text` with few environments and trainings that are over at once."""
    for pattern, short in (
        (r"learn\([\d_]+\)", "learn(1)"),
        (r"n_steps=\d+", "n_steps=8"),
        (r"n_epochs=\d+", "n_epochs=1"),
        (r"batch_size=\d+", "batch_size=8"),
        (r"num_envs=\d+", "num_envs=1"),
    ):
        text = re.sub(pattern, short, text)
    return text


@pytest.mark.parametrize("page", having("python"), ids=name)
@pytest.mark.filterwarnings("ignore")
def test_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in blocks(page):
        if block.kind == "python":
            exec(compile(shortened(block.text), name(page), "exec"), names)
    for value in names.values():
        if isinstance(value, gymnasium.Env | gymnasium.vector.VectorEnv):
            value.close()


def test_json_is_json() -> None:
    for page in having("json"):
        for block in blocks(page):
            if block.kind == "json":
                whole = block.text.lstrip().startswith("{\n")
                for text in [block.text] if whole else block.text.splitlines():
                    json.loads(text)


class Parsed(Exception):
    """A command line was understood."""


@pytest.fixture
def only_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every program stop where it has read its flags."""

    def stop_after(parse: Callable[..., Any]) -> Callable[..., None]:
        def parse_alone(*args: Any, **kwargs: Any) -> None:
            parse(*args, **kwargs)
            raise Parsed

        return parse_alone

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop_after(argparse.ArgumentParser.parse_args))
    monkeypatch.setattr(tyro, "cli", stop_after(tyro.cli))
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setattr(sys, "argv", sys.argv)


def test_bash_says_what_it_would_run() -> None:
    text = 'run="--a 1"\nfor task in x y; do  # both\n  make $run \\\n    "$task z"\ndone && pip list'
    expected = [["make", "--a", "1", "x z"], ["make", "--a", "1", "y z"], ["pip", "list"]]
    assert commands(Block(ROOT, "bash", text)) == expected


@pytest.mark.usefixtures("only_parse")
@pytest.mark.parametrize("page", having("bash"), ids=name)
def test_commands_are_understood(page: Path) -> None:
    for block in blocks(page):
        if block.kind == "bash":
            found = commands(block)
            assert found, f"{name(page)}: no command in\n{block.text}"
            for words in found:
                understand(words)


@pytest.mark.usefixtures("only_parse")
def test_commands_in_sentences_are_understood() -> None:
    for page in PAGES:
        for span in re.findall(r"`((?:natural-mujoco|python -m|make) [^`]+)`", page.read_text()):
            if page.name != "CHANGELOG.md" and not re.search(r"…|\||COMMAND", span):
                understand(shlex.split(span))


def understand(words: list[str]) -> None:
    """Fails where a command could not be meant."""
    program, arguments = words[0], words[1:]
    if program == "make":
        targets = re.search(r"^\.PHONY:(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert targets
        assert {word for word in arguments if "=" not in word} <= set(targets[1].split()), words
    elif words[:2] == ["pip", "install"]:
        known = (ROOT / "pyproject.toml").read_text()
        package, _, extras = words[-1].partition("[")
        assert package in (".", "natural-mujoco") or package in known, (
            f"{words}: nothing here knows {package}"
        )
        for extra in re.findall(r"\w+", extras):
            assert re.search(rf"^{extra} = \[", known, re.MULTILINE), words
    elif program == "natural-mujoco":
        expect_parsed(lambda: main(arguments), words)
    elif program == "python":
        understand_python(arguments, words)
    else:
        pytest.fail(f"{shlex.join(words)}: say what this needs, in a line <!-- needs: … --> above the block")


def understand_python(arguments: list[str], words: list[str]) -> None:
    """`python FILE …` or `python -m MODULE …`, with `words` the whole command."""
    if arguments[0] == "-m":
        module, arguments = arguments[1], arguments[2:]
    else:
        assert (ROOT / arguments[0]).is_file(), words
        module, arguments = arguments[0].removesuffix(".py").replace("/", "."), arguments[1:]
    agent = module.removeprefix("natural_mujoco.").removeprefix("agents.")
    if agent in AGENTS:
        expect_parsed(lambda: parse_agent(agent, arguments), words)  # type: ignore[arg-type]
        return
    if module == "pytest":
        assert (ROOT / arguments[0]).is_file(), words
        return
    program = importlib.import_module(module)
    sys.argv = [module, *arguments]
    if arguments:
        expect_parsed(program.main, words)


def expect_parsed(call: Callable[[], Any], words: list[str]) -> None:
    try:
        call()
    except Parsed:
        return
    except SystemExit:
        pytest.fail(f"{shlex.join(words)} is refused")
    pytest.fail(f"{shlex.join(words)} reads no flags")
