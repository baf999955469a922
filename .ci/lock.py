"""Resolves the pinned CPU environment anew and writes ``requirements-cpu.lock``.

    .venv/bin/python .ci/lock.py      (what `make lock` runs; a minute or two, nothing is installed)

pip's own resolver answers for emollm with the extras below. What ``LEFT_OUT`` names is then dropped, and with it whatever
nothing else needs: that is why the lock has to be installed with ``--no-deps``. Runs on Linux x86-64, in any Python 3.11
environment that has the package ``packaging``.
"""

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements-cpu.lock"
EXTRAS = ("train", "serve-cpu", "chat", "voice", "scene", "face", "heatmap", "distributed", "eval", "dev")
LEFT_OUT = {
    "torchaudio": "no CPU build on the package index, and any other breaks `import transformers`; PyAV reads sound here",
    "torchcodec": "no CPU build on the package index, and any other breaks `import transformers`; PyAV reads video here",
    "triton": "compiles for GPUs, 1 GB; only xgrammar asks for it, whose path on a CPU does without",
}
HEADER = """\
# The complete CPU environment of emollm, every version pinned: Python 3.11, Linux x86-64.
# Written by `make lock`, installed by `make setup`. Not for `pip install -r` by itself: torch goes in first, as a CPU
# build and with its dependencies; then all of this with --no-deps, because packages that others ask for are left out:
"""


def main() -> None:
    """Resolves, drops, writes."""
    if sys.version_info[:2] != (3, 11):
        raise SystemExit(f"lock: it is made for Python 3.11, this is {sys.version.split()[0]}")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = resolve(project["build-system"]["requires"])
    names = needed(found, ["emollm", *project["build-system"]["requires"]])
    pins = [f"{name}=={found[name]['version'].partition('+')[0]}" for name in sorted(names - {"emollm"})]
    reasons = [f"#   {name}: {why}" for name, why in LEFT_OUT.items()]
    LOCK.write_text(HEADER + "\n".join([*reasons, *pins]) + "\n", encoding="utf-8")
    print(f"lock: {len(pins)} versions in {LOCK.name}; try them: make setup test")


def resolve(build: list[str]) -> dict[str, dict[str, Any]]:
    """Metadata of every package that pip would install into an empty environment, by canonical name."""
    print(f"lock: resolving emollm[{','.join(EXTRAS)}]", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = ["--dry-run", "--ignore-installed", "--report", str(report)]
        command = [sys.executable, "-m", "pip", "install", *options, f"{ROOT}[{','.join(EXTRAS)}]", *build]
        done = subprocess.run([*command, "-qqq"], check=False)
        if done.returncode and (index := os.environ.get("TORCH_INDEX")):
            print(f"lock: the package index alone does not do; trying {index} as well", flush=True)
            done = subprocess.run([*command, "-qq", "--extra-index-url", index], check=False)
        if done.returncode:
            raise SystemExit(
                "lock: pip found no versions that fit together; name PyTorch's CPU index: TORCH_INDEX=https://…"
            )
        items = json.loads(report.read_text(encoding="utf-8"))["install"]
    return {canonicalize_name(item["metadata"]["name"]): item["metadata"] for item in items}


def needed(found: dict[str, dict[str, Any]], roots: list[str]) -> set[str]:
    """Names that the roots need, directly or not, once the packages of ``LEFT_OUT`` are gone."""
    seen: set[tuple[str, str]] = set()
    stack = [(canonicalize_name(Requirement(root).name), "") for root in roots] + [("emollm", name) for name in EXTRAS]
    while stack:
        name, extra = stack.pop()
        if (name, extra) in seen or name in LEFT_OUT:
            continue
        seen.add((name, extra))
        for line in found[name].get("requires_dist", []):
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": extra}):
                stack += [(canonicalize_name(need.name), wanted) for wanted in ("", *need.extras)]
    return {name for name, _ in seen}


if __name__ == "__main__":
    main()
