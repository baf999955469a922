"""The context classifier over every kind of pair of towers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from emollm.encoders import load as load_net
from emollm.encoders import save as save_net
from emollm.encoders.predict import as_pixels
from emollm.errors import ConfigError, DataError, ModelError
from emollm.modeling.clip_s import MAX_SCALE, ContextClassifier
from emollm.modeling.clip_s_files import load, open_towers, save
from emollm.modeling.clip_s_towers import FaceTower, Towers

Make = Callable[..., ContextClassifier]


def crops(towers: Towers, count: int = 5, seed: int = 0) -> np.ndarray:
    """Noise of the tower's size."""
    size = towers.vision.size
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


# ---- what it computes -----------------------------------------------------------------------------------------------


def test_logits_are_cosines_times_the_scale(towers: Towers, classifier: Make) -> None:
    model = classifier(towers)
    found = model.classify(crops(towers))
    with torch.no_grad():
        cosines = model.heads(towers.vision(as_pixels(crops(towers)))) @ model.heads.prompts().T
    np.testing.assert_allclose(found.logits, (cosines / 0.07).numpy(), atol=1e-4)
    np.testing.assert_allclose(found.probabilities.sum(-1), 1, atol=1e-5)
    assert np.abs(cosines.numpy()).max() <= 1 + 1e-5


def test_the_scale_stops_at_its_largest_value(face_towers: Towers, classifier: Make) -> None:
    model = classifier(face_towers)
    with torch.no_grad():
        model.heads.logit_scale.fill_(9.0)
    assert model.heads.scale().item() == MAX_SCALE


def test_gradients_reach_projection_contexts_and_scale_and_no_tower(towers: Towers, classifier: Make) -> None:
    model = classifier(towers, two_crops=True)
    pixels = as_pixels(crops(towers))
    logits = model(pixels, pixels.flip(-1), torch.tensor([True, False, True, True, False]))
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0, 1])).backward()
    reached = {
        name for name, parameter in model.named_parameters() if parameter.grad is not None and parameter.grad.any()
    }
    assert reached == {name for name, _ in model.named_parameters() if name.startswith("heads.")}
    assert {"heads.prompts.contexts", "heads.logit_scale", "heads.alone.0.weight", "heads.both.0.weight"} <= reached


def test_classes_in_another_order_give_the_same_answers_in_that_order(towers: Towers, classifier: Make) -> None:
    model, order = classifier(towers), [2, 0, 1]
    config = model.config
    turned = classifier(
        towers,
        labels=tuple(config.labels[k] for k in order),
        sentences=tuple(config.sentences[k] for k in order),
    )
    state = model.heads.state_dict()
    turned.heads.load_state_dict(state | {"prompts.contexts": state["prompts.contexts"][order]})
    np.testing.assert_allclose(
        turned.classify(crops(towers)).logits, model.classify(crops(towers)).logits[:, order], atol=1e-4
    )


def test_unlearnt_texts_are_compared_without_contexts(towers: Towers, classifier: Make) -> None:
    plain, learnt = classifier(towers, contexts=0), classifier(towers)
    learnt.heads.load_state_dict(plain.heads.state_dict(), strict=False)
    texts = list(plain.config.sentences)
    fixed = plain.classify(crops(towers)).logits
    np.testing.assert_allclose(plain.classify(crops(towers), texts).logits, fixed, atol=1e-4)
    np.testing.assert_allclose(learnt.classify(crops(towers), texts).logits, fixed, atol=1e-4)
    assert np.abs(learnt.classify(crops(towers)).logits - fixed).max() > 1e-4


def test_features_of_a_face_are_those_of_its_mirror_image(face_towers: Towers, classifier: Make) -> None:
    model, faces = classifier(face_towers), crops(face_towers)
    mirrored = np.ascontiguousarray(faces[:, :, ::-1])
    np.testing.assert_allclose(model.classify(faces).logits, model.classify(mirrored).logits, atol=1e-4)


def test_standardised_features_have_mean_zero_and_deviation_one(face_towers: Towers, classifier: Make) -> None:
    model = classifier(face_towers)
    features = torch.randn(500, face_towers.vision.width) * 7 + 3
    model.heads.standardise(features)
    seen = (features - model.heads.centre) / model.heads.spread
    torch.testing.assert_close(seen.mean(0), torch.zeros(seen.shape[1]), atol=1e-4, rtol=0)
    torch.testing.assert_close(seen.std(0), torch.ones(seen.shape[1]), atol=1e-4, rtol=0)


# ---- two crops ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [0, 12])
def test_a_missing_context_takes_the_path_of_the_face_alone(towers: Towers, classifier: Make, hidden: int) -> None:
    model = classifier(towers, two_crops=True, hidden=hidden)
    faces, around = crops(towers), crops(towers, seed=1)
    present = np.array([True, False, True, False, False])
    mixed = model.classify(faces, context=around, present=present).logits
    np.testing.assert_allclose(mixed[present], model.classify(faces, context=around).logits[present], atol=1e-4)
    np.testing.assert_allclose(mixed[~present], model.classify(faces).logits[~present], atol=1e-4)
    assert np.abs(mixed[present] - model.classify(faces).logits[present]).max() > 1e-3


def test_pixels_of_a_missing_context_are_not_looked_at(towers: Towers, classifier: Make) -> None:
    model, faces = classifier(towers, two_crops=True), crops(towers)
    present = np.array([True, False, True, False, True])
    one, two = crops(towers, seed=1), crops(towers, seed=1)
    two[~present] = 255
    np.testing.assert_allclose(
        model.classify(faces, context=one, present=present).logits,
        model.classify(faces, context=two, present=present).logits,
        atol=1e-4,
    )


def test_the_context_matters_where_it_is_given(towers: Towers, classifier: Make) -> None:
    model, faces = classifier(towers, two_crops=True), crops(towers)
    one = model.classify(faces, context=crops(towers, seed=1)).logits
    assert np.abs(one - model.classify(faces, context=crops(towers, seed=2)).logits).max() > 1e-3


def test_the_joint_projection_is_from_both_features_to_the_text(clip_towers: Towers, classifier: Make) -> None:
    both = classifier(clip_towers, two_crops=True).heads.both
    assert both is not None
    assert tuple(both[0].weight.shape) == (24, 48)


# ---- towers ---------------------------------------------------------------------------------------------------------


def test_open_clip_pictures_are_those_of_encode_image(clip_towers: Towers) -> None:
    torch.manual_seed(0)
    from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD

    pixels = as_pixels(crops(clip_towers))
    mean, spread = (torch.tensor(three)[:, None, None] for three in (OPENAI_DATASET_MEAN, OPENAI_DATASET_STD))
    config = {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 32, "patch_size": 16, "layers": 2, "width": 32, "head_width": 16},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
    }
    with torch.no_grad():
        theirs = (
            open_clip.CLIP(**config).eval().encode_image((pixels - mean) / spread)
        )  # the same seed as the fixture's
        torch.testing.assert_close(clip_towers.vision(pixels), theirs, atol=1e-5, rtol=1e-4)


def test_a_checkpoint_of_open_clip_opens_as_a_pair_by_its_name(tmp_path: Path, classifier: Make) -> None:
    config = {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 32, "patch_size": 16, "layers": 2, "width": 32, "head_width": 16},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
    }
    way = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": way}))
    save_file(
        {k: v.clone() for k, v in open_clip.CLIP(**config).state_dict().items()},
        tmp_path / "open_clip_model.safetensors",
    )
    towers = open_towers(f"open_clip:{tmp_path}")
    assert towers.vision.version == towers.text.version
    torch.testing.assert_close(towers.vision.mean.flatten(), torch.tensor([0.5] * 3))  # type: ignore[attr-defined]
    model = classifier(towers, two_crops=True)
    save(tmp_path / "out", model, {})
    again = load(tmp_path / "out")
    faces, around = crops(towers), crops(towers, seed=1)
    np.testing.assert_allclose(
        again.classify(faces, context=around).logits, model.classify(faces, context=around).logits, atol=1e-4
    )


# ---- folders --------------------------------------------------------------------------------------------------------


def test_a_saved_classifier_gives_the_same_answers(towers: Towers, classifier: Make, tmp_path: Path) -> None:
    model = classifier(towers, temperature=1.5, hidden=6, shared=True)
    model.heads.standardise(torch.randn(50, towers.vision.width))
    save(tmp_path, model, {"recipe": "{}"})
    again = load(tmp_path, towers)
    assert again.config == model.config
    np.testing.assert_allclose(again.classify(crops(towers)).probabilities, model.classify(crops(towers)).probabilities)


def test_towers_are_not_copied_unless_they_were_trained(towers: Towers, classifier: Make, tmp_path: Path) -> None:
    model = classifier(towers)
    save(tmp_path / "frozen", model, {})
    assert all(name.startswith("heads.") for name in load_file(tmp_path / "frozen" / "model.safetensors"))
    before = model.classify(crops(towers)).logits
    model.vision.requires_grad_(True)
    with torch.no_grad():
        for parameter in model.vision.parameters():
            parameter.mul_(1.1)
    save(tmp_path / "trained", model, {})
    changed = model.classify(crops(towers)).logits
    assert np.abs(changed - before).max() > 1e-3
    with torch.no_grad():
        for parameter in model.vision.parameters():
            parameter.div_(1.1)
    np.testing.assert_allclose(load(tmp_path / "trained", towers).classify(crops(towers)).logits, changed, atol=1e-3)


def test_weights_made_for_another_version_of_the_net_are_refused(
    face_towers: Towers, classifier: Make, tmp_path: Path
) -> None:
    save(tmp_path / "mine", classifier(face_towers), {})
    net = load_net(Path(__file__).parents[2] / "emollm" / "pretrained" / "face-mt")
    save_net(tmp_path / "other", net.net, net.config, {})
    other = Towers(FaceTower(load_net(tmp_path / "other")), face_towers.text)
    message = (
        rf"made for tiny-face {face_towers.vision.version}, but other {other.vision.version} is here; train it anew"
    )
    with pytest.raises(ModelError, match=message):
        load(tmp_path / "mine", other)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": ["joy"]}, "labels: "),
        ({"more": 1}, "more: "),
        ({"vision": {"name": "x"}}, "vision.version: "),
    ],
)
def test_another_configuration_is_refused_in_one_line(
    face_towers: Towers, classifier: Make, tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    save(tmp_path, classifier(face_towers), {})
    told = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(told | changed))
    with pytest.raises(ModelError, match=f"not the configuration of a context classifier: {message}") as caught:
        load(tmp_path, face_towers)
    assert "\n" not in str(caught.value)


def test_weights_of_another_classifier_are_refused(face_towers: Towers, classifier: Make, tmp_path: Path) -> None:
    save(tmp_path / "a", classifier(face_towers), {})
    save(tmp_path / "b", classifier(face_towers, contexts=2), {})
    (tmp_path / "b" / "config.json").write_bytes((tmp_path / "a" / "config.json").read_bytes())
    with pytest.raises(ModelError, match=r"heads\.prompts\.contexts is \(3, 2, 16\) instead of \(3, 4, 16\)"):
        load(tmp_path / "b", face_towers)


def test_truncated_weights_are_refused_in_one_line(face_towers: Towers, classifier: Make, tmp_path: Path) -> None:
    save(tmp_path, classifier(face_towers), {})
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(ModelError, match=r"cannot be read as safetensors: .*; copy or fetch it again") as caught:
        load(tmp_path, face_towers)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_is_answered_with_the_known_one() -> None:
    with pytest.raises(ModelError, match=r"unknown context classifier 'clip-x'.*clip-s"):
        load("clip-x")


# ---- bad input ------------------------------------------------------------------------------------------------------


def test_bad_texts_and_crops_are_refused_in_one_line(face_towers: Towers, classifier: Make) -> None:
    model = classifier(face_towers)
    with pytest.raises(ConfigError, match="no texts to compare"):
        model.classify(crops(face_towers), [])
    with pytest.raises(DataError, match="sentence 2 of 2 is empty"):
        model.classify(crops(face_towers), ["glad", " "])
    with pytest.raises(DataError, match=r"expected crops \(n, 16, 16, 3\), got \(2, 8, 8, 3\); cut them for tiny-face"):
        model.classify(np.zeros((2, 8, 8, 3), np.uint8))


def test_another_number_of_sentences_than_classes_is_refused(face_towers: Towers, classifier: Make) -> None:
    with pytest.raises(ConfigError, match="3 classes but 1 sentences"):
        classifier(face_towers, sentences=("a",))


def test_no_crops_give_no_answers(face_towers: Towers, classifier: Make) -> None:
    assert classifier(face_towers).classify(crops(face_towers)[:0]).logits.shape == (0, 3)
