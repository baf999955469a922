"""The reasoner's sentences: key observations, interpretation, conclusion.

Wordings are those of ``prompts/reasoner``; which one is taken depends on what was measured and on a seed, so that one
observation always reads the same. Every sentence of the key observations asserts something measured, and nothing else is
asserted anywhere (tests/reasoner/test_reasoner.py proves it with :mod:`emollm.evidence` on random observations). What a moment shows
is worded by :mod:`emollm.reasoner.unit_text`, the course of a clip by :mod:`emollm.reasoner.course_text`, voice and words by
:mod:`emollm.reasoner.voice_text`, and the weights by :mod:`emollm.reasoner.weight_text`.
"""

from collections.abc import Iterator, Mapping, Sequence
from random import Random

from emollm.emotions import LabelSet
from emollm.evidence import Evidence
from emollm.facs import strength
from emollm.reasoner.channels import Channels
from emollm.reasoner.conflict import Comparison, compare, tone
from emollm.reasoner.course_text import CourseText
from emollm.reasoner.unit_text import UnitText
from emollm.reasoner.voice_text import VoiceText
from emollm.reasoner.weighing import Weighing
from emollm.reasoner.weight_text import Decision, Doubt, WeightText
from emollm.reasoner.wording import Wording, listed, lowered, seconds, two
from emollm.types import CueKind, Rationale


class Writer:
    """Words one person's rationale.

    Args:
        channels: What was measured.
        labels: The set the label is of.
        weighing: The weights of the labels.
        decision: What they lead to.
        doubts: Why the units are less certain.
        fits: What other moments speak for by themselves, by their times: a label, or None for none clearly.
    """

    def __init__(
        self,
        channels: Channels,
        labels: LabelSet,
        weighing: Weighing,
        decision: Decision,
        doubts: Sequence[Doubt],
        fits: Mapping[float, str | None],
    ) -> None:
        settings = channels.settings
        random = Random(f"{settings.seed} {Evidence(channels.cues).fingerprint}")
        self.channels = channels
        self.labels = labels
        self.weighing = weighing
        self.decision = decision
        self.settings = settings
        self.units = UnitText(Evidence(channels.moment), settings, random)
        chosen = decision.label if decision.outcome.startswith("answered") else None
        self.course = CourseText(channels, self.units, random, chosen, fits)
        self.voice = VoiceText(channels, random)
        time = channels.peak.time if channels.peak is not None else None
        self.weights = WeightText(self.units, weighing, decision, doubts, time, channels.units, random)
        self.words = Wording("reasoner/rationale", random)
        self.clip = Wording("reasoner/clip", random)

    def rationale(self) -> Rationale:
        """All three parts."""
        return Rationale(
            observations=" ".join(self._observations()),
            interpretation=" ".join(self._interpretation()),
            conclusion=" ".join(self._conclusion()),
        )

    def _observations(self) -> list[str]:
        out: list[str] = []
        if self.channels.has_face:
            out += self._of_face() or [self.words.say("nothing_to_tell")]
        return [*out, *self.voice.sentences()]

    def _of_face(self) -> list[str]:
        """The moment, what an expression network says of it, and the course."""
        matches = [self.weighing.matches.get(label) for label in (self.decision.label, self.decision.second)]
        concerned = {unit for match in matches if match for unit in (*match.prototype.units, *match.against)}
        out = self.units.sentences(frozenset(concerned), self.course.when())
        out += self._read()
        return [*out, *self.course.sentences(), *self._read_elsewhere()]

    def _read(self) -> list[str]:
        """What an expression network gives the first two expressions, at the moment that decides."""
        cues = {cue.id: cue for cue in self.weighing.expressions.values()}
        ranked = sorted(cues.values(), key=lambda cue: (-(cue.value or 0.0), cue.id))
        named = [(word, cue) for cue in ranked if (word := Evidence.emotion(cue)) is not None]
        if not named:
            return []
        values = {"emotion": named[0][0], "value": two(named[0][1].value), "second": ""}
        if len(named) > 1 and (named[1][1].value or 0.0) >= _LEAST_PROBABILITY:
            values |= {"second": named[1][0], "second_score": two(named[1][1].value)}
        said = self.words.say("expression", **values)
        peak = self.channels.peak
        return [said if peak is None else f"At {seconds(peak.time)} s {lowered(said)}"]

    def _read_elsewhere(self) -> list[str]:
        """What the network clearly reads at other times of the clip."""
        cues = list(self.weighing.expressions.values())
        if self.channels.peak is None or not cues:
            return []
        first = max(cues, key=lambda cue: cue.value or 0.0)
        found = self.channels.read_elsewhere({first.name, "neutral"}, _CLEARLY, _MOST_READ)
        return [
            self.clip.say("expression_then", time=seconds(time), emotion=word, value=two(value))
            for time, cue, value in found
            if (word := Evidence.emotion(cue)) is not None
        ]

    def _interpretation(self) -> list[str]:
        out = self.weights.sentences() if self.channels.has_face else []
        out += self.voice.interpretation()
        if self.decision.outcome.startswith("answered"):
            found = compare(self.decision.label, self.labels, self.channels)
            out += [self._comparison(one) for one in found]
            if not all(one.agree for one in found):
                out.append(self.clip.say("cannot_tell"))
        return out

    def _comparison(self, found: Comparison) -> str:
        """That face and words, or face and voice, agree or not, with the cues of both."""
        match = self.weighing.matches.get(self.decision.label)
        units = self.units.values(match.present[:2]) if match is not None else []
        values = {"label": self.decision.label, "units": listed(units) if units else ""}
        way = "agree" if found.agree else "differ"
        if found.polarity is not None:
            values |= {"start": seconds(found.polarity.start), "end": seconds(found.polarity.end)}
            value = two(found.polarity.value)
            return self.clip.say(f"words_{way}", tone=tone(found.polarity), value=value, **values)
        heard = self.channels.activation
        return self.clip.say(f"voice_{way}", signs=listed(heard.signs if heard is not None else ("",)), **values)

    def _conclusion(self) -> list[str]:
        if self.decision.outcome == "no_face":
            return [*self._without_face()]
        label, second = self.decision.label, self.decision.second
        scores = self.weighing.scores
        values: dict[str, str] = {}
        if self.decision.outcome != "unclear_empty":
            values = {
                "label": label,
                "second": second if scores[second] >= _LEAST_SCORE else "",
                "score": two(scores[label]),
                "second_score": two(scores[second]),
            }
        if self.decision.outcome == "unclear_thin":
            support = {name: self.weighing.support(name, self.settings) for name in (label, second)}
            values["support"] = two(support[label])
            near = [name for name, value in support.items() if value >= _LEAST_SUPPORT]
            values["labels"] = listed([f"{name} ({two(support[name])})" for name in near] or [""])
            values["count"] = str(len(near))
        if self.decision.outcome == "answered" and self.decision.intensity is not None:
            band = strength(self.decision.intensity)
            values |= {"strength": self.words.say(f"strength_{band}"), "value": two(self.decision.intensity)}
        peak = self.channels.peak
        if peak is None:
            said = self.words.say(self.decision.outcome, **values)
        elif self.decision.outcome.startswith("answered"):
            said = self.clip.say(self.decision.outcome, time=seconds(peak.time), **values)
        else:
            why = self.words.say(self.decision.outcome, **values).removeprefix("Unclear: ")
            said = self.clip.say("unclear", time=seconds(peak.time), said=why)
        still = self.decision.outcome == "answered_neutral"
        return [said, *([] if still else self.course.summary()), self._caveat()]

    def _caveat(self) -> str:
        return self.clip.say("caveat_voice") if self.channels.is_own_voice else self.words.say("caveat")

    def _without_face(self) -> Iterator[str]:
        """Why there is no label, by what was given; what voice and words may say without a face."""
        heard = bool(self.channels.voice)
        read = any(cue.kind is CueKind.WORDS for cue in self.channels.cues)
        if self.channels.medium == "photo":
            yield self.words.say("no_face")
        else:
            yield self.clip.say(f"no_face_{self.channels.medium}", voice=heard, words=read)


_CLEARLY = 0.6
"""Probability from which another expression is told of that a network reads elsewhere in the clip."""
_MOST_READ = 2
_LEAST_PROBABILITY = 0.1
"""Below this probability a network's second expression is not named."""
_LEAST_SCORE = 0.01
"""Below this score a runner-up is not named."""
_LEAST_SUPPORT = 0.2
"""Below this support a label is not named as near."""
