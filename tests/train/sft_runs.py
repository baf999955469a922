"""Samples and runs of the stages align and sft, for their tests."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

from emollm import config
from emollm.train import sft
from emollm.train.sft_recipe import SftRecipe

LABELS = ("happiness", "sadness")


def sample(folder: Path, index: int, split: str, *, words: str = "Which emotion?") -> dict[str, Any]:
    """A dark face is happy and a bright one sad; every third has a voice, every fourth no media at all."""
    label = LABELS[index % 2]
    content: list[dict[str, str]] = []
    media: list[dict[str, Any]] = []
    if index % 4:
        draw = np.random.default_rng(index)
        pixels = draw.integers(0, 90, (40, 40, 3)) + 160 * (index % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{index}.png")
        content.append({"type": "image"})
        media.append({"type": "image", "path": f"{index}.png", "box": {"x": 2, "y": 2, "width": 36, "height": 36}})
        if index % 3 == 0:
            soundfile.write(folder / f"{index}.wav", draw.normal(size=16_000) * 0.05, 16_000)
            content.append({"type": "audio"})
            media.append({"type": "audio", "path": f"{index}.wav"})
    content.append({"type": "text", "text": words})
    reply = [{"type": "text", "text": f"{label.capitalize()}."}]
    messages = [{"role": "user", "content": content}, {"role": "assistant", "content": reply}]
    provenance = {"engine": "test@1", "licence": "CC0-1.0", "label_visible": False, "clip": str(index)}
    return {
        "id": str(index), "task": "recognition", "messages": messages, "media": media, "label": label, "label_set": "ferplus",
        "gold": [label], "split": split, "provenance": provenance,
    }  # fmt: skip


def write(path: Path, samples: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in samples))
    return path


def made(recipe: Path, *overrides: str) -> SftRecipe:
    return config.load(SftRecipe, recipe, overrides)


def losses(out: Path) -> list[float]:
    """The loss of each step, as the newest checkpoint tells it."""
    newest = max(out.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    history = json.loads((newest / "trainer_state.json").read_text())["log_history"]
    return [entry["loss"] for entry in history if "loss" in entry]


def run(recipe: Path, *overrides: str, stage: sft.Stage = "sft") -> Path:
    made_recipe = made(recipe, *overrides)
    sft.run(made_recipe, stage)
    return made_recipe.out
