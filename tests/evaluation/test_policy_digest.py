"""What counts as an edit of a policy: its own source and what that imports, and no comment."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from natural_mujoco.errors import InvalidArgument
from natural_mujoco.evaluation.policy_digest import file_digest, find_module, source_digest

MODULES = {
    "policy.py": "import helper\nfrom pack.inner import weights\nimport numpy\nmake = None\n",
    "helper.py": "x = 1  # one\n\n\ny = '''a\n\n# not a comment\n'''\n",
    "pack/__init__.py": "",
    "pack/inner.py": "from . import beside\nfrom .deeper import z\nweights = 2\n",
    "pack/beside.py": "b = 1\n",
    "pack/deeper/__init__.py": "from ..beside import b\nz = 3\n",
    "unrelated.py": "u = 1\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in MODULES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", [name for name in MODULES if name != "unrelated.py"])
def test_an_edit_of_anything_it_imports_is_another_policy(folder: Path, name: str) -> None:
    before = source_digest("policy", str(folder))
    (folder / name).write_text(MODULES[name] + "edited = True\n")
    assert source_digest("policy", str(folder)) != before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("helper.py", "# one", "# two"),
        ("helper.py", "x = 1  # one\n", "# first\n\nx = 1\n"),
        ("helper.py", "\n\n\n", "\n"),
        ("unrelated.py", "u = 1", "u = 2"),
    ],
)
def test_a_comment_a_blank_line_or_another_module_is_no_edit(
    folder: Path, name: str, old: str, new: str
) -> None:
    before = source_digest("policy", str(folder))
    (folder / name).write_text(MODULES[name].replace(old, new))
    assert (folder / name).read_text() != MODULES[name]
    assert source_digest("policy", str(folder)) == before


@pytest.mark.parametrize(("old", "new"), [("# not a comment", "# text"), ("'a\n\n#", "'a\n#")])
def test_what_looks_like_a_comment_in_a_text_counts(folder: Path, old: str, new: str) -> None:
    before = source_digest("policy", str(folder))
    (folder / "helper.py").write_text(MODULES["helper.py"].replace(old, new))
    assert source_digest("policy", str(folder)) != before


def test_what_is_broken_or_circular_is_still_hashed(folder: Path) -> None:
    (folder / "helper.py").write_text("import policy\nimport helper\n")
    before = source_digest("policy", str(folder))
    (folder / "helper.py").write_text("def (:\n")
    broken = source_digest("policy", str(folder))
    assert len({before, broken, None}) == 3


def test_installed_packages_do_not_count(folder: Path) -> None:
    packages = folder / ".venv" / "lib" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "library.py").write_text("v = 1\n")
    (folder / "policy.py").write_text("import library\n")
    import sys

    sys.path.insert(0, str(packages))
    try:
        before = source_digest("policy", str(folder))
        (packages / "library.py").write_text("v = 2\n")
        assert find_module("library") == packages / "library.py"
        assert source_digest("policy", str(folder)) == before
    finally:
        sys.path.remove(str(packages))


def test_no_package_is_imported_to_be_found(folder: Path) -> None:
    (folder / "pack" / "__init__.py").write_text("import sys\nsys.exit(0)\n")
    assert find_module("pack.inner") == folder / "pack" / "inner.py"
    with pytest.raises(InvalidArgument, match=r"no module 'pack\.missing'"):
        find_module("pack.missing")


def test_the_digest_of_versions_before_is_that_of_the_file(folder: Path) -> None:
    assert file_digest("policy") == hashlib.sha256((folder / "policy.py").read_bytes()).hexdigest()
