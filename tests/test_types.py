"""The records: strict, frozen, and equal after a round trip through JSON."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from emollm.errors import DataError
from emollm.samples import MediaItem, Sample, SampleProvenance
from emollm.types import (
    Answer,
    AnswerProvenance,
    Box,
    Claim,
    Clip,
    Cue,
    CueKind,
    Face,
    FollowUp,
    MediaInfo,
    MediaPart,
    Message,
    Missing,
    Observation,
    Part,
    RankedLabel,
    Rationale,
    Record,
    Scale,
    Source,
    Table,
    TextPart,
    Track,
    Verdict,
)

SCHEMAS = Path(__file__).parents[1] / "docs" / "schema"
TOP = (Clip, Observation, Sample, Answer)
SOURCE = Source(backend="mesh-head", version="1", licence="Apache-2.0")

# ---- random records -------------------------------------------------------------------------------------------------

text = st.text(max_size=20)
number = st.floats(-1e6, 1e6)
unit = st.floats(0, 1)
seconds = st.floats(0, 1e5)
paths = st.text("abcäöü ./", min_size=1, max_size=12).map(Path)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def several(strategy: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, min_size=least, max_size=3).map(tuple)


boxes = st.builds(Box, x=number, y=number, width=st.floats(0.1, 1e4), height=st.floats(0.1, 1e4))
faces = st.builds(
    Face, time=seconds, box=boxes, confidence=unit, landmarks=several(st.tuples(number, number)), roll=number
)
gaps = st.builds(Missing, stream=text, reason=text)
claims = st.builds(
    Claim, text=text, part=st.sampled_from(Part), verdict=st.sampled_from(Verdict), cues=several(text), reason=text
)
clips = st.builds(
    Clip,
    id=text,
    image=paths,
    video=maybe(paths),
    transcript=maybe(text),
    table=maybe(st.builds(Table, path=paths, format=text, scale=maybe(number))),
    labels=several(text),
    speaker=maybe(text),
)


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    tracks = [f"p{index + 1}" for index in range(draw(st.integers(0, 3)))]
    cues = []
    for index in range(draw(st.integers(0, 4))):
        scale = draw(st.sampled_from(Scale))
        bounded = unit if scale in (Scale.INTENSITY, Scale.PROBABILITY) else number
        sides = draw(maybe(st.tuples(bounded, bounded))) or (None, None)
        start = draw(seconds)
        cues.append(
            Cue(
                id=f"c{index}",
                kind=draw(st.sampled_from(CueKind)),
                name=draw(text),
                scale=scale,
                value=None if scale is Scale.TEXT else draw(bounded),
                text=draw(text) if scale is Scale.TEXT else None,
                left=sides[0],
                right=sides[1],
                track=draw(st.sampled_from([None, *tracks])),
                start=start,
                end=start + draw(seconds),
                confidence=draw(maybe(unit)),
                reliable=draw(st.booleans()),
                source=SOURCE,
            )
        )
    return Observation(
        id=draw(text),
        media=MediaInfo(kind="image", width=draw(maybe(st.integers(1, 9999)))),
        tracks=tuple(Track(id=id, faces=draw(several(faces, least=1)), prominence=draw(unit)) for id in tracks),
        cues=tuple(cues),
        missing=tuple(draw(several(gaps))),
        versions=draw(st.dictionaries(text, text, max_size=2)),
    )


provenances = st.builds(AnswerProvenance, model=text, prompt=maybe(text), cues=several(text))
plain_answers = st.one_of(
    st.builds(
        Answer,
        id=text,
        status=st.just("answered"),
        label=text,
        labels=several(st.builds(RankedLabel, label=text, score=unit)),
        intensity=maybe(unit),
        valence=maybe(st.floats(-1, 1)),
        rationale=st.builds(Rationale, observations=text, interpretation=text, conclusion=text),
        claims=several(claims),
        missing=several(gaps),
        follow_ups=several(st.builds(FollowUp, question=text, text=text, model=text, prompt=text)),
        provenance=provenances,
    ),
    st.builds(Answer, id=text, status=st.sampled_from(["abstained", "unparsed"]), text=text, provenance=provenances),
)


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    answer: Answer = draw(plain_answers)
    return answer.model_copy(update={"people": draw(several(plain_answers))})


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    media = draw(
        several(st.builds(MediaItem, type=st.sampled_from(["image", "audio", "video"]), path=paths, box=maybe(boxes)))
    )
    content: tuple[MediaPart | TextPart, ...] = (
        *(MediaPart(type=item.type) for item in media),
        TextPart(text=draw(text)),
    )
    return Sample(
        id=draw(text),
        messages=(
            Message(role="user", content=content),
            Message(role="assistant", content=(TextPart(text=draw(text)),)),
        ),
        media=media,
        weight=draw(st.floats(0.01, 10)),
        provenance=SampleProvenance(engine="e@1", licence="CC0", label_visible=draw(st.booleans()), clip=draw(text)),
    )


records = st.one_of(clips, observations(), answers(), samples())


@settings(deadline=None, max_examples=150)
@given(records)
def test_json_reads_back_to_an_equal_record(record: Record) -> None:
    assert type(record).from_json(record.to_json()) == record
    assert type(record).from_json(record.to_json(indent=2).encode()) == record


@settings(deadline=None, max_examples=60)
@given(records)
def test_json_fits_the_published_schema(record: Record) -> None:
    jsonschema.Draft202012Validator(published(type(record))).validate(json.loads(record.to_json()))


# ---- schemas --------------------------------------------------------------------------------------------------------


def published(record: type[Record]) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(
        (SCHEMAS / f"{record.__name__.lower()}.schema.json").read_text(encoding="utf-8")
    )
    return schema


@pytest.mark.parametrize("record", TOP)
def test_the_published_schema_is_that_of_the_record(record: type[Record]) -> None:
    expected = {"$schema": "https://json-schema.org/draft/2020-12/schema", **record.model_json_schema()}
    assert published(record) == expected, "run `make schema`"


def test_there_is_no_other_published_schema() -> None:
    assert {path.name for path in SCHEMAS.iterdir()} == {f"{record.__name__.lower()}.schema.json" for record in TOP}


# ---- strictness -----------------------------------------------------------------------------------------------------


def cue(**changes: Any) -> Cue:
    fields = {"id": "p1.AU12", "kind": CueKind.ACTION_UNIT, "name": "AU12", "scale": Scale.INTENSITY, "value": 0.5}
    return Cue(**{**fields, "source": SOURCE, **changes})


def answer(**changes: Any) -> Answer:
    rationale = Rationale(observations="o", interpretation="i", conclusion="c")
    fields = {"id": "x", "status": "answered", "label": "joy", "rationale": rationale}
    return Answer(**{**fields, "provenance": AnswerProvenance(model="m"), **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": "0.5"}, "valid number"),
        ({"value": float("nan")}, "finite"),
        ({"value": 1.2}, r"intensity is outside \[0, 1\]"),
        ({"left": 0.1, "right": -0.1}, "outside"),
        ({"left": 0.5}, "left and right come together"),
        ({"value": None}, "a cue has text if its scale is text, else a value"),
        ({"text": "smile"}, "a cue has text"),
        ({"scale": Scale.TEXT}, "a cue has text"),
        ({"start": 2.0, "end": 1.0}, "ends before it starts"),
        ({"start": -1.0}, "greater than or equal to 0"),
        ({"colour": "red"}, "Extra inputs"),
        ({"reliable": 1}, "valid boolean"),
    ],
)
def test_an_inconsistent_cue_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        cue(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": None}, "has a label and a rationale"),
        ({"rationale": None}, "has a label and a rationale"),
        ({"status": "abstained"}, "an abstained answer has no label"),
        ({"status": "unparsed"}, "an unparsed answer has no label"),
        ({"status": "guessed"}, "'answered', 'abstained' or 'unparsed'"),
        ({"intensity": 1.1}, "less than or equal to 1"),
        ({"valence": -1.1}, "greater than or equal to -1"),
    ],
)
def test_an_inconsistent_answer_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        answer(**changes)


def test_an_empty_clip_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least one of image, video"):
        Clip(id="x")


def test_an_observation_refers_only_to_what_it_holds() -> None:
    media = MediaInfo(kind="image")
    with pytest.raises(ValidationError, match="track 'p1' does not exist"):
        Observation(id="x", media=media, cues=(cue(track="p1"),))
    with pytest.raises(ValidationError, match="track 'p1' does not exist"):
        Observation(id="x", media=media, missing=(Missing(stream="gaze", reason="no iris", track="p1"),))
    with pytest.raises(ValidationError, match="two cues have one id"):
        Observation(id="x", media=media, cues=(cue(), cue()))


def test_an_observation_gives_the_cues_and_gaps_of_one_person_and_of_the_clip() -> None:
    face = Face(box=Box(x=0, y=0, width=1, height=1), confidence=1.0)
    tracks = tuple(Track(id=id, faces=(face,), prominence=0.5) for id in ("p1", "p2"))
    own, other, shared = cue(id="a", track="p1"), cue(id="b", track="p2"), cue(id="c", kind=CueKind.SCENE)
    gap = Missing(stream="AU11", reason="not measured by this backend")
    found = Observation(id="x", media=MediaInfo(kind="image"), tracks=tracks, cues=(own, other, shared), missing=(gap,))
    assert found.of("p1") == (own, shared)
    assert found.of("p1", CueKind.SCENE) == (shared,)
    assert found.of(None) == (shared,)
    assert found.missing_for("p2") == (gap,)


def test_a_sample_has_a_place_for_each_media_item() -> None:
    message = Message(role="user", content=(MediaPart(type="image"), TextPart(text="Why?")))
    provenance = SampleProvenance(engine="e@1", licence="CC0", label_visible=False, clip="x")
    with pytest.raises(ValidationError, match=r"1 media places \['image'\] but media \[\]"):
        Sample(id="x", messages=(message,), provenance=provenance)
    with pytest.raises(ValidationError, match="at least 1 item"):
        Sample(id="x", messages=(), provenance=provenance)


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        cue().value = 0.9


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "clips.jsonl:17: not a valid Clip: Invalid JSON"),
        ("[]", "clips.jsonl:17: not a valid Clip: .*object"),
        ('{"image": "a.png"}', "clips.jsonl:17: not a valid Clip: id: Field required"),
        ('{"id": 3, "image": "a.png"}', "clips.jsonl:17: not a valid Clip: id: .*string"),
        ('{"id": "x", "image": "a.png", "size": 3}', "clips.jsonl:17: not a valid Clip: size: Extra inputs"),
        ('{"id": "x"}', "clips.jsonl:17: not a valid Clip: Value error, a clip needs"),
        (
            '{"id": "x", "table": {"path": "t", "format": "f", "scale": NaN}}',
            "clips.jsonl:17: not a valid Clip: .*finite",
        ),
    ],
)
def test_a_bad_line_is_one_clear_line_with_its_place(content: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        Clip.from_json(content, where="clips.jsonl:17")
    assert "\n" not in str(caught.value)


def test_people_come_by_falling_prominence_and_equal_ones_in_their_order() -> None:
    face = Face(box=Box(x=0, y=0, width=9, height=9), confidence=0.9)
    tracks = tuple(Track(id=f"p{n}", faces=(face,), prominence=share) for n, share in ((1, 0.2), (2, 0.4), (3, 0.4)))
    observation = Observation(id="x", media=MediaInfo(kind="image"), tracks=tracks)
    assert [person.id for person in observation.people] == ["p2", "p3", "p1"]
