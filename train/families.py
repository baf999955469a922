"""Kinds of models that ``align`` and ``sft`` train, and what is asked of each.

Data, order, steps, checkpoints, validation and export are the same for all of them. A kind says how its models are opened, what their parts
are and how Samples become its tensors; it is one module and one row of :data:`FAMILIES`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from emollm.errors import ConfigError, unknown_name
from emollm.modeling.assemble import ModelSettings
from emollm.modeling.configuration import EmoLLMConfig
from emollm.modeling.conversation import Encoded
from emollm.modeling.sources import folder_of
from emollm.registry import Registry
from emollm.samples import Sample
from emollm.train.sft_model import Part, Stage
from emollm.train.sft_recipe import SftRecipe


class Opened(NamedTuple):
    """A model in training order, nothing marked yet, and what feeds it."""

    model: Any
    processor: Any


class Reader(Protocol):
    """Samples to what a model takes; it holds no weights, as processes that read ahead have one each."""

    processor: Any
    """With a ``tokenizer``."""

    def wrong(self, sample: Sample) -> str | None:
        """Why a Sample cannot be learnt from however it is cut, if so."""
        ...

    def measure(self, records: Sequence[dict[str, Any]], limit: int) -> list[int | str]:
        """Tokens of each record when it is cut to ``limit``, or why it must be left out; media are not opened."""
        ...

    def unread(self, record: dict[str, Any]) -> Iterable[str]:
        """What of a record the model does not take, a word or two each."""
        ...

    def encode(self, sample: Sample, root: Path, limit: int) -> Encoded:
        """A Sample to learn from, cut to ``limit`` tokens.

        Raises:
            EmollmError: It cannot be used, or its media not be read.
        """
        ...

    def ask(self, sample: Sample, root: Path) -> Encoded:
        """The same up to where the first reply would begin.

        Raises:
            EmollmError: It cannot be used, or its media not be read.
        """
        ...

    def collate(self, encoded: Sequence[Encoded], packed: bool) -> dict[str, Any]:
        """Keyword arguments of the model: a row each, padded on the right, or all in one row."""
        ...


class Family(Protocol):
    """A kind of model."""

    for_loss: Mapping[str, Any]
    """What its forward pass takes where only the loss is wanted, not the logits of every token."""

    def open(self, recipe: SftRecipe, stage: Stage) -> Opened:
        """The model of a recipe with its processor.

        Raises:
            ConfigError: The recipe does not fit the model.
            ModelError: The model cannot be had or read.
        """
        ...

    def reader(self, processor: Any, recipe: SftRecipe) -> Reader:
        """What reads Samples for the model.

        Raises:
            ConfigError: The recipe asks for what this kind cannot do.
        """
        ...

    def parts(self, model: Any) -> list[Part]:
        """What the model is made of."""
        ...

    def ready(self, model: Any, recipe: SftRecipe, stage: Stage) -> None:
        """Last settings of a model before its first step, when it is marked what is trained."""
        ...

    def answering(self, model: Any) -> AbstractContextManager[None]:
        """The model as it generates."""
        ...


FAMILIES: Registry[type[Family]] = Registry(
    "model family",
    {
        EmoLLMConfig.model_type: "emollm.train.native:Native",
        "paligemma": "emollm.train.paligemma:PaliGemma",
    },
)
"""``model_type`` of config.json -> kind."""


def family_of(model: Path | ModelSettings) -> Family:
    """The kind of model that a recipe names.

    Raises:
        ConfigError: It is of a kind that is not known.
        ModelError: It is a hub id, and the hub does not give it.
    """
    native = EmoLLMConfig.model_type
    found = native if isinstance(model, ModelSettings) else _type_of(located(model)) or native
    if found not in FAMILIES:
        raise ConfigError(
            f"model={model}: {unknown_name('model family', found, FAMILIES)}; a language model alone goes into model.backbone"
        )
    return FAMILIES[found]()


def located(model: Path) -> Path:
    """The folder of a model; ``owner/name`` that is none here is fetched from the hub.

    Raises:
        ModelError: The hub does not give it.
    """
    name = str(model)
    here = model.exists() or name.startswith((".", "/", "~")) or name.count("/") != 1
    return model if here else folder_of(name)


def _type_of(folder: Path) -> str | None:
    """``model_type`` of a folder; None where it says none, which opening it will answer."""
    try:
        told = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return told.get("model_type") if isinstance(told, dict) else None
