"""What of a model is trained, marked so: adapters, connectors, or all of it."""

import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import nn

from emollm.errors import ConfigError
from emollm.train.sft_recipe import SftRecipe, TrainSettings

Stage = Literal["align", "sft"]


class Part(NamedTuple):
    """A part of a model."""

    name: str
    """What plans call it; parts of the same name are counted together."""
    kind: Literal["language", "head", "tower", "connector"]
    module: str
    """Its dotted name in the model."""


class Held(NamedTuple):
    """Parameters of one part of a model."""

    name: str
    all: int
    trained: int
    megabytes: float
    """Of the weights as they are kept."""


def four_bits(recipe: SftRecipe, stage: Stage, whole: Sequence[str]) -> dict[str, Any]:
    """Options of ``from_pretrained`` for QLoRA; none for another method.

    Args:
        recipe: Of the run.
        stage: Connectors are aligned to a language model in full precision.
        whole: Modules that stay as they are.
    """
    if stage != "sft" or recipe.train.method != "qlora":
        return {}
    from transformers import BitsAndBytesConfig

    settings = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if recipe.optimise.bf16 else torch.float32,
        llm_int8_skip_modules=list(whole),
    )
    return {"quantization_config": settings}


def prepared(model: Any, parts: Sequence[Part], recipe: SftRecipe, stage: Stage) -> nn.Module:
    """The model with adapters where they are asked for, and with a gradient only where it is trained.

    Args:
        model: Freshly opened.
        parts: Its own.
        recipe: Says what is trained.
        stage: ``align`` trains connectors alone.

    Raises:
        ConfigError: Nothing is left to train, or adapters find no layer.
    """
    settings = recipe.train
    whole: nn.Module = model
    model.requires_grad_(False)
    learnt = {"connector"} if stage == "align" or settings.connectors else set()
    if stage == "sft" and settings.method in ("lora", "qlora"):
        whole = _with_adapters(model, parts, settings)
    elif stage == "sft":
        learnt |= {"language", "head"} | ({"tower"} if settings.towers else set())
    for part in parts:
        if part.kind in learnt:
            model.get_submodule(part.module).requires_grad_(True)
    if not any(parameter.requires_grad for parameter in whole.parameters()):
        raise ConfigError(
            f"{stage}: nothing is left to train; the model has no streams, or train leaves all of them out"
        )
    if recipe.optimise.checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    model.config.use_cache = False
    return whole


def _with_adapters(model: Any, parts: Sequence[Part], settings: TrainSettings) -> nn.Module:
    """LoRA on the language model, and on the towers if asked for."""
    from peft import LoraConfig, get_peft_model

    lora = settings.lora
    ends = "|".join(lora.targets)
    where = "|".join(
        re.escape(part.module) for part in parts if part.kind == "language" or (lora.towers and part.kind == "tower")
    )
    names = [name for name, _ in model.named_modules()]
    if odd := [
        end for end in lora.targets if not any(re.fullmatch(rf"({where})\..*\.({end})", name) for name in names)
    ]:
        linear = {
            name.rpartition(".")[2]
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear) and re.match(rf"({where})\.", name)
        }
        raise ConfigError(
            f"train.lora.targets: no such layers: {', '.join(odd)}; the model has {', '.join(sorted(linear))}"
        )
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]  # PEFT takes any number
        lora_dropout=lora.dropout,
        target_modules=rf"({where})\..*\.({ends})",
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise ConfigError(
            f"train.lora.targets={','.join(lora.targets)}: the language model has no such layers"
        ) from error


def held_by(model: nn.Module, parts: Sequence[Part]) -> list[Held]:
    """Parameters by part, adapters apart."""
    counts: dict[str, list[float]] = {}
    for name, parameter in model.named_parameters():
        part = counts.setdefault(_part(name, parts), [0, 0, 0.0])
        # Four-bit weights stand two in a byte.
        held = int(getattr(parameter, "ds_numel", parameter.numel()))  # ZeRO-3 keeps only a share of each here
        numbers = held * (2 if parameter.dtype == torch.uint8 else 1)
        part[0] += numbers
        part[1] += numbers if parameter.requires_grad else 0
        part[2] += held * parameter.element_size() / 2**20
    return [Held(name, int(each[0]), int(each[1]), each[2]) for name, each in counts.items()]


def _part(name: str, parts: Sequence[Part]) -> str:
    """Whose a parameter is."""
    if "lora_" in name:
        return "adapters"
    own = name.removeprefix("base_model.model.")
    return next((part.name for part in parts if own.startswith(f"{part.module}.")), "rest")
