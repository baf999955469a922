"""Tiny models of real architectures with random weights: for tests, and to try a launcher or a server before a real run.

    python -m emollm.modeling.tiny OUT [--backbone llama|qwen|gemma|smollm] [--streams scene,face,speech] [--gate] [--connector mlp]

They answer nonsense; their tokenizer reads bytes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

from emollm.encoders.net import FaceNetConfig
from emollm.errors import ConfigError
from emollm.modeling.assemble import CHATML, FLATTEN, Built, processor_of
from emollm.modeling.configuration import STREAMS, ConnectorSettings, EmoLLMConfig, GateSettings, StreamSettings
from emollm.modeling.modeling import EmoLLMForConditionalGeneration
from emollm.modeling.processing import AUDIO, IMAGE

BACKBONES: dict[str, tuple[type[PreTrainedConfig], dict[str, Any]]] = {
    "llama": (LlamaConfig, {"tie_word_embeddings": False}),
    "qwen": (Qwen2Config, {"tie_word_embeddings": True}),
    "qwen3": (Qwen3Config, {"tie_word_embeddings": False, "head_dim": 32}),
    "gemma": (Gemma2Config, {"tie_word_embeddings": True, "head_dim": 32, "query_pre_attn_scalar": 32}),
    "smollm": (LlamaConfig, {"tie_word_embeddings": True, "num_key_value_heads": 1, "rope_theta": 100_000.0}),
}
"""Architectures: configuration and what differs from the others."""


def tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer of bytes with the tokens of ChatML and both placeholders."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    of_bytes = Tokenizer(models.BPE(vocab={letter: index for index, letter in enumerate(letters)}, merges=[]))
    of_bytes.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    of_bytes.decoder = decoders.ByteLevel()
    of_bytes.add_special_tokens([AddedToken(each) for each in ("<|im_start|>", "<|im_end|>", "<|pad|>", IMAGE, AUDIO)])
    found = PreTrainedTokenizerFast(tokenizer_object=of_bytes, eos_token="<|im_end|>", pad_token="<|pad|>")
    found.chat_template = FLATTEN + CHATML
    return found


def text_config(
    backbone: str, vocabulary: int, width: int = 64, layers: int = 2, context: int = 1024
) -> PreTrainedConfig:
    """Configuration of a tiny causal language model.

    Raises:
        ConfigError: Unknown architecture.
    """
    if backbone not in BACKBONES:
        raise ConfigError(f"unknown backbone {backbone!r}; known: {', '.join(BACKBONES)}")
    kind, own = BACKBONES[backbone]
    common = {
        "vocab_size": vocabulary, "hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": layers,
        "num_attention_heads": width // 32, "num_key_value_heads": width // 32, "max_position_embeddings": context, "head_dim": 32,
        "bos_token_id": None,
    }  # fmt: skip
    return kind(**{**common, **own})


def stream(name: str, connector: str = "mlp", tone: Sequence[str] = ()) -> StreamSettings:
    """A tiny stream: an open_clip tower for ``scene``, a face net for ``face``, a Whisper encoder for ``speech``.

    Args:
        name: Of the stream.
        connector: Its kind.
        tone: Labels of the tone head of ``speech``; without any it has none.
    """
    tokens = {"scene": 4, "face": 4, "speech": 10}[name]
    towers: dict[str, tuple[str, dict[str, Any]]] = {
        "scene": (
            "open_clip",
            {
                "model": "ViT-B-32",
                "vision": {"image_size": 32, "patch_size": 8, "width": 32, "layers": 1, "head_width": 16},
            },
        ),
        "face": (
            "face_net",
            {
                "net": FaceNetConfig(
                    backbone={"size": 32, "stem": 8, "widths": [8, 16], "depths": [1, 1]},
                    labels=("neutral", "happiness"),
                    units=("AU12",),
                    embedding=0,
                ).model_dump()
            },
        ),
        "speech": (
            "whisper",
            {
                **{"d_model": 32, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 64},
                **({"tone": {"labels": list(tone), "layers": [1]}} if tone else {}),
            },
        ),
    }
    tower, settings = towers[name]
    return StreamSettings(
        tower=tower,
        settings=settings,
        connector=ConnectorSettings(kind=connector, tokens=tokens, heads=4),  # type: ignore[arg-type]
    )


def tiny(
    backbone: str = "llama",
    streams: Sequence[str] = STREAMS,
    *,
    gate: bool = False,
    connector: str = "mlp",
    seed: int = 0,
    context: int = 1024,
    tone: Sequence[str] = (),
) -> Built:
    """A tiny model with random weights and its processor.

    Args:
        backbone: Name in :data:`BACKBONES`.
        streams: Which streams it has.
        gate: Whether questions weigh its visual streams.
        connector: Kind of all connectors.
        seed: Of the weights.
        context: Tokens that it reads.
        tone: Labels of the tone head of its ``speech``; without any it has none.
    """
    torch.manual_seed(seed)
    words = tokenizer()
    ids = words.get_vocab()
    config = EmoLLMConfig(
        text_config=text_config(backbone, len(words), context=context),
        streams={name: stream(name, connector, tone) for name in streams},
        gate=GateSettings(width=16) if gate else None,
        image_token_id=ids[IMAGE],
        audio_token_id=ids[AUDIO],
        pad_token_id=words.pad_token_id,
        eos_token_id=words.eos_token_id,
    )
    model = EmoLLMForConditionalGeneration(config).eval()
    # Fresh weights are so small that all inputs look alike: larger ones make replies depend on what is seen and asked.
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if (parameter.ndim > 1 and not name.startswith("model.streams.")) or (
                "connector" in name and parameter.ndim > 1
            ):
                parameter.mul_(4.0)
    model.generation_config.pad_token_id, model.generation_config.eos_token_id = words.pad_token_id, words.eos_token_id
    return Built(model, processor_of(model, words))


def tiny_backbone(folder: Path, backbone: str = "llama", seed: int = 0) -> Path:
    """Writes a tiny causal language model with its tokenizer, without streams."""
    torch.manual_seed(seed)
    words = tokenizer()
    AutoModelForCausalLM.from_config(text_config(backbone, len(words))).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--backbone", default="llama", type=click.Choice(sorted(BACKBONES)))
@click.option("--streams", default=",".join(STREAMS), help="Comma-separated; empty for text only.")
@click.option("--gate", is_flag=True, help="Let questions weigh the visual streams.")
@click.option("--connector", default="mlp", type=click.Choice(["linear", "mlp", "resampler"]))
@click.option("--seed", default=0)
def main(out: Path, backbone: str, streams: str, gate: bool, connector: str, seed: int) -> None:
    """Writes a tiny random model to OUT."""
    built = tiny(backbone, [each for each in streams.split(",") if each], gate=gate, connector=connector, seed=seed)
    built.model.save_pretrained(out)
    built.processor.save_pretrained(out)
    print(f"{out}: {sum(each.numel() for each in built.model.parameters()):,} parameters")


if __name__ == "__main__":
    main()
