"""Environments of the tools that are compared with ours: each has a Python of its own, and nothing of emollm."""

import subprocess
import sys
from pathlib import Path

from emollm.errors import MissingDependency
from emollm.files import replacing


def environment(folder: Path, package: str, instead: tuple[str, ...] = ()) -> Path:
    """The Python of an environment that has one tool and nothing of ours; made on first use, and anew for another version.

    Args:
        folder: Where the environment is; what is there is replaced.
        package: The tool with its version, as pip takes it.
        instead: What is installed in place of the tool's own requirements; without it, those.

    Raises:
        MissingDependency: It cannot be made: no package index, or no wheel for this Python.
    """
    python, ready = folder / "bin" / "python", folder / ".ready"
    mark = f"{package}{f' {instead}' if instead else ''} {sys.version_info[:2]} {folder.absolute()}"
    if python.exists() and ready.is_file() and ready.read_text(encoding="utf-8") == mark:
        return python
    print(f"making {folder} with {', '.join((package, *instead))}", file=sys.stderr)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    steps = [[*pip, *instead], [*pip, "--no-deps", package]] if instead else [[*pip, package]]
    for command in ([sys.executable, "-m", "venv", "--clear", str(folder)], *steps):
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
        if done.returncode:
            last = ((done.stderr or done.stdout).strip().splitlines() or ["no message"])[-1]
            raise MissingDependency(f"{package} cannot be installed into {folder}: {last}")
    with replacing(ready, "w") as file:
        file.write(mark)
    return python
