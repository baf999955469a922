"""GGUF assets as models in transformers format, converted once into the cache."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from emollm import assets
from emollm.cache_folders import made_once
from emollm.errors import ModelError, one_line
from emollm.generate import import_transformers, quiet

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def converted(name: str) -> Path:
    """Folder with the GGUF asset of that name as bf16 safetensors, tokenizer and chat template.

    It is made once (:func:`emollm.cache_folders.made_once`) and named by the checksum of the asset.

    Raises:
        AssetError: The asset cannot be had.
        ModelError: It cannot be converted, or the cache cannot be written.
    """
    folder = assets.cache_root() / "converted" / f"{name}-{assets.asset(name).files[0].sha256[:16]}"
    if folder.is_dir():
        return folder
    file = assets.path(name)
    return made_once(folder, partial(_convert, file), f"converting {name} once, about 20 seconds …")


def _convert(file: Path, folder: Path) -> None:
    """Writes a GGUF file as a plain model with bf16 safetensors."""
    transformers = import_transformers()
    import torch
    from safetensors.torch import save_file

    # Releases of transformers that can keep the weights packed have this class, and must be told not to.
    unpack = getattr(transformers, "GgufConfig", None)
    options = {"quantization_config": unpack(dequantize=True)} if unpack else {}
    try:
        with quiet():
            tokenizer = transformers.AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
            packed = transformers.AutoModelForCausalLM.from_pretrained(
                file.parent, gguf_file=file.name, dtype=torch.float32, **options
            )
            vars(packed.config).pop("quantization_config", None)
            packed.to(torch.bfloat16).config.dtype = torch.bfloat16
            packed.config.save_pretrained(folder)
            packed.generation_config.save_pretrained(folder)
            # Tied weights stand once among the parameters; save_pretrained would import accelerate and deepspeed.
            weights = {key: value.detach().contiguous() for key, value in packed.named_parameters()}
            save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
            _split_digits(tokenizer, file)
            tokenizer.save_pretrained(folder)
    except (ValueError, KeyError, RuntimeError, ImportError) as error:
        raise ModelError(f"{file}: cannot be converted: {one_line(str(error))}") from error


def _split_digits(tokenizer: "PreTrainedTokenizerBase", file: Path) -> None:
    """Restores what transformers drops for GGUF's pre-tokenizer ``smollm``: each digit is a token of its own."""
    from gguf import GGUFReader
    from tokenizers.pre_tokenizers import ByteLevel, Digits
    from tokenizers.pre_tokenizers import Sequence as InOrder

    kind = GGUFReader(file).get_field("tokenizer.ggml.pre")
    if kind is not None and kind.contents() == "smollm":
        tokenizer.backend_tokenizer.pre_tokenizer = InOrder(
            [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
        )
