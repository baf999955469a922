"""What the training bench trains on: text-only Samples with the lengths that our data engines' Samples have, as tokens and as Samples."""

import json
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import yaml

from emollm.files import replacing
from emollm.modeling.conversation import encode_sample
from emollm.modeling.processing import EmoLLMProcessor
from emollm.samples import Sample, SampleProvenance
from emollm.types import Message, TextPart

WORDS = ((90, 250), (40, 110))
"""Least and most words of a question with its cues, and of a reply: 200 to 520 tokens a Sample, of which 30 % are learnt, as measured in
Samples of ``emollm data build``."""


class Sequences(NamedTuple):
    """The same Samples twice."""

    tokens: Path
    """JSONL of ``input_ids`` and ``labels``."""
    samples: Path
    """JSONL of Samples."""
    lengths: list[int]
    """Tokens of each."""
    learnt: list[int]
    """Tokens of each that loss is taken of."""


def write(
    processor: EmoLLMProcessor, folder: Path, count: int, words: tuple[tuple[int, int], ...] = WORDS
) -> Sequences:
    """Writes Samples and their tokens.

    Args:
        processor: Of the model.
        folder: Where both files go.
        count: How many.
        words: Least and most words of a question and of a reply.
    """
    samples = made(count, words)
    encoded = [encode_sample(processor, sample, folder) for sample in samples]
    paths = folder / "tokens.jsonl", folder / "samples.jsonl"
    with replacing(paths[0], "w") as file:
        file.writelines(json.dumps({"input_ids": one.ids, "labels": one.labels}) + "\n" for one in encoded)
    with replacing(paths[1], "w") as file:
        file.writelines(sample.model_dump_json() + "\n" for sample in samples)
    # The first token is never told, and of labels that are behind it each counts.
    return Sequences(
        *paths, [len(one.ids) for one in encoded], [sum(k >= 0 for k in one.labels[1:]) for one in encoded]
    )


def made(count: int, words: tuple[tuple[int, int], ...] = WORDS, seed: int = 0) -> list[Sample]:
    """Samples of one question and one reply, out of the hand-written rationales; the same for the same seed."""
    text = (files("emollm.eval") / "rationales" / "rationales.yaml").read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = yaml.load(text, Loader=yaml.CSafeLoader)
    stock = " ".join(row["text"] for row in rows).split()
    draw = Random(seed)

    def said(least: int, most: int) -> tuple[TextPart]:
        size = draw.randint(least, most)
        start = draw.randrange(len(stock) - size)
        return (TextPart(text=" ".join(stock[start : start + size])),)

    return [
        Sample(
            id=f"bench/{number:04}",
            messages=(
                Message(role="user", content=said(*words[0])),
                Message(role="assistant", content=said(*words[1])),
            ),
            provenance=SampleProvenance(
                engine="bench@1", licence="MIT", label_visible=False, clip=f"bench/{number:04}"
            ),
        )
        for number in range(count)
    ]
