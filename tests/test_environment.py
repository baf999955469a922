"""The pinned CPU environment: it is complete, and every fixed package works in it without any help from emollm."""

import re
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
# Other workers import these before, or without, emollm.
FIXED = (
    "transformers", "peft", "accelerate", "bitsandbytes", "vllm", "datasets", "open_clip", "gradio", "deepspeed",
    "torchvision", "timm",
)  # fmt: skip
LEFT_OUT = {"torchaudio", "torchcodec", "triton"}
NOT_LOCKED = {"serve", "distributed"}  # extras that the CPU environment does not install


@pytest.fixture(scope="module")
def lock() -> dict[str, str]:
    """Locked versions by canonical name."""
    lines = (ROOT / "requirements-cpu.lock").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): locked for name, locked in pairs}


@pytest.fixture(scope="module")
def imports() -> dict[str, subprocess.CompletedProcess[str]]:
    """One fresh interpreter a package, two at a time."""

    def run(name: str) -> subprocess.CompletedProcess[str]:
        program = f"import sys, {name}; print(*sorted({{'emollm', 'torchaudio', 'torchcodec'}} & set(sys.modules)))"
        return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False)

    with ThreadPoolExecutor(max_workers=2) as pool:
        return dict(zip(FIXED, pool.map(run, FIXED), strict=True))


@pytest.mark.parametrize("name", FIXED)
def test_fixed_package_imports_in_a_fresh_interpreter(
    name: str, imports: dict[str, subprocess.CompletedProcess[str]]
) -> None:
    done = imports[name]
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1].split() == []


def python(program: str, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, *options, "-c", program], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_torchvision_transforms_work_and_absent_operators_say_so() -> None:
    out = python(
        "import torch\n"
        "from torchvision.transforms import functional\n"
        "from torchvision import ops\n"
        "print(tuple(functional.resize(torch.rand(3, 8, 8), [4, 4]).shape))\n"
        "try:\n"
        "    print(ops.nms(torch.tensor([[0., 0., 1., 1.]]), torch.ones(1), 0.5).tolist())\n"
        "except RuntimeError as error:\n"
        "    print(str(error)[:34])\n"
    ).splitlines()
    assert out[0] == "(3, 4, 4)"
    assert out[1] in ("[0]", "Couldn't load custom C++ ops. This")


def test_an_interpreter_that_does_not_want_torchvision_imports_nothing_for_it() -> None:
    out = python("import sys; print(*sys.modules)").split()
    assert "_torchvision_cpu" in out
    assert not {"torch", "torchvision", "emollm"} & set(out)


def test_looking_whether_torchvision_exists_does_not_import_it() -> None:
    out = python(
        "import sys, importlib.util as u; print(u.find_spec('torchvision') is not None, 'torch' in sys.modules)"
    )
    assert out.split() == ["True", "False"]


def test_the_torchvision_hook_costs_next_to_nothing() -> None:
    costs = []
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", ""], capture_output=True, text=True, check=True
        )
        found = re.search(r"\|\s*(\d+) \|\s+_torchvision_cpu", done.stderr)
        assert found, "the hook is not installed; run `make setup`"
        costs.append(int(found[1]))
    assert min(costs) < 5000  # microseconds; measured 300 to 2000 on a busy machine


def test_lock_leaves_out_what_has_no_cpu_build(lock: dict[str, str]) -> None:
    assert len(lock) > 150
    assert not LEFT_OUT & set(lock)
    assert not [name for name in lock if name.startswith(("nvidia-", "cuda-"))]


def test_lock_covers_what_pyproject_asks_for(lock: dict[str, str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    lines = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    lines += [line for name, group in extras.items() if name not in NOT_LOCKED for line in group]
    wrong = [line for line in lines if not satisfied(Requirement(line), {**lock, "emollm": "0"})]
    assert wrong == []


def test_lock_holds_everything_its_packages_ask_for(lock: dict[str, str]) -> None:
    """It is installed with --no-deps, so nothing else would notice."""
    wrong = []
    for name in lock:
        for line in requires(name) or ():
            need = Requirement(line)
            wanted = need.marker is None or need.marker.evaluate({"extra": ""})
            if wanted and canonicalize_name(need.name) not in LEFT_OUT and not satisfied(need, lock):
                wrong.append(f"{name}: {line}")
    assert wrong == []


def test_environment_has_the_locked_versions(lock: dict[str, str]) -> None:
    installed = {name: version(name).partition("+")[0] for name in lock}
    assert {name: found for name, found in installed.items() if found != lock[name]} == {}


def satisfied(need: Requirement, lock: dict[str, str]) -> bool:
    """Whether the lock has the package at an allowed version; torch is locked without its ``+cpu``."""
    locked = lock.get(canonicalize_name(need.name))
    allowed = Requirement(str(need).replace("+cpu", "")).specifier
    return locked is not None and allowed.contains(locked, prereleases=True)
