"""The tone of a voice: told from its own frames alone, one token before its others, kept where a model is saved."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import WhisperConfig, WhisperModel

from emollm.errors import ConfigError, ModelError
from emollm.modeling import tone, towers
from emollm.modeling.assemble import Built, ModelSettings, StreamSource, assemble, load, save
from emollm.modeling.configuration import ConnectorSettings
from emollm.modeling.tiny import tiny, tiny_backbone
from emollm.modeling.tower_weights import tower_of
from tests.modeling.conversations import STREAMS, TURNS, inputs

LABELS = ("anger", "neutral", "sadness")
WHISPER = {"d_model": 32, "encoder_layers": 3, "encoder_attention_heads": 2, "encoder_ffn_dim": 48}


@pytest.fixture
def hearing() -> Built:
    """A fresh model with all streams, whose voices have a tone."""
    return tiny(gate=True, tone=LABELS)


@pytest.fixture
def head(tmp_path: Path) -> Path:
    """A head for the last two layers of a Whisper of this width."""
    config = tone.ToneConfig(tone=tone.ToneSettings(labels=LABELS, layers=(2, 3)), tower="whisper", width=32)
    draw = torch.Generator().manual_seed(0)
    made = tone.ToneHead(config, torch.randn(3, 64, generator=draw), torch.randn(3, generator=draw))
    tone.write(tmp_path / "head", made, {"data": "invented"})
    return tmp_path / "head"


@pytest.fixture
def whisper(tmp_path: Path) -> Path:
    """A Whisper of transformers."""
    torch.manual_seed(0)
    decoder = {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 16, "vocab_size": 51865}
    WhisperModel(WhisperConfig(**WHISPER, **decoder)).save_pretrained(tmp_path / "whisper")
    return tmp_path / "whisper"


# ---- the tower ------------------------------------------------------------------------------------------------------


def test_a_tone_is_told_from_the_frames_of_the_voice_itself() -> None:
    torch.manual_seed(0)
    made: Any = towers.build("whisper", {**WHISPER, "taps": (1,), "tone": {"labels": LABELS, "layers": (2, 3)}}).eval()
    sounds, lengths = torch.randn(4, 80, 3000), torch.tensor([3000, 201, 7, 1])
    with torch.no_grad():
        layers = made.model(sounds, output_hidden_states=True).hidden_states
        seen = made(sounds, lengths)
        wanted = [
            made.tone(torch.cat([layers[place][row, :frames].mean(0) for place in (2, 3)])).softmax(-1)
            for row, frames in enumerate((1500, 100, 3, 1))
        ]
        whole = made(sounds).summary
    assert made.summary_width == 3
    assert seen.features.equal(layers[1])
    torch.testing.assert_close(seen.summary, torch.stack(wanted))
    torch.testing.assert_close(whole[0], seen.summary[0])
    assert not torch.allclose(whole[1], seen.summary[1])


def test_what_is_behind_a_voice_is_not_part_of_its_mean() -> None:
    features = torch.arange(12.0).reshape(1, 6, 2)
    changed = features.clone()
    changed[:, 2:] = 1e6
    own = tone.own_frames(torch.tensor([5]), 6)
    assert own.tolist() == [2]
    assert tone.own_means(features, own).tolist() == tone.own_means(changed, own).tolist() == [[1.0, 2.0]]


# ---- the model ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "tokens"), [(0.02, 2), (3.0, 2), (4.0, 3), (30.0, 11), (40.0, 11)])
def test_a_voice_places_its_tone_and_its_share(hearing: Built, seconds: float, tokens: int) -> None:
    """Of ten tokens for 30 s; the features are as many as the placeholders."""
    turn = TURNS[0]._replace(voices=(seconds,))
    batch = inputs(hearing.processor, ("speech",), (turn,))
    assert (batch["input_ids"] == hearing.processor.audio_token_id).sum() == tokens
    assert hearing.model.config.max_source_positions == hearing.processor.speech_tokens == 11
    features = hearing.model.model.get_audio_features(batch["input_features"], batch["input_features_mask"])
    assert len(features.pooler_output) == tokens
    told = hearing.processor._get_num_multimodal_tokens(audio_lengths=[round(seconds * 16_000)])
    assert told["num_audio_tokens"] == [tokens]


def test_the_first_token_of_a_voice_is_its_tone_beside_any_other_voice(hearing: Built) -> None:
    stream = hearing.model.model.streams["speech"]
    batch = inputs(hearing.processor, ("speech",), TURNS[2:])
    sounds, mask = batch["input_features"], batch["input_features_mask"]
    with torch.no_grad():
        together = hearing.model.model.get_audio_features(sounds, mask).pooler_output
        alone = [hearing.model.model.get_audio_features(sounds[[n]], mask[[n]]).pooler_output for n in (0, 1)]
        torch.testing.assert_close(together, torch.cat(alone))
        stream.tower.tone.bias += torch.tensor([4.0, 0.0, -4.0])
        other = hearing.model.model.get_audio_features(sounds, mask).pooler_output
    moved = (other - together).abs().amax(1) > 1e-6
    assert moved.nonzero().flatten().tolist() == [0, len(alone[0])]


@pytest.mark.parametrize("blanks", ["connectors", "towers"])
def test_a_model_with_tones_trains_in_half_precision(hearing: Built, blanks: Any) -> None:
    model = hearing.model.train()
    model.model.streams.requires_grad_(True)
    model.model.streams["speech"].tower.requires_grad_(blanks == "towers")
    model.model.blanks = blanks
    for turns, heard in ((TURNS[:1], True), (TURNS[1:2], False)):
        model.zero_grad()
        batch = inputs(hearing.processor, STREAMS["all"], turns)
        with torch.autocast("cpu", torch.bfloat16):
            model(**batch, labels=batch["input_ids"]).loss.backward()
        found = {name: weight.grad for name, weight in model.named_parameters() if ".speech." in name}
        wanted = {name for name in found if ".connector." in name or (blanks == "towers" and ".tone." in name)}
        assert wanted
        assert all(found[name] is not None and found[name].any() == heard for name in wanted)
        assert (found["model.streams.speech.tower.tone.weight"] is None) == (blanks == "connectors")


def test_half_precision_tells_the_same_tone(hearing: Built) -> None:
    tower: Any = hearing.model.model.streams["speech"].tower
    with torch.no_grad():  # as folded standardisation makes them: parts that cancel out
        tower.tone.weight.mul_(100.0)
    sounds = torch.randn(2, 80, 3000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        plain = tower(sounds).summary
        with torch.autocast("cpu", torch.bfloat16):
            half = tower.model(sounds, output_hidden_states=True).hidden_states
            summary = tower(sounds).summary
        by_hand = tower.tone(half[1].float().mean(1)).softmax(-1)
    assert summary.dtype == plain.dtype == torch.float32
    torch.testing.assert_close(summary, by_hand)


@pytest.mark.parametrize("beams", [1, 3])
def test_a_model_with_tones_answers_each_conversation_as_alone(hearing: Built, beams: int) -> None:
    how: dict[str, Any] = {"max_new_tokens": 4, "do_sample": False, "num_beams": beams}
    batch = inputs(hearing.processor, STREAMS["all"], TURNS)
    replies = hearing.model.generate(**batch, **how)[:, batch["input_ids"].shape[1] :]
    for place, turn in enumerate(TURNS):
        own = inputs(hearing.processor, STREAMS["all"], (turn,))
        reply = hearing.model.generate(**own, **how)[0, own["input_ids"].shape[1] :].tolist()
        assert replies[place, : len(reply)].tolist() == reply


# ---- parts and folders ----------------------------------------------------------------------------------------------


def test_a_model_of_a_tower_and_a_head_is_saved_and_loaded(head: Path, whisper: Path, tmp_path: Path) -> None:
    backbone = tiny_backbone(tmp_path / "backbone")
    few = ConnectorSettings(tokens=4)
    speech = StreamSource(tower=str(whisper), taps=(1, 2), tone=str(head), connector=few)
    built = assemble(ModelSettings(backbone=str(backbone), streams={"speech": speech}))
    tower: Any = built.model.model.streams["speech"].tower
    assert tower.tone.weight.equal(tone.read(str(head)).weight)
    assert tower.tone.bias.equal(tone.read(str(head)).bias)
    save(built, tmp_path / "saved")
    again = load(tmp_path / "saved")
    assert (again.processor.speech_tokens, again.processor.speech_summary) == (5, 1)
    with torch.no_grad():
        first, second = (each.model(**inputs(each.processor, ("speech",), TURNS)).logits for each in (built, again))
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_a_model_without_a_tone_has_no_summary() -> None:
    model, processor = tiny(streams=("speech",))
    assert (model.config.voice_summary, processor.speech_summary, processor.speech_tokens) == (0, 0, 10)
    assert model.model.streams["speech"].tower.summary_width == 0


def test_the_shipped_head_fits_the_tower_that_it_names() -> None:
    assert tone.shipped()
    for name in tone.shipped():
        found = tone.read(name)
        source = tower_of(found.config.tower, tone=name)
        made = towers.build(source.kind, source.settings)
        assert source.weights is not None
        made.load_state_dict(source.weights)
        assert made.summary_width == len(found.config.tone.labels)


def test_heads_that_cannot_be_used_are_refused(head: Path, whisper: Path, tmp_path: Path) -> None:
    def refused(kind: type[Exception], message: str, name: str = str(head), tower: str = str(whisper)) -> None:
        with pytest.raises(kind, match=message) as caught:
            tower_of(tower, tone=name)
        assert len(str(caught.value).splitlines()) == 1

    refused(ModelError, r"unknown tone head 'voice-ton' \(did you mean 'voice-tone'\?\).*a folder", "voice-ton")
    refused(ConfigError, "tower face-mt: only Whisper models take a tone head; leave tone out", tower="face-mt")
    refused(ConfigError, r"has 4 layers of 384; give a head that was fitted on it", tower="whisper-tiny.en")
    save_file({"weight": torch.zeros(3, 32), "bias": torch.zeros(3)}, head / tone.WEIGHTS)
    refused(ModelError, r"model\.safetensors: expected tensors .*\(3, 64\).*, got .*\(3, 32\)")
    (head / tone.WEIGHTS).write_bytes(b"half")
    refused(ModelError, r"model\.safetensors: cannot be read as safetensors")
    (head / tone.CONFIG).write_text("{}")
    refused(ModelError, r"config\.json: not the configuration of a tone head")
    with pytest.raises(ConfigError, match="tone: layer 4 of 3; name layers that there are"):
        towers.build("whisper", {**WHISPER, "tone": {"labels": LABELS, "layers": (4,)}})
