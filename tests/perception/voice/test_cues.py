"""What differs from a speaker's own voice: phrases made of held vowels, so that every departure is known."""

from collections.abc import Callable

import numpy as np
import pytest

from emollm.perception.voice.activity import RATE, Array, Turn
from emollm.perception.voice.cues import departure_cues, pauses, speech_cues, usual_cues, word_cues
from emollm.perception.voice.phrases import phrases
from emollm.perception.voice.prosody import measure, open_tracker
from emollm.perception.voice.settings import SpeechSettings, UsualSettings
from emollm.perception.voice.summary import Summary
from emollm.perception.voice.words import Sentence
from emollm.types import Cue, Source, Word

US = Source(backend="test", version="1", licence="MIT")
PAUSE = 0.5


def departures(*sounds: Array, settings: UsualSettings | None = None) -> list[Cue]:
    """Cues of a turn of phrases with half a second between them."""
    spans, parts, time = [], [], 0.0
    for sound in sounds:
        spans.append((time, time + len(sound) / RATE))
        parts += [sound, np.zeros(round(PAUSE * RATE), np.float32)]
        time = spans[-1][1] + PAUSE
    found = measure(Turn(0.0, np.concatenate(parts), tuple(spans)), open_tracker())
    summary = Summary()
    summary.add(found, sum(map(len, parts)))
    usual = summary.usual(0.5)
    assert usual is not None
    return list(departure_cues(list(phrases(found)), usual, settings or UsualSettings(), US, US))


def swelling(sound: Array, rate: float) -> Array:
    """The sound in so many syllables a second."""
    time = np.arange(len(sound)) / RATE
    return sound * (0.55 - 0.45 * np.cos(2 * np.pi * rate * time)).astype(np.float32)


def test_a_louder_phrase_is_told_by_how_much_and_when(voiced: Callable[..., Array]) -> None:
    usual = [voiced(150.0, 1.0)] * 2
    (cue,) = departures(*usual, voiced(150.0, 1.0, level=-14.0), *usual)
    assert (cue.id, cue.name) == ("voice.loudness.1", "loudness")
    assert cue.value == pytest.approx(6.0, abs=0.3)
    assert (cue.start, cue.end) == (pytest.approx(3.0, abs=0.05), pytest.approx(4.0, abs=0.05))
    assert cue.peak is not None
    assert cue.start <= cue.peak <= cue.end


def test_a_lower_phrase_is_told_in_semitones(voiced: Callable[..., Array]) -> None:
    usual = [voiced(200.0, 1.0)] * 2
    (cue,) = departures(*usual, voiced(200.0 * 2 ** (-4 / 12), 1.0), *usual)
    assert (cue.id, cue.name) == ("voice.pitch.1", "pitch")
    assert cue.value == pytest.approx(-4.0, abs=0.1)


def test_a_faster_phrase_is_told_as_a_ratio(voiced: Callable[..., Array]) -> None:
    vowel = voiced(150.0, 2.0)
    usual = [swelling(vowel, 3.0)] * 3
    (cue,) = departures(*usual, swelling(vowel, 6.0))
    assert (cue.id, cue.name) == ("voice.rate.1", "rate")
    assert cue.value == pytest.approx(12 / (30 / 8) / 2, rel=0.1)


def test_what_nobody_hears_is_not_told(voiced: Callable[..., Array]) -> None:
    """One semitone and two decibels stand out among equal phrases, but are below what one hears."""
    usual = [voiced(150.0, 1.0)] * 4
    assert departures(*usual, voiced(159.0, 1.0, level=-18.0)) == []


def test_what_is_usual_in_this_voice_is_not_told(voiced: Callable[..., Array]) -> None:
    """Of phrases that all leap about, one that leaps less than most is nothing special."""
    wild = [voiced(pitch, 1.0) for pitch in (100.0, 300.0, 100.0, 300.0, 173.0)]
    assert [cue.start for cue in departures(*wild) if cue.name == "pitch"][-1:] != [pytest.approx(6.0, abs=0.05)]


def test_two_phrases_have_no_usual(voiced: Callable[..., Array]) -> None:
    assert departures(voiced(150.0, 1.0), voiced(300.0, 1.0, level=-10.0)) == []


def test_a_phrase_without_voice_is_passed_over(voiced: Callable[..., Array]) -> None:
    hiss = np.random.default_rng(2).normal(0, 0.2, RATE).astype(np.float32)
    assert departures(*[voiced(150.0, 1.0)] * 3, hiss) == []


def test_a_long_phrase_is_cut_where_it_is_softest(voiced: Callable[..., Array]) -> None:
    sound = voiced(150.0, 4.0)
    sound[int(2.4 * RATE) : int(2.5 * RATE)] *= 0.3
    found = measure(Turn(0.0, sound, ((0.0, 4.0),)), open_tracker())
    assert [phrase.end for phrase in phrases(found)] == [pytest.approx(2.45, abs=0.06), pytest.approx(4.0, abs=0.03)]


def test_pauses_lie_between_speech_of_one_turn() -> None:
    spans = [(0.0, 1.0), (1.2, 2.0), (2.8, 4.0), (7.0, 8.0)]
    assert pauses(spans, SpeechSettings()) == [(2.0, 2.8)]
    cues = list(speech_cues(spans, SpeechSettings(), US))
    assert [cue.id for cue in cues] == [*(f"voice.speech.{n}" for n in (1, 2, 3, 4)), "voice.pause.1"]
    assert cues[-1].value == 0.8


def test_loudness_of_clipped_sound_is_not_reliable(voiced: Callable[..., Array]) -> None:
    for level, reliable in ((-20.0, True), (6.0, False)):
        sound = np.clip(voiced(150.0, 2.0, level=level), -1, 1)
        summary = Summary()
        summary.add(measure(Turn(0.0, sound, ((0.0, 2.0),)), open_tracker()), len(sound))
        usual = summary.usual(0.5)
        assert usual is not None
        cues = {cue.name: cue for cue in usual_cues(usual, [(0.0, 2.0)], SpeechSettings(), US, US)}
        assert cues["energy"].reliable is reliable
        assert cues["f0_median"].reliable
        assert cues["f0_median"].value == pytest.approx(150.0, rel=0.01)


def test_polarity_has_the_number_of_its_sentence() -> None:
    said = [
        (Sentence(text, (Word(text=text, start=start, end=start + 1, confidence=0.9),)), value)
        for text, start, value in (("Well.", 0.0, None), ("Bad.", 2.0, -0.5))
    ]
    assert [cue.id for cue in word_cues(said, US, US)] == ["words.1", "words.2", "words.polarity.2"]
