"""Invented Samples and Items, and reading and writing with one format."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from emollm.data_engines.base import Gold, Item
from emollm.data_engines.formats import FORMATS
from emollm.data_engines.formats.base import Fault, Options
from emollm.errors import DataError
from emollm.perception.tables.openface2 import SOURCE
from emollm.samples import Mark, MediaItem, Sample, SampleProvenance, Task
from emollm.types import (
    Box,
    Claim,
    Clip,
    Cue,
    CueKind,
    MediaInfo,
    MediaPart,
    Message,
    Observation,
    Part,
    Scale,
    TextPart,
    Verdict,
)

Kept = tuple[list[Any], list[Fault]]


def passed(name: str, records: Sequence[Any], out: Path, options: Options | None = None) -> Kept:
    """What reading gives of what writing accepts; refusals of either side are Faults."""
    options = options or Options()
    known = FORMATS[name]
    faults = []
    assert known.write is not None
    assert known.read is not None
    with known.write(out, options) as sink:
        for record in records:
            try:
                sink.add(record)
            except DataError as error:
                faults.append(Fault("write", None, str(error)))
    back = list(known.read([out], options))
    return [one.record for one in back if not isinstance(one, Fault)], [
        *faults,
        *(one for one in back if isinstance(one, Fault)),
    ]


@pytest.fixture(scope="session", name="passed")
def _passed() -> Callable[..., Kept]:
    return passed


def talk(*turns: tuple[str, str | Sequence[str]]) -> tuple[Message, ...]:
    """Messages; a content that is a list may hold ``<video>`` and the like as places."""
    kinds = {"<image>": "image", "<video>": "video", "<audio>": "audio"}
    out = []
    for role, content in turns:
        parts = [content] if isinstance(content, str) else content
        made = [MediaPart.model_validate({"type": kinds[p]}) if p in kinds else TextPart(text=p) for p in parts]
        out.append(Message.model_validate({"role": role, "content": tuple(made)}))
    return tuple(out)


def sample(id: str, messages: tuple[Message, ...], media: Sequence[MediaItem] = (), **values: Any) -> Sample:
    """A Sample of nobody."""
    source = SampleProvenance(engine="invented@1", licence="CC0", label_visible=False, clip=id.partition("#")[0])
    return Sample(id=id, messages=messages, media=tuple(media), provenance=source, **values)


@pytest.fixture(scope="session")
def clip_sample() -> Sample:
    """A video with its sound, two turns, a verified claim: every format holds it."""
    film = Path("a b/clip 1.mp4")
    return sample(
        "clip1#p1.reasoning.0",
        talk(
            ("user", ["<video>", "<audio>", "Emotion of the speaker, and why?"]),
            ("assistant", "**Key Observations:**\nBrows lowered.\n\n**Conclusion:**\nworried – “naïve”, 忧虑."),
            ("user", "How sure?"),
            ("assistant", "Not very.\n"),
        ),
        [MediaItem(type="video", path=film, start=0.5, end=2.0), MediaItem(type="audio", path=film)],
        label="worried",
        label_set="mer2023",
        gold=("worried",),
        split="train",
        speaker="s7",
        group="film 3",
        weight=0.5,
        marks=(Mark.UNSUPPORTED,),
        claims=(
            Claim(
                text="Brows lowered",
                part=Part.OBSERVATIONS,
                verdict=Verdict.SUPPORTED,
                cues=("p1.AU04",),
                reason="AU04 0.61",
            ),
        ),
        extra={"elsewhere": {"note": [1, "two", None]}},
    )


@pytest.fixture(scope="session")
def samples(clip_sample: Sample) -> tuple[Sample, ...]:
    """Photos with face boxes, a system turn, words alone, a label alone, parts of text side by side."""
    box = Box(x=1.5, y=2.0, width=30.0, height=40.25)
    return (
        clip_sample,
        sample(
            "photos#p1.reasoning.0",
            talk(
                ("system", "You see faces."),
                ("user", ["<image>", "First, ", "then", "<image>", " this. Which is happier?"]),
                ("assistant", "The second."),
            ),
            [
                MediaItem(type="image", path=Path("1.jpg"), box=box, roll=-3.5),
                MediaItem(type="image", path=Path("2.jpg")),
            ],
        ),
        sample(
            "words#all.recognition.0",
            talk(("user", '"I can\'t believe it"\n\nWhich emotion?'), ("assistant", "surprise")),
            task=Task.RECOGNITION,
            label="surprise",
            label_set="basic8",
        ),
    )


@pytest.fixture(scope="session")
def measured() -> Item:
    """An image with four units, a label by people, a text in three parts and a note."""
    cues = tuple(
        Cue(id=code, kind=CueKind.ACTION_UNIT, name=code, scale=Scale.INTENSITY, value=value, source=SOURCE)
        for code, value in (("AU01", 0.0), ("AU04", 0.6), ("AU12", 0.125), ("AU25", 1.0))
    )
    return Item(
        clip=Clip(id="face_7", image=Path("faces/face_7.png"), speaker="s1", dataset="invented"),
        observation=Observation(id="face_7", media=MediaInfo(kind="table"), cues=cues),
        gold=Gold(
            labels=("anger", "disgust"), label_set="ferplus", by="annotators", shares={"anger": 0.7, "disgust": 0.3}
        ),
        split="valid",
        group="sheet 2",
        licence="CC0",
        notes={"rationale": "**Key Observations:**\nThe brow is lowered.\n\n**Conclusion:**\nanger", "page": 3},
    )


@pytest.fixture(scope="session")
def filmed() -> Item:
    """A clip as EMER, MERR and MER2025 know it: name, words, label, text."""
    return Item(
        clip=Clip(id="clip_000456", video=Path("clip_000456.mp4"), transcript='Not "now", please.\nLater'),
        gold=Gold(labels=("angry",), label_set="mer2023", by="annotators"),
        notes={"rationale": "He raises his voice, and stares; the state is anger."},
    )
