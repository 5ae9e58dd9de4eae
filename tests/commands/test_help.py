"""`--help` of every command says what the command does, and of every flag what it is for."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator

import pytest

from natural_mujoco.cli import COMMANDS


def parsers() -> Iterator[argparse.ArgumentParser]:
    """All commands and their actions."""
    top = argparse.ArgumentParser(prog="natural-mujoco")
    subparsers = top.add_subparsers()
    for name in COMMANDS:
        importlib.import_module(f"natural_mujoco.commands.{name}").add_parser(subparsers)
    waiting = list(subparsers.choices.values())
    while waiting:
        parser = waiting.pop()
        yield parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                waiting += action.choices.values()


@pytest.mark.parametrize("parser", list(parsers()), ids=lambda parser: parser.prog)
def test_a_command_and_each_of_its_flags_is_described(parser: argparse.ArgumentParser) -> None:
    assert parser.description, parser.prog
    assert len(parser.description.split()) > 3
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            assert action.help, f"{parser.prog} {action.option_strings or action.dest}"
            assert len(action.help.split()) > 2, (
                f"{parser.prog} {action.option_strings or action.dest}: {action.help}"
            )
    parser.format_help()
