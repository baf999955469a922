from collections.abc import Callable

import numpy as np
import pytest

from emollm.perception.voice.activity import RATE, Array, Turn
from emollm.perception.voice.prosody import STEP, Frames, hertz, measure, open_tracker, roughness, tilt


def frames(samples: Array, start: float = 0.0) -> Frames:
    """Measured as one turn that is speech from end to end."""
    return measure(Turn(start, samples, ((start, start + len(samples) / RATE),)), open_tracker())


@pytest.mark.parametrize("pitch", [80.0, 120.0, 220.0, 440.0])
def test_a_held_pitch_is_measured(pitch: float, voiced: Callable[..., Array]) -> None:
    found = frames(voiced(pitch, 2.0))
    assert hertz(float(np.nanmedian(found.semitones))) == pytest.approx(pitch, rel=0.01)
    assert found.voiced.mean() > 0.9
    assert np.nanstd(found.semitones) < 0.1


def test_a_very_soft_voice_has_its_pitch(voiced: Callable[..., Array]) -> None:
    loud, soft = frames(voiced(150.0, 1.0)), frames(voiced(150.0, 1.0, level=-80.0))
    assert soft.voiced.mean() == pytest.approx(loud.voiced.mean(), abs=0.05)
    assert np.median(soft.level) == pytest.approx(-80.0, abs=0.5)


def test_a_glide_over_an_octave_has_twelve_semitones(voiced: Callable[..., Array]) -> None:
    found = frames(voiced(np.geomspace(120, 240, 3 * RATE), 3.0))
    low, high = np.nanpercentile(found.semitones, [5, 95])
    assert high - low == pytest.approx(0.9 * 12, abs=0.5)


def test_frames_know_their_time_in_the_clip(voiced: Callable[..., Array]) -> None:
    silence = np.zeros(RATE, np.float32)
    found = frames(np.concatenate([silence, voiced(150.0, 1.0), silence]), start=7.0)
    times = found.times[found.voiced]
    assert times[0] == pytest.approx(8.0, abs=0.05)
    assert times[-1] == pytest.approx(9.0, abs=0.05)


def test_twice_the_amplitude_is_six_decibels(voiced: Callable[..., Array]) -> None:
    found = frames(np.concatenate([voiced(150.0, 1.0, level=-26.0), voiced(150.0, 1.0, level=-20.0)]))
    halves = [np.median(half) for half in np.array_split(found.level, 2)]
    assert halves == [pytest.approx(-26.0, abs=0.3), pytest.approx(-20.0, abs=0.3)]


def test_a_short_leap_by_an_octave_is_not_believed(voiced: Callable[..., Array]) -> None:
    course = np.full(2 * RATE, 150.0)
    course[RATE : RATE + RATE // 10] = 300.0
    found = frames(voiced(course, 2.0))
    assert np.nanmax(np.abs(found.semitones - np.nanmedian(found.semitones))) < 1.0


def test_noise_has_no_pitch_and_no_syllables() -> None:
    found = frames(np.random.default_rng(1).normal(0, 0.1, 2 * RATE).astype(np.float32))
    assert found.voiced.mean() < 0.05
    assert found.nuclei.sum() <= 1


def test_hum_under_a_voice_is_not_its_pitch(voiced: Callable[..., Array]) -> None:
    """Mains hum between words is 40 dB softer than they are."""
    hum = voiced(100.0, 3.0, level=-60.0)
    hum[RATE : 2 * RATE] += voiced(200.0, 1.0)
    found = frames(hum)
    assert hertz(float(np.nanpercentile(found.semitones, 5))) == pytest.approx(200.0, rel=0.05)


@pytest.mark.parametrize("rate", [3.0, 5.0])
def test_syllables_are_counted(rate: float, voiced: Callable[..., Array]) -> None:
    time = np.arange(4 * RATE) / RATE
    swelling = (0.55 - 0.45 * np.cos(2 * np.pi * rate * time)).astype(np.float32)
    assert frames(voiced(140.0, 4.0) * swelling).nuclei.sum() == pytest.approx(4 * rate, abs=1)


def test_syllables_of_a_real_sentence_are_counted(speech: Array) -> None:
    """And so my fel-low A-mer-i-cans … for your coun-try: 28."""
    assert frames(speech).nuclei.sum() == pytest.approx(28, rel=0.2)


def test_a_duller_voice_has_a_steeper_tilt(voiced: Callable[..., Array]) -> None:
    bright = frames(voiced(125.0, 2.0))
    spectrum = np.fft.rfft(voiced(125.0, 2.0))
    octaves = np.log2(np.maximum(np.fft.rfftfreq(2 * RATE, 1 / RATE), 100) / 100)
    dull = frames(np.fft.irfft(spectrum * 10 ** (-6 * octaves / 20)).astype(np.float32))
    assert tilt(bright.bands) - tilt(dull.bands) == pytest.approx(6.0, abs=0.5)


def test_a_glide_is_not_rough_and_a_shaky_pitch_is() -> None:
    glide = np.linspace(0, 12, 200)
    shaky = glide + np.where(np.arange(200) % 2, 0.5, -0.5)
    even, count = roughness(glide)
    assert count == 198
    assert even / count < 0.001
    assert roughness(shaky)[0] / count == pytest.approx(0.059, abs=0.003)
    assert roughness(np.array([1.0, np.nan, 1.0, 1.0])) == (0.0, 0)


def test_full_scale_is_noticed(voiced: Callable[..., Array]) -> None:
    assert frames(np.clip(voiced(150.0, 1.0, level=3.0), -1, 1)).clipped > 0.05
    assert frames(voiced(150.0, 1.0)).clipped == 0.0


def test_a_turn_shorter_than_a_frame_is_measured(voiced: Callable[..., Array]) -> None:
    assert len(frames(voiced(150.0, 0.01)).times) == 1
    assert STEP == 0.016
