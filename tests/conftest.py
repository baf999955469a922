"""Real photos, one perception and one browser for all tests."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from emollm import assets
from emollm.media.images import Picture, read_image
from emollm.perception import observe
from emollm.perception.settings import PerceptionSettings
from emollm.types import Clip, Observation

if TYPE_CHECKING:
    from playwright.sync_api import Browser

settings.register_profile("untimed", deadline=None)  # machines are shared: how long an example takes says nothing
settings.load_profile("untimed")

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

HEAD = PerceptionSettings(action_units="mesh-head")
"""The backend that every machine has: results must not depend on whether the bundle could be fetched."""


@pytest.fixture(scope="session")
def astronaut() -> Path:
    """A smiling astronaut, facing the camera (NASA, public domain)."""
    return assets.path("photo-astronaut")


@pytest.fixture(scope="session")
def group() -> Path:
    """A photo of five people."""
    return assets.path("photo-multi-face")


@pytest.fixture(scope="session")
def astronaut_picture(astronaut: Path) -> Picture:
    """The decoded photo."""
    return read_image(astronaut)


@pytest.fixture(scope="session")
def astronaut_observation(astronaut: Path) -> Observation:
    """What our own head measures in it."""
    return observe(Clip(id="astronaut", image=astronaut), HEAD)


@pytest.fixture(scope="session")
def group_observation(group: Path) -> Observation:
    """What our own head measures in the photo of five people."""
    return observe(Clip(id="group", image=group), HEAD)


@pytest.fixture(scope="session")
def tiny_sentences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in the form of the asset ``minilm-l6-v2``: a BERT of two layers with random weights that reads 40 tokens, letter by letter."""
    import torch
    from safetensors.torch import save_file
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("sentences") / "tiny-sentences"
    folder.mkdir()
    letters = {
        token: k for k, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrstuvwxyz ,.:"])
    }
    tokenizer = Tokenizer(models.WordLevel(letters, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_padding(length=64)
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(letters),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
        initializer_range=0.5,
    )
    config.to_json_file(folder / "config.json")
    save_file(BertModel(config, add_pooling_layer=False).state_dict(), folder / "model.safetensors")
    return folder


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """Debian's Chromium, headless, driven by playwright."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    assert chromium, "no chromium found: apt install chromium, or deselect with -m 'not browser'"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()
