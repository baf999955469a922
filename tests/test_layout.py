"""The folders may only import downwards; see the table."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# layer -> layers it may import; a layer is the longest key that the dotted name starts with
ALLOWED = {
    "emollm.cli": {"emollm", "emollm.data_engines", "emollm.prompts", "emollm.train", "emollm.serve", "emollm.eval"},
    "emollm.__main__": {"emollm.cli"},
    "emollm.serve": {"emollm", "emollm.prompts"},
    "emollm.eval": {"emollm", "emollm.prompts"},
    "emollm.train": {"emollm", "emollm.prompts"},
    "emollm.data_engines": {"emollm", "emollm.prompts"},
    "emollm.prompts": set(),
    "emollm": {"emollm.prompts"},
}
FOLDERS = [
    name.removeprefix("emollm.")
    for name in ALLOWED
    if (ROOT / name.removeprefix("emollm.")).is_dir() and name != "emollm"
]


def layer(name: str) -> str | None:
    return max((key for key in ALLOWED if name == key or name.startswith(key + ".")), key=len, default=None)


def sources() -> list[tuple[Path, str]]:
    out = []
    for top in ["emollm", *FOLDERS]:
        for path in (ROOT / top).rglob("*.py"):
            dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            out.append((path, dotted if top == "emollm" else f"emollm.{dotted}"))
    return out


def imported(path: Path) -> list[tuple[int, str]]:
    out = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            out += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            out += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return out


@pytest.mark.parametrize(("path", "name"), sources(), ids=lambda value: str(value))
def test_imports_only_downwards(path: Path, name: str) -> None:
    for lineno, target in imported(path):
        assert target.partition(".")[0] not in FOLDERS, f"{path}:{lineno}: import emollm.{target}"
        here, there = layer(name) or "emollm", layer(target)
        assert there is None or there == here or there in ALLOWED[here], (
            f"{path}:{lineno}: {here} may not import {there}"
        )


def test_every_folder_is_a_package() -> None:
    """An editable install misses a mapped folder that has no __init__.py (setuptools #4248)."""
    assert FOLDERS
    assert [folder for folder in FOLDERS if not (ROOT / folder / "__init__.py").is_file()] == []


def test_pyproject_lists_every_package() -> None:
    """A package that is not listed works in an editable install and is missing from the wheel."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    found = {name.removesuffix(".__init__") for path, name in sources() if path.name == "__init__.py"}
    assert sorted(listed) == sorted(found)


def test_the_tree_in_the_readme_is_the_tree() -> None:
    blocks = (ROOT / "README.md").read_text(encoding="utf-8").split("```")[1::2]
    lines = next(block for block in blocks if "\nemollm/ " in block).splitlines()[1:]
    tree = dict(line.split(maxsplit=1) for line in lines)  # a line without a comment has no second word, and fails
    assert {name for name in tree if name.endswith("/")} == {"emollm/", "tests/", "docs/", *(f"{x}/" for x in FOLDERS)}
    assert [name for name in tree if not (ROOT / name).exists()] == []
