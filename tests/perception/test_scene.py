"""Scene features: a tiny CLIP with random weights stands for a real one."""

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from open_clip import factory
from PIL import Image
from safetensors.torch import save_file

from emollm.errors import AssetError, ModelError
from emollm.perception.geometry import Pixels
from emollm.perception.scene import CONFIG, WEIGHTS, Scene, SceneSettings, embeddings, missing, moments, open_scene

WIDTH = 24
TINY: dict[str, Any] = {
    "embed_dim": WIDTH,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "layers": 2, "width": 32, "head_width": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1},
}
GREY = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "interpolation": "bilinear", "resize_mode": "squash"}


def weights(seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights of the tiny CLIP."""
    torch.manual_seed(seed)
    return {name: value.clone() for name, value in open_clip.CLIP(**TINY).state_dict().items()}


def folder_of(folder: Path, config: Any = None, name: str = WEIGHTS[0]) -> Path:
    """A checkpoint in open_clip's form."""
    folder.mkdir(exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(config or {"model_cfg": TINY, "preprocess_cfg": GREY}), encoding="utf-8")
    save_file(weights(), folder / name)
    return folder


def opened(checkpoint: Path | str) -> Scene:
    """The embedder of a checkpoint."""
    scene = open_scene(SceneSettings(checkpoint=str(checkpoint), device="cpu"))
    assert scene is not None
    return scene


def picture(seed: int, height: int = 90, width: int = 160) -> Pixels:
    """Noise."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("scene") / "tiny-clip")


@pytest.fixture
def tiny_architecture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The tiny CLIP under a name of its own."""
    monkeypatch.setattr(factory, "_MODEL_CONFIGS", dict(factory._MODEL_CONFIGS))
    monkeypatch.setattr(factory, "_MODEL_CONFIG_PATHS", list(factory._MODEL_CONFIG_PATHS))
    (tmp_path / "tiny-vit.json").write_text(json.dumps(TINY), encoding="utf-8")
    open_clip.add_model_config(tmp_path / "tiny-vit.json")
    return "tiny-vit"


# ---- what it gives --------------------------------------------------------------------------------------------------


def test_features_are_those_of_open_clip_by_hand(folder: Path) -> None:
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    pixels = picture(0)
    with torch.no_grad():
        expected = model.eval().encode_image(preprocess(Image.fromarray(pixels))[None], normalize=True)[0].numpy()
    features = opened(folder)(pixels)
    assert features.shape == (WIDTH,)
    assert features.dtype == np.float32
    assert np.linalg.norm(features) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(features, expected, atol=1e-6)


def test_the_checkpoints_own_preprocessing_is_used(folder: Path, tmp_path: Path) -> None:
    other = folder_of(tmp_path / "other", {"model_cfg": TINY, "preprocess_cfg": {}})
    assert np.abs(opened(folder)(picture(0)) - opened(other)(picture(0))).max() > 1e-3


def test_a_file_with_its_architecture_gives_the_features_of_the_folder(folder: Path, tiny_architecture: str) -> None:
    from_file = opened(f"{tiny_architecture}:{folder / WEIGHTS[0]}")
    model, _, preprocess = open_clip.create_model_and_transforms(tiny_architecture, pretrained=str(folder / WEIGHTS[0]))
    with torch.no_grad():
        expected = model.eval().encode_image(preprocess(Image.fromarray(picture(3)))[None], normalize=True)[0].numpy()
    np.testing.assert_allclose(from_file(picture(3)), expected, atol=1e-6)
    assert from_file.source.backend == "open_clip:tiny-vit"


def test_a_bare_file_is_prepared_as_the_published_checkpoints_of_its_architecture() -> None:
    from emollm.perception.scene import _preprocessing

    assert _preprocessing(open_clip, "ViT-B-16-SigLIP")["image_mean"] == (0.5, 0.5, 0.5)
    assert _preprocessing(open_clip, "ViT-B-16-SigLIP")["image_resize_mode"] == "squash"
    assert _preprocessing(open_clip, "RN50x16")["image_interpolation"] == "bicubic"
    assert _preprocessing(open_clip, "ViT-L-14") == {}  # its publishers disagree


def test_a_frame_has_the_same_features_whatever_is_embedded_with_it(folder: Path) -> None:
    scene = opened(folder)
    frames = [(0.5, picture(1)), (1.5, picture(2, 64, 64)), (2.5, picture(3, 33, 200))]
    together = embeddings(scene, frames)
    assert [item.time for item in together] == [0.5, 1.5, 2.5]
    assert together == tuple(embeddings(scene, [frame])[0] for frame in frames)
    assert len({item.values for item in together}) == 3


def test_an_embedding_names_its_stream_and_its_checkpoint(folder: Path, tmp_path: Path) -> None:
    (first,) = embeddings(opened(folder), [(0.0, picture(1))])
    assert first.stream == "scene"
    assert first.source.backend == "open_clip:tiny-clip"
    assert first.source.licence == "as the checkpoint"
    assert np.linalg.norm(first.values) == pytest.approx(1, abs=1e-4)
    other = folder_of(tmp_path / "tiny-clip")
    save_file(weights(1), other / WEIGHTS[0])
    assert opened(other).source.version != first.source.version


def test_features_are_the_same_from_several_threads(folder: Path) -> None:
    pictures = [picture(seed) for seed in range(4)] * 4

    def features(pixels: Pixels) -> list[float]:
        return opened(folder)(pixels).tolist()

    expected = [features(pixels) for pixels in pictures]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(features, pictures))
    assert np.array(found) == pytest.approx(
        np.array(expected), abs=1e-5
    )  # how work is shared out changes the last bits


def test_a_checkpoint_is_opened_once(folder: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(opened, [folder] * 4))) == 1


# ---- without a checkpoint -------------------------------------------------------------------------------------------


def test_without_a_checkpoint_the_scene_is_declared_missing() -> None:
    assert open_scene(SceneSettings()) is None
    gap = missing(SceneSettings())
    assert (gap.stream, gap.reason) == ("scene", "no CLIP checkpoint given (perception.scene.checkpoint)")


# ---- moments --------------------------------------------------------------------------------------------------------


def test_moments_are_the_middles_of_equal_parts_and_the_apexes() -> None:
    assert moments(8.0, [], SceneSettings(frames=4)) == (1.0, 3.0, 5.0, 7.0)
    assert moments(8.0, [6.2, 2.95], SceneSettings(frames=4)) == (1.0, 2.95, 5.0, 6.2, 7.0)
    assert moments(0.0, [], SceneSettings(frames=4)) == (0.0,)


# ---- what is refused ------------------------------------------------------------------------------------------------


def refusal(checkpoint: Path | str) -> str:
    """The message for a checkpoint that cannot be used."""
    with pytest.raises(ModelError) as caught:
        opened(checkpoint)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["open_clip_pytorch_model.bin", "model.pt"])
def test_a_pickled_checkpoint_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / CONFIG).write_text(json.dumps({"model_cfg": TINY}), encoding="utf-8")
    torch.save(weights(), tmp_path / name)
    for checkpoint in (tmp_path, f"ViT-B-32:{tmp_path / name}", tmp_path / name):
        assert "convert it to safetensors" in refusal(checkpoint)


def test_a_pickle_beside_weights_of_another_name_is_not_read(tmp_path: Path) -> None:
    folder_of(tmp_path, name="model.safetensors")
    (tmp_path / "open_clip_pytorch_model.bin").write_bytes(pickle.dumps({}))
    assert "convert it to safetensors" in refusal(tmp_path)


def test_a_pickle_under_a_safe_name_is_not_unpickled(tmp_path: Path) -> None:
    touched = tmp_path / "touched"

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (touched,)

    folder_of(tmp_path)
    (tmp_path / WEIGHTS[0]).write_bytes(pickle.dumps(Trap()))
    assert "cannot be read" in refusal(tmp_path)
    assert not touched.exists()


def test_weights_of_another_architecture_are_refused(folder: Path, tmp_path: Path) -> None:
    wider = {**TINY, "embed_dim": WIDTH + 1}
    assert "do not fit" in refusal(folder_of(tmp_path, {"model_cfg": wider}))
    assert "do not fit" in refusal(f"ViT-S-32-alt:{folder / WEIGHTS[0]}")


def test_an_unknown_architecture_is_answered_with_the_closest(folder: Path) -> None:
    assert "did you mean ViT-B-32" in refusal(f"ViT-B-23:{folder / WEIGHTS[0]}")


@pytest.mark.parametrize(
    ("tower", "value"), [("text_cfg", {"hf_model_name": "a/b"}), ("vision_cfg", {"timm_model_name": "hf-hub:a/b"})]
)
def test_towers_that_another_repository_defines_are_refused(tmp_path: Path, tower: str, value: dict[str, str]) -> None:
    config = {"model_cfg": {**TINY, tower: TINY[tower] | value}}
    assert "another repository" in refusal(folder_of(tmp_path, config))


@pytest.mark.parametrize("text", ["[]", "{", '{"model_cfg": {"embed_dim": 8}}', '{"model_cfg": 3}'])
def test_a_broken_configuration_is_refused(tmp_path: Path, text: str) -> None:
    folder_of(tmp_path)
    (tmp_path / CONFIG).write_text(text, encoding="utf-8")
    assert CONFIG in refusal(tmp_path)


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    assert f"has no {CONFIG}" in refusal(tmp_path)
    assert "no such CLIP checkpoint" in refusal(tmp_path / "nowhere")
    assert "no such file" in refusal(f"ViT-B-32:{tmp_path / 'nowhere.safetensors'}")
    (tmp_path / "text.txt").write_text("text", encoding="utf-8")
    assert "not safetensors" in refusal(f"ViT-B-32:{tmp_path / 'text.txt'}")


def test_an_unreachable_hub_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EMOLLM_OFFLINE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(AssetError, match="cannot be had from the hub: ") as caught:
        opened("hf-hub:nobody-at-all/no-such-model")
    assert "\n" not in str(caught.value)


def test_offline_the_hub_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOLLM_OFFLINE", "1")
    with pytest.raises(AssetError, match="EMOLLM_OFFLINE forbids the network"):
        opened("hf-hub:nobody-at-all/no-such-model")


@pytest.fixture
def cached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A snapshot in the hub's cache, with no network."""
    from huggingface_hub import constants

    monkeypatch.setenv("EMOLLM_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    commit = "0123456789abcdef" * 2 + "01234567"
    snapshot = tmp_path / "models--someone--tiny" / "snapshots" / commit
    snapshot.mkdir(parents=True)
    refs = tmp_path / "models--someone--tiny" / "refs"
    refs.mkdir()
    (refs / "main").write_text(commit, encoding="utf-8")
    return snapshot


def test_a_checkpoint_of_the_hub_is_named_by_its_commit(cached: Path, folder: Path) -> None:
    folder_of(cached)
    scene = opened("hf-hub:someone/tiny")
    assert str(scene.source) == "open_clip:someone/tiny@0123456789ab"
    np.testing.assert_array_equal(scene(picture(5)), opened(folder)(picture(5)))


def test_a_checkpoint_of_the_hub_without_safetensors_is_refused(cached: Path) -> None:
    cached.parents[1].rename(cached.parents[2] / "models--someone--pickled")
    (cached.parents[2] / "models--someone--pickled" / "snapshots" / cached.name / CONFIG).write_text("{}", "utf-8")
    assert refusal("hf-hub:someone/pickled").startswith("hf-hub:someone/pickled: has no open_clip_model.safetensors")
