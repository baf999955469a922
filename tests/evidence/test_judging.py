"""Verdicts on claims about a clip: time, voice and words, on an observation made by hand."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emollm.evidence import Evidence, Faithfulness, check_text
from emollm.types import (
    Box,
    Claim,
    Cue,
    CueKind,
    Extent,
    Face,
    MediaInfo,
    Missing,
    Observation,
    Part,
    Peak,
    Scale,
    Series,
    Source,
    Track,
    Verdict,
    Word,
)

SUPPORTED, CONTRADICTED, UNVERIFIABLE = Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.UNVERIFIABLE
FACE = Source(backend="mesh-head", version="1", licence="Apache-2.0")
VOICE = Source(backend="voice", version="1", licence="MIT")
LENGTH, STEP = 10.0, 0.1
HIDDEN = (8.2, 9.0)
"""When the face is not seen."""

Event = tuple[float, float, float, float]
"""Onset, apex, offset, strongest value."""
EVENTS: dict[str, list[Event]] = {
    "AU12": [(2.1, 3.4, 5.0, 0.62)],
    "AU06": [(2.5, 3.5, 4.6, 0.4)],
    "AU01": [(7.0, 7.4, 7.8, 0.45)],
    "AU02": [(7.0, 7.4, 7.8, 0.4)],
    "AU15": [(6.0, 6.3, 6.6, 0.35)],
    "AU04": [],
    "AU24": [],
}


def course(events: Sequence[Event], rest: float = 0.03) -> tuple[float | None, ...]:
    """Values of a unit that rises to its apex and falls to .3 at its offset."""
    out: list[float | None] = []
    for index in range(round(LENGTH / STEP)):
        time, value = (index + 0.5) * STEP, rest
        for start, peak, end, most in events:
            if start <= time <= peak:
                value = rest + (most - rest) * (time - start) / (peak - start)
            elif peak < time <= end:
                value = most - (most - 0.3) * (time - peak) / (end - peak)
        out.append(None if HIDDEN[0] <= time <= HIDDEN[1] else round(value, 3))
    return tuple(out)


def cue(id: str, kind: CueKind, name: str, scale: Scale, value: float | None, **more: object) -> Cue:
    track = "p1" if id.startswith("p1") else None
    source = FACE if track else VOICE
    return Cue.model_validate(
        {"id": id, "kind": kind, "name": name, "scale": scale, "value": value, "track": track, "source": source, **more}
    )


def event(id: str, kind: CueKind, scale: Scale, value: float | None, start: float, end: float, **more: object) -> Cue:
    name = id.split(".")[-2]
    return cue(id, kind, str(more.pop("name", name)), scale, value, extent=Extent.EVENT, start=start, end=end, **more)


def whole(name: str, scale: Scale, value: float) -> Cue:
    return cue(f"voice.{name}", CueKind.PROSODY, name, scale, value, extent=Extent.WHOLE, end=LENGTH)


def face_cues() -> list[Cue]:
    unit, out = CueKind.ACTION_UNIT, []
    for code, events in EVENTS.items():
        at_apex = max(value or 0.0 for value in course(events)[33:36])
        out.append(cue(f"p1.{code}", unit, code, Scale.INTENSITY, at_apex, start=3.3, end=3.5))
        for number, (start, peak, end, most) in enumerate(events, 1):
            out.append(event(f"p1.{code}.{number}", unit, Scale.INTENSITY, most, start, end, peak=peak))
    for number, time in enumerate((1.0, 4.2), 1):
        out.append(event(f"p1.AU45.{number}", unit, Scale.INTENSITY, 0.9, time - 0.1, time + 0.1, peak=time))
    out.append(cue("p1.blink_rate", CueKind.MOTION, "blink_rate", Scale.RATE, 0.2, extent=Extent.WHOLE, end=LENGTH))
    for name in ("yaw", "pitch", "roll", "gaze_yaw", "gaze_pitch"):
        kind = CueKind.GAZE if name.startswith("gaze") else CueKind.HEAD_POSE
        out.append(cue(f"p1.{name}", kind, name, Scale.DEGREES, 2.0, start=3.3, end=3.5))
    out.append(event("p1.yaw.1", CueKind.HEAD_POSE, Scale.DEGREES, 24.0, 6.0, 7.1, peak=6.5))
    out.append(event("p1.gaze_pitch.1", CueKind.GAZE, Scale.DEGREES, -18.0, 5.0, 6.0, peak=5.5))
    return out


SAID = [
    "Ask",
    "not",
    "what",
    "your",
    "country",
    "can",
    "do",
    "for",
    "you,",
    "ask",
    "what",
    "you",
    "can",
    "do",
    "for",
    "your",
    "country.",
]


def voice_cues() -> list[Cue]:
    sound, words = CueKind.PROSODY, CueKind.WORDS
    return [
        event("voice.speech.1", sound, Scale.SECONDS, 1.6, 0.4, 2.0),
        event("voice.speech.2", sound, Scale.SECONDS, 3.2, 2.8, 6.0),
        event("voice.pause.1", sound, Scale.SECONDS, 0.8, 2.0, 2.8),
        whole("f0_median", Scale.HERTZ, 210.4),
        whole("f0_range", Scale.SEMITONES, 9.3),
        whole("f0_sd", Scale.SEMITONES, 4.4),
        whole("energy", Scale.DECIBELS, -23.4),
        whole("speech_rate", Scale.RATE, 4.1),
        whole("pause_share", Scale.RATIO, 0.14),
        event("voice.pitch.1", sound, Scale.SEMITONES, 3.1, 1.2, 2.0, peak=1.5),
        event("voice.pitch.2", sound, Scale.SEMITONES, -2.4, 4.9, 6.0, peak=5.5),
        event("voice.loudness.1", sound, Scale.DECIBELS, 5.2, 2.8, 4.0, peak=3.0),
        event("voice.rate.1", sound, Scale.RATIO, 1.3, 2.8, 4.0),
        event("words.1", words, Scale.TEXT, None, 0.4, 2.0, text=" ".join(SAID[:9]), name="said", confidence=0.9),
        event("words.2", words, Scale.TEXT, None, 2.8, 6.0, text=" ".join(SAID[9:]), name="said", confidence=0.9),
        event("words.polarity.1", words, Scale.RATIO, -0.52, 0.4, 2.0),
        event("words.polarity.2", words, Scale.RATIO, 0.02, 2.8, 6.0),
    ]


def spoken() -> tuple[Word, ...]:
    out = []
    for index, text in enumerate(SAID):
        start, step = (0.4 + index * 0.17, 0.17) if index < 9 else (2.8 + (index - 9) * 0.38, 0.38)
        out.append(Word(text=text, start=round(start, 2), end=round(start + step, 2), confidence=0.9))
    return tuple(out)


def all_series() -> list[Series]:
    out = [
        Series(kind=CueKind.ACTION_UNIT, name=code, scale=Scale.INTENSITY, track="p1", step=STEP, values=course(events), source=FACE)
        for code, events in EVENTS.items()
    ]  # fmt: skip
    yaw = tuple(None if 82 <= index < 90 else 24.0 if 60 <= index < 71 else 2.0 for index in range(100))
    out.append(Series(kind=CueKind.HEAD_POSE, name="yaw", scale=Scale.DEGREES, track="p1", step=STEP, values=yaw, source=FACE))  # fmt: skip
    speech = [4 <= index < 20 or 28 <= index < 60 for index in range(100)]
    pitch = tuple((150.0 + 2 * index if index >= 28 else 230.0) if said else None for index, said in enumerate(speech))
    out.append(Series(kind=CueKind.PROSODY, name="f0", scale=Scale.HERTZ, step=STEP, values=pitch, source=VOICE))
    likely = tuple(0.9 if said else 0.05 for said in speech)
    out.append(Series(kind=CueKind.PROSODY, name="speech", scale=Scale.PROBABILITY, step=STEP, values=likely, source=VOICE))  # fmt: skip
    return out


def observed(
    cues: Sequence[Cue],
    *,
    series: Sequence[Series] = (),
    words: Sequence[Word] = (),
    missing: Sequence[Missing] = (),
    speaking: float | None = None,
    length: float | None = LENGTH,
) -> Observation:
    face = Face(time=3.4, box=Box(x=0.0, y=0.0, width=100.0, height=100.0), confidence=0.9)
    peaks = (Peak(time=3.4, start=2.1, end=5.0, score=1.0),)
    tracks = tuple(
        Track(id=id, faces=(face,), prominence=share, peaks=peaks, end=LENGTH, speaking=speaks)
        for id, share, speaks in (("p1", 0.8, speaking), ("p2", 0.2, None if speaking is None else 1 - speaking))
    )
    return Observation(
        id="clip.mp4",
        media=MediaInfo(kind="video", duration=length),
        tracks=tracks,
        cues=tuple(cues),
        series=tuple(series),
        words=tuple(words),
        missing=tuple(missing),
    )


CLIP = observed([*face_cues(), *voice_cues()], series=all_series(), words=spoken(), speaking=0.9)
"""Ten seconds: a smile, raised brows later, a turn of the head, speech from .4 to 2.0 and 2.8 to 6.0 s."""
MUTE = observed(face_cues(), series=all_series()[:-2], missing=[Missing(stream="audio", reason="no audio stream")])
QUIET = observed(
    face_cues(),
    missing=[
        Missing(stream="voice", reason="no speech in the sound (10.0 s, mean level −40 dBFS)"),
        Missing(stream="words", reason="no speech in the sound (10.0 s, mean level −40 dBFS)"),
    ],
)
GARBLED = observed(
    [one for one in CLIP.cues if one.kind is not CueKind.WORDS],
    missing=[Missing(stream="words", reason="speech, not intelligible English: compression ratio 3.1")],
)


def claims(text: str, observation: Observation = CLIP, track: str = "p1") -> tuple[Claim, ...]:
    return check_text(text, Part.OBSERVATIONS, observation, track)


def verdicts(text: str, observation: Observation = CLIP, track: str = "p1") -> set[Verdict]:
    return {claim.verdict for claim in claims(text, observation, track)}


# ---- the face over time ---------------------------------------------------------------------------------------------

TRUE_OF_THE_FACE = (
    "At 3.4 s the mouth corners are pulled up (AU12 0.62).",
    "From 2.1 to 5.0 s the mouth corners turn up, most at 3.4 s (AU12 0.62).",
    "The mouth corners turn up (2.1–5.0 s).",
    "The smile peaks at 3.4 s.",
    "The smile lasts 2.9 s.",
    "She smiles for about 3 seconds.",
    "She smiles once.",
    "The eyes blink at 4.2 s.",
    "The eyes blink at 1.0 and 4.2 s.",
    "The eyes blink twice.",
    "She blinks 0.2 times a second.",
    "The blink rate is 12 per minute.",
    "He does not blink between 5 and 8 s.",
    "The head turns to the person's own left from 6.0 to 7.1 s (24 degrees).",
    "The head is turned to the left at 6.5 s.",
    "The head is straight at 3.4 s.",
    "The head is straight.",
    "The gaze goes down from 5.0 to 6.0 s (18 degrees).",
    "The brows are raised.",
    "The brows are raised at 7.4 s.",
    "The brows are raised after 6 s.",
    "In the second half the brows are raised.",
    "At 0:07 the brows are raised.",
    "Around second 7 the brows are raised.",
    "There is no smile before 2.0 s.",
    "There is no smile from 6 to 8 s.",
    "Between 6 and 8 s the person does not smile.",
    "In the first two seconds there is no smile.",
    "The brows are not lowered.",
    "There is no lip press throughout.",
    "There is a slight smile at 2.5 s.",
    "The smile is strong at 3.4 s.",
    "A smile appears at 2.1 s and fades after 4.5 s.",
    "He begins to smile at 2.0 s.",
    "She stops smiling at 5 s.",
    "AU12 increases between 2.2 and 3.2 s.",
    "The smile comes before the raised brows.",
    "The smile is followed by raised brows.",
    "AU12 was not measured at 8.6 s.",
    "At 3.4 s the smile is strong and the cheeks are raised; the brows are relaxed.",
    "First she smiles (2.1–5.0 s), then her brows go up at around 7.4 s.",
    "He smiles at 3 s and raises his brows at 7.4 s.",
)

FALSE_OF_THE_FACE = (
    "At 3.4 s the mouth corners are pulled up (AU12 0.35).",
    "There is no smile.",
    "The person does not smile at 3 s.",
    "The brows are raised at 1 s.",
    "The brows are lowered.",
    "The brows are lowered at 3.4 s.",
    "The brows are raised in the first half.",
    "From 1.0 to 4.0 s the mouth corners turn up.",
    "From 2.1 to 3.9 s the mouth corners turn up.",
    "From 2.1 to 5.0 s the mouth corners turn up, most at 4.4 s.",
    "The smile is strongest at 4.7 s.",
    "The smile lasts 5 s.",
    "She smiles for 1.0 s.",
    "She smiles three times.",
    "She smiles repeatedly.",
    "She smiles throughout.",
    "She smiles the whole time.",
    "The eyes blink three times.",
    "The eyes blink at 7.0 s.",
    "The eyes do not blink.",
    "The blink rate is 0.5 a second.",
    "The head is straight at 6.5 s.",
    "The head turns to the right at 6.5 s.",
    "The head turns to the left from 2.0 to 3.1 s.",
    "The mouth corners are up at 12 s.",
    "From 8 to 14 s the mouth corners are up.",
    "After 11 s the brows are raised.",
    "The smile is strong at 2.3 s.",
    "A smile appears at 6.0 s.",
    "The smile fades at 3.0 s.",
    "The raised brows come before the smile.",
    "AU12 was not measured at 3.4 s.",
    "At the end the brows are raised.",
)

OPEN_OF_THE_FACE = (
    "The mouth corners are up at 8.6 s.",
    "There is no smile at 8.6 s.",
    "The lips are parted at 3.4 s.",
    "From 2 to 3 s the jaw drops.",
    "The frown comes before the parted lips.",
)


@pytest.mark.parametrize("text", TRUE_OF_THE_FACE)
def test_what_happens_is_supported(text: str) -> None:
    assert verdicts(text) == {SUPPORTED}


@pytest.mark.parametrize("text", FALSE_OF_THE_FACE)
def test_what_does_not_happen_is_contradicted(text: str) -> None:
    assert CONTRADICTED in verdicts(text)


@pytest.mark.parametrize("text", OPEN_OF_THE_FACE)
def test_what_was_not_measured_then_is_open(text: str) -> None:
    assert UNVERIFIABLE in verdicts(text)
    assert CONTRADICTED not in verdicts(text)


def test_what_begins_does_so_from_rest_and_not_while_it_is_there() -> None:
    """What grows where it is there already grows, and begins at another time."""
    smile = [event("p1.AU12.1", CueKind.ACTION_UNIT, Scale.INTENSITY, 0.9, 1.0, 9.0, peak=8.0)]
    values = tuple(round(min(0.9, 0.1 * index * STEP + 0.2), 3) if 10 <= index < 90 else 0.0 for index in range(100))
    line = Series(kind=CueKind.ACTION_UNIT, name="AU12", scale=Scale.INTENSITY, track="p1", step=STEP, values=values, source=FACE)  # fmt: skip
    clip = observed(smile, series=[line])
    assert verdicts("The smile begins at 1.1 s.", clip) == {SUPPORTED}
    assert verdicts("The smile begins at 6.0 s.", clip) == {CONTRADICTED}
    assert verdicts("She starts to smile at 6.0 s.", clip) == {CONTRADICTED}
    assert verdicts("The smile grows between 3 and 7 s.", clip) == {SUPPORTED}
    assert verdicts("The smile ends at 9.0 s.", clip) == {SUPPORTED}
    assert verdicts("The smile ends at 4.0 s.", clip) == {CONTRADICTED}


def test_a_slight_movement_that_is_no_event_begins_where_it_leaves_rest() -> None:
    values = tuple(0.02 if index < 40 else 0.25 for index in range(100))
    line = Series(kind=CueKind.ACTION_UNIT, name="AU12", scale=Scale.INTENSITY, track="p1", step=STEP, values=values, source=FACE)  # fmt: skip
    smile = cue("p1.AU12", CueKind.ACTION_UNIT, "AU12", Scale.INTENSITY, 0.02, start=3.3, end=3.5)
    clip = observed([smile], series=[line])
    assert verdicts("The smile begins at 4.0 s.", clip) == {SUPPORTED}
    assert verdicts("The smile begins at 7.0 s.", clip) == {CONTRADICTED}


@pytest.mark.parametrize(
    "text", ["The smile ends at 4.5 s.", "The smile has faded by 4.5 s.", "The smile fades at 4.4 s.", "The smile disappears at 4.4 s."]
)  # fmt: skip
def test_an_end_that_was_not_seen_is_open(text: str) -> None:
    """The picture turns black while the smile is there."""
    assert verdicts(text.replace("4.5", "5.0").replace("4.4", "5.0")) == {SUPPORTED}
    cut = [
        one.model_copy(update={"end": 4.45}) if one.id == "p1.AU12.1" else one for one in face_cues()
    ]  # fmt: skip
    dark = [
        one.model_copy(
            update={"values": tuple(None if 45 <= at < 70 else value for at, value in enumerate(one.values))}
        )
        for one in all_series()
    ]
    assert verdicts(text, observed(cut, series=dark)) == {UNVERIFIABLE}
    assert verdicts("The smile begins at 2.1 s.", observed(cut, series=dark)) == {SUPPORTED}


def test_a_strength_over_a_span_is_that_of_most_of_it() -> None:
    long = [(2.1, 3.4, 5.0, 0.95)]
    steep = tuple(
        None if value is None else 0.4 if 2.1 <= (at + 0.5) * STEP <= 5.0 and abs(at * STEP - 3.4) > 0.2 else value
        for at, value in enumerate(course(long))
    )
    cues = [one.model_copy(update={"value": 0.95}) if one.id == "p1.AU12.1" else one for one in face_cues()]
    series = [one.model_copy(update={"values": steep}) if one.name == "AU12" else one for one in all_series()]
    clip = observed(cues, series=series)
    assert verdicts("From 2.1 to 5.0 s the mouth corners are pulled far up.", clip) == {CONTRADICTED}
    assert verdicts("From 2.1 to 5.0 s the mouth corners are pulled far up, most at 3.4 s.", clip) == {SUPPORTED}
    assert verdicts("From 2.1 to 5.0 s the mouth corners are pulled up.", clip) == {SUPPORTED}


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("No speech is heard after 7 s.", UNVERIFIABLE),
        ("At 8.0 s nobody speaks.", UNVERIFIABLE),
        ("After 6.5 s nobody speaks.", UNVERIFIABLE),
        ("Speech is heard at 8.0 s.", UNVERIFIABLE),
        ("At 2.4 s nobody speaks.", SUPPORTED),
        ("Speech is heard at 1.0 s.", SUPPORTED),
        ("At 3.0 s nobody speaks.", CONTRADICTED),
        ("There is no sound at 8.0 s.", SUPPORTED),
        ("There is no sound at 1.0 s.", CONTRADICTED),
    ],
)
def test_where_the_sound_has_ended_nothing_is_known_of_speech(text: str, verdict: Verdict) -> None:
    gap = Missing(stream="audio", reason="the sound ends at 7.0 s of 10.0 s")
    assert verdicts(text, CLIP.model_copy(update={"missing": (gap,)})) == {verdict}


@pytest.mark.parametrize(
    ("text", "verdict"), [("At 0.1 s nobody speaks.", UNVERIFIABLE), ("At 2.4 s nobody speaks.", SUPPORTED)]
)
def test_before_the_sound_begins_nothing_is_known_of_speech(text: str, verdict: Verdict) -> None:
    gap = Missing(stream="audio", reason="the sound begins at 0.3 s")
    assert verdicts(text, CLIP.model_copy(update={"missing": (gap,)})) == {verdict}


def test_one_movement_at_two_times_of_a_sentence_is_two_claims() -> None:
    text = "At 3.4 s the mouth corners are pulled up, and at 7.4 s the mouth corners are pulled up."
    assert [claim.verdict for claim in claims(text)] == [SUPPORTED, CONTRADICTED]


def test_a_quotation_agrees_with_the_transcript_as_recognised() -> None:
    (claim,) = claims('From 0.4 to 2.0 s the words are recognised as "ask not what your country can do for you".')
    assert claim.verdict is SUPPORTED
    assert claim.reason.startswith("as recognised: ")


def test_a_gap_says_when_it_was() -> None:
    (claim,) = claims("The mouth corners are up at 8.6 s.")
    assert claim.reason == "AU12 was not measured at 8.6 s"


@pytest.mark.parametrize("late", [0.0, 0.14])
def test_a_time_may_be_a_little_off_and_no_more(late: float) -> None:
    clip = observed([one for one in CLIP.cues if one.id in ("p1.AU12.1", "p1.AU12")])
    assert verdicts(f"She smiles at {5 + late:.2f} s.", clip) == {SUPPORTED}
    assert verdicts(f"She smiles at {5.2 + late:.2f} s.", clip) == {UNVERIFIABLE}


def test_a_denial_is_not_held_against_what_begins_right_behind_its_window() -> None:
    assert verdicts("From 0 to 2.2 s there is no smile.") == {SUPPORTED}


@pytest.mark.parametrize(("text", "first", "last"), [
    ("At 3.4 s the brows are relaxed.", 3.4, 3.4),
    ("From 2.1 to 5.0 s the mouth corners turn up, most at 3.4 s.", 2.1, 5.0),
    ("After 6 s the brows are raised.", 6.0, 10.0),
    ("In the first half she smiles.", 0.0, 5.0),
    ("The brows are raised.", 7.0, 7.8),
    ("She smiles throughout.", 0.0, 10.0),
    ("The head turns to the left.", 6.0, 7.1),
    ("The median pitch is 210 Hz.", 0.0, 10.0),
])  # fmt: skip
def test_a_claim_has_the_time_of_its_text_or_else_of_its_cues(text: str, first: float, last: float) -> None:
    (claim,) = claims(text)
    assert (claim.start, claim.end) == (first, last)


def test_a_short_run_of_events_may_be_told_as_one() -> None:
    smiles = [event(f"p1.AU12.{n}", CueKind.ACTION_UNIT, Scale.INTENSITY, 0.5, a, b) for n, a, b in ((1, 1.0, 2.0), (2, 2.4, 3.0), (3, 6.0, 7.0))]  # fmt: skip
    clip = observed(smiles)
    assert verdicts("From 1.0 to 3.0 s she smiles.", clip) == {SUPPORTED}
    assert verdicts("From 1.0 to 7.0 s she smiles.", clip) == {CONTRADICTED}
    assert verdicts("She smiles three times.", clip) == {SUPPORTED}


def test_without_a_series_other_times_are_unknown() -> None:
    clip = observed([one for one in CLIP.cues if one.id == "p1.AU12.1"])
    assert verdicts("She smiles at 8 s.", clip) == {UNVERIFIABLE}
    assert verdicts("She does not smile at 8 s.", clip) == {UNVERIFIABLE}


def test_a_unit_that_is_under_reported_is_not_denied_by_a_series() -> None:
    flat = Series(kind=CueKind.ACTION_UNIT, name="AU05", scale=Scale.INTENSITY, track="p1", step=STEP, values=(0.0,) * 100, source=FACE)  # fmt: skip
    lids = cue("p1.AU05", CueKind.ACTION_UNIT, "AU05", Scale.INTENSITY, 0.0, start=3.3, end=3.5, reliable=False)
    assert verdicts("The upper lids are raised at 2 s.", observed([lids], series=[flat])) == {UNVERIFIABLE}


def test_a_photo_has_no_times() -> None:
    smile = cue("p1.AU12", CueKind.ACTION_UNIT, "AU12", Scale.INTENSITY, 0.6)
    photo = observed([smile]).model_copy(update={"media": MediaInfo(kind="image")})
    (claim,) = claims("The person smiles at 30 s.", photo)
    assert (claim.verdict, claim.start, claim.end) == (SUPPORTED, None, None)
    assert verdicts("The voice is higher than usual.", photo) == {UNVERIFIABLE}


def test_a_unit_without_a_series_on_a_face_that_has_some_is_absent_all_the_time() -> None:
    still = cue("p1.AU20", CueKind.ACTION_UNIT, "AU20", Scale.INTENSITY, 0.04, start=3.3, end=3.5)
    clip = observed([*CLIP.cues, still], series=all_series())
    (claim,) = claims("There is no lip stretch at 7 s.", clip)
    assert (claim.verdict, claim.cues) == (SUPPORTED, ("p1.AU20",))
    assert verdicts("The lips stretch at 7 s.", clip) == {CONTRADICTED}
    assert verdicts("The lips stretch at 8.6 s.", clip) == {UNVERIFIABLE}


def test_events_that_are_not_listed_are_counted_or_leave_a_claim_open() -> None:
    gap = Missing(
        stream="events", reason="weaker ones than the strongest are left out: 3 of AU45, 1 of AU12", track="p1"
    )
    clip = observed(CLIP.cues, series=CLIP.series, missing=[gap])
    assert verdicts("The eyes blink five times.", clip) == {SUPPORTED}
    assert verdicts("The eyes blink twice.", clip) == {CONTRADICTED}
    assert verdicts("The eyes blink at 7.0 s.", clip) == {UNVERIFIABLE}
    assert verdicts("From 6.0 to 7.0 s she smiles.", clip) == {UNVERIFIABLE}


# ---- the voice ------------------------------------------------------------------------------------------------------

TRUE_OF_THE_VOICE = (
    "From 1.2 to 2.0 s the voice is higher than usual (+3.1 semitones).",
    "The voice is lower than usual from 4.9 to 6.0 s (-2.4 semitones).",
    "From 2.8 to 4.0 s the voice is louder than usual (+5.2 dB).",
    "From 2.8 to 4.0 s the voice is faster than usual (1.3 times the usual rate).",
    "The voice is higher than usual between 1 and 2 s.",
    "The voice rises at 1.5 s.",
    "The pitch drops by 2.4 semitones at 5.5 s.",
    "She speaks faster at 3 s.",
    "She speaks in a low voice.",
    "The voice is not louder than usual at 1.0 s.",
    "The voice, first high (1.2 to 2.0 s), drops at 5 s.",
    "The pitch rises from 3.0 to 5.9 s.",
    "The voice pauses from 2.0 to 2.8 s (0.8 s).",
    "There is a pause of 0.8 s after 2.0 s.",
    "There is silence at 2.4 s.",
    "The median pitch is 210 Hz.",
    "The mean pitch is about 200 Hz.",
    "The pitch moves over 9.3 semitones.",
    "The speech rate is 4.1 syllables a second.",
    "The voice is lively.",
    "The person speaks.",
    "The person speaks from 2.8 to 6.0 s.",
    "A voice is heard between 0.4 and 6.0 s.",
    "The person is silent at 8 s.",
    "Nobody speaks after 6.5 s.",
)

FALSE_OF_THE_VOICE = (
    "She whispers.",
    "From 1.2 to 2.0 s the voice is lower than usual.",
    "From 1.2 to 2.0 s the voice is higher than usual (+6.1 semitones).",
    "From 0.4 to 2.0 s the voice is higher than usual.",
    "The voice is softer than usual.",
    "The voice is slower than usual.",
    "The voice is higher than usual at 3.5 s.",
    "The voice is not raised.",
    "The pitch falls from 3.0 to 5.9 s.",
    "The voice does not pause.",
    "The voice pauses at 4 s.",
    "The voice pauses from 2.0 to 2.8 s (2.5 s).",
    "The median pitch is 120 Hz.",
    "The speech rate is 6.5 syllables a second.",
    "The voice is monotone.",
    "The voice is monotone and flat.",
    "The person does not speak.",
    "Nobody speaks.",
    "No speech is heard.",
    "The person speaks from 2.8 to 4.0 s.",
    "The person speaks at 8 s.",
    "There is no sound.",
)

OPEN_OF_THE_VOICE = (
    "The voice trembles.",
    "The voice is shaky and tearful.",
    "The voice sounds angry.",
    "She has a sad voice.",
    "The voice is emotional at 8 s.",
    "The voice is higher than usual at 8 s.",
)


@pytest.mark.parametrize("text", TRUE_OF_THE_VOICE)
def test_what_is_heard_is_supported(text: str) -> None:
    assert verdicts(text) == {SUPPORTED}


@pytest.mark.parametrize("text", FALSE_OF_THE_VOICE)
def test_what_is_not_heard_is_contradicted(text: str) -> None:
    assert CONTRADICTED in verdicts(text)


@pytest.mark.parametrize("text", OPEN_OF_THE_VOICE)
def test_what_a_voice_is_like_in_other_words_is_open(text: str) -> None:
    assert verdicts(text) == {UNVERIFIABLE}


def test_without_a_usual_the_lack_of_a_departure_says_nothing() -> None:
    gap = Missing(stream="usual", reason="too few phrases to know what is usual for this voice (2, needs 3)")
    few = observed([one for one in voice_cues() if one.name != "loudness"], series=all_series()[-2:], missing=[gap])
    (claim,) = claims("The voice is louder than usual.", few)
    assert (claim.verdict, claim.reason) == (UNVERIFIABLE, gap.reason)
    assert verdicts("The voice is higher than usual.", few) == {SUPPORTED}


def test_a_pace_is_slow_or_fast_by_its_rate_alone() -> None:
    slow = observed([whole("speech_rate", Scale.RATE, 2.9)])
    assert verdicts("The speech is slow.", slow) == {SUPPORTED}
    assert verdicts("She speaks fast.", slow) == {CONTRADICTED}
    assert verdicts("The speech is slow.", observed([whole("speech_rate", Scale.RATE, 5.0)])) == {UNVERIFIABLE}


@pytest.mark.parametrize(
    "text", ["Face and voice agree.", "The tone of voice fits this.", "What the voice tells is open.", "Spoken words."]
)
def test_a_voice_that_is_only_named_is_no_claim(text: str) -> None:
    assert claims(text) == ()


def test_an_ordinary_variation_is_called_neither_monotone_nor_lively() -> None:
    ordinary = observed([whole("f0_sd", Scale.SEMITONES, 2.5)])
    assert verdicts("The voice is monotone.", ordinary) == verdicts("The voice is lively.", ordinary) == {UNVERIFIABLE}


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("No speech is heard.", SUPPORTED),
        ("Nobody speaks.", SUPPORTED),
        ("The person does not speak.", SUPPORTED),
        ("The person speaks.", CONTRADICTED),
        ("The voice is higher than usual.", CONTRADICTED),
        ('The person says "hello".', CONTRADICTED),
        ("The words were not understood.", SUPPORTED),
        ("There is no speech.", SUPPORTED),
        ("No voice is heard.", SUPPORTED),
        ("Nobody speaks from 2.0 to 4.0 s.", SUPPORTED),
        ("The person is silent at 3.0 s.", SUPPORTED),
        ("There is silence.", SUPPORTED),
        ("Speech is heard between 1.0 and 2.0 s.", CONTRADICTED),
    ],
)
@pytest.mark.parametrize(
    "why",
    [
        "no speech in the sound (10.0 s, mean level −40 dBFS)",
        "the sound is silent: no signal at all (10.0 s)",
        "the sound is silent: −80 dBFS at its loudest (10.0 s)",
    ],
)
def test_a_sound_without_speech(text: str, verdict: Verdict, why: str) -> None:
    gaps = [Missing(stream=stream, reason=why) for stream in ("voice", "words")]
    assert verdicts(text, QUIET.model_copy(update={"missing": tuple(gaps)})) == {verdict}


@pytest.mark.parametrize(
    "text",
    ["No speech is heard.", "The person speaks.", "The voice is high.", 'She says "hello".', "The voice pauses."],
)
def test_without_sound_nothing_is_known_of_a_voice(text: str) -> None:
    (claim,) = claims(text, MUTE)
    assert (claim.verdict, claim.reason) == (UNVERIFIABLE, "no audio stream")


def test_without_sound_it_is_known_that_there_is_none() -> None:
    assert verdicts("There is no sound.", MUTE) == {SUPPORTED}


@pytest.mark.parametrize(
    ("share", "verdict"), [(0.8, SUPPORTED), (0.35, UNVERIFIABLE), (0.1, CONTRADICTED), (None, UNVERIFIABLE)]
)
def test_who_speaks_is_seen_at_the_mouth(share: float | None, verdict: Verdict) -> None:
    clip = observed([*face_cues(), *voice_cues()], speaking=share)
    assert verdicts("The person speaks.", clip) == {verdict}
    assert verdicts("Speech is heard.", clip) == {SUPPORTED}


def test_speech_of_another_person_is_speech_but_not_this_persons() -> None:
    theirs = [one.model_copy(update={"track": "p2"}) for one in voice_cues()]
    clip = observed([*face_cues(), *theirs], speaking=0.05)
    assert verdicts("No speech is heard.", clip) == {CONTRADICTED}
    assert verdicts("The person speaks.", clip) == {CONTRADICTED}


# ---- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ('From 0.4 to 2.0 s the words are "ask not what your country can do for you".', SUPPORTED),
        ('The words are "Ask NOT what your country can do for you"!', SUPPORTED),
        ('She says "ask not what your country could do for you".', SUPPORTED),
        ('She says "ask not … for your country".', SUPPORTED),
        ('The word "country" is said.', SUPPORTED),
        ('At 1.3 s the word "country" is said.', SUPPORTED),
        ('At 4.0 s she says "ask not".', CONTRADICTED),
        ('From 2.8 to 6.0 s the words are "ask not what your country can do for you".', CONTRADICTED),
        ('She says "I love my dog".', CONTRADICTED),
        ('The word "never" is said.', CONTRADICTED),
        ('She never says "dog".', SUPPORTED),
        ('She does not say "country".', CONTRADICTED),
        ('She says "ask what you cannot do for your country".', CONTRADICTED),
        ("She talks about her dog.", CONTRADICTED),
        ("The words are negative (polarity -0.52).", SUPPORTED),
        ("The words are negative (polarity 0.40).", CONTRADICTED),
        ("From 0.4 to 2.0 s the words are strongly negative.", SUPPORTED),
        ("From 0.4 to 2.0 s the words are positive.", CONTRADICTED),
        ("From 2.8 to 6.0 s the words are neutral.", SUPPORTED),
        ("From 2.8 to 6.0 s the words are negative.", UNVERIFIABLE),
        ("From 0.4 to 2.0 s the words are neutral.", CONTRADICTED),
        ("The words were not understood.", CONTRADICTED),
    ],
)
def test_words_are_held_against_what_was_recognised(text: str, verdict: Verdict) -> None:
    assert verdicts(text) == {verdict}


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ('She says "ask not".', UNVERIFIABLE),
        ('She does not say "ask not".', UNVERIFIABLE),
        ("The words are negative.", UNVERIFIABLE),
        ("The words were not understood.", SUPPORTED),
    ],
)
def test_words_that_were_not_recognised_decide_nothing(text: str, verdict: Verdict) -> None:
    assert verdicts(text, GARBLED) == {verdict}


PARTLY = CLIP.model_copy(
    update={"missing": (Missing(stream="words", reason="speech, not intelligible English from 7.0 to 9.0 s (loop)"),)}
)
"""Words of which some turn was not understood."""


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ('She says "I love my dog".', UNVERIFIABLE),
        ('From 0.4 to 2.0 s the words are "I love my dog".', CONTRADICTED),
        ('At 8.0 s she says "I love my dog".', UNVERIFIABLE),
        ('At 8.0 s she says "ask not".', UNVERIFIABLE),
        ('At 4.0 s she says "ask not".', CONTRADICTED),
        ("The words were not understood.", UNVERIFIABLE),
        ("From 7.0 to 9.0 s the words were not understood.", SUPPORTED),
        ("From 0.4 to 2.0 s the words were not understood.", CONTRADICTED),
        ("At 8.0 s the words are negative.", UNVERIFIABLE),
    ],
)
def test_a_turn_that_was_not_understood_leaves_the_others_decided(text: str, verdict: Verdict) -> None:
    assert verdicts(text, PARTLY) == {verdict}


def test_a_sentence_that_is_said_again_and_again_is_found_at_each_of_its_times() -> None:
    sentence = [f"word{number}" for number in range(60)]
    words = [
        Word(text=text, start=round(0.05 * index, 2), end=round(0.05 * index + 0.04, 2), confidence=0.9)
        for index, text in enumerate(3 * sentence)
    ]
    clip = observed([], words=words)
    for start in (0.0, 3.0, 6.0):
        quotation = f'From {start:.1f} to {start + 3:.1f} s the words are "{" ".join(sentence)}".'
        assert verdicts(quotation, clip) == {SUPPORTED}


def test_a_short_word_is_found_however_often_it_was_said_before() -> None:
    words = [
        Word(text="you", start=round(0.04 * index, 2), end=round(0.04 * index + 0.02, 2), confidence=0.9)
        for index in range(240)
    ]
    assert verdicts('At 9.0 s she says "you".', observed([], words=words)) == {SUPPORTED}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("The median pitch is 120 Hz.", "median pitch 210.4 Hz, the text says 120"),
        ("The speech rate is 6.5 syllables a second.", "speech rate 4.1 a second, the text says 6.5"),
        ("The voice is monotone.", "standard deviation of the pitch 4.4 semitones, which is lively"),
        ("The voice is louder than usual.", "loudness +5.2 dB, from 2.8 to 4.0 s"),
        ("The voice is faster than usual.", "1.3 times the usual rate, from 2.8 to 4.0 s"),
        ("At 5.5 s the gaze goes down (18 degrees).", "gaze pitch -18 degrees, needs 10; gaze pitch -18 degrees, the text says 18"),
        ("The smile begins at 9.5 s.", "AU12 begins at 2.1 s"),
    ],
)  # fmt: skip
def test_reasons_call_quantities_by_names_that_a_reader_knows(text: str, reason: str) -> None:
    (claim,) = claims(text)
    assert claim.reason == reason


def test_uncertain_words_do_not_contradict_a_quotation() -> None:
    doubtful = CLIP.model_copy(update={"words": tuple(one.model_copy(update={"confidence": 0.3}) for one in spoken())})
    assert verdicts('She says "I love my dog".', doubtful) == {UNVERIFIABLE}
    assert verdicts('She says "for your country".', doubtful) == {SUPPORTED}


def test_a_transcript_given_with_the_clip_has_words_without_times() -> None:
    given = cue("words", CueKind.WORDS, "transcript", Scale.TEXT, None, text="Ask not, what your country can do.")
    clip = observed([given])
    assert verdicts('The transcript reads "ask not what your country can do".', clip) == {SUPPORTED}
    assert verdicts('At 1 s she says "ask not".', clip) == {UNVERIFIABLE}


# ---- the record of what was measured --------------------------------------------------------------------------------


def test_the_apex_decides_before_events_and_summaries() -> None:
    evidence = Evidence.of(CLIP, "p1")
    best = evidence.best("AU12")
    assert best is not None
    assert best.id == "p1.AU12"
    assert [one.id for one in evidence.events("AU45")] == ["p1.AU45.1", "p1.AU45.2"]
    assert [one.id for one in evidence.at("AU12", 4.9, 4.9)] == ["p1.AU12.1"]
    assert evidence.values("AU12", 8.3, 8.8) == []


def test_the_pitch_of_a_voice_is_not_that_of_a_head() -> None:
    sound_only = Evidence(voice_cues())
    assert sound_only.best("pitch") is None
    assert {one.value for one in sound_only.all("voice.pitch")} == {3.1, -2.4}


# ---- robustness -----------------------------------------------------------------------------------------------------

TRUE = (*TRUE_OF_THE_FACE, *TRUE_OF_THE_VOICE)


def test_against_another_clip_the_support_drops() -> None:
    moved = {code: [(9.3 - end / 3, 9.4 - end / 4, 9.5 - end / 5, 0.5)] if not events else [] for code, events in EVENTS.items() for end in (1.0,)}  # fmt: skip
    cues = []
    for code, events in moved.items():
        cues.append(cue(f"p1.{code}", CueKind.ACTION_UNIT, code, Scale.INTENSITY, 0.05, start=3.3, end=3.5))
        cues += [
            event(f"p1.{code}.1", CueKind.ACTION_UNIT, Scale.INTENSITY, most, a, c, peak=b) for a, b, c, most in events
        ]
    voice = [one for one in voice_cues() if one.extent is Extent.WHOLE]
    shifted = [one.model_copy(update={"value": (one.value or 0.0) * 1.7}) for one in voice if one.name != "f0_sd"]
    stranger = observed([*cues, *shifted, whole("f0_sd", Scale.SEMITONES, 1.0)])
    own = Faithfulness.of(claim for text in TRUE for claim in claims(text))
    other = Faithfulness.of(claim for text in TRUE for claim in claims(text, stranger))
    assert own.support == 1
    assert (other.support or 0) < 0.35


def test_shuffled_words_are_read_without_harm() -> None:
    random = Random(0)
    words = " ".join((*TRUE, *FALSE_OF_THE_FACE, *FALSE_OF_THE_VOICE)).split()
    known = {one.id for one in CLIP.cues}
    for _ in range(100):
        text = " ".join(random.sample(words, 40))
        for claim in claims(text):
            assert claim.text in text
            assert set(claim.cues) <= known


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from([
            "at", "from", "to", "3.4", "s", "0:03", "the", "voice", "smile", "is", "no", "\"", "says", "words", "twice", "(", ")",
            "higher", "-", ",", ".", "and", "throughout", "pauses", "half", "first", "in", "AU12", "0.62", "semitones", "\n", "’", "é", "😀", "not", "rises", "fades",
        ]),
        max_size=40,
    )
)  # fmt: skip
def test_no_text_breaks_the_reader(pieces: list[str]) -> None:
    text = " ".join(pieces)
    for observation in (CLIP, QUIET):
        for claim in claims(text, observation):
            assert claim.text in text
            assert claim.start is None or claim.end is None or claim.start <= claim.end


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_characters_are_read_without_harm(text: str) -> None:
    assert all(claim.text in text for claim in claims(text))
