"""What is shown of a clip: of a long sound the stretch that tells most."""

from pathlib import Path

import pytest

from emollm.modeling.processing import SECONDS
from emollm.turns import HEARD, media_of
from emollm.types import Box, Clip, Cue, CueKind, Extent, Face, MediaInfo, Observation, Peak, Scale, Source, Track

CLIP = Clip(id="x", video=Path("x.mp4"))


def heard(
    length: float, speech: tuple[tuple[float, float], ...], peak: float | None = None
) -> tuple[float | None, float | None]:
    """From when to when a film of some length is heard."""
    cues = tuple(
        Cue(
            id=f"speech.{number}", kind=CueKind.PROSODY, name="speech", scale=Scale.SECONDS, value=end - start,
            extent=Extent.EVENT, start=start, end=end, source=Source(backend="t", version="1", licence="none"),
        )
        for number, (start, end) in enumerate(speech)
    )  # fmt: skip
    tracks: tuple[Track, ...] = ()
    if peak is not None:
        face = Face(time=peak, box=Box(x=0, y=0, width=40, height=40), confidence=0.9)
        moment = Peak(time=peak, start=peak, end=peak, score=1.0)
        tracks = (Track(id="p1", faces=(face,), prominence=1.0, peaks=(moment,), end=length),)
    media = MediaInfo(kind="video", duration=length, sample_rate=16_000)
    found = media_of(CLIP, Observation(id="x", media=media, tracks=tracks, cues=cues), "p1" if tracks else None)
    (sound,) = (item for item in found if item.type == "audio")
    return sound.start, sound.end


TALK = ((5.0, 9.0), (100.0, 400.0), (2400.0, 2410.0))


@pytest.mark.parametrize(
    ("peak", "start"),
    [
        pytest.param(200.0, 185.0, id="in the midst of speech"),
        pytest.param(2420.0, 2400.0, id="after speech"),
        pytest.param(3600.0, 370.0, id="far from any speech"),
        pytest.param(None, 100.0, id="nobody"),
    ],
)
def test_a_long_sound_is_heard_where_there_is_most_speech_around_the_peak(peak: float | None, start: float) -> None:
    assert heard(7200.0, TALK, peak) == (start, start + HEARD)


def test_what_is_said_alone_in_a_long_sound_is_heard_from_its_begin() -> None:
    assert heard(7200.0, ((1860.0, 1866.0), (1867.0, 1871.0))) == (1860.0, 1890.0)


def test_a_short_sound_and_one_without_speech_are_not_cut() -> None:
    assert heard(30.0, ((5.0, 9.0),), 7.0) == heard(7200.0, (), 7.0) == (None, None)


def test_as_much_is_taken_as_a_model_hears() -> None:
    assert HEARD == SECONDS
