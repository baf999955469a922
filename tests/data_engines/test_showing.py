"""What of a clip a Sample shows."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from emollm.data_engines.recipe import ShowingSettings
from emollm.data_engines.showing import seen, shown
from emollm.emotions import label_set
from emollm.samples import MediaItem, Sample, SampleProvenance, Task
from emollm.turns import first_turn
from emollm.types import Box, Cue, CueKind, MediaInfo, Message, Observation, Scale, Source, TextPart

FACE = MediaItem(type="image", path=Path("a.png"), box=Box(x=20, y=30, width=100, height=120), roll=5.0)
VOICE = MediaItem(type="audio", path=Path("a.wav"))
CUES = "Movements: AU12 lip corner puller 0.80."


def sample(task: Task, media: Sequence[MediaItem], id: str = "a") -> Sample:
    reply = Message(role="assistant", content=(TextPart(text="happiness"),))
    return Sample(
        id=id, task=task, messages=(first_turn(media, CUES, "Which emotion?"), reply), media=tuple(media),
        provenance=SampleProvenance(
            engine="test@1", annotator="writer", licence="CC0", label_visible=False, clip="a"
        ),
    )  # fmt: skip


def texts(one: Sample) -> str:
    return "".join(part.text for part in one.messages[0].content if isinstance(part, TextPart))


def observation(id: str) -> Observation:
    source = Source(backend="test", version="1", licence="CC0")
    units = Cue(id="u", kind=CueKind.ACTION_UNIT, name="AU12", scale=Scale.INTENSITY, value=0.8, source=source)
    net = Cue(id="n", kind=CueKind.EXPRESSION, name="happiness", scale=Scale.PROBABILITY, value=0.9, source=source)
    return Observation(id=id, media=MediaInfo(kind="image"), cues=(units, net))


def test_a_hidden_kind_of_cue_is_gone_and_declared_missing_in_its_share_of_the_items() -> None:
    settings = ShowingSettings(hidden={CueKind.EXPRESSION: 0.5})
    found = [seen(observation(str(index)), settings, seed=0) for index in range(400)]
    hidden = [one for one in found if not any(cue.kind is CueKind.EXPRESSION for cue in one.cues)]
    assert len(hidden) == pytest.approx(200, abs=40)
    assert all(len(one.cues) == 1 and [gap.stream for gap in one.missing] == ["expression"] for one in hidden)
    assert all(one.missing == () for one in found if len(one.cues) == 2)
    assert found == [seen(observation(str(index)), settings, seed=0) for index in range(400)]


@pytest.mark.parametrize("task", [Task.RECOGNITION, Task.REASONING])
def test_only_the_cue_text_of_bare_recognition_is_left_out(task: Task) -> None:
    given = sample(task, [FACE])
    made = shown(given, None, ShowingSettings(bare=1.0), seed=0)
    assert texts(made) == ("Which emotion?" if task is Task.RECOGNITION else f"{CUES}\n\nWhich emotion?")
    assert (made.media, made.messages[1:]) == (given.media, given.messages[1:])


def test_words_without_media_are_never_bare() -> None:
    given = sample(Task.RECOGNITION, [])
    assert shown(given, None, ShowingSettings(bare=1.0), seed=0) == given


def test_a_photo_is_looked_at_one_to_four_times_and_every_look_holds_the_face() -> None:
    made = [
        shown(sample(Task.REASONING, [FACE], str(index)), None, ShowingSettings(looks=4), 0) for index in range(200)
    ]
    assert {len(one.media) for one in made} == {1, 2, 3, 4}
    assert all(one.media == (FACE,) for one in made if len(one.media) == 1)
    for one in made:
        assert sum(part.type == "image" for part in one.messages[0].content) == len(one.media)
        assert len({look.box for look in one.media}) == len(one.media)
        assert min(overlap(look) for look in one.media) > 0.4


def overlap(look: MediaItem) -> float:
    """Intersection over union with the measured box."""
    one, other = FACE.box, look.box
    assert one is not None
    assert other is not None
    wide = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    high = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    common = max(wide, 0.0) * max(high, 0.0)
    return common / (one.width * one.height + other.width * other.height - common)


def test_a_bare_voice_is_a_stretch_of_the_clip_that_is_long_enough() -> None:
    settings = ShowingSettings(bare=1.0, spans=0.7)
    for index in range(100):
        seconds = Random(index).uniform(1.0, 8.0)
        (voice,) = shown(sample(Task.RECOGNITION, [VOICE], str(index)), seconds, settings, seed=0).media
        assert voice.start is not None
        assert voice.end is not None
        assert 0.0 <= voice.start < voice.end <= seconds + 1e-3
        assert voice.end - voice.start >= 0.7 * seconds - 2e-3
    whole = sample(Task.REASONING, [VOICE])
    assert shown(whole, 2.0, settings, seed=0) == whole


def test_another_list_holds_the_label_in_its_own_words_and_the_reply_takes_them() -> None:
    settings = ShowingSettings(lists=1.0, sets=("fer2013", "meld"))
    asked = f"Which of {', '.join(label_set('basic8').labels)} is it?"
    made = []
    for index in range(200):
        given = sample(Task.RECOGNITION, [FACE], str(index))
        first = first_turn([FACE], CUES, asked)
        told = {
            "messages": (first, given.messages[1]),
            "label": "happiness",
            "label_set": "basic8",
            "gold": ("happiness",),
        }
        made.append(shown(given.model_copy(update=told), None, settings, seed=0))
    assert {one.label for one in made} == {"happiness", "happy", "joy"}
    for one in made:
        assert one.label is not None
        assert one.reply == one.label == one.gold[0]
        listed = texts(one).partition("Which of ")[2].partition(" is it?")[0].split(", ")
        assert one.label in listed
        assert set(listed) <= set(label_set(one.label_set or "").labels)
        assert len(listed) >= 3
    assert len({texts(one) for one in made}) > 150
    kept = given.model_copy(update=told | {"split": "valid"})
    assert shown(kept, None, settings, seed=0) == kept
