"""The model of a run, with what is trained marked so: adapters, connectors, or all of it."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import nn

from emollm.errors import ConfigError
from emollm.modeling.assemble import Built, assemble, load
from emollm.modeling.modeling import EmoLLMForConditionalGeneration
from emollm.train.sft_recipe import SftRecipe, TrainSettings

Stage = Literal["align", "sft"]


class Parts(NamedTuple):
    """Parameters of one part of a model."""

    name: str
    all: int
    trained: int
    megabytes: float
    """Of the weights as they are kept."""


def open_model(recipe: SftRecipe, stage: Stage) -> Built:
    """The model of a recipe in training order, not yet marked.

    Raises:
        ConfigError: The recipe does not fit the model.
        ModelError: The model cannot be had or read.
    """
    quantised = stage == "sft" and recipe.train.method == "qlora"
    if not isinstance(recipe.model, Path):
        if quantised:
            raise ConfigError(
                "train.method=qlora reads a model from a folder; save the parts first: python -m emollm.modeling.assemble"
            )
        return assemble(recipe.model)
    options: dict[str, Any] = {}
    if quantised:
        from transformers import BitsAndBytesConfig

        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16 if recipe.optimise.bf16 else torch.float32,
            llm_int8_skip_modules=["lm_head", "model.streams", "model.gate"],
        )
    return load(recipe.model, dtype="float32", **options)


def prepared(
    model: EmoLLMForConditionalGeneration, settings: TrainSettings, stage: Stage, checkpointing: bool
) -> nn.Module:
    """The model with adapters where they are asked for, and with a gradient only where it is trained.

    Args:
        model: Freshly opened.
        settings: What is trained.
        stage: ``align`` trains connectors and gate alone.
        checkpointing: Whether activations are computed again in the backward pass.

    Raises:
        ConfigError: Nothing is left to train, or adapters find no layer.
    """
    whole: nn.Module = model
    model.requires_grad_(False)
    if stage == "sft" and settings.method in ("lora", "qlora"):
        whole = _with_adapters(model, settings)
    elif stage == "sft":
        model.model.language_model.requires_grad_(True)
        model.lm_head.requires_grad_(True)
        if settings.towers:
            model.model.streams.requires_grad_(True)
    if stage == "align" or settings.connectors:
        for stream in model.model.streams.values():
            connector: Any = stream
            connector.connector.requires_grad_(True)
        if model.model.gate is not None:
            model.model.gate.requires_grad_(True)
    elif settings.method == "full" and settings.towers:
        for stream in model.model.streams.values():
            own: Any = stream
            own.connector.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in whole.parameters()):
        raise ConfigError(
            f"{stage}: nothing is left to train; the model has no streams, or train leaves all of them out"
        )
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    model.config.use_cache = False
    return whole


def _with_adapters(model: EmoLLMForConditionalGeneration, settings: TrainSettings) -> nn.Module:
    """LoRA on the language model, and on the towers if asked for."""
    from peft import LoraConfig, get_peft_model

    lora = settings.lora
    ends = "|".join(lora.targets)
    where = r"model\.(language_model|streams)\." if lora.towers else r"model\.language_model\."
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]  # PEFT takes any number
        lora_dropout=lora.dropout,
        target_modules=rf"{where}.*\.({ends})",
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise ConfigError(
            f"train.lora.targets={','.join(lora.targets)}: the language model has no such layers"
        ) from error


def parts_of(model: nn.Module) -> list[Parts]:
    """Parameters by part: each tower and connector, gate, language model, adapters."""
    counts: dict[str, list[float]] = {}
    for name, parameter in model.named_parameters():
        part = counts.setdefault(_part(name), [0, 0, 0.0])
        # Four-bit weights stand two in a byte.
        held = int(getattr(parameter, "ds_numel", parameter.numel()))  # ZeRO-3 keeps only a share of each here
        numbers = held * (2 if parameter.dtype == torch.uint8 else 1)
        part[0] += numbers
        part[1] += numbers if parameter.requires_grad else 0
        part[2] += held * parameter.element_size() / 2**20
    return [Parts(name, int(each[0]), int(each[1]), each[2]) for name, each in counts.items()]


def _part(name: str) -> str:
    if "lora_" in name:
        return "adapters"
    if "streams." in name:
        stream, kind = name.split("streams.")[1].split(".")[:2]
        return f"{stream} {kind}"
    return "gate" if ".gate." in name and "language_model" not in name else "language model"
