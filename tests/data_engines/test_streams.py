"""The engine for a voice or words alone."""

import re
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from emollm.data_engines.base import Gold, Item, Rejected
from emollm.data_engines.recipe import BuildSettings
from emollm.data_engines.streams import ENGINE
from emollm.data_engines.verifying import verify
from emollm.perception import observe
from emollm.samples import Mark, Sample, Task
from emollm.types import Clip, Cue, CueKind, Extent, MediaInfo, Observation, Scale, Source, TextPart, Verdict

SOURCE = Source(backend="test", version="1", licence="CC0")
SETTINGS = BuildSettings.model_validate(
    {"engine": "streams", "labels": "basic8", "tasks": {"open_vocabulary": 1, "follow_up": 1}}
)


def prosody(name: str, scale: Scale, value: float, extent: Extent = Extent.WHOLE) -> Cue:
    return Cue(
        id=f"voice.{name}", kind=CueKind.PROSODY, name=name, scale=scale, value=value, extent=extent, end=2.0, source=SOURCE
    )  # fmt: skip


def voice(spread: float) -> Observation:
    cues = (
        prosody("speech", Scale.SECONDS, 2.0, Extent.EVENT),
        prosody("f0_median", Scale.HERTZ, 190.0),
        prosody("f0_range", Scale.SEMITONES, 12.0),
        prosody("f0_sd", Scale.SEMITONES, spread),
    )
    return Observation(id="v", media=MediaInfo(kind="audio", duration=2.0), cues=cues)


def written(
    label: str | None, observation: Observation, seed: int = 0, text: str | None = None, **options: Any
) -> Sequence[Sample]:
    gold = Gold(labels=(label,), label_set="basic8", by="acting") if label else None
    clip = Clip(id="v", transcript=text or "…")
    settings = SETTINGS.model_copy(update={"options": options})
    out = list(ENGINE(settings).write(Item(clip=clip, gold=gold), observation, Random(seed)))
    assert not any(isinstance(one, Rejected) for one in out)
    return [one for one in out if isinstance(one, Sample)]


def test_the_label_is_that_of_people_in_every_task() -> None:
    samples = written("anger", voice(4.5))
    assert {sample.task for sample in samples} == {
        Task.RECOGNITION, Task.REASONING, Task.OPEN_VOCABULARY, Task.FOLLOW_UP,
    }  # fmt: skip
    assert {sample.label for sample in samples} == {"anger"}


@pytest.mark.parametrize(
    ("label", "spread", "marked"), [("anger", 4.5, False), ("sadness", 4.5, True), ("anger", 2.9, True)]
)
def test_a_voice_that_does_not_bear_the_label_out_is_marked(label: str, spread: float, marked: bool) -> None:
    for sample in written(label, voice(spread)):
        assert (Mark.UNSUPPORTED in sample.marks) == marked


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_said_of_a_voice_or_words_that_was_not_measured(seed: int) -> None:
    said = observe(Clip(id="t", transcript="I love what you made for me"))
    for observation, least in ((voice(2.0 + seed / 4), 2), (said, 0)):
        for sample in written("happiness", observation, seed):
            claims = verify(sample, observation, None).claims
            assert not [claim for claim in claims if claim.verdict is Verdict.CONTRADICTED]
            supported = [claim for claim in claims if claim.verdict is Verdict.SUPPORTED]
            assert sample.task is Task.RECOGNITION or len(supported) >= least


@pytest.mark.parametrize("seed", range(12))
def test_a_text_with_a_label_of_its_own_tells_no_number_that_the_cue_text_does_not_give(seed: int) -> None:
    said = observe(Clip(id="t", transcript="I love what you made for me"))
    for observation, who in ((voice(2.0 + seed / 4), "sounds"), (said, "words")):
        label = ("happiness", "neutral")[seed % 2]
        for sample in written(label, observation, seed, label_of="own"):
            replies = " ".join(_texts(sample)).lower()
            assert not re.search(r"annotat|staged|label(s of|led)|people", replies)
            given = "".join(part.text for part in sample.messages[0].content if isinstance(part, TextPart))
            assert all(number in given for number in re.findall(r"\d\.\d\d", replies))
            assert sample.task is Task.RECOGNITION or f"{who} as a whole" in replies
            verdicts = {claim.verdict for claim in verify(sample, observation, None).claims}
            assert verdicts <= {Verdict.SUPPORTED, Verdict.UNVERIFIABLE}


def _texts(sample: Sample) -> list[str]:
    """All replies."""
    turns = [turn for turn in sample.messages if turn.role == "assistant"]
    return [part.text for turn in turns for part in turn.content if isinstance(part, TextPart)]


def test_without_a_label_or_without_anything_heard_nothing_is_written() -> None:
    (nothing,) = ENGINE(SETTINGS).write(Item(clip=Clip(id="v", transcript="…")), voice(3.0), Random(0))
    assert isinstance(nothing, Rejected)
    assert nothing.reason.startswith("gold:")
    gold = Gold(labels=("anger",), label_set="basic8")
    empty = Observation(id="v", media=MediaInfo(kind="audio", duration=2.0))
    (silent,) = ENGINE(SETTINGS).write(Item(clip=Clip(id="v", transcript="…"), gold=gold), empty, Random(0))
    assert isinstance(silent, Rejected)
    assert silent.reason.startswith("nothing heard")
