"""The clues of one person, each in words of its own: face, expression network, voice, words, surroundings.

What the engines ``merr``, ``textualize``, ``ambivalence`` and ``audience`` share. Wordings are those of ``prompts/engines/clues`` and
``prompts/reasoner/units``; each sentence asserts something measured and can be checked by :mod:`emollm.evidence`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from random import Random

from emollm.data_engines.movements import Movements
from emollm.data_engines.phrases import Phrases, opened
from emollm.evidence import LIKELY, Evidence
from emollm.facs import ABSENT, UNITS
from emollm.generate import neutral
from emollm.perception.voice.wording import describe
from emollm.reasoner import ReasonerSettings
from emollm.reasoner.channels import Channels, Said
from emollm.reasoner.conflict import tone
from emollm.reasoner.quotation import excerpt
from emollm.reasoner.unit_text import UnitText
from emollm.reasoner.weighing import expressive
from emollm.reasoner.wording import listed, seconds, two
from emollm.types import Cue, CueKind, Extent, Observation, Scale, Track

PROMPT = "engines/clues"

_MORE = {"pitch": ("higher", "lower"), "loudness": ("louder", "softer"), "rate": ("faster", "slower")}
_MANNER = {"f0_sd": "voice_is", "pause_share": "voice_is", "speech_rate": "speech_is"}
_TELLING = ("AU04", "AU12", "AU01", "AU15", "AU06", "AU02", "AU07", "AU10", "AU24", "AU20", "AU17", "AU14")
"""Units whose absence tells most of a still face."""
_LEAST = 0.1
"""Probability below which a network's second expression is not named."""
_JOINED = 0.6
"""How often the manner of a voice and its rate are told in one sentence."""
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
        self.movements = Movements(self.channels, self.units, self.evidence, self.words, random)
        self.told = self.movements.told
        self.is_own = self.channels.is_own_voice or own_words

    # what there is

    @property
    def track(self) -> str | None:
        """Id of the person; None for cues without a place."""
        return self.channels.person.id if self.channels.person is not None else None

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
        return self.channels.polarities

    @property
    def missing(self) -> list[str]:
        """The streams that could not be measured; single units, and the rate of blinks, are left out."""
        gaps = self.channels.observation.missing_for(self.track)
        return [*dict.fromkeys(gap.stream for gap in gaps if not gap.stream.startswith(("AU", "blink")))]

    # sentences

    def span(self, start: float, end: float, block: str = "span") -> str:
        """From when to when: ``span`` where something begins and ends then, ``window`` where it lies within."""
        return self.words.say(block, start=seconds(start), end=seconds(end))

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
            return [*self.movements.sentences(told)]
        strong = [cue for cue in told if cue.scale is Scale.INTENSITY]
        return [*self.movements.sentences(strong), *([self.movements.likely(likely, not strong)] if likely else [])]

    def _still(self) -> list[str]:
        if not (absent := self.absent):
            return [opened(self.words.say("nothing"))]
        count = self.random.randint(min(2, len(absent)), min(4, len(absent)))
        names = [f"{UNITS[cue.name].name} ({self.units.mark(cue)})" for cue in absent[:count]]

        def worded() -> str:
            return self.words.say(
                "still", when=self.movements.when(), then=self.movements.then(), units=listed(names), count=count
            )

        return [self.told(worded) or opened(self.words.say("nothing"))]

    def network(self) -> list[str]:
        """What an expression network gives its first two expressions; nothing without one."""
        found = self.expressions
        if not found:
            return []
        (first, cue), names = found[0], [found[0][1].name]
        values = {"emotion": self._noun(first), "value": two(cue.value), "second": "", "second_score": ""}
        if len(found) > 1 and (found[1][1].value or 0.0) >= _LEAST:
            values |= {"second": self._noun(found[1][0]), "second_score": two(found[1][1].value)}
            names.append(found[1][1].name)

        def worded() -> str:
            return self.words.say("network", when=self.movements.when(), then=self.movements.then(), **values)

        text = self.told(worded, names)
        return [text] if text is not None else []

    def _noun(self, emotion: str) -> str:
        """An expression as a noun."""
        return self.words.told("neutrality") if emotion == "neutral" else emotion

    def voice(self, events: int = 2) -> list[str]:
        """What the voice sounds like, in words: its manner, where it departs from its usual, its longest pause.

        Args:
            events: At most so many departures.
        """
        return [text for one in self._voice(events) if (text := self.told(one)) is not None]

    def _voice(self, events: int) -> Iterator[Callable[[], str]]:
        channels, say = self.channels, self.words.say
        if channels.is_silent:
            yield lambda: say("silent")
            return
        manners = self.manners
        if speech := channels.speech:
            block = "speaks" if channels.is_speaker else "heard"
            span = partial(self.span, min(cue.start for cue in speech), max(cue.end for cue in speech))
            if manners and self.random.random() < _JOINED:
                name = self.random.choice([*manners])
                word = manners.pop(name)
                block += "_pace" if name == "speech_rate" else "_how"
                yield lambda: say(block, span=span(), how=word)
            else:
                yield lambda: say(block, span=span())
        yield from self._manner(manners)
        for cue in channels.departures[:events]:
            yield partial(self._departure, cue)
        for cue in channels.pauses[:1]:
            yield partial(self.pause, cue)

    def manner(self) -> list[str]:
        """What the voice as a whole is like."""
        return [text for one in self._manner(self.manners) if (text := self.told(one)) is not None]

    def _manner(self, manners: Mapping[str, str]) -> Iterator[Callable[[], str]]:
        names = self.random.sample([*manners], k=len(manners))
        pace = manners.get("speech_rate")
        if len(names) == 2 and pace is not None and self.random.random() < _JOINED:
            sound = next(word for name, word in manners.items() if name != "speech_rate")
            yield partial(self.words.say, "both_are", how=sound, words=pace)
            return
        for name in names:
            yield partial(self.words.say, _MANNER[name], how=manners[name])

    def pause(self, cue: Cue, block: str = "pause") -> str:
        """A wording for a stretch without speech."""
        length = seconds(float(seconds(cue.end)) - float(seconds(cue.start)))
        return self.words.say(block, span=self.span(cue.start, cue.end), start=seconds(cue.start), value=length)

    def _departure(self, cue: Cue) -> str:
        value, ratio = cue.value or 0.0, cue.scale is Scale.RATIO
        more = _MORE[cue.name][0 if value > (1.0 if ratio else 0.0) else 1]
        amount = self.words.say(f"by_{cue.name}", value=two(value) if ratio else f"{abs(value):.1f}")
        name = self.words.say(f"of_{cue.name}")
        block = "departure" if ratio or self.random.random() < 0.5 else "departure_by"
        return self.words.say(block, span=self.span(cue.start, cue.end), more=more, amount=amount, name=name)

    def subtitle(self) -> list[str]:
        """What was said, quoted, and whether its words are positive or negative."""
        return [text for one in self._subtitle() if (text := self.told(one)) is not None]

    def _subtitle(self) -> Iterator[Callable[[], str]]:
        say = self.words.say
        if (said := self.channels.telling) is not None:
            yield from self._said(said)
        elif (given := self.channels.transcript) is not None:
            if (words := self.quote(given)) is not None:
                yield lambda: say("transcript", words=words)
            if first := self.polarities[:1]:
                values = {"tone": tone(first[0]), "value": two(first[0].value)}
                yield lambda: say("polarity_plain", **values)
        elif self.channels.is_not_understood:
            yield lambda: say("no_words")

    def _said(self, said: Said) -> Iterator[Callable[[], str]]:
        peak, say, polarity = self.channels.peak, self.words.say, said.polarity
        around = peak.time if peak is not None else None
        piece = excerpt(said.words, self.channels.observation.words, self.settings.max_quoted, around)
        values = {} if polarity is None else {"tone": tone(polarity), "value": two(polarity.value)}
        if piece is not None:
            words, span = neutral(piece.text), partial(self.span, piece.start, piece.end)
            whole = polarity is not None and (piece.start, piece.end) == (polarity.start, polarity.end)
            if whole and self.random.random() < _JOINED:
                yield lambda: say("said_polarity", span=span(), words=words, **values)
                return
            yield lambda: say("said", span=span(), words=words)
        if polarity is not None:
            start, end = polarity.start, polarity.end
            yield lambda: say("polarity", span=self.span(start, end), **values)

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
