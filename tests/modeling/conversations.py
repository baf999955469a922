"""Conversations with made-up media, for all tests of the model."""

from typing import Any, NamedTuple

import numpy as np

from emollm.modeling.processing import AUDIO, IMAGE, EmoLLMProcessor

STREAMS = {
    "none": (),
    "face": ("face",),
    "scene": ("scene",),
    "speech": ("speech",),
    "all": ("scene", "face", "speech"),
}


class Turn(NamedTuple):
    """A user's turn."""

    text: str
    pictures: int = 0
    faces: tuple[int, ...] = ()
    voices: tuple[float, ...] = ()
    """Seconds of each."""
    question: str = "Who is it?"


TURNS = (
    Turn("What?", 1, (1,), (1.0,)),
    Turn("Tell me a joke, please."),
    Turn("And they?", 3, (2, 0, 3), (4.0, 31.0), "How do they feel?"),
)
"""One picture of one person; no media; several pictures, people and voices."""


def picture(seed: int) -> np.ndarray:
    """(48, 64, 3) of soft noise."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return small.repeat(8, 0).repeat(8, 1)


def inputs(
    processor: EmoLLMProcessor, streams: tuple[str, ...], turns: tuple[Turn, ...], **kwargs: Any
) -> dict[str, Any]:
    """Tensors of turns, padded on the left, with those of their media that a model of these streams takes."""
    sees, hears = bool({"scene", "face"} & set(streams)), "speech" in streams
    texts, pictures, boxes, voices, questions = [], [], [], [], []
    for turn in turns:
        media = IMAGE * turn.pictures * sees + AUDIO * len(turn.voices) * hears
        texts.append(f"<|im_start|>user\n{media}{turn.text}<|im_end|>\n<|im_start|>assistant\n")
        for place in range(turn.pictures * sees):
            pictures.append(picture(10 * len(turn.text) + place))
            boxes.append([(4.0 + 9 * face, 6.0, 20.0, 24.0, 5.0 * face) for face in range(turn.faces[place])])
            questions.append(turn.question)
        for seconds in turn.voices * hears:
            noise = np.random.default_rng(round(seconds * 10)).normal(0, 0.1, round(seconds * 16_000))
            voices.append(noise.astype(np.float32))
    own: dict[str, Any] = {"images": pictures, "boxes": boxes, "question": questions} if pictures else {}
    own |= {"audio": voices} if voices else {}
    return dict(processor(text=texts, padding=True, padding_side="left", return_tensors="pt", **own, **kwargs))
