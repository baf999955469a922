"""The clues of one person, each in words of its own: face, expression network, voice, words, surroundings.

What the engines ``merr``, ``textualize``, ``ambivalence`` and ``audience`` share. Wordings are those of ``prompts/engines/clues`` and
``prompts/reasoner/units``; each sentence asserts something measured and can be checked by :mod:`emollm.evidence`.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from random import Random

from emollm.data_engines.phrases import Phrases, opened
from emollm.data_engines.writing.grammar import has, wordings
from emollm.data_engines.writing.segments import VALUE, Segments, kind_of, name_of
from emollm.evidence import LIKELY, Evidence, check_text
from emollm.facs import ABSENT, UNITS, asymmetric
from emollm.generate import neutral
from emollm.perception.voice.wording import describe
from emollm.reasoner import ReasonerSettings
from emollm.reasoner.channels import Channels, Said
from emollm.reasoner.conflict import tone
from emollm.reasoner.quotation import excerpt
from emollm.reasoner.unit_text import UnitText
from emollm.reasoner.weighing import expressive
from emollm.reasoner.wording import listed, lowered, seconds, two
from emollm.types import Cue, CueKind, Extent, Observation, Part, Scale, Track, Verdict

PROMPT = "engines/clues"

_MORE = {"pitch": ("higher", "lower"), "loudness": ("louder", "softer"), "rate": ("faster", "slower")}
_MANNER = {"f0_sd": "voice_is", "pause_share": "voice_is", "speech_rate": "speech_is"}
_TELLING = ("AU04", "AU12", "AU01", "AU15", "AU06", "AU02", "AU07", "AU10", "AU24", "AU20", "AU17", "AU14")
"""Units whose absence tells most of a still face."""
_TOGETHER = 3
"""Movements that one sentence tells at most."""
_LEAST = 0.1
"""Probability below which a network's second expression is not named."""
_TRIES = 8
"""Wordings of a movement that are tried before the plain one is taken."""
_SPELT_OUT = 0.5
"""How often units with a probability are told in clauses of their own rather than as a list."""
_FACE = frozenset({CueKind.ACTION_UNIT, CueKind.EXPRESSION})


class Clues:
    """Words what was measured of one person.

    Args:
        observation: What was measured.
        person: Who it is about; None for cues without a place.
        settings: How much is told.
        random: Chooses among wordings.
        own_words: The words are known to be this person's: a data set says so where nothing was measured of it.
    """

    def __init__(
        self,
        observation: Observation,
        person: Track | None,
        settings: ReasonerSettings,
        random: Random,
        own_words: bool = False,
    ) -> None:
        self.channels = Channels(observation, person, settings)
        self.settings = settings
        self.random = random
        self.evidence = Evidence(self.channels.moment)
        self.units = UnitText(self.evidence, settings, random)
        self.words = Phrases(PROMPT, random)
        self.is_own = self.channels.is_own_voice or own_words

    # what there is

    @property
    def has_face(self) -> bool:
        """Whether the face was measured."""
        return any(cue.kind in _FACE for cue in self.channels.cues)

    @property
    def moving(self) -> list[Cue]:
        """The movements of the moment that are worth telling, strongest first: intensities, then probabilities."""
        found = [cue for cue in self.evidence.units if expressive(cue.name) and self._is_there(cue)]
        if any(cue.name == "AU27" for cue in found):
            found = [cue for cue in found if cue.name != "AU26"]
        return sorted(found, key=lambda cue: (cue.scale is not Scale.INTENSITY, -(cue.value or 0.0), cue.name))

    def _is_there(self, cue: Cue) -> bool:
        if cue.scale is Scale.PROBABILITY:
            return (cue.value or 0.0) >= LIKELY
        return cue.scale is Scale.INTENSITY and (cue.value or 0.0) >= self.units.floor

    @property
    def absent(self) -> list[Cue]:
        """Units that are measurably not there, the most telling ones first."""
        known = [self.evidence.best(code) for code in _TELLING]
        return [cue for cue in known if cue is not None and cue.reliable and (cue.value or 0.0) < ABSENT]

    @property
    def expressions(self) -> list[tuple[str, Cue]]:
        """What an expression network reads at the moment: words and cues, the likeliest first."""
        cues = [
            cue for cue in self.channels.moment if cue.kind is CueKind.EXPRESSION and cue.scale is Scale.PROBABILITY
        ]
        first = {cue.id: cue for cue in cues if self.evidence.expression(cue.name) is cue}
        ranked = sorted(first.values(), key=lambda cue: (-(cue.value or 0.0), cue.id))
        return [(word, cue) for cue in ranked if (word := Evidence.emotion(cue)) is not None]

    @property
    def manners(self) -> dict[str, str]:
        """What the voice as a whole is like, by quantity: ``f0_sd`` lively. No pace where a phrase has the opposite one."""
        found = ((name, self.channels.whole(name)) for name in _MANNER)
        words = {
            name: word
            for name, cue in found
            if cue is not None and cue.value is not None and (word := describe(name, cue.value)) is not None
        }
        rates = [cue.value or 1.0 for cue in self.channels.voice if cue.name == "rate" and cue.extent is Extent.EVENT]
        against = {"slow": any(rate > 1 for rate in rates), "fast": any(rate < 1 for rate in rates)}
        return {name: word for name, word in words.items() if not against.get(word, False)}

    @property
    def polarities(self) -> list[Cue]:
        """How positive the words are: of pieces of speech, or of words that came with the clip."""
        cues = [cue for cue in self.channels.cues if cue.kind is CueKind.WORDS and cue.name == "polarity"]
        return sorted(cues, key=lambda cue: (cue.start, cue.end, cue.id))

    @property
    def missing(self) -> list[str]:
        """The streams that could not be measured; single units, and the rate of blinks, are left out."""
        track = self.channels.person.id if self.channels.person is not None else None
        gaps = self.channels.observation.missing_for(track)
        return [*dict.fromkeys(gap.stream for gap in gaps if not gap.stream.startswith(("AU", "blink")))]

    # sentences

    def when(self) -> str:
        """How a sentence about the moment begins; nothing in a photo."""
        peak = self.channels.peak
        if peak is None:
            return ""
        block = "apex" if peak.reason is None else "clearest" if "clearest" in peak.reason else "moment"
        return self.words.say(block, time=seconds(peak.time))

    def movement(self, cue: Cue, code: bool = True) -> str:
        """What one unit looks like, as a clause in lower case, with its side and, if asked for, its code and value."""
        if not asymmetric(cue.left, cue.right):
            for _ in range(_TRIES):
                text = self._drawn(cue, "marked" if code else "clause")
                if text is not None and self._is_true(text):
                    return text
        if cue.scale is Scale.PROBABILITY:
            return f"the {UNITS[cue.name].name} is likely present{f' ({self.units.mark(cue)})' if code else ''}"
        clause = lowered(self.units.clause((cue,))) + self.units.side(cue)
        return f"{clause} ({self.units.mark(cue)})" if code else clause

    def plain(self, cue: Cue) -> str | None:
        """A movement in plain words, without codes, values and terms of the trade; None where there are none for it."""
        drawn = (self._drawn(cue, "clause") for _ in range(2 * _TRIES))
        return next((text for text in drawn if text is not None and self._is_true(text)), None)

    def _drawn(self, cue: Cue, form: str) -> str | None:
        value = cue.value or 0.0
        kind = kind_of(value, cue.scale is Scale.PROBABILITY)
        text = _segments().draw(cue.name, kind, form, self.random).text.replace(VALUE, two(value))
        terms = (UNITS[cue.name].name, name_of(cue.name), "AU", "detect")
        jargon = form == "clause" and any(term in text for term in terms)
        return None if jargon or _awkward().search(text) else text

    def _is_true(self, text: str) -> bool:
        """Whether the checker reads a clause as it is meant, at the time of the moment and in itself."""
        observation, person = self.channels.observation, self.channels.person
        peak = self.channels.peak
        whole = f"{opened(text)}." if peak is None else f"{opened(text)}. At {seconds(peak.time)} s, {text}."
        found = check_text(whole, Part.OBSERVATIONS, observation, person.id if person is not None else None)
        return bool(found) and all(one.verdict is Verdict.SUPPORTED for one in found)

    def face(self, most: int = 6, first: Collection[str] = ()) -> list[str]:
        """The moment: the movements, or that the face is still, or that there is none. Three different things.

        Args:
            most: At most so many movements.
            first: Units that are told before others.
        """
        if not self.has_face:
            return [opened(self.words.say("no_face"))]
        told = sorted(self.moving, key=lambda cue: cue.name not in first)[:most]
        if not told:
            return self._still()
        likely = [cue for cue in told if cue.scale is Scale.PROBABILITY]
        if self.random.random() < _SPELT_OUT:
            return [opened(one) for one in self._moves(told)]
        strong = [cue for cue in told if cue.scale is Scale.INTENSITY]
        return [opened(one) for one in (*self._moves(strong), *self._likely(likely, first=not strong))]

    def _moves(self, cues: Sequence[Cue]) -> Iterator[str]:
        at = 0
        while at < len(cues):
            size = self.random.randint(1, _TOGETHER)
            clauses = listed([self.movement(cue) for cue in cues[at : at + size]])
            yield (
                self.words.say("face_more", clauses=clauses)
                if at
                else self.words.say("face", when=self.when(), clauses=clauses)
            )
            at += size

    def _likely(self, cues: Sequence[Cue], first: bool) -> Iterator[str]:
        if cues:
            names = [f"{UNITS[cue.name].name} ({self.units.mark(cue)})" for cue in cues]
            when = self.when() if first else ""
            yield self.words.say("likely", when=when, units=f"the {listed(names)}", count=len(cues))

    def _still(self) -> list[str]:
        if not (absent := self.absent):
            return [opened(self.words.say("nothing"))]
        count = self.random.randint(min(2, len(absent)), min(4, len(absent)))
        names = [f"{UNITS[cue.name].name} ({self.units.mark(cue)})" for cue in absent[:count]]
        return [opened(self.words.say("still", when=self.when(), units=listed(names), count=count))]

    def network(self) -> list[str]:
        """What an expression network gives its first two expressions; nothing without one."""
        found = self.expressions
        if not found:
            return []
        peak = self.channels.peak
        when = f"At {seconds(peak.time)} s" if peak is not None else ""
        first = self.words.say("network", when=when, emotion=found[0][0], value=two(found[0][1].value))
        if len(found) < 2 or (found[1][1].value or 0.0) < _LEAST:
            return [opened(first)]
        second = self.words.say("network_second", second=found[1][0], second_score=two(found[1][1].value))
        return [opened(first), opened(second)]

    def voice(self, events: int = 2) -> list[str]:
        """What the voice sounds like, in words: its manner, where it departs from its usual, its longest pause.

        Args:
            events: At most so many departures.
        """
        return [opened(one) for one in self._voice(events)]

    def _voice(self, events: int) -> Iterator[str]:
        channels = self.channels
        if channels.is_silent:
            yield self.words.say("silent")
            return
        if speech := channels.speech:
            block = "speaks" if channels.is_speaker else "heard"
            start, end = min(cue.start for cue in speech), max(cue.end for cue in speech)
            yield self.words.say(block, start=seconds(start), end=seconds(end))
        for name, word in self.manners.items():
            yield self.words.say(_MANNER[name], how=word)
        for cue in channels.departures[:events]:
            yield self._departure(cue)
        for cue in channels.pauses[:1]:
            yield self.words.say("pause", start=seconds(cue.start), end=seconds(cue.end))

    def _departure(self, cue: Cue) -> str:
        value, ratio = cue.value or 0.0, cue.scale is Scale.RATIO
        more = _MORE[cue.name][0 if value > (1.0 if ratio else 0.0) else 1]
        amount = self.words.say(f"by_{cue.name}", value=two(value) if ratio else f"{value:+.1f}")
        return self.words.say("departure", start=seconds(cue.start), end=seconds(cue.end), more=more, amount=amount)

    def subtitle(self) -> list[str]:
        """What was said, quoted, and whether its words are positive or negative."""
        return [opened(one) for one in self._subtitle()]

    def _subtitle(self) -> Iterator[str]:
        said = self.channels.telling
        if said is not None:
            yield from self._said(said)
        elif (given := self.channels.transcript) is not None:
            if (words := self.quote(given)) is not None:
                yield self.words.say("transcript", words=words)
            for cue in self.polarities[:1]:
                yield self.words.say("polarity_plain", tone=tone(cue), value=two(cue.value))
        elif self.channels.is_not_understood:
            yield self.words.say("no_words")

    def _said(self, said: Said) -> Iterator[str]:
        peak = self.channels.peak
        around = peak.time if peak is not None else None
        piece = excerpt(said.words, self.channels.observation.words, self.settings.max_quoted, around)
        if piece is not None:
            start, end = seconds(piece.start), seconds(piece.end)
            yield self.words.say("said", start=start, end=end, words=neutral(piece.text))
        if said.polarity is not None:
            start, end = seconds(said.polarity.start), seconds(said.polarity.end)
            value = two(said.polarity.value)
            yield self.words.say("polarity", start=start, end=end, tone=tone(said.polarity), value=value)

    def quote(self, cue: Cue) -> str | None:
        """The beginning of a cue's words as data: no control tokens, no quotation marks of their own. None of none."""
        piece = excerpt(cue, (), self.settings.max_quoted)
        return neutral(piece.text) if piece is not None else None

    def scene(self) -> list[str]:
        """What a scene network says of the surroundings, where one has."""
        cues = [cue for cue in self.channels.cues if cue.kind is CueKind.SCENE and cue.scale is Scale.PROBABILITY]
        best = max(cues, key=lambda cue: (cue.value or 0.0, cue.id), default=None)
        if best is None or (best.value or 0.0) < LIKELY or best.extent is Extent.EVENT:
            return []
        return [opened(self.words.say("scene", words=best.name, value=two(best.value)))]

    def unknown(self) -> list[str]:
        """What could not be measured."""
        found = [stream.replace("_", " ") for stream in self.missing]
        return [opened(self.words.say("missing", streams=listed(found)))] if found else []


@cache
def _segments() -> Segments:
    """The wordings of the writer, read once in a process."""
    return Segments()


@cache
def _awkward() -> re.Pattern[str]:
    """Words that read badly in a clause among others: connectives, and the adverbs that the writer of rows varies its text with."""
    words = ["his or her", "furthermore", "besides", "moreover", "likewise", "also", "too", "in addition", "chiefly"]
    adverbs = wordings("writer/units", "adverb") if has("writer/units", "adverb") else ()
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, (*words, *adverbs)))})\b")
