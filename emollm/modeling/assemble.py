"""A model out of its parts: a pretrained language model, pretrained towers, fresh connectors.

    python -m emollm.modeling.assemble train/recipes/emollm-135m/model.yaml runs/base [--set max_faces=2]

It is saved with its processor, as :func:`load` reads it.
"""

from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, cast

import click
import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from emollm import config
from emollm.config import Settings
from emollm.errors import ConfigError, EmollmError, ModelError, one_line, unknown_name
from emollm.files import replacing_folder
from emollm.generate import DEFAULT, quiet
from emollm.modeling import auto
from emollm.modeling.configuration import STREAMS, ConnectorSettings, EmoLLMConfig, GateSettings, StreamSettings
from emollm.modeling.modeling import EmoLLMForConditionalGeneration
from emollm.modeling.processing import AUDIO, IMAGE, EmoLLMProcessor
from emollm.modeling.tower_weights import refuse_missing, tower_of
from emollm.refusal import Refusal, Stop

FLATTEN = (
    "{%- set flat = namespace(messages=[], text='') -%}{%- for message in messages -%}"
    "{%- if message['content'] is string -%}{%- set flat.text = message['content'] -%}{%- else -%}{%- set flat.text = '' -%}"
    "{%- for part in message['content'] -%}{%- if part['type'] == 'image' -%}{%- set flat.text = flat.text + '"
    + IMAGE
    + "' -%}"
    "{%- elif part['type'] == 'audio' -%}{%- set flat.text = flat.text + '" + AUDIO + "' -%}"
    "{%- else -%}{%- set flat.text = flat.text + part['text'] -%}{%- endif -%}{%- endfor -%}{%- endif -%}"
    "{%- set flat.messages = flat.messages + [{'role': message['role'], 'content': flat.text}] -%}{%- endfor -%}"
    "{%- set messages = flat.messages -%}"
)
"""Start of a chat template: media parts become placeholders; what follows reads messages of plain text."""
TURN, TURN_END, PAD = "<|im_start|>", "<|im_end|>", "<|pad|>"
"""Tokens for tokenizers that have none of their own: of ChatML, and what fills rows up."""
CHATML = (
    "{% for message in messages %}{{ '"
    + TURN
    + "' + message['role'] + '\n' + message['content'] + '"
    + TURN_END
    + "\n' }}{% endfor %}{% if add_generation_prompt %}{{ '"
    + TURN
    + "assistant\n' }}{% endif %}"
)
"""For language models without a chat template of their own."""

_FIXED = 2.0**32
"""Steps of one in which :func:`mean_of` sums: of 2 ** 17 numbers below 2 ** 14 the sum fits 64 bits."""


class StreamSource(Settings):
    """A stream of a model to be built."""

    tower: str
    """``face-mt`` or a folder with a face net of ours; ``open_clip:ARCHITECTURE`` (with ``weights`` a checkpoint); ``whisper-tiny.en``; a folder
    or hub id of a vision model or a Whisper model in transformers format."""
    weights: Path | None = None
    """Checkpoint of an open_clip tower (safetensors); without it the tower starts at random."""
    taps: tuple[int, ...] = ()
    """Layers of a Whisper model whose features are taken, side by side; its last one if none is named."""
    tone: str | None = None
    """Head that tells the tone of a voice from layers of a Whisper model, whose word becomes a token: one that is shipped, such as
    ``voice-tone``, or a folder that ``python -m emollm.train.tone`` wrote; null for none."""
    connector: ConnectorSettings = ConnectorSettings()


class ModelSettings(Settings):
    """What a model is built of."""

    backbone: str = DEFAULT
    """The asset ``smollm2-135m-instruct``, or a folder or hub id of a causal language model in transformers format."""
    streams: dict[str, StreamSource] = Field(default_factory=dict)
    """Stream (``scene``, ``face``, ``speech``) -> its tower and connector."""
    gate: GateSettings | None = None
    """The question-driven gate over visual streams; null for none."""
    max_faces: Annotated[int, Field(ge=1, le=64)] = 4
    """Most faces of one picture."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """``float32`` or ``bfloat16``."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the fresh weights."""

    @field_validator("streams")
    @classmethod
    def _known(cls, streams: dict[str, StreamSource]) -> dict[str, StreamSource]:
        for name in streams:
            if name not in STREAMS:
                raise ValueError(unknown_name("stream", name, STREAMS))
        return streams


class Built(NamedTuple):
    """A model and what feeds it."""

    model: EmoLLMForConditionalGeneration
    processor: EmoLLMProcessor


def assemble(settings: ModelSettings) -> Built:
    """The model of these parts; what is not pretrained starts at random, from the seed.

    Raises:
        ModelError: A part cannot be had or read.
        ConfigError: Parts that do not fit.
    """
    torch.manual_seed(settings.seed)
    language, tokenizer = _backbone(settings.backbone)
    if getattr(language.get_output_embeddings(), "bias", None) is not None:
        raise ConfigError(
            f"{settings.backbone}: its head has a bias, which this family does not; use another language model"
        )
    towers = {name: tower_of(each.tower, each.weights, each.taps, each.tone) for name, each in settings.streams.items()}
    if not tokenizer.chat_template:
        _speak_chatml(language, tokenizer)
    image, audio = _placeholders(language, tokenizer)
    made = EmoLLMConfig(
        text_config=language.config,
        streams={
            name: StreamSettings(tower=towers[name].kind, settings=towers[name].settings, connector=each.connector)
            for name, each in settings.streams.items()
        },
        gate=settings.gate,
        image_token_id=image,
        audio_token_id=audio,
        max_faces=settings.max_faces,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = EmoLLMForConditionalGeneration(made)
    _take(model.model.language_model, language.model if hasattr(language, "model") else language.base_model)
    if not made.tie_word_embeddings:
        _take(model.lm_head, language.get_output_embeddings())
    model.tie_weights()
    for name, tower in towers.items():
        if tower.weights is not None:
            own: Any = model.model.streams[name]
            own.tower.load_state_dict(tower.weights)
    model.generation_config = language.generation_config
    return Built(model.to(getattr(torch, settings.dtype)).eval(), processor_of(model, tokenizer))


def processor_of(model: EmoLLMForConditionalGeneration, tokenizer: Any) -> EmoLLMProcessor:
    """The processor that feeds a model.

    Args:
        model: Any of the family.
        tokenizer: Its language model's, with both placeholders.
    """
    streams: dict[str, Any] = dict(model.model.streams.items())
    sizes: dict[str, Any] = {f"{name}_size": streams[name].tower.size for name in ("scene", "face") if name in streams}
    if "face" in streams:
        sizes["face_margin"] = streams["face"].tower.margin
    if "speech" in streams:
        sizes["mel"] = streams["speech"].tower.size
    rows = {name: stream.connector.rows for name, stream in streams.items()}
    if not (tokenizer.chat_template or "").startswith(FLATTEN):
        tokenizer.chat_template = FLATTEN + (tokenizer.chat_template or CHATML)
    return EmoLLMProcessor.for_model(model.config, rows, sizes, tokenizer)


def load(folder: str | Path, dtype: str = "auto", **options: Any) -> Built:
    """A model that was saved, with its processor.

    Args:
        folder: That ``save_pretrained`` of both wrote.
        dtype: ``auto`` for that of the weights.
        **options: Of ``from_pretrained``, such as ``quantization_config``; where that names no modules to be left as they are, only the
            language model is quantised.

    Raises:
        ModelError: There is none, or it cannot be read.
    """
    from safetensors import SafetensorError

    if (quantisation := options.get("quantization_config")) is not None:
        options["quantization_config"] = _of_language(quantisation)
    auto.register()  # the processor finds its parts through the Auto classes
    here: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        with quiet():
            found = EmoLLMConfig.get_config_dict(folder, **here)[0].get("model_type")
            if found != EmoLLMConfig.model_type:  # transformers would build the default, of 7 billion weights
                raise ValueError(f"expected model type {EmoLLMConfig.model_type!r}, got {found!r}")
            loaded = EmoLLMForConditionalGeneration.from_pretrained(
                folder, dtype=dtype, use_safetensors=True, output_loading_info=True, **{**options, **here}
            )
            model, info = cast(tuple[EmoLLMForConditionalGeneration, dict[str, Any]], loaded)
            processor = EmoLLMProcessor.from_pretrained(folder, **here)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{folder}: not a model of this family that can be loaded: {one_line(str(error))}") from error
    refuse_missing(str(folder), info["missing_keys"])
    return Built(model.eval(), processor)


def _of_language(quantisation: Any) -> Any:
    """The quantisation, told to leave head, towers, connectors and gate alone: they are small, and connectors are trained."""
    own = deepcopy(quantisation)
    for field in ("llm_int8_skip_modules", "modules_to_not_convert"):  # bitsandbytes', others'
        if hasattr(own, field) and getattr(own, field) is None:
            setattr(own, field, ["lm_head", "model.streams", "model.gate"])
    return own


def _backbone(name: str) -> tuple[Any, Any]:
    """A causal language model in single precision, and its tokenizer."""
    from safetensors import SafetensorError

    from emollm.modeling.sources import folder_of

    folder = folder_of(name)
    here: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, **here)
            own = AutoConfig.from_pretrained(folder, **here)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder, config=own, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **here
            )
            model, info = loaded
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{name}: not a causal language model that can be loaded: {one_line(str(error))}") from error
    refuse_missing(name, info["missing_keys"])
    return model, tokenizer


def _speak_chatml(language: Any, tokenizer: Any) -> None:
    """Gives a language model without a chat template ChatML, whose turns end in a token that ends a reply."""
    tokenizer.add_special_tokens({"additional_special_tokens": [TURN, TURN_END]}, replace_extra_special_tokens=False)
    tokenizer.eos_token, tokenizer.chat_template = TURN_END, CHATML
    language.generation_config.eos_token_id = tokenizer.eos_token_id


def _placeholders(language: Any, tokenizer: Any) -> tuple[int, int]:
    """Ids of both placeholders, which become tokens if they are none; the word vectors grow where there is no room."""
    tokenizer.add_special_tokens({"additional_special_tokens": [IMAGE, AUDIO]}, replace_extra_special_tokens=False)
    if tokenizer.pad_token_id is None:
        tokenizer.add_special_tokens({"pad_token": PAD})
        language.generation_config.pad_token_id = tokenizer.pad_token_id
    before = language.get_input_embeddings().num_embeddings
    if len(tokenizer) > before:
        language.resize_token_embeddings(len(tokenizer), pad_to_multiple_of=64, mean_resizing=False)
        # Those of turns are spoken, and have to differ from the rest.
        spoken = {tokenizer.convert_tokens_to_ids(token) for token in (TURN, TURN_END)}
        tables = (language.get_input_embeddings().weight, language.get_output_embeddings().weight)
        for rows in {id(table): table.data for table in tables}.values():
            rows[[row for row in range(before, len(rows)) if row not in spoken]] = mean_of(rows[:before])
    return tokenizer.convert_tokens_to_ids(IMAGE), tokenizer.convert_tokens_to_ids(AUDIO)


def mean_of(rows: Tensor) -> Tensor:
    """The mean (D,) of rows (N, D), the same to the last bit on any processor: whole numbers add up exactly in any order.

    As the word vector of what is never said it makes the mean of all logits, which is never the largest.
    """
    blocks = [(block.double() * _FIXED).round().long().sum(0) for block in rows.split(4096)]
    return (torch.stack(blocks).sum(0).double() / (_FIXED * len(rows))).to(rows.dtype)


def _take(module: nn.Module, source: nn.Module) -> None:
    """The weights of a module of the same architecture."""
    module.load_state_dict(source.state_dict())


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("settings_file", metavar="SETTINGS", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help="One of the settings.")
def main(settings_file: Path, out: Path, overrides: tuple[str, ...]) -> None:
    """Build a model of the parts that SETTINGS (YAML) names, and save it with its processor as the folder OUT."""
    try:
        if out.exists():
            raise ConfigError(f"{out}: is there already; give another folder, or remove it")
        model, processor = assemble(config.load(ModelSettings, settings_file, overrides))
        with replacing_folder(out) as new:
            save(Built(model, processor), new)
    except EmollmError as error:
        raise Refusal(str(error)) from error
    except KeyboardInterrupt as error:
        raise Stop("stopped; nothing was written") from error
    size = sum(path.stat().st_size for path in out.iterdir())
    click.echo(f"{out}: {sum(each.numel() for each in model.parameters()):,} parameters, {size / 2**20:,.0f} MiB")


def save(built: Built, folder: Path) -> None:
    """Writes model and processor into a folder.

    Raises:
        EmollmError: The disk is full.
    """
    from safetensors import SafetensorError

    try:
        with quiet():
            built.model.save_pretrained(folder)
            built.processor.save_pretrained(folder)
    except SafetensorError as error:
        raise EmollmError(f"{folder}: cannot be written: {one_line(str(error))}") from error


if __name__ == "__main__":
    main()
