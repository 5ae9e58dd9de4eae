"""The sha256 of a policy's own Python source, so that a resumed evaluation notices an edit.

- `find_module`: where a module's source is, found without running any of it.
- `source_digest`: over the module and what it imports from the same place; comments do not count.
- `file_digest`: of the module's file alone, as versions before wrote it down.

What counts: the module, and whatever of the user's own it imports by an `import` statement, directly or not: modules
under the folder where the command is given, and of the policy's own top-level package wherever that is installed. What
does not: installed packages (their versions are in the records), data and weights, modules named only at run time.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.machinery
import importlib.util
import io
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

from ..errors import InvalidArgument

MOST_FILES = 2_000
_ELSEWHERE = {"site-packages", "dist-packages"}


def find_module(name: str) -> Path | None:
    """The file that `import name` would run; `None` for what has no file. None of its packages is imported.

    Raises `InvalidArgument` where there is no such module.
    """
    importlib.invalidate_caches()
    spec = _spec(name)
    if spec is None:
        raise InvalidArgument(f"--policy: there is no module {name!r} here or among the installed packages.")
    return _file(spec)


def source_digest(module: str, folder: str) -> str | None:
    """sha256 over `module` and its imports from `folder` or its own package; `None` where it has no source."""
    start = find_module(module)
    if start is None:
        return None
    own = module.partition(".")[0]
    found: dict[str, Path] = {}
    waiting = [*_parents(module), module]
    while waiting and len(found) < MOST_FILES:
        name = waiting.pop()
        if name in found or name.partition(".")[0] == "natural_mujoco":
            continue
        spec = _spec(name)
        path = None if spec is None else _file(spec)
        if path is None or not (name.partition(".")[0] == own or _is_local(path, Path(folder))):
            continue
        found[name] = path
        waiting += _imports(path, name, is_package=bool(spec and spec.submodule_search_locations))
    digest = hashlib.sha256()
    for name, path in sorted(found.items()):
        content = _without_comments(path.read_bytes())
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def file_digest(module: str) -> str | None:
    """sha256 of the module's file alone."""
    path = find_module(module)
    return None if path is None else hashlib.sha256(path.read_bytes()).hexdigest()


def _spec(name: str) -> importlib.machinery.ModuleSpec | None:
    """The module's spec, asked of the finders package by package; `importlib.util.find_spec` imports those above."""
    spec: importlib.machinery.ModuleSpec | None = None
    parts = name.split(".")
    try:
        for depth in range(1, len(parts) + 1):
            where = None if spec is None else spec.submodule_search_locations
            if spec is not None and where is None:
                return None  # the module above is no package
            full = ".".join(parts[:depth])
            finders = (getattr(finder, "find_spec", None) for finder in sys.meta_path)
            spec = next(
                (found for find in finders if find is not None and (found := find(full, where)) is not None),
                None,
            )
            if spec is None:
                return None
    except (ImportError, ValueError, TypeError, AttributeError):
        return None
    return spec


def _file(spec: importlib.machinery.ModuleSpec) -> Path | None:
    path = Path(spec.origin) if spec.origin else None
    return path if path is not None and path.is_file() else None


def _is_local(path: Path, folder: Path) -> bool:
    path, folder = path.resolve(), folder.resolve()
    if not path.is_relative_to(folder) or path.is_relative_to(Path(sys.prefix).resolve()):
        return False
    return not _ELSEWHERE & set(path.relative_to(folder).parts)


def _imports(path: Path, name: str, is_package: bool) -> Iterator[str]:
    """The names of every module that an import statement of the file may mean."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from (*_parents(alias.name), alias.name)
        elif isinstance(node, ast.ImportFrom):
            parts = name.split(".") if is_package else name.split(".")[:-1]
            above = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base:
                yield from (*_parents(base), base, *(f"{base}.{alias.name}" for alias in node.names))


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:k]) for k in range(1, len(parts))]


def _without_comments(source: bytes) -> bytes:
    """Source without comments, blank lines and space at the ends of lines; what is no Python stays as it is."""
    try:
        tokens = list(tokenize.tokenize(io.BytesIO(source).readline))
        lines = source.decode(tokens[0].string).splitlines()
    except (SyntaxError, ValueError, tokenize.TokenError, LookupError, IndexError):
        return source
    for token in tokens:
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    blank = {token.start[0] for token in tokens if token.type == tokenize.NL}
    return "\n".join(line for row, line in enumerate(lines, 1) if row not in blank or line.strip()).encode()
