"""The page of all error messages, read out of the source, so that a search for the words of one finds it.

- `write_error_page`: writes it.
- `Messages`: class and text of every error of ours that a module raises or warns with, and whatever else it may say.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from natural_mujoco import errors

FOLDERS = ("natural_mujoco", "agents")
# What these modules write is read on pages and in pictures.
PAGES = (
    "natural_mujoco.leaderboard",
    "natural_mujoco.tasks",
    "natural_mujoco.evaluation.elsewhere",
    "natural_mujoco.evaluation.published",
    "natural_mujoco.evaluation.machine",
    "agents.studies.probe_plot",
)
_WORD = re.compile(r"[A-Za-z]{2,}")
WORDS = 3  # fewer are no sentence but a part of one
_HEAD = """# Every error message

Search this page for a few words of your message. `…` stands for what differs from case to case. Most messages say
what to do. In Python all are subclasses of `natural_mujoco.NaturalMujocoError`. Commands print the sentence alone and
exit with status 1, or with 2 for an invalid argument. A message that is put together is listed as its parts; lines
without a class are such parts, or what a command prints on its way."""


def write_error_page(root: Path, path: Path) -> None:
    """Writes the messages of `natural_mujoco/` and `agents/`, module by module."""
    modules = {
        ".".join(file.relative_to(root).with_suffix("").parts): ast.parse(file.read_text())
        for folder in FOLDERS
        for file in sorted((root / folder).rglob("*.py"))
    }
    found = Messages(modules)
    lines = [_HEAD]
    for name, tree in modules.items():
        texts = dict.fromkeys(found.of(tree))
        listed = " ".join(text for _, text in texts)
        parts = [] if name.startswith(PAGES) else dict.fromkeys(found.said(tree))
        rest = [text for text in parts if text not in listed]
        if texts or rest:
            lines.append(f"## {_plain(name)}")
            lines += [f"- **{kind}**: {_plain(text)}" for kind, text in texts]
            lines += [f"- {_plain(text)}" for text in rest]
    path.write_text("\n\n".join(lines) + "\n")


class Messages:
    """What the modules can say, `modules` being their syntax trees by name."""

    def __init__(self, modules: Mapping[str, ast.AST]) -> None:
        nodes = [node for tree in modules.values() for node in ast.walk(tree)]
        self._functions = {node.name: node for node in nodes if isinstance(node, ast.FunctionDef)}
        self._constants = {
            target.id: node.value
            for node in nodes
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name) and target.id.isupper()
        }
        self._classes = {
            name
            for name, value in vars(errors).items()
            if isinstance(value, type) and issubclass(value, Exception)
        }
        for node in nodes:  # errors of ours that other modules derive
            if isinstance(node, ast.ClassDef) and {_name(base) for base in node.bases} & self._classes:
                self._classes.add(node.name)

    def of(self, tree: ast.AST) -> Iterator[tuple[str, str]]:
        """`(class, text)` of every error of ours that `tree` makes, in the order of the file."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = _name(node.func)
                if name in self._classes and node.args:
                    yield from ((name, text) for text in self._texts(node.args[0]))
                elif name == "unknown" and node.args and (what := _text(node.args[0])):
                    yield "InvalidArgument", f"Unknown {what} …. Valid: …."
                elif name == "warn" and node.args:
                    yield from (("warning", text) for text in self._texts(node.args[0]))
            elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                yield from self._parts(node.exc)

    def said(self, tree: ast.AST) -> Iterator[str]:
        """Every text of `WORDS` words or more in `tree` that is neither a docstring nor the help of a command."""
        if isinstance(tree, ast.Expr) and isinstance(tree.value, ast.Constant):
            return
        if isinstance(tree, ast.keyword) and tree.arg in ("help", "description", "epilog", "prog"):
            return
        if isinstance(tree, ast.Assign) and {_name(target) for target in tree.targets} & {
            "_DESCRIPTION",
            "_EPILOG",
        }:
            return
        if isinstance(tree, ast.Constant | ast.JoinedStr | ast.BinOp):
            text = _text(tree)
            if sum(map(bool, map(_WORD.search, text.split()))) >= WORDS and not text.startswith("import "):
                yield text
                return
        for child in ast.iter_child_nodes(tree):
            yield from self.said(child)

    def _parts(self, call: ast.Call) -> Iterator[tuple[str, str]]:
        """The texts that `call` hands to a function which makes an error of them."""
        function = self._functions.get(_name(call.func))
        if function is None or function.name == "unknown":
            return
        kind = _name(function.returns)
        if kind in self._classes:
            yield from ((kind, text) for argument in call.args for text in self._texts(argument))

    def _texts(self, node: ast.expr) -> Iterator[str]:
        """`node` as a text; where functions put it together, their sentences."""
        if (text := _text(node)).strip("… "):
            yield text
        elif isinstance(node, ast.Call | ast.Name):
            yield from self._sentences(node, set())

    def _sentences(self, node: ast.AST, seen: set[str]) -> Iterator[str]:
        """Sentences below `node`, in the constants that it names, and in the functions it calls that return `str`."""
        if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp) and (text := _text(node)).strip("… "):
            if len(text.split()) >= WORDS:
                yield text
            return
        if isinstance(node, ast.Call) and (name := _name(node.func)) not in seen:
            seen.add(name)
            function = self._functions.get(name)
            if function is not None and _name(function.returns) == "str":
                for statement in function.body[1:]:  # without the docstring
                    yield from self._sentences(statement, seen)
        if (
            isinstance(node, ast.Name | ast.Attribute)
            and (name := _name(node)) in self._constants.keys() - seen
        ):
            seen.add(name)
            yield from self._sentences(self._constants[name], seen)
        for child in ast.iter_child_nodes(node):
            yield from self._sentences(child, seen)


def _name(node: ast.AST | None) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else "…"
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + _text(node.right)
    return "…"


def _plain(text: str) -> str:
    """`text` as Markdown shows it: nothing in it is markup."""
    escaped = "".join(f"\\{letter}" if letter in r"\`*_[]<>{}$|#" else letter for letter in text)
    return " ".join(escaped.split())
