"""What was heard, as cues: events of speech, the speaker's own voice, departures from it, what is said."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import exp, log, sqrt
from typing import NamedTuple

from emollm.perception.voice.phrases import Extreme, Phrase
from emollm.perception.voice.prosody import semitones
from emollm.perception.voice.settings import SpeechSettings, UsualSettings
from emollm.perception.voice.summary import Usual
from emollm.perception.voice.words import Sentence
from emollm.types import Cue, CueKind, Extent, Scale, Source

Span = tuple[float, float]

_TRACKED = {
    "f0_median": (Scale.HERTZ, 1),
    "f0_range": (Scale.SEMITONES, 2),
    "f0_sd": (Scale.SEMITONES, 2),
    "jitter": (Scale.RATIO, 4),
}
"""Cues of the whole clip that rest on pitch, with their decimals."""
_COMPUTED = {
    "energy": (Scale.DECIBELS, 1),
    "energy_range": (Scale.DECIBELS, 1),
    "speech_rate": (Scale.RATE, 2),
    "tilt": (Scale.DECIBELS, 2),
}
_LOUDNESS = ("energy", "energy_range")
_MISCOUNT = 2.0
"""Syllables by which a phrase must differ from the usual rate: one more or less is often an error of counting."""


def pauses(spans: Sequence[Span], settings: SpeechSettings) -> list[Span]:
    """Silences between speech of one turn."""
    between = [(before[1], after[0]) for before, after in pairwise(spans)]
    return [(start, end) for start, end in between if settings.pause <= end - start < settings.gap]


def speech_cues(spans: Sequence[Span], settings: SpeechSettings, source: Source) -> Iterator[Cue]:
    """Speech and pauses, numbered in order of time."""
    for name, stretches in (("speech", spans), ("pause", pauses(spans, settings))):
        for number, (start, end) in enumerate(stretches, 1):
            yield _event(f"voice.{name}.{number}", name, Scale.SECONDS, end - start, (start, end), None, source)


def usual_cues(
    usual: Usual, spans: Sequence[Span], settings: SpeechSettings, tracker: Source, ours: Source
) -> Iterator[Cue]:
    """The speaker's own voice over the clip."""
    start, end = spans[0][0], spans[-1][1]
    for rows, source in ((_TRACKED, tracker), (_COMPUTED, ours)):
        for name, (scale, digits) in rows.items():
            yield Cue(
                id=f"voice.{name}",
                kind=CueKind.PROSODY,
                name=name,
                scale=scale,
                value=round(float(getattr(usual, name)), digits),
                extent=Extent.WHOLE,
                start=round(start, 3),
                end=round(end, 3),
                reliable=not (usual.clipped and name in _LOUDNESS),
                source=source,
            )
    silence = sum(last - first for first, last in pauses(spans, settings))
    spoken = sum(last - first for first, last in spans)
    yield Cue(
        id="voice.pause_share",
        kind=CueKind.PROSODY,
        name="pause_share",
        scale=Scale.RATIO,
        value=round(silence / (silence + spoken), 3),
        extent=Extent.WHOLE,
        start=round(start, 3),
        end=round(end, 3),
        source=ours,
    )


def departure_cues(
    phrases: Sequence[Phrase], usual: Usual, settings: UsualSettings, tracker: Source, ours: Source
) -> Iterator[Cue]:
    """Phrases that differ from the speaker's own voice: higher or lower, louder or softer, faster or slower."""
    middle = semitones(usual.f0_median)
    pitch = [_Departure(p, p.pitch.value - middle, p.pitch) for p in phrases if p.pitch]
    for number, found in enumerate(_standing_out(pitch, settings.semitones, settings), 1):
        yield _event(f"voice.pitch.{number}", "pitch", Scale.SEMITONES, found.apart, found.span, found.peak, tracker)
    loudness = [_Departure(p, p.loudness.value - usual.energy, p.loudness) for p in phrases if p.loudness]
    for number, found in enumerate(_standing_out(loudness, settings.decibels, settings), 1):
        cue = _event(f"voice.loudness.{number}", "loudness", Scale.DECIBELS, found.apart, found.span, found.peak, ours)
        yield cue.model_copy(update={"reliable": not usual.clipped})
    if usual.speech_rate > 0:
        rate = [_Departure(p, log(p.rate / usual.speech_rate), None) for p in phrases if p.rate]
        heard = [found for found in _standing_out(rate, log(settings.rate), settings) if _counted(found, usual)]
        for number, found in enumerate(heard, 1):
            yield _event(f"voice.rate.{number}", "rate", Scale.RATIO, exp(found.apart), found.span, None, ours)


def word_cues(
    sentences: Iterable[tuple[Sentence, float | None]], recogniser: Source, lexicon: Source | None
) -> Iterator[Cue]:
    """What is said, sentence by sentence, each with its polarity where it has one."""
    for number, (sentence, polarity) in enumerate(sentences, 1):
        yield Cue(
            id=f"words.{number}",
            kind=CueKind.WORDS,
            name="said",
            scale=Scale.TEXT,
            text=sentence.text,
            extent=Extent.EVENT,
            start=sentence.start,
            end=sentence.end,
            confidence=round(sentence.confidence, 3),
            source=recogniser,
        )
        if polarity is not None and lexicon is not None:
            yield Cue(
                id=f"words.polarity.{number}",
                kind=CueKind.WORDS,
                name="polarity",
                scale=Scale.RATIO,
                value=round(polarity, 4),
                extent=Extent.EVENT,
                start=sentence.start,
                end=sentence.end,
                confidence=round(sentence.confidence, 3),
                source=lexicon,
            )


class _Departure(NamedTuple):
    """A phrase, and by how much it differs from the speaker's own value."""

    phrase: Phrase
    apart: float
    extreme: Extreme | None

    @property
    def span(self) -> Span:
        return self.phrase.start, self.phrase.end

    @property
    def peak(self) -> float | None:
        """When it differs most."""
        if self.extreme is None:
            return None
        return self.extreme.highest if self.apart > 0 else self.extreme.lowest


def _standing_out(phrases: Sequence[_Departure], least: float, settings: UsualSettings) -> list[_Departure]:
    """Those that one hears and that stand out over the spread of all."""
    if len(phrases) < settings.phrases:
        return []
    spread = sqrt(sum(found.apart**2 for found in phrases) / len(phrases))
    return [found for found in phrases if abs(found.apart) >= max(least, settings.z * spread)]


def _counted(found: _Departure, usual: Usual) -> bool:
    """Whether a phrase has so many syllables more or fewer than usual that it is no matter of counting."""
    expected = usual.speech_rate * (found.phrase.end - found.phrase.start)
    return abs((found.phrase.syllables or 0) - expected) >= _MISCOUNT


def _event(id: str, name: str, scale: Scale, value: float, span: Span, peak: float | None, source: Source) -> Cue:
    return Cue(
        id=id,
        kind=CueKind.PROSODY,
        name=name,
        scale=scale,
        value=round(value, 3),
        extent=Extent.EVENT,
        start=round(span[0], 3),
        end=round(span[1], 3),
        peak=None if peak is None else round(min(max(peak, span[0]), span[1]), 3),
        source=source,
    )
