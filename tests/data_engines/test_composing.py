"""From written text to a Sample: media, questions, gold labels, verdicts."""

from pathlib import Path
from random import Random
from typing import Any

import pytest

from emollm.data_engines.base import Gold, Item
from emollm.data_engines.composing import compose, gold_labels, question, track_of
from emollm.data_engines.verifying import verify
from emollm.prompts import PromptError, prompt
from emollm.samples import Mark, Sample, Task
from emollm.types import Box, Clip, Cue, CueKind, Face, MediaInfo, Observation, Peak, Scale, Source, Track, Verdict

TOPICS = [(task, block) for task in Task for block in prompt(f"instructions/{task.value}").blocks]


def observation(kind: Any = "video", sound: int | None = 16000) -> Observation:
    faces = tuple(
        Face(time=time, box=Box(x=time, y=0.0, width=9.0, height=9.0), confidence=0.9)
        for time in (3.0, 1.0, 2.0, 5.0, 4.0)
    )
    peaks = tuple(Peak(time=face.time, start=face.time, end=face.time, score=1.0) for face in faces)
    track = Track(id="p1", faces=faces, prominence=1.0, peaks=peaks, end=6.0, frames=90)
    source = Source(backend="made", version="1", licence="own")
    cue = Cue(
        id="p1.AU12", kind=CueKind.ACTION_UNIT, name="AU12", scale=Scale.INTENSITY, value=0.8, track="p1", source=source
    )
    return Observation(id="x", media=MediaInfo(kind=kind, sample_rate=sound), tracks=(track,), cues=(cue,))


def sample(clip: Clip, seen: Observation, turns: list[tuple[str, str]], **values: Any) -> Sample:
    item = Item(clip=clip, gold=Gold(labels=("joy",)), licence="own", marks=(Mark.COMBINED,), **values)
    given: dict[str, Any] = {"label": "happiness", "label_set": "basic8", "engine": "e@1"}
    return compose(item, seen, "p1", Task.REASONING, turns, **given)


def test_a_video_shows_four_faces_in_the_order_of_time_and_its_sound() -> None:
    made = sample(Clip(id="x", video=Path("x.mp4"), speaker="anna"), observation(), [("Why?", "So."), ("And?", "No.")])
    assert [(item.type, item.start) for item in made.media] == [
        *(("image", time) for time in (1.0, 2.0, 3.0, 5.0)),
        ("audio", None),
    ]
    first = made.messages[0].content
    assert [part.type for part in first] == [*["image"] * 4, "audio", "text", "text"]
    assert [message.role for message in made.messages] == ["user", "assistant"] * 2
    assert (made.id, track_of(made), made.speaker) == ("x#p1.reasoning.0", "p1", "anna")
    assert (made.gold, made.marks) == (("happiness",), (Mark.COMBINED,))
    assert made.provenance.prompt == "instructions/reasoning@1 model/cues@2"


def test_a_silent_video_has_no_audio_and_words_have_no_media() -> None:
    silent = sample(Clip(id="x", video=Path("x.mp4")), observation(sound=None), [("Why?", "So.")])
    words = sample(Clip(id="x", transcript="hm"), observation("text"), [("Why?", "So.")])
    assert {item.type for item in silent.media} == {"image"}
    assert words.media == ()


def test_gold_labels_are_told_in_the_words_of_the_answers() -> None:
    assert gold_labels(Gold(labels=("happy", "angry"), label_set="ravdess"), "basic8") == ("happiness", "anger")
    assert gold_labels(Gold(labels=("peckish",)), "basic8") == ()
    assert gold_labels(None, "basic8") == ()


@pytest.mark.parametrize(("task", "topic"), TOPICS)
def test_each_task_is_asked_in_twelve_ways_or_more(task: Task, topic: str) -> None:
    values = {"cue": "jaw drop"} if topic == "cue" else {"other": "anger"} if topic == "other" else {}
    if task is Task.AUDIENCE:
        values = {"reader": "a teacher"}
    asked = {question(task, Random(seed), ["neutral", "anger"], topic=topic, **values) for seed in range(300)}
    assert len(asked) >= 12
    assert all("{" not in text and len(text) > 5 for text in asked)
    if task in (Task.RECOGNITION, Task.REASONING):
        assert all("neutral, anger" in text for text in asked)


def test_a_question_that_lacks_its_value_is_refused() -> None:
    with pytest.raises(PromptError, match="'labels' is undefined"):
        question(Task.RECOGNITION, Random(0))


def test_claims_of_all_replies_are_judged() -> None:
    reply = "**Key Observations:**\nThe lip corners are raised.\n\n**Conclusion:**\nThis is happiness."
    made = sample(
        Clip(id="x", image=Path("x.png")), observation("image"), [("Why?", reply), ("And?", "No smile is there.")]
    )
    checked = verify(made, observation("image"), "p1")
    assert [(claim.part.value, claim.verdict) for claim in checked.claims][:1] == [("observations", Verdict.SUPPORTED)]
    assert checked.claims[-1].verdict is Verdict.CONTRADICTED
    assert verify(checked, observation("image"), "p1") == checked
