"""Fitting the tone head: invented features, and sounds that a tiny Whisper can tell apart."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner
from transformers import WhisperConfig, WhisperModel

from emollm.linear import fit, left_out, mean_recall
from emollm.modeling import tone
from emollm.train.tone import Voices, beside, choices, cuts_of, folded, log_loss, main, tempered

SPEAKERS = ("03", "08", "09", "13")
"""The last one validates."""


def voices(seed: int = 0) -> Voices:
    """90 voices of three speakers, three classes; layer 2 of three tells the class, layer 1 the speaker alone."""
    draw = np.random.default_rng(seed)
    label, speaker = np.arange(90) % 3, np.arange(90) // 30
    means = draw.normal(size=(90, 3, 6)).astype(np.float32)
    means[:, 1, :3] += 4 * np.eye(3)[label]
    means[:, 0, :3] += 9 * np.eye(3)[speaker]
    of = np.repeat(np.arange(90), 2)
    cuts = means[of] + draw.normal(size=(180, 3, 6)).astype(np.float32) / 4
    return Voices(means, label, speaker, cuts.astype(np.float32), of)


# ---- choosing -------------------------------------------------------------------------------------------------------


def test_the_layer_that_tells_the_class_to_a_new_speaker_is_chosen() -> None:
    found = list(choices(voices(), 3, [(1,), (2,), (3,)], [0.01, 0.1]))
    best = min(found)
    assert len(found) == 12
    assert best.layers == (2,)
    assert best.recall > 0.9
    assert all(one.recall < 0.5 for one in found if one.layers != (2,))


def test_cuts_of_a_speaker_who_is_left_out_are_left_out_too() -> None:
    made = voices()
    kept = made.speaker != 1
    features, label = made.rows(kept, (2, 3), True)
    assert features.shape == (60 + 120, 12)
    own = kept[made.of]
    assert np.array_equal(features[60:], beside(made.cuts[own], (2, 3)))
    assert np.array_equal(label[60:], made.label[made.of[own]])
    assert len(made.rows(kept, (2,), False)[0]) == 60


def test_every_row_is_scored_by_those_who_are_not_of_its_group() -> None:
    label, group = np.array([0, 1, 0, 1]), np.array([7, 7, 9, 9])
    scores = left_out(label, group, 2, lambda out: np.full((out.sum(), 2), [np.flatnonzero(out)[0], 1.5]))
    assert scores[:, 0].tolist() == [0, 0, 2, 2]
    assert mean_recall(scores, label) == 0.5


def test_the_temperature_makes_probabilities_what_they_claim() -> None:
    draw = np.random.default_rng(0)
    logits = draw.normal(size=(4000, 3)) * 2
    chance = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    label = np.array([draw.choice(3, p=row) for row in chance])
    loss, degree = tempered(logits * 5, label)
    assert degree == pytest.approx(5, rel=0.1)
    assert loss == pytest.approx(log_loss(logits, label), abs=0.01)
    assert log_loss(np.zeros((4, 2)), np.array([0, 0, 0, 1])) == pytest.approx(np.log(2))


def test_folded_weights_give_the_same_scores() -> None:
    made = voices()
    features = beside(made.means, (1, 2)) * 30 + 200
    model = fit(features, made.label, 3, 0.01)
    weight, bias = folded(model, 0.5)
    found = torch.from_numpy(features.astype(np.float32)) @ weight.T + bias
    np.testing.assert_allclose(found.numpy(), model(features) / 0.5, atol=2e-3)


def test_cuts_are_of_the_length_that_is_asked_for() -> None:
    draw = np.random.default_rng(0)
    sound = np.arange(50_000, dtype=np.float32)
    found = list(cuts_of(sound, 20, draw))
    assert {16_000 <= len(cut) < 48_000 and cut[-1] - cut[0] == len(cut) - 1 for cut in found} == {True}
    assert len({len(cut) for cut in found}) > 10
    assert list(cuts_of(sound[:16_000], 3, draw)) == []


# ---- the run --------------------------------------------------------------------------------------------------------


@pytest.fixture
def heard(tmp_path: Path) -> Path:
    """A built set of 16 voices that are loud or soft, and a tiny Whisper (``whisper``)."""
    torch.manual_seed(0)
    decoder = {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 16}
    WhisperModel(
        WhisperConfig(d_model=32, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=48, **decoder)
    ).save_pretrained(tmp_path / "whisper")
    (tmp_path / "items").mkdir()
    lines = []
    for number, name in enumerate(
        f"{speaker}a0{text}{code}" for speaker in SPEAKERS for text in (1, 2) for code in "WN"
    ):
        path = tmp_path / f"{name}.wav"
        rate = 1.0 if name.endswith("W") else 0.05  # of change from sample to sample
        noise = np.random.default_rng(number).normal(size=20_000)
        sound = np.convolve(noise, np.exp(-rate * np.arange(60)), "same") * 0.03
        soundfile.write(path, sound, 16_000)
        id = f"emodb/{name}"
        item = {
            "clip": {"id": id, "audio": str(path), "speaker": f"emodb/{name[:2]}"},
            "observation": {"id": id, "media": {"kind": "audio", "duration": 1.25}},
            "gold": {"labels": ["anger" if name.endswith("W") else "neutral"], "label_set": "emodb", "by": "acting"},
            "split": "valid" if name.startswith("13") else "train",
        }
        lines.append(json.dumps(item) + "\n")
    (tmp_path / "items" / "emodb-00000-0.jsonl").write_text("".join(lines))
    return tmp_path


def test_the_command_writes_a_head_that_tells_new_speakers_and_keeps_the_card(heard: Path) -> None:
    out = heard / "head"
    out.mkdir()
    (out / "README.md").write_text("card")
    command = ["--set", str(heard), "--out", str(out), "--tower", str(heard / "whisper"), "--layers", "1,2"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    found = tone.read(str(out))
    assert found.config.tone == tone.ToneSettings(labels=("anger", "neutral"), layers=(1, 2))
    assert (found.weight.shape, found.weight.dtype, found.config.width) == ((2, 64), torch.float32, 32)
    assert "4 voices of 1 speakers who validate: mean recall 1.000" in done.output
    assert (out / "README.md").read_text() == "card"


def test_what_cannot_be_fitted_is_refused_in_a_line(heard: Path) -> None:
    def refused(*more: str) -> str:
        done = CliRunner().invoke(main, ["--set", str(heard), "--out", str(heard / "head"), *more])
        assert done.exit_code == 2
        assert not (heard / "head").exists()
        return done.output

    assert "--tower face-mt: expected a Whisper model" in refused("--tower", "face-mt")
    assert "--layers 3:" in refused("--tower", str(heard / "whisper"), "--layers", "3")
    assert "expected layers such as 2,3,4, got 'two'" in refused("--layers", "two")
    items = heard / "items" / "emodb-00000-0.jsonl"
    items.write_text("".join(line for line in items.read_text().splitlines(True) if "/03" in line))
    assert "1 speakers and 2 labels in the train split; two of each are needed" in refused()
