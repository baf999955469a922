"""How values are written, and what is not shown."""

from typing import Any

import pytest

from emollm.report.quantities import amount, event_amount, without_hidden_gaze
from emollm.types import Cue, CueKind, Extent, Scale, Source


def cue(name: str, value: float, scale: Scale, kind: CueKind = CueKind.PROSODY, **more: Any) -> Cue:
    source = Source(backend="x", version="1", licence="MIT")
    return Cue(**{"id": name, "name": name, "kind": kind, "scale": scale, "value": value, "source": source, **more})


@pytest.mark.parametrize(
    ("name", "value", "scale", "text"),
    [
        ("f0_range", 8.99, Scale.SEMITONES, "9.0 semitones"),
        ("f0_sd", 12.345, Scale.SEMITONES, "12.3 semitones"),
        ("f0_median", 1047.3, Scale.HERTZ, "1047 Hz"),
        ("tilt", -8.44, Scale.DECIBELS, "−8.4 dB/octave"),
        ("energy", -24.3, Scale.DECIBELS, "−24 dB"),
        ("speech_rate", 4.06, Scale.RATE, "4.1 / s"),
        ("pause_share", 0.18, Scale.RATIO, "18 %"),
        ("jitter", 0.0212, Scale.RATIO, "0.0212"),
    ],
)
def test_a_quantity_has_its_unit_and_no_more_digits_than_it_deserves(
    name: str, value: float, scale: Scale, text: str
) -> None:
    assert amount(cue(name, value, scale)) == text


@pytest.mark.parametrize(
    ("start", "end", "text"), [(2.04, 2.66, "0.7 s"), (2.06, 2.74, "0.6 s"), (0.35, 1.35, "1.1 s")]
)
def test_a_pause_is_as_long_as_the_times_beside_it_say(start: float, end: float, text: str) -> None:
    pause = cue("pause", end - start, Scale.SECONDS, start=start, end=end, extent=Extent.EVENT)
    assert event_amount(pause) == text
    assert f"{float(f'{end:.1f}') - float(f'{start:.1f}'):.1f} s" == text


def test_the_gaze_of_closed_eyes_is_left_out_for_whom_and_when_they_are_closed() -> None:
    def unit(name: str, track: str, value: float = 0.7, extent: Extent = Extent.MOMENT) -> Cue:
        place = {"id": f"{track}.{name}.{extent}", "track": track, "extent": extent}
        return cue(name, value, Scale.INTENSITY, CueKind.ACTION_UNIT, **place)

    cues = [unit("AU43", "p1"), unit("AU64", "p1"), unit("AU12", "p1"), unit("AU64", "p1", extent=Extent.EVENT)]
    cues += [unit("AU43", "p2", 0.59), unit("AU64", "p2")]
    assert without_hidden_gaze(cues) == [cues[0], *cues[2:]]
