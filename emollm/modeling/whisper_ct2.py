"""The encoder of a Whisper model in CTranslate2 form, as tensors of transformers' ``WhisperEncoder``.

A ``model.bin`` is little-endian: version, name and revision of the layout; the variables, each with name, dimensions, type and bytes; then
aliases of variables that are equal. A text is its length in 16 bits, itself and a zero. Quantised weights were multiplied by a scale that
stands beside them, one for each row or one for all. Nothing in it is run, and no number is believed before it is known to fit the file.
"""

import math
import re
import struct
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch
from torch import Tensor

from emollm.errors import ModelError, one_line

FILE = "model.bin"
VERSIONS = (4, 5, 6)
"""Versions of the binary form that are written as described."""
LAYOUT, REVISION = "WhisperSpec", 3
"""Name of the layout, and the revision since which it says how many heads there are."""
POSITIONS = 1500
"""Features of 30 s."""
TYPES = (torch.float32, torch.int8, torch.int16, torch.int32, torch.float16, torch.bfloat16)
"""By their number in the file."""
LAYER = {
    "self_attn.out_proj": "self_attention/linear_1",
    "fc1": "ffn/linear_0",
    "fc2": "ffn/linear_1",
}
"""Linear maps of a layer: transformers' name -> CTranslate2's; queries, keys and values are one there."""


class Ct2Encoder(NamedTuple):
    """An encoder."""

    settings: dict[str, Any]
    """Of :class:`emollm.modeling.towers.WhisperTowerSettings`."""
    weights: dict[str, Tensor]
    """By ``WhisperEncoder``'s names, single precision."""


def read_encoder(folder: Path) -> Ct2Encoder:
    """The encoder in a folder with ``model.bin``.

    Raises:
        ModelError: There is none, it is damaged, or it is not of a Whisper model.
    """
    path = folder / FILE
    try:
        with path.open("rb") as file:
            return _encoder(_Variables(file, path))
    except OSError as error:
        raise ModelError(
            f"{path}: cannot be read: {error.strerror}; expected a Whisper model in CTranslate2 form"
        ) from error


class _Place(NamedTuple):
    """Where a variable is."""

    offset: int
    shape: tuple[int, ...]
    dtype: torch.dtype


class _Variables:
    """The variables of a file, found at once and read one by one.

    Args:
        file: Open at its start.
        path: Its name in messages.

    Raises:
        ModelError: It ends early or is of another kind.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path
        self._size = file.seek(0, 2)
        self._taken: set[str] = set()
        file.seek(0)
        version = self._number("I")
        if version not in VERSIONS:
            raise self.wrong(f"binary version {version}, expected {VERSIONS[0]} to {VERSIONS[-1]}")
        layout, revision = self._text(), self._number("I")
        if (layout, revision) != (LAYOUT, REVISION):
            raise self.wrong(f"layout {layout!r} revision {revision}, expected {LAYOUT!r} revision {REVISION}")
        self._places = dict(self._place() for _ in range(self._number("I")))
        self._aliases = {self._text(): self._text() for _ in range(self._number("I"))}

    def wrong(self, what: str) -> ModelError:
        """The error that says so."""
        return ModelError(
            f"{self._path}: not a Whisper model of CTranslate2 that can be read: {one_line(what)}; get or convert it again"
        )

    @property
    def names(self) -> set[str]:
        """Of variables and aliases."""
        return {*self._places, *self._aliases}

    @property
    def left(self) -> list[str]:
        """The encoder's variables that were not taken."""
        return sorted(name for name in self.names - self._taken if name.startswith("encoder/"))

    def shape(self, name: str, rank: int) -> tuple[int, ...]:
        """Dimensions of a variable that has so many."""
        shape = self._found(name)[1].shape
        if len(shape) != rank:
            raise self.wrong(f"{name} has shape {shape}, expected {rank} dimensions")
        return shape

    def count(self, name: str) -> int:
        """The whole number that a variable is."""
        self.shape(name, 0)
        return int(self._read(self._found(name)[1]))

    def weight(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """A variable of this shape, in single precision, quantised or not."""
        name, place = self._found(name)
        if place.shape != shape:
            raise self.wrong(f"{name} has shape {place.shape}, expected {shape}")
        value = self._read(place).float()
        if not place.dtype.is_floating_point:
            scale = self._read(self._found(f"{name}_scale")[1]).float()
            if scale.numel() not in (1, shape[0]):
                raise self.wrong(f"{name} has {scale.numel()} scales, expected 1 or {shape[0]}")
            value = value / scale.reshape(-1, *[1] * (len(shape) - 1))
        if not value.isfinite().all():
            raise self.wrong(f"{name} is not finite")
        return value

    def _found(self, name: str) -> tuple[str, _Place]:
        """A variable that there is, by its own name."""
        own = self._aliases.get(name, name)
        if own not in self._places:
            raise self.wrong(f"it has no {name}")
        self._taken |= {name, own}
        return own, self._places[own]

    def _read(self, place: _Place) -> Tensor:
        self._file.seek(place.offset)
        # Copied into a buffer of its own, which torch may write to.
        own = bytearray(self._bytes(math.prod(place.shape) * place.dtype.itemsize))
        return torch.frombuffer(own, dtype=place.dtype).reshape(place.shape)

    def _place(self) -> tuple[str, _Place]:
        """The variable that stands next, passed over."""
        name, rank = self._text(), self._number("B")
        shape = struct.unpack(f"<{rank}I", self._bytes(4 * rank))
        kind, size = self._number("B"), self._number("I")
        if kind >= len(TYPES) or not all(shape) or math.prod(shape) * TYPES[kind].itemsize != size:
            raise self.wrong(f"{name!r} of shape {shape[:8]} and type {kind} cannot have {size} bytes")
        offset = self._file.tell()
        if offset + size > self._size:
            raise self.wrong(f"it ends after {self._size} bytes, inside of {name!r}")
        self._file.seek(size, 1)
        return name, _Place(offset, shape, TYPES[kind])

    def _bytes(self, count: int) -> bytes:
        got = self._file.read(count)
        if len(got) != count:
            raise self.wrong(f"it ends after {self._size} bytes, too early")
        return got

    def _number(self, code: str) -> int:
        return int(struct.unpack(f"<{code}", self._bytes(struct.calcsize(f"<{code}")))[0])

    def _text(self) -> str:
        return self._bytes(self._number("H")).removesuffix(b"\0").decode("utf-8", errors="replace")


def _encoder(variables: _Variables) -> Ct2Encoder:
    """The encoder of these variables."""
    width, bands, _ = variables.shape("encoder/conv1/weight", 3)
    inner, _ = variables.shape("encoder/layer_0/ffn/linear_0/weight", 2)
    heads = variables.count("encoder/num_heads")
    layers = {found[1] for name in variables.names if (found := re.match(r"encoder/layer_(\d+)/", name))}
    if bands not in (80, 128) or heads < 1 or width % heads:
        raise variables.wrong(f"an encoder of {bands} bands, width {width} and {heads} heads is no Whisper's")
    weights = {
        "conv1.weight": variables.weight("encoder/conv1/weight", (width, bands, 3)),
        "conv1.bias": variables.weight("encoder/conv1/bias", (width,)),
        "conv2.weight": variables.weight("encoder/conv2/weight", (width, width, 3)),
        "conv2.bias": variables.weight("encoder/conv2/bias", (width,)),
        "embed_positions.weight": variables.weight("encoder/position_encodings/encodings", (POSITIONS, width)),
        **_norm(variables, "encoder/layer_norm", "layer_norm", width),
    }
    for place in range(len(layers)):
        weights |= _layer(variables, f"encoder/layer_{place}", f"layers.{place}", width, inner)
    if left := variables.left:
        raise variables.wrong(f"its encoder has {left[0]}, which Whisper's has not")
    settings = {
        "d_model": width,
        "encoder_layers": len(layers),
        "encoder_attention_heads": heads,
        "encoder_ffn_dim": inner,
        "num_mel_bins": bands,
    }
    return Ct2Encoder(settings, weights)


def _layer(variables: _Variables, name: str, to: str, width: int, inner: int) -> dict[str, Tensor]:
    """The weights of a layer."""
    fused = variables.weight(f"{name}/self_attention/linear_0/weight", (3 * width, width)).chunk(3)
    bias = variables.weight(f"{name}/self_attention/linear_0/bias", (3 * width,)).chunk(3)
    weights = {f"{to}.self_attn.{each}_proj.weight": own.clone() for each, own in zip("qkv", fused, strict=True)}
    # Keys have no bias in Whisper, only zeros in the fused one; a bias would add the same to all of a query's logits anyway.
    weights |= {f"{to}.self_attn.{each}_proj.bias": bias["qkv".index(each)].clone() for each in "qv"}
    shapes = {"self_attn.out_proj": (width, width), "fc1": (inner, width), "fc2": (width, inner)}
    for own, other in LAYER.items():
        weights[f"{to}.{own}.weight"] = variables.weight(f"{name}/{other}/weight", shapes[own])
        weights[f"{to}.{own}.bias"] = variables.weight(f"{name}/{other}/bias", shapes[own][:1])
    weights |= _norm(variables, f"{name}/self_attention/layer_norm", f"{to}.self_attn_layer_norm", width)
    return weights | _norm(variables, f"{name}/ffn/layer_norm", f"{to}.final_layer_norm", width)


def _norm(variables: _Variables, name: str, to: str, width: int) -> dict[str, Tensor]:
    """Scale and shift of a layer norm."""
    return {
        f"{to}.weight": variables.weight(f"{name}/gamma", (width,)),
        f"{to}.bias": variables.weight(f"{name}/beta", (width,)),
    }
