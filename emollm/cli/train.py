"""``emollm train run|plan|launch``: training runs by their recipe."""

import os
import shlex
import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click

from emollm.cli import Stopped, say
from emollm.config import load, read_yaml
from emollm.errors import ConfigError, MissingDependency

_RECIPE = click.argument("recipe", metavar="RECIPE", type=click.Path(path_type=Path))
_SET = click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help="One setting of the recipe.")


@click.group("train")
def command() -> None:
    """Train encoders, connectors and the model by a recipe."""


@command.command()
@_RECIPE
@_SET
def run(recipe: Path, overrides: tuple[str, ...]) -> None:
    """Train in this process; a stopped run goes on when it is started again."""
    _start(recipe, overrides, plan=False)


@command.command()
@_RECIPE
@_SET
def plan(recipe: Path, overrides: tuple[str, ...]) -> None:
    """Say what a run would train: parameters, tokens a step, memory by part."""
    _start(recipe, overrides, plan=True)


@command.command()
@_RECIPE
@_SET
@click.option(
    "--with", "launcher", type=click.Choice(["accelerate", "deepspeed"]), default="accelerate", show_default=True
)
@click.option("--processes", type=click.IntRange(min=1), help="How many; one a GPU if not given.")
@click.option("--dry-run", is_flag=True, help="Only print the command.")
def launch(recipe: Path, overrides: tuple[str, ...], launcher: str, processes: int | None, dry_run: bool) -> None:
    """Train in several processes, by accelerate or DeepSpeed; on a machine without GPU they share its cores."""
    module = _module(recipe, overrides)
    gpus = _gpus()
    count = processes or max(1, gpus)
    sets = [part for each in overrides for part in ("--set", each)]
    environment: dict[str, str] = {}
    if launcher == "deepspeed":
        if module == "face":
            raise ConfigError(f"{recipe}: face encoders are trained by accelerate; leave --with deepspeed out")
        words = [
            "deepspeed",
            "--master_port",
            _free_port(),
            "--num_gpus",
            str(count),
            "--module",
            f"emollm.train.{module}",
            str(recipe),
            *sets,
        ]
        if not any(each.startswith("deepspeed=") for each in overrides) and "deepspeed" not in read_yaml(recipe):
            words += ["--set", "deepspeed=zero2"]
        environment |= {} if gpus else {"DS_ACCELERATOR": "cpu"}
    else:
        # Without --multi_gpu accelerate starts one process, whatever else it is told; on a machine without GPU too.
        several = ["--multi_gpu", "--main_process_port", "0"] if count > 1 else []
        words = [
            "accelerate",
            "launch",
            *several,
            "--num_processes",
            str(count),
            "--num_machines",
            "1",
            "--mixed_precision",
            "no",
        ]
        words += ["--dynamo_backend", "no", "-m", f"emollm.train.{module}", str(recipe), *sets]
        environment |= {} if gpus else {"ACCELERATE_USE_CPU": "true"}
    shown = " ".join([*(f"{name}={value}" for name, value in environment.items()), shlex.join(words)])
    if dry_run:
        print(shown)
        return
    say(shown)
    beside = Path(sys.executable).parent
    program = shutil.which(words[0], path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    if program is None:
        raise MissingDependency(f"the launcher {words[0]!r} is not installed; pip install 'emollm[train]'")
    path = f"{beside}{os.pathsep}{os.environ.get('PATH', '')}"
    os.execve(program, words, {**os.environ, **environment, "PATH": path})


def _start(recipe: Path, overrides: tuple[str, ...], plan: bool) -> None:
    """Runs the stage of a recipe, or tells its plan."""
    module = _module(recipe, overrides)
    if module == "face" and plan:
        raise ConfigError(f"{recipe}: plans are told of align and sft, not of face encoders; start the run")
    try:
        if module == "face":
            from emollm.train import face
            from emollm.train.face_recipe import FaceRecipe

            face.run(load(FaceRecipe, recipe, overrides))
        else:
            from emollm.train import sft
            from emollm.train.sft_recipe import SftRecipe

            sft.run(load(SftRecipe, recipe, overrides), module, plan=plan)
    except KeyboardInterrupt as error:
        raise Stopped("stopped; the same command goes on from the last whole checkpoint") from error


def _module(recipe: Path, overrides: Sequence[str] = ()) -> Literal["face", "align", "sft"]:
    """The stage a recipe is of: ``face`` has a net, the others say it."""
    values = read_yaml(recipe)
    if "net" in values or "teachers" in values:
        return "face"
    told = [each.removeprefix("stage=") for each in overrides if each.startswith("stage=")]
    stage = told[-1] if told else values.get("stage", "sft")
    if stage == "align":
        return "align"
    if stage != "sft":
        raise ConfigError(f"{recipe}: stage: expected align or sft, got {stage!r}")
    return "sft"


def _free_port() -> str:
    """A port of this machine that nobody uses, so that two runs do not meet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def _gpus() -> int:
    """How many GPUs torch sees.

    Raises:
        MissingDependency: torch is not installed.
    """
    try:
        import torch
    except ModuleNotFoundError as error:
        raise MissingDependency("training needs torch; pip install 'emollm[train]'") from error
    return int(torch.cuda.device_count())
