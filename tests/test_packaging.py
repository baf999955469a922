"""What is built is what was written: complete, nothing generic, and it runs where the repository is not."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("data_engines", "prompts", "train", "serve", "eval")
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "emollm", *FOLDERS)
CODE = (".py", ".typed")
DATA = (".yaml", ".json", ".jsonl", ".jinja", ".safetensors", ".md", ".html", ".css", ".js")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a wheel and an sdist, built from a copy of the sources."""
    copy = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.part"))
        else:
            shutil.copy(ROOT / name, copy / name)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(copy / "dist"), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # the wheel is made from the sdist
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return copy / "dist"


@pytest.fixture(scope="module")
def elsewhere(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder into which the wheel is installed, as a newcomer would get it."""
    target = tmp_path_factory.mktemp("elsewhere") / "packages"
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--no-index", "--target", str(target)]
    subprocess.run([*pip, *(str(wheel) for wheel in built.glob("*.whl"))], check=True)
    return target


def contents(built: Path) -> set[str]:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def written() -> set[str]:
    """Every code and data file of the packages, as it must be called in the wheel."""
    names = set()
    for top in ("emollm", *FOLDERS):
        for path in (ROOT / top).rglob("*"):
            if path.suffix in CODE + DATA and "__pycache__" not in path.parts:
                name = path.relative_to(ROOT).as_posix()
                names.add(name if top == "emollm" else f"emollm/{name}")
    return names


def test_the_wheel_holds_every_code_and_data_file(built: Path) -> None:
    missing = written() - contents(built)
    assert missing == set()
    assert {"emollm/py.typed", "emollm/prompts/__init__.py", "emollm/assets.yaml"} <= contents(built)
    for folder, suffix in (("emollm/prompts/", ".yaml"), ("emollm/labels/", ".yaml"), ("emollm/report/", ".html")):
        assert any(name.startswith(folder) and name.endswith(suffix) for name in contents(built)), folder


def test_every_file_in_the_packages_is_of_a_kind_that_is_packed() -> None:
    """A data file with another ending would be silently left out of the wheel."""
    files = [path for top in ("emollm", *FOLDERS) for path in (ROOT / top).rglob("*") if path.is_file()]
    odd = {path for path in files if path.suffix not in CODE + DATA and "__pycache__" not in path.parts}
    assert odd == set()


def test_nothing_generic_reaches_site_packages(built: Path) -> None:
    tops = {name.partition("/")[0] for name in contents(built)}
    assert {name for name in tops if not name.endswith(".dist-info")} == {"emollm"}
    assert len(tops) == 2


def test_the_wheel_says_what_it_is(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (info,) = {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        metadata = archive.read(f"{info}/METADATA").decode()
        assert "emollm = emollm.cli:main" in archive.read(f"{info}/entry_points.txt").decode()
        assert archive.read(f"{info}/licenses/LICENSE").decode() == (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "License-Expression: Apache-2.0" in metadata
    assert "Requires-Python: >=3.11" in metadata


def test_the_sdist_holds_the_sources_under_their_own_names(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "prompts/__init__.py", "emollm/types/__init__.py"} <= names


def away(elsewhere: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the installed package from a folder in which nothing of the repository can be seen."""
    environment = {**os.environ, "PYTHONPATH": str(elsewhere)}
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=elsewhere.parent,
        env=environment,
        timeout=300,
        check=False,
    )


def test_what_is_imported_is_the_installed_package(elsewhere: Path) -> None:
    program = (
        "import emollm, emollm.prompts, emollm.train, emollm.eval\n"
        "for module in (emollm, emollm.prompts, emollm.train, emollm.eval): print(module.__file__)\n"
        "print(*sorted(emollm.prompts.names()))\n"
    )
    done = away(elsewhere, "-c", program)
    assert done.returncode == 0, done.stderr
    *files, names = done.stdout.splitlines()
    assert all(Path(file).is_relative_to(elsewhere) for file in files), files
    assert len(names.split()) == len(list((ROOT / "prompts").rglob("*.yaml")))


def test_the_installed_package_explains_a_photo(elsewhere: Path) -> None:
    asked = away(elsewhere, "-m", "emollm", "assets", "path", "photo-astronaut")
    assert asked.returncode == 0, asked.stderr
    photo = asked.stdout.strip()
    done = away(elsewhere, "-m", "emollm", "explain", photo, "--json", "--report", "out.html")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    answer = json.loads(line)
    assert (answer["id"], answer["status"], answer["label"]) == (photo, "answered", "happiness")
    assert (elsewhere.parent / "out.html").stat().st_size > 10_000
