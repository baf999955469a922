"""Fine-tunes a model, of our own family or PaliGemma, on Samples: LoRA, QLoRA or all weights.

A stopped run goes on from its last whole checkpoint when it is started again, with the loss it would have had. The best checkpoint by
validation is written to ``out/model`` at the end, as any transformers model.

    python -m emollm.train.sft train/recipes/emollm-135m/sft.yaml --set out=runs/sft
    ACCELERATE_USE_CPU=true accelerate launch --multi_gpu --num_processes 2 -m emollm.train.sft RECIPE
    deepspeed --num_gpus 2 --module emollm.train.sft RECIPE --set deepspeed=zero2
"""

import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from hashlib import blake2b
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
import yaml

from emollm import config
from emollm.errors import ConfigError, EmollmError
from emollm.files import replacing
from emollm.modeling.adapters import Base, content_of
from emollm.modeling.assemble import ModelSettings
from emollm.refusal import Refusal, Stop
from emollm.train.sft_model import Stage
from emollm.train.sft_recipe import SftRecipe

PACKAGES = ("emollm", "torch", "transformers", "peft", "accelerate", "deepspeed", "bitsandbytes")


def recipe_command(action: Callable[..., None]) -> click.Command:
    """A command that takes a recipe, single settings of it, and ``--plan``."""
    options = (
        click.argument("recipe_file", metavar="RECIPE", type=click.Path(path_type=Path)),
        click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help="One setting of the recipe."),
        click.option(
            "--plan",
            is_flag=True,
            help="Say what would be trained, with parameters, tokens a step and memory, and stop.",
        ),
        click.option("--local_rank", hidden=True, type=int, help="Given by the deepspeed launcher."),
    )
    for option in reversed(options):
        action = option(action)
    return click.command(context_settings={"help_option_names": ["-h", "--help"]})(action)


@recipe_command
def main(recipe_file: Path, overrides: tuple[str, ...], plan: bool, local_rank: int | None) -> None:
    """Fine-tune a model by a recipe; a stopped run goes on when it is started again."""
    command("sft", recipe_file, overrides, plan)


def command(stage: str, recipe_file: Path, overrides: tuple[str, ...], plan: bool) -> None:
    """What the command of a stage does.

    Raises:
        Refusal: The user's mistake, in one line.
        Stop: Interrupted.
    """
    try:
        recipe, lacking = config.load(SftRecipe, recipe_file, overrides).tried()
        if lacking:
            told = f"{lacking[0]}{f' and {len(lacking) - 1} more' if lacking[1:] else ''}"
            click.echo(
                f"emollm: a trial on {recipe.data[0].path}: {told} not here; what it trains is of no use", err=True
            )
        run(recipe, "align" if stage == "align" else "sft", plan=plan)
    except EmollmError as error:
        raise Refusal(str(error)) from error
    except KeyboardInterrupt as error:
        raise Stop("stopped; the same command goes on from the last whole checkpoint") from error


def run(recipe: SftRecipe, stage: Stage = "sft", *, plan: bool = False) -> None:
    """One run, from where it was stopped.

    Raises:
        EmollmError: The recipe, its data or its model cannot be used, or the loss is no number.
    """
    from transformers import set_seed

    from emollm.train import sft_state
    from emollm.train.families import family_of
    from emollm.train.sft_data import Samples, write_rejects
    from emollm.train.sft_limits import enough_memory, for_model
    from emollm.train.sft_model import held_by, prepared
    from emollm.train.sft_plan import plan_of

    args = begun(recipe, plan)
    family = family_of(recipe.model)
    with enough_memory(for_model(recipe)):
        built = family.open(recipe, stage)
    base = Base(name_of(recipe.model), content_of(built.model))
    limit = recipe.batches.max_tokens
    reader, parts = family.reader(built.processor, recipe), family.parts(built.model)
    samples = Samples(recipe.data, reader, limit)
    validation = Samples(recipe.validation, reader, limit, beside=samples) if recipe.validation else None
    set_seed(recipe.seed)  # what was drawn for a fresh model must not change what adapters start from
    model = prepared(built.model, parts, recipe, stage)
    started = sft_state.start_with(model, recipe.start) if recipe.start else ""
    content = f"{base.content} {started}".strip()
    mark = fingerprint(recipe, stage, content, samples.fingerprint, validation.fingerprint if validation else "")
    from_here = None if plan else sft_state.last_complete(recipe.out, mark, args.world_size)
    first = args.process_index == 0
    if first:
        click.echo(plan_of(recipe, held_by(model, parts), samples, args.world_size), err=True)
    if plan:
        return
    if first:
        describe(recipe, stage, samples.fingerprint, args.world_size, mark, base)
        write_rejects(recipe.out / "rejects.jsonl", [samples, *([validation] if validation else [])])
    family.ready(built.model, recipe, stage)
    trainer = trainer_of(recipe, family, model, args, samples, validation, mark)
    train(recipe, family, trainer, built.processor, base, from_here)


def begun(recipe: SftRecipe, plan: bool) -> Any:
    """Folder, threads, seed and processes of a run; gives transformers' settings.

    Raises:
        ConfigError: The folder cannot be made, or a setting cannot be used.
    """
    import torch
    from transformers import set_seed

    try:
        if not plan:
            recipe.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"out={recipe.out}: cannot be a folder: {(error.strerror or str(error)).lower()}") from error
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    set_seed(recipe.seed)
    args = arguments(recipe)
    if recipe.deepspeed and torch.distributed.is_initialized():
        import deepspeed

        # ZeRO-3 shares weights out while the model is built, and asks DeepSpeed's own communication how many processes there are.
        deepspeed.init_distributed(dist_backend=torch.distributed.get_backend(), auto_mpi_discovery=False)
        torch.distributed.barrier()
        if args.process_index == 0:
            unnamed_buffers()
    return args


def unnamed_buffers() -> None:
    """Takes the names from the memory that DeepSpeed's processes of one CPU share, once all of them have it open.

    Named, its 66 MiB a process would stay taken after the run.
    """
    address, port = (os.environ.get(name, "") for name in ("MASTER_ADDR", "MASTER_PORT"))
    for path in Path("/dev/shm").glob(f"deepspeed_allreduce_buffer_{os.getuid()}_{address}_{port}_*"):
        path.unlink(missing_ok=True)


def trainer_of(recipe: SftRecipe, family: Any, model: Any, args: Any, samples: Any, validation: Any, mark: str) -> Any:
    """The trainer of a run.

    Raises:
        ConfigError: DeepSpeed is asked for where it is not in use.
    """
    from transformers import PrinterCallback

    from emollm.train.sft_steps import Steps
    from emollm.train.sft_trainer import SftTrainer

    trainer = SftTrainer(recipe, family, model, args, samples, validation, mark)
    if recipe.deepspeed and not trainer.is_deepspeed_enabled:
        raise ConfigError(
            f"deepspeed={recipe.deepspeed}: DeepSpeed is not in use here; start the run with the deepspeed launcher, without "
            "ACCELERATE_USE_CPU, or leave the setting out"
        )
    if recipe.progress == "json":
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(Steps({name: version(name) for name in PACKAGES}))
    return trainer


def train(recipe: SftRecipe, family: Any, trainer: Any, processor: Any, base: Base, from_here: Path | None) -> None:
    """Trains from a checkpoint, if there is one, to the end, and writes the best model.

    Raises:
        EmollmError: The loss is no number, or memory or disk do not suffice.
    """
    from emollm.train.sft_limits import enough_disk, enough_memory, for_model, for_step

    ended = from_here if from_here and trainer.finished(from_here) else None
    model = trainer.model
    if ended is None:
        with enough_memory(for_step(recipe)), enough_disk(recipe.out):
            trainer.train(resume_from_checkpoint=str(from_here) if from_here else None)
    with enough_memory(for_model(recipe)), enough_disk(recipe.out), gathered(model):
        if trainer.args.process_index == 0:
            if ended:
                trainer.take(ended)
            finish(recipe, family, trainer, processor, base)
    trainer.accelerator.wait_for_everyone()
    trainer.accelerator.end_training()


def gathered(model: Any) -> AbstractContextManager[Any]:
    """All weights of a model in each process, where ZeRO-3 has shared them out; else nothing."""
    shared = [parameter for parameter in model.parameters() if hasattr(parameter, "ds_id")]
    if not shared:
        return nullcontext()
    import deepspeed

    return deepspeed.zero.GatheredParameters(shared, modifier_rank=0)


def arguments(recipe: SftRecipe) -> Any:
    """Transformers' settings of a recipe."""
    import torch
    from transformers import TrainingArguments

    optimise, validating = recipe.optimise, recipe.validating
    often: dict[str, Any] = (
        {"save_strategy": "epoch"}
        if validating.every is None
        else {"save_strategy": "steps", "save_steps": validating.every}
    )
    if recipe.validation:
        often |= {
            "eval_strategy": often["save_strategy"],
            "eval_steps": validating.every,
            "load_best_model_at_end": True,
        }
    return TrainingArguments(
        output_dir=str(recipe.out),
        per_device_train_batch_size=optimise.batch,
        per_device_eval_batch_size=optimise.batch,
        gradient_accumulation_steps=optimise.accumulate,
        num_train_epochs=optimise.epochs,
        max_steps=optimise.steps or -1,
        learning_rate=optimise.rate,
        lr_scheduler_type=optimise.schedule,
        warmup_steps=optimise.warmup,
        weight_decay=optimise.decay,
        max_grad_norm=optimise.clip,
        bf16=optimise.bf16,
        logging_steps=recipe.log_every,
        logging_first_step=True,
        metric_for_best_model=validating.select if recipe.validation else None,
        greater_is_better=validating.select != "loss",
        prediction_loss_only=True,
        report_to="none",  # the trainer has its own
        disable_tqdm=recipe.progress == "json",
        seed=recipe.seed,
        data_seed=recipe.seed,
        dataloader_num_workers=recipe.batches.workers,
        remove_unused_columns=False,
        label_names=["labels"],
        deepspeed=deepspeed_file(recipe.deepspeed),
        use_cpu=not torch.cuda.is_available(),
        ddp_find_unused_parameters=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        **often,
    )


def deepspeed_file(name: str | None) -> str | None:
    """The file of DeepSpeed settings of a name.

    Raises:
        ConfigError: There is none.
    """
    if name is None:
        return None
    folder = files("emollm.train") / "deepspeed"
    ours = Path(str(folder / f"{name}.json"))
    found = ours if ours.is_file() else Path(name)
    if not found.is_file():
        known = ", ".join(sorted(path.name.removesuffix(".json") for path in folder.iterdir()))
        raise ConfigError(f"deepspeed={name}: no such file; give one, or {known}")
    return str(found)


def name_of(model: Path | ModelSettings) -> str:
    """What a recipe calls its base model: the folder, or the language model and the streams it is built of."""
    return str(model) if isinstance(model, Path) else " + ".join([model.backbone, *sorted(model.streams)])


_NO_MATTER = {"stage", "start", "data", "validation", "out", "threads", "log_every", "progress", "trial", "max_steps"}
"""Settings that do not change what a run computes, or are told otherwise."""


def fingerprint(recipe: SftRecipe, stage: Stage, base: str, samples: str, validation: str) -> str:
    """Hash of all that decides what a run computes."""
    told = recipe.model_dump_json(exclude=_NO_MATTER)
    return blake2b(f"{stage} {told} {base} {samples} {validation}".encode(), digest_size=8).hexdigest()


def describe(recipe: SftRecipe, stage: Stage, samples: str, processes: int, mark: str, base: Base) -> None:
    """Writes the resolved recipe, fingerprints and versions."""
    told = {
        "stage": stage,
        "recipe": json.loads(recipe.model_dump_json(exclude={"out"})),
        "base": base._asdict(),
        "data": samples,
        "run": mark,
        "processes": processes,
        "versions": {name: version(name) for name in PACKAGES},
    }
    with replacing(recipe.out / "run.yaml", "w") as file:
        yaml.safe_dump(told, file, sort_keys=False)


def finish(recipe: SftRecipe, family: Any, trainer: Any, processor: Any, base: Base) -> None:
    """Writes the best model: adapters merged, processor beside it; and its adapter alone, where there is one."""
    from emollm.train.sft_export import export

    model = trainer.accelerator.unwrap_model(trainer.model)
    if recipe.train.method == "qlora" and hasattr(model, "peft_config"):
        model = unquantised(recipe, family, model)
    folder = export(model, processor, recipe.out, recipe.out / "run.yaml", base)
    best = trainer.state.best_metric
    click.echo(
        f"{folder}: the trained model" + ("" if best is None else f"; best {recipe.validating.select} {best:.4f}")
    )


def unquantised(recipe: SftRecipe, family: Any, model: Any) -> Any:
    """The trained adapters and connectors on the language model as it was before it was made four bits wide."""
    from emollm.train.sft_model import prepared
    from emollm.train.sft_state import fill, trained

    whole = recipe.model_copy(update={"train": recipe.train.model_copy(update={"method": "lora"})})
    opened = family.open(whole, "sft").model
    fresh = prepared(opened, family.parts(opened), whole, "sft")
    fill(fresh, trained(model), "the trained model")
    return fresh


if __name__ == "__main__":
    main()
