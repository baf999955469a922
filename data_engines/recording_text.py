"""A recording as the text that a user gives: words, the face at its moments, an expression network, the voice."""

from collections.abc import Iterator
from typing import Protocol

from emollm.data_engines.clues import Clues
from emollm.data_engines.phrases import Phrases, opened
from emollm.facs import UNITS, strength
from emollm.reasoner.channels import Channels
from emollm.reasoner.weighing import expressive
from emollm.reasoner.wording import listed, lowered, seconds, two
from emollm.types import Cue, CueKind, Scale

_LEAST = 0.01
"""Probability below which an expression is not listed."""


class Thresholds(Protocol):
    """How much is named."""

    @property
    def intensity(self) -> float: ...
    @property
    def probability(self) -> float: ...
    @property
    def window(self) -> float: ...
    @property
    def moments(self) -> int: ...
    @property
    def guesses(self) -> int: ...


class RecordingText:
    """Words all channels of one person.

    Args:
        clues: What was measured.
        words: The lines.
        options: How much is named.
    """

    def __init__(self, clues: Clues, words: Phrases, options: Thresholds) -> None:
        self.clues = clues
        self.channels: Channels = clues.channels
        self.words = words
        self.options = options

    def text(self) -> str:
        """One line a channel."""
        lines = [*self._said(), *self._face(), *self._network(), *self._voice(), *self._missing()]
        return "\n".join([opened(self.words.say("head")), *lines])

    def _said(self) -> Iterator[str]:
        said = [one.words for one in self.channels.said][:3]
        given = self.channels.transcript
        for cue in said or ([given] if given is not None else []):
            if (words := self.clues.quote(cue)) is not None:
                span = {"start": seconds(cue.start), "end": seconds(cue.end) if cue.end > cue.start else ""}
                yield self.words.say("line_said", words=words, **span)
        if not said and given is None:
            yield self.words.say("line_unheard" if self.channels.is_not_understood else "line_no_words")

    def _face(self) -> Iterator[str]:
        """The units at each moment; that the face is still, not measured, or not there."""
        if not self.clues.has_face:
            if self.channels.person is not None:
                yield self.words.say("line_unmeasured")
            else:
                gap = next((gap for gap in self.channels.observation.missing if gap.stream == "face"), None)
                yield self.words.say("line_no_face", reason=gap.reason if gap is not None else "")
            return
        if not self.clues.evidence.units:
            yield self.words.say("line_unmeasured")
            return
        peaks = self.channels.person.peaks if self.channels.person is not None else ()
        times = sorted(peak.time for peak in peaks[: self.options.moments])
        moments: list[float | None] = [*times] or [None]
        for time in moments:
            named = self._named(time)
            at = seconds(time) if time is not None else ""
            if named:
                yield self.words.say("line_face", time=at, items=", ".join(named))
            elif named is not None:
                yield self.words.say("line_still", time=at)

    def _named(self, time: float | None) -> list[str] | None:
        """Units above the threshold around a moment, strongest first; None where nothing is known of it."""
        found: list[tuple[float, str]] = []
        known = False
        for cue in self.clues.evidence.units:
            if not expressive(cue.name) or (value := self._value(cue, time)) is None:
                continue
            known = True
            likely = cue.scale is Scale.PROBABILITY
            if value >= (self.options.probability if likely else self.options.intensity):
                how = f"probability {two(value)}" if likely else f"{strength(value)} {two(value)}"
                found.append((value, f"{UNITS[cue.name].name} ({how})"))
        return [text for _, text in sorted(found, key=lambda one: (-one[0], one[1]))] if known else None

    def _value(self, cue: Cue, time: float | None) -> float | None:
        """The largest value around a moment; the cue's own at the apex."""
        peak = self.channels.peak
        series = self.channels.evidence.series(cue.name)
        if time is not None and series is not None and series.scale is cue.scale:
            near = (max(0.0, time - self.options.window), time + self.options.window)
            return max(self.channels.evidence.values(cue.name, *near), default=None)
        if time is None or (peak is not None and peak.time == time):
            return cue.value
        return 0.0 if self.channels.evidence.never(cue.name) is not None else None

    def _network(self) -> Iterator[str]:
        found = [(word, cue.value or 0.0) for word, cue in self.clues.expressions[: self.options.guesses]]
        items = [f"{word} {two(value)}" for word, value in found if value >= _LEAST]
        peak = self.channels.peak
        if items:
            at = seconds(peak.time) if peak is not None else ""
            yield self.words.say("line_network", time=at, items=", ".join(items))

    def _voice(self) -> Iterator[str]:
        heard = [lowered(sentence).rstrip(".") for sentence in self.clues.voice()]
        if heard:
            yield self.words.say("line_voice", items="; ".join(heard))

    def _missing(self) -> Iterator[str]:
        voiced = any(cue.kind is CueKind.PROSODY for cue in self.channels.cues)
        streams = [one.replace("_", " ") for one in self.clues.missing if not (one == "voice" and voiced)]
        if streams:
            yield self.words.say("line_missing", items=listed(streams))
