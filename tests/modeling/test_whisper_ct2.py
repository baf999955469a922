"""The encoder of a Whisper model, out of CTranslate2's form and out of transformers'."""

import struct
import wave
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from ctranslate2.converters.transformers import WhisperLoader
from ctranslate2.specs import WhisperSpec
from faster_whisper import WhisperModel
from torch import Tensor, nn
from transformers import WhisperConfig, WhisperFeatureExtractor
from transformers import WhisperModel as WhisperOfTransformers

from emollm import assets
from emollm.errors import ModelError
from emollm.modeling import towers
from emollm.modeling.tower_weights import TowerSource, tower_of
from emollm.modeling.whisper_ct2 import read_encoder

Edit = Callable[[bytes], bytes]


def tower(source: TowerSource) -> nn.Module:
    """The tower of a source, with its weights."""
    assert source.weights is not None
    made = towers.build(source.kind, source.settings)
    made.load_state_dict(source.weights)
    return made.eval()


@pytest.fixture(scope="module")
def whisper() -> WhisperOfTransformers:
    """A Whisper of 2 layers with random weights."""
    torch.manual_seed(0)
    config = WhisperConfig(
        d_model=32, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=48, decoder_ffn_dim=48, vocab_size=64, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=1,
    )  # fmt: skip
    return WhisperOfTransformers(config).eval()


@pytest.fixture(scope="module")
def written(whisper: WhisperOfTransformers, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Writes it as CTranslate2 itself does, with weights of that type."""

    def write(kind: str) -> Path:
        folder = tmp_path_factory.mktemp(kind)
        spec, loader = WhisperSpec(2, 2, 1, 2), WhisperLoader()
        copy = deepcopy(whisper)  # CTranslate2 quantises in place
        loader.set_encoder(spec.encoder, copy.encoder)
        loader.set_decoder(spec.decoder, copy.decoder)
        spec.decoder.projection.weight = spec.decoder.embeddings.weight
        spec.register_vocabulary([str(place) for place in range(64)])
        spec.validate()
        spec.optimize(kind)
        spec._serialize(str(folder / "model.bin"))
        return folder

    return write


@pytest.fixture(scope="module")
def single(written: Callable[[str], Path]) -> Path:
    """Its folder in single precision."""
    return written("float32")


def voice() -> np.ndarray:
    """Eleven seconds of speech at 16 kHz."""
    with wave.open(str(assets.path("speech-jfk"))) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768


# ---- what it gives --------------------------------------------------------------------------------------------------


def test_a_real_voice_gives_what_faster_whisper_gives() -> None:
    folder = assets.path("whisper-tiny.en")
    faster = WhisperModel(str(folder), device="cpu", compute_type="float32", cpu_threads=2)
    heard = WhisperFeatureExtractor()(voice(), sampling_rate=16_000, padding="max_length", return_tensors="np")
    frames = heard["input_features"]
    with torch.no_grad():
        ours = tower(tower_of("whisper-tiny.en"))(torch.from_numpy(frames)).features.numpy()
    away = np.abs(ours - np.array(faster.encode(frames[0])))
    # In single precision, where features are 0.58 on average and 13 at most: over 44 voices 5.8e-4 at worst and 2.5e-6 on average of the
    # worst voice; of this voice 2.8e-5 and 1.4e-6. CTranslate2's own int8 is away from it by 14 at worst and 0.024 on average.
    assert away.max() < 2e-3
    assert away.mean() < 1e-5


def test_both_feature_extractors_agree_on_sound_filled_up_with_silence() -> None:
    folder = assets.path("whisper-tiny.en")
    sound = voice()
    theirs = WhisperModel(str(folder), device="cpu", compute_type="float32", cpu_threads=1).feature_extractor
    filled = np.pad(sound, (0, 480_000 - len(sound)))
    ours = WhisperFeatureExtractor()(sound, sampling_rate=16_000, padding="max_length", return_tensors="np")
    # Over 44 voices 3.8e-5 at worst. (faster-whisper itself fills up frames with 0 instead of sound, which is 0.7 away from silence.)
    np.testing.assert_allclose(ours["input_features"][0], theirs(filled, padding=0)[:, :3000], atol=2e-4)


@pytest.mark.parametrize(
    ("kind", "share"),
    # Rounding of a weight as a share of the largest one in its row (int8), or of all that is one matrix there (int16).
    [("float32", 0.0), ("float16", 2**-11), ("bfloat16", 2**-8), ("int16", 1 / 2**10), ("int8_float32", 0.5 / 127)],
)
def test_every_type_of_weights_is_read(
    kind: str, share: float, written: Callable[[str], Path], whisper: WhisperOfTransformers
) -> None:
    encoder = read_encoder(written(kind))
    wanted: dict[str, Tensor] = whisper.encoder.state_dict()
    assert encoder.weights.keys() == wanted.keys()
    for name, weight in wanted.items():
        torch.testing.assert_close(encoder.weights[name], weight, rtol=0, atol=share * float(weight.abs().max()) + 1e-7)
    assert encoder.settings == {
        "d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 48, "num_mel_bins": 80,
    }  # fmt: skip


def test_a_whisper_of_transformers_gives_the_same_features(whisper: WhisperOfTransformers, tmp_path: Path) -> None:
    whisper.save_pretrained(tmp_path)
    frames = torch.randn(1, 80, 3000)
    with torch.no_grad():
        found = tower(tower_of(str(tmp_path)))(frames).features
        torch.testing.assert_close(found, whisper.encoder(frames).last_hidden_state, rtol=0, atol=0)


# ---- what it refuses ------------------------------------------------------------------------------------------------


def replaced(old: bytes, new: bytes) -> Edit:
    """Replaces bytes that must be there."""

    def edit(content: bytes) -> bytes:
        assert old in content
        return content.replace(old, new, 1)

    return edit


def scalar(value: int) -> bytes:
    """The encoder's number of heads as it stands in the file."""
    return b"encoder/num_heads\0" + struct.pack("<BBIh", 0, 2, 2, value)


HEADER = struct.pack("<IH", 6, 12) + b"WhisperSpec\0" + struct.pack("<I", 3)
DAMAGE: dict[str, tuple[Edit, str]] = {
    "empty": (lambda content: b"", "ends after 0 bytes"),
    "half": (lambda content: content[: len(content) // 2], r"ends after \d+ bytes, inside of 'encoder"),
    "without aliases": (lambda content: content[:-20], "too early"),
    "zip": (lambda content: b"PK\x03\x04" + content, "binary version 67324752, expected 4 to 6"),
    "pickle": (lambda content: b"\x80\x02}q\x00." + content, "binary version"),
    "newer": (lambda content: struct.pack("<I", 7) + content[4:], "binary version 7, expected 4 to 6"),
    "another model": (
        replaced(b"WhisperSpec", b"Wav2VecSpec"),
        "layout 'Wav2VecSpec' revision 3, expected 'WhisperSpec'",
    ),
    "escape codes": (replaced(b"WhisperSpec", b"Whis\x1b[31mSp"), r"layout 'Whis\\x1b\[31mSp'"),
    "another revision": (lambda content: content[:18] + struct.pack("<I", 2) + content[22:], "revision 2, expected"),
    "4 billion variables": (
        lambda content: HEADER + b"\xff" * 4 + content[len(HEADER) + 4 :],
        "cannot have|ends after",
    ),
    "vast shape": (
        replaced(
            b"encoder/conv1/weight\0\x03" + struct.pack("<III", 32, 80, 3), b"encoder/conv1/weight\0\x03" + b"\xff" * 12
        ),
        "'encoder/conv1/weight' of shape .4294967295, 4294967295, 4294967295. and type 0 cannot have",
    ),
    "unknown type": (
        replaced(scalar(2), b"encoder/num_heads\0" + struct.pack("<BBIh", 0, 9, 2, 2)),
        "type 9 cannot have",
    ),
    "a name lost": (replaced(b"encoder/conv2/weight", b"encoder/conv2/weighs"), "has no encoder/conv2/weight"),
    "a name too many": (replaced(b"decoder/num_heads", b"encoder/num_herds"), "its encoder has encoder/num_herds"),
    "no heads": (replaced(scalar(2), scalar(0)), "width 32 and 0 heads is no Whisper's"),
    "odd heads": (replaced(scalar(2), scalar(5)), "width 32 and 5 heads"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_refused_in_one_line(damage: str, single: Path, tmp_path: Path) -> None:
    edit, message = DAMAGE[damage]
    (tmp_path / "model.bin").write_bytes(edit((single / "model.bin").read_bytes()))
    with pytest.raises(ModelError, match=message) as caught:
        read_encoder(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'model.bin'}: ")
    assert len(str(caught.value).splitlines()) == 1


def test_weights_that_are_no_numbers_are_refused(
    written: Callable[[str], Path], whisper: WhisperOfTransformers
) -> None:
    kept = whisper.encoder.conv2.weight.detach().clone()
    with torch.no_grad():
        whisper.encoder.conv2.weight[0, 0, 0] = float("nan")
        folder = written("float32")
        whisper.encoder.conv2.weight.copy_(kept)
    with pytest.raises(ModelError, match="encoder/conv2/weight is not finite"):
        read_encoder(folder)


def test_a_folder_without_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.bin: cannot be read: No such file"):
        read_encoder(tmp_path)


def test_no_damage_raises_anything_else(single: Path, tmp_path: Path) -> None:
    content = (single / "model.bin").read_bytes()
    numbers = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        broken = bytearray(content)
        for place in (numbers.integers(0, len(content)), numbers.integers(0, 200)):
            broken[place] = numbers.integers(0, 256)
        (tmp_path / "model.bin").write_bytes(broken[: numbers.integers(1, len(content) * 2)])
        refused += outcome(tmp_path)
    assert 50 < refused < 150


def outcome(folder: Path) -> bool:
    """Whether it is refused, in one line."""
    try:
        read_encoder(folder)
    except ModelError as error:
        return len(str(error).splitlines()) == 1
    return False
