"""The speed of training beside TRL's SFTTrainer, and what a photo a Sample costs a step, in one run on one machine.

Both train LoRA on the same tokens in the same batches, in processes of their own that take turns step by step (see
:mod:`emollm.eval.bench_turns`); the order turns from round to round, and the first steps are not counted. TRL lives in an environment of
its own with the same torch, transformers and PEFT. The loss is taken of the replies only, by the same labels. The first loss of both is
compared: equal data and equal weights give an equal one.

    python -m emollm.eval.bench_sft [--steps 10] [--threads 2] [--only trl|photo] [--profile FILE]
"""

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import date
from os import getloadavg
from pathlib import Path
from typing import Any, NamedTuple

import click

from emollm.errors import EmollmError
from emollm.eval.bench_machine import is_busy, machine, told_versions
from emollm.eval.bench_sft_data import Sequences, write
from emollm.eval.bench_table import Spread, put, spread
from emollm.eval.bench_turns import Run, Step
from emollm.eval.environments import environment
from emollm.files import replacing
from emollm.generate import DEFAULT

TRL = "trl==1.16.0"
BESIDE = ("torch==2.13.0+cpu", "transformers==5.19.0", "peft==0.21.2", "accelerate==1.15.0", "datasets==5.2.0")
"""What TRL stands on: the versions that we stand on, so that the trainers are compared and nothing else."""
LORA = {
    "r": 16,
    "lora_alpha": 32,
    "lora_dropout": 0.0,
    "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    "task_type": "CAUSAL_LM",
}
BATCH, WARM = 2, 2
"""Samples a pass, and steps that are not counted."""
_SAME = 1e-3
"""Most by which the first losses may differ, relative; measured: 0."""
_BUILD = Path("build/bench/sft")


class Result(NamedTuple):
    """What the runs did in the steps that count."""

    steps: dict[str, list[Step]]
    """By contestant, ours first."""
    told: dict[str, dict[str, Any]]
    peaks: dict[str, int]
    """KiB."""
    tokens: list[int]
    """Of each step, without padding."""
    learnt: list[int]
    """Of each step, tokens that loss is taken of."""
    load: float


@click.command()
@click.option("--steps", type=click.IntRange(1), default=10, show_default=True, help="Steps of each that are counted.")
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True, help="Threads of each.")
@click.option(
    "--accumulation", type=click.IntRange(1), default=2, show_default=True, help="Passes of 2 Samples a step."
)
@click.option("--only", type=click.Choice(["trl", "photo"]), help="Measure only this part.")
@click.option("--page", type=click.Path(path_type=Path), help="Page that holds the results between markers.")
@click.option("--profile", type=click.Path(path_type=Path), help="File for the operators of one step with a photo.")
@click.option("--json", "record", type=click.Path(path_type=Path), help="File for every step, as JSON.")
def command(
    steps: int,
    threads: int,
    accumulation: int,
    only: str | None,
    page: Path | None,
    profile: Path | None,
    record: Path | None,
) -> None:
    """Measures training speed beside TRL, and the cost of a photo."""
    from emollm.eval import bench_sft_photo

    everything: dict[str, Any] = {}
    if only != "photo":
        plan = planned(_BUILD, steps, threads, accumulation)
        result = run(plan, steps)
        everything["trl"] = {name: [step._asdict() for step in own] for name, own in result.steps.items()}
        _deliver(as_text(result, plan), page, "training")
    if only != "trl":
        costs = bench_sft_photo.measure(steps, threads, profile)
        everything["photo"] = costs._asdict()
        _deliver(bench_sft_photo.as_text(costs, threads), page, "photo")
    if record:
        with replacing(record, "w") as file:
            json.dump(everything, file)


def _deliver(text: str, page: Path | None, section: str) -> None:
    """Prints a result, and keeps it on the page if there is one."""
    click.echo(text + "\n")
    if page:
        put(page, section, text)


class Plan(NamedTuple):
    """What is trained on what."""

    file: Path
    values: dict[str, Any]
    data: Sequences


def planned(folder: Path, steps: int, threads: int, accumulation: int) -> Plan:
    """Writes the data and the plan that both sides read."""
    from emollm.modeling.assemble import ModelSettings, assemble
    from emollm.modeling.sources import folder_of

    folder.mkdir(parents=True, exist_ok=True)
    whole = steps + WARM
    data = write(assemble(ModelSettings()).processor, folder, whole * BATCH * accumulation)
    values = {
        "model": str(folder_of(DEFAULT)),
        "sequences": str(data.tokens),
        "samples": str(data.samples),
        "out": str(folder / "out"),
        "dtype": "float32",
        "threads": threads,
        "batch": BATCH,
        "accumulation": accumulation,
        "steps": whole + 1,  # so that no run ends within a step that counts
        "lora": LORA,
    }
    with replacing(folder / "plan.json", "w") as file:
        json.dump(values, file)
    return Plan(folder / "plan.json", values, data)


def recipe_of(plan: Plan) -> Path:
    """The same plan as a recipe of ``emollm.train.sft``, whose output is thrown away."""
    values = plan.values
    out = Path(values["out"]).with_name("run")
    shutil.rmtree(out, ignore_errors=True)  # each bench begins anew
    recipe = {
        "model": {"backbone": values["model"], "dtype": values["dtype"]},
        "data": [{"path": values["samples"]}],
        "train": {
            "lora": {
                "r": LORA["r"],
                "alpha": LORA["lora_alpha"],
                "dropout": LORA["lora_dropout"],
                "targets": LORA["target_modules"],
            }
        },
        "optimise": {
            "rate": 1e-4,
            "schedule": "constant_with_warmup",
            "warmup": 0.0,
            "steps": values["steps"],
            "batch": values["batch"],
            "accumulate": values["accumulation"],
        },
        "batches": {"layout": "ordered"},
        "progress": "json",
        "log_every": 1,
        "threads": values["threads"],
        "out": str(out),
    }
    path = plan.file.with_name("recipe.yaml")
    with replacing(path, "w") as file:
        json.dump(recipe, file)
    return path


def run(plan: Plan, steps: int) -> Result:
    """Trains both in turns.

    Raises:
        EmollmError: A run ends early, or the two do not train the same.
    """
    python = environment(_BUILD.parent / "trl", TRL, BESIDE)
    threads = {name: str(plan.values["threads"]) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    offline = threads | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": ""}
    ours = [sys.executable, "-m", "emollm.train.sft", str(recipe_of(plan))]
    # -P: the folder of the script is not to be searched for modules, ours would hide others of their names.
    theirs = [str(python), "-P", str(Path(__file__).with_name("bench_sft_trl.py")), str(plan.file)]
    load = getloadavg()[0]
    with ExitStack() as stack:
        runs = [
            stack.enter_context(Run(name, line, _BUILD / f"{name}.log", offline))
            for name, line in (("emollm", ours), ("TRL", theirs))
        ]
        first = [one.first.loss for one in runs]
        if abs(first[0] - first[1]) > _SAME * abs(first[1]):
            raise EmollmError(f"the first loss of emollm is {first[0]}, of TRL {first[1]}: they do not train the same")
        found: dict[str, list[Step]] = {one.name: [] for one in runs}
        for turn in range(1, WARM + steps):
            for one in runs[:: -1 if turn % 2 else 1]:
                done = one.step()
                if turn >= WARM:
                    found[one.name].append(done)
            click.echo(f"step {turn + 1} of {WARM + steps}{'' if turn >= WARM else ' (not counted)'}", err=True)
        size = BATCH * plan.values["accumulation"]
        rows = [slice(turn * size, (turn + 1) * size) for turn in range(WARM, WARM + steps)]
        return Result(
            found,
            {one.name: one.told for one in runs},
            {one.name: one.peak for one in runs},
            [sum(plan.data.lengths[row]) for row in rows],
            [sum(plan.data.learnt[row]) for row in rows],
            load,
        )


# ---- as text --------------------------------------------------------------------------------------------------------


def rate(tokens: Sequence[int], steps: Sequence[Step], seconds: Callable[[Step], float]) -> Spread:
    """Tokens a second, over the steps."""
    return spread([count / seconds(step) for count, step in zip(tokens, steps, strict=True)])


def times_as_fast(ours: Sequence[Step], theirs: Sequence[Step], seconds: Callable[[Step], float]) -> Spread:
    """How many times as fast we are, step by step: the same tokens in the same turn."""
    return spread([seconds(b) / seconds(a) for a, b in zip(ours, theirs, strict=True)])


def by_clock(step: Step) -> float:
    """Seconds of the clock."""
    return step.seconds


def by_processor(step: Step) -> float:
    """Seconds of processors, which other work on the machine changes little."""
    return step.cpu


def as_text(result: Result, plan: Plan) -> str:
    """The result as markdown; names no path of the machine."""
    values, (ours, theirs) = plan.values, result.steps.values()
    share = sum(result.learnt) / sum(result.tokens)
    lines = [
        "| | tokens/s | learnt tokens/s | tokens a processor second | peak memory | loss, first to last step |",
        "|---|---|---|---|---|---|",
    ]
    for name, steps in result.steps.items():
        figures = [
            rate(result.tokens, steps, by_clock).text(),
            rate(result.learnt, steps, by_clock).text(),
            rate(result.tokens, steps, by_processor).text(),
            f"{result.peaks[name] / 2**20:.2f} GiB",
            f"{steps[0].loss:.3f} – {steps[-1].loss:.3f}",
        ]
        lines.append(f"| {name} | {' | '.join(figures)} |")
    ratios = [times_as_fast(ours, theirs, seconds).text(2) for seconds in (by_clock, by_processor)]
    return "\n\n".join(
        [
            f"`python -m emollm.eval.bench_sft`, {date.today()}: {len(ours)} steps after {WARM} that are not counted, LoRA r "
            f"{values['lora']['r']} on {len(values['lora']['target_modules'])} projections a layer of {DEFAULT}, "
            f"{values['dtype']}, {values['batch']} Samples a pass, {values['accumulation']} passes a step, "
            f"{min(plan.data.lengths)} to {max(plan.data.lengths)} tokens a Sample of which {share:.0%} are learnt, no gradient "
            f"checkpointing, {values['threads']} threads. {machine()}; load average {result.load:.1f} in the minute before. "
            "Figures are the median of the steps, in brackets the lowest and the highest.",
            told_versions({name: told["versions"] for name, told in result.told.items()}),
            *(
                ["The machine was busy with other work: what counts here is the ratios."]
                if is_busy(result.load)
                else []
            ),
            "\n".join(lines),
            f"Times as fast as TRL, step by step: {ratios[0]} by the clock, {ratios[1]} by processor time.",
        ]
    )


def main() -> None:
    """The command, with a user's mistake as one line and exit code 2."""
    try:
        command(prog_name="python -m emollm.eval.bench_sft")
    except EmollmError as error:
        click.echo(f"bench_sft: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
