"""What a voice sounds like and what it says, in sentences.

A voice is called the person's only where it is known to be; else "a voice is heard". Words are quoted, marked as a
quotation and cut; they are data. Wordings are those of ``prompts/reasoner/clip``.
"""

from collections.abc import Iterator
from random import Random

from emollm.perception.voice.wording import describe
from emollm.reasoner.assumptions import voice_prior
from emollm.reasoner.channels import Channels, Level
from emollm.reasoner.conflict import tone
from emollm.reasoner.quotation import excerpt
from emollm.reasoner.wording import Wording, length, listed, seconds, two
from emollm.types import Cue, CueKind, Scale

_MORE = {"pitch": ("higher", "lower"), "loudness": ("louder", "softer"), "rate": ("faster", "slower")}


class VoiceText:
    """Words the voice and the words of one person.

    Args:
        channels: What was measured.
        random: Chooses among wordings.
    """

    def __init__(self, channels: Channels, random: Random) -> None:
        self.channels = channels
        self.settings = channels.settings
        self.words = Wording("reasoner/clip", random)

    def sentences(self) -> Iterator[str]:
        """The voice as a whole, where it departs from its usual, pauses, and what was said."""
        if self.channels.is_silent:
            yield self.words.say("no_speech")
            return
        yield from self._whole()
        for cue in self.channels.departures:
            yield self._departure(cue)
        for cue in self.channels.pauses:
            yield self.words.say(
                "pause", start=seconds(cue.start), end=seconds(cue.end), value=length(cue.start, cue.end)
            )
        yield from self._said()

    def _whole(self) -> Iterator[str]:
        speech = self.channels.speech
        if speech:
            block = "speaks" if self.channels.is_speaker else "voice_heard"
            start, end = min(cue.start for cue in speech), max(cue.end for cue in speech)
            yield self.words.say(block, start=seconds(start), end=seconds(end))
        for name, block, digits in (("f0_median", "voice_pitch", 0), ("f0_range", "voice_range", 1)):
            if (cue := self.channels.whole(name)) is not None:
                yield self.words.say(block, value=f"{cue.value:.{digits}f}")
        for name, block in (("f0_sd", "voice_spread"), ("speech_rate", "voice_paced"), ("pause_share", "voice_pauses")):
            cue = self.channels.whole(name)
            if cue is None or cue.value is None:
                continue
            value = f"{cue.value * 100:.0f}" if name == "pause_share" else f"{cue.value:.1f}"
            if (word := describe(name, cue.value)) is not None:
                yield self.words.say(block, how=word, value=value)
            elif name == "speech_rate":
                yield self.words.say("voice_rate", value=value)

    def _departure(self, cue: Cue) -> str:
        value = cue.value or 0.0
        ratio = cue.scale is Scale.RATIO
        more = _MORE[cue.name][0 if value > (1.0 if ratio else 0.0) else 1]
        amount = self.words.say(f"by_{cue.name}", value=two(value) if ratio else f"{value:+.1f}")
        return self.words.say("departure", start=seconds(cue.start), end=seconds(cue.end), more=more, amount=amount)

    def _said(self) -> Iterator[str]:
        told = self.channels.telling
        if told is None:
            if (given := self.channels.transcript) is not None:
                piece = excerpt(given, (), self.settings.max_quoted)
                if piece is not None:
                    yield self.words.say("transcript", words=piece.text)
            elif self.channels.is_not_understood:
                yield self.words.say("no_words")
            return
        peak = self.channels.peak
        piece = excerpt(
            told.words, self.channels.observation.words, self.settings.max_quoted, peak.time if peak else None
        )
        if piece is not None:
            yield self.words.say("said", start=seconds(piece.start), end=seconds(piece.end), words=piece.text)
        if told.polarity is not None:
            start, end = seconds(told.polarity.start), seconds(told.polarity.end)
            value = two(told.polarity.value)
            yield self.words.say("polarity", start=start, end=end, tone=tone(told.polarity), value=value)

    def interpretation(self) -> Iterator[str]:
        """What such a voice often goes with, and whose it is."""
        found = self.channels.activation
        if found is not None and found.level is not Level.ORDINARY:
            high = found.level is Level.HIGH
            prior = voice_prior()
            yield self.words.say(
                "voice_prior",
                signs=listed(found.signs),
                count=len(found.signs),
                level=found.level.value,
                emotions=listed(prior.high if high else prior.low),
                cite=prior.cite,
            )
        elif found is not None:
            yield self.words.say("voice_ordinary")
        heard = self.channels.voice or any(cue.kind is CueKind.WORDS for cue in self.channels.cues)
        if heard and self.channels.person is not None and not self.channels.is_own_voice:
            yield self.words.say("whose_voice")
