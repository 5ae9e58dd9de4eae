"""The page of all error messages, read out of the source, so that a search for the words of one finds it.

- `write_error_page`: writes it.
- `messages`: class and text of every error of ours that a module raises.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from natural_mujoco import errors

CLASSES = {
    name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)
}


def write_error_page(root: Path, path: Path) -> None:
    """Writes the messages of `natural_mujoco/` and `agents/`, module by module."""
    lines = [
        "# Every error message",
        "What can be mended says how. `…` stands for what differs from case to case. All are subclasses of "
        "`natural_mujoco.NaturalMujocoError`; commands print the sentence alone and exit with status 1, or 2 for an "
        "invalid argument.",
    ]
    for folder in ("natural_mujoco", "agents"):
        for module in sorted((root / folder).rglob("*.py")):
            found = list(messages(ast.parse(module.read_text())))
            if found:
                name = ".".join(module.relative_to(root).with_suffix("").parts)
                lines.append(f"## {name}")
                lines += [f"- **{kind}**: {_plain(text)}" for kind, text in found]
    path.write_text("\n\n".join(lines) + "\n")


def messages(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """`(class, text)` of every call of one of `CLASSES` whose first argument is text, in the order of the file."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name in CLASSES and (text := _text(node.args[0])).strip("… "):
            yield name, text
        elif name == "unknown" and (what := _text(node.args[0])):
            yield "InvalidArgument", f"Unknown {what} …. Valid: …."


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + _text(node.right)
    return "…"


def _plain(text: str) -> str:
    """`text` as Markdown shows it: nothing in it is markup."""
    escaped = "".join(f"\\{letter}" if letter in r"\`*_[]<>{}$|#" else letter for letter in text)
    return " ".join(escaped.split())
