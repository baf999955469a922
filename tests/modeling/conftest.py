"""Tiny towers with random weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch

from emollm.encoders import FaceNetConfig
from emollm.encoders.minilm import MiniLM
from emollm.encoders.weights import TrainedConfig, load, save
from emollm.modeling.clip_s import ClipConfig, ContextClassifier, Tower
from emollm.modeling.clip_s_towers import FaceTower, Towers, open_clip_towers

LABELS = ("joy", "rage", "fear")
SENTENCES = ("a smile", "brows down", "eyes wide open")
CLIP: dict[str, Any] = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "layers": 2, "width": 32, "head_width": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
}


@pytest.fixture(scope="session")
def tiny_face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face net of a few hundred weights, as training writes it."""
    torch.manual_seed(1)
    config = FaceNetConfig(backbone={"stem": 4, "widths": [8, 8], "depths": [1, 0], "size": 16}, labels=LABELS)
    folder = tmp_path_factory.mktemp("nets") / "tiny-face"
    save(folder, config.build(), TrainedConfig(net=config, label_set="ferplus"), {})
    return folder


@pytest.fixture
def face_towers(tiny_face: Path, tiny_sentences: Path) -> Towers:
    """A face net and a sentence encoder."""
    return Towers(FaceTower(load(tiny_face)), MiniLM.load(tiny_sentences))


@pytest.fixture
def clip_towers() -> Towers:
    """Both towers of a tiny CLIP."""
    return towers_of(open_clip.CLIP)


@pytest.fixture(params=["face net and BERT", "open_clip.CLIP", "open_clip.CustomTextCLIP"])
def towers(request: pytest.FixtureRequest, face_towers: Towers) -> Towers:
    """Each kind of pair."""
    if request.param == "face net and BERT":
        return face_towers
    return towers_of(getattr(open_clip, request.param.removeprefix("open_clip.")))


def towers_of(kind: Any) -> Towers:
    torch.manual_seed(0)
    return open_clip_towers(kind(**CLIP), open_clip.SimpleTokenizer(), "tiny-clip", "0")


@pytest.fixture
def classifier() -> Callable[..., ContextClassifier]:
    """Makes a classifier of three classes with fresh weights."""

    def make(towers: Towers, **changed: Any) -> ContextClassifier:
        torch.manual_seed(2)
        config = ClipConfig(
            labels=LABELS,
            sentences=SENTENCES,
            label_set="mine",
            descriptions="mine@1",
            contexts=4,
            vision=Tower(name=towers.vision.name, version=towers.vision.version),
            text=Tower(name=towers.text.name, version=towers.text.version),
        )
        return ContextClassifier(config.model_copy(update=changed), towers).eval()

    return make
