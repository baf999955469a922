"""What a photo or a clip shows beyond the units of one moment: sides, head, gaze, an expression network, the course, voice and words.

Worded by the reasoner's own writers; each sentence is read by the checker on the clip's Observation, and what is not supported there is
left out.
"""

import re
from collections.abc import Sequence
from random import Random

from emollm.data_engines.writing.conversations import Extra
from emollm.data_engines.writing.naming import Sentence
from emollm.data_engines.writing.variation import PROMPT, Variation
from emollm.emotions import LabelSet
from emollm.evidence import Evidence, check_text
from emollm.reasoner.channels import Channels
from emollm.reasoner.conflict import Comparison, compare, tone
from emollm.reasoner.course_text import CourseText
from emollm.reasoner.unit_text import UnitText
from emollm.reasoner.voice_text import VoiceText
from emollm.reasoner.weighing import Weighing
from emollm.reasoner.wording import Wording, listed, lowered, seconds, two
from emollm.types import CueKind, Observation, Part, Verdict

_BY_UNITS = 0.1
"""Weight by units alone up to which a label rests on the network."""
_CARRIES = 0.3
"""Probability by a network from which a label can rest on it: one that people gave need not."""
_LEAST = 0.1
"""Probability below which a network's second expression is not named."""
_SIDE = re.compile(r"\bside\b")
"""Words on one of the two sides, not on lips drawn sideways."""
_POSE = frozenset({CueKind.HEAD_POSE, CueKind.GAZE})


class ClipText:
    """Words the rest of one person's part of a clip.

    Args:
        channels: What was measured.
        weighing: The weights of the labels.
        labels: Their set.
        observation: All that was measured.
        track: The person.
    """

    prompts = ("reasoner/rationale", "reasoner/clip", "reasoner/units", PROMPT)
    """Prompts it words with."""

    def __init__(
        self, channels: Channels, weighing: Weighing, labels: LabelSet, observation: Observation, track: str | None
    ) -> None:
        self.channels = channels
        self.weighing = weighing
        self.labels = labels
        self._observation = observation
        self._track = track
        self._lead = f"At {seconds(channels.peak.time)} s" if channels.peak is not None else ""

    def kept(self, part: Part, sentences: Sequence[Sentence]) -> list[Sentence]:
        """The sentences that hold in this clip: as they are, or said of the apex; others are left out."""
        out = []
        for one in sentences:
            if self._holds(one.text, part):
                out.append(one)
            elif self._lead:
                text = one.text if one.text.startswith("AU") else lowered(one.text)
                led = f"{self._lead} {text}" if part is Part.OBSERVATIONS else f"{self._lead}, {text}"
                if self._holds(led, part):
                    out.append(Sentence(led, one.claims))
        return out

    def extra(self, label: str | None, random: Random) -> Extra:
        """Sentences for the parts of a rationale.

        Args:
            label: The label that is given, if any.
            random: Chooses wordings.
        """
        units = UnitText(Evidence(self.channels.moment), self.channels.settings, random)
        voice = VoiceText(self.channels, random)
        course = CourseText(self.channels, units, random, label)
        words = Wording("reasoner/rationale", random)
        other = Variation(random, self._claims)
        seen = []
        if self.channels.has_face:
            seen = other.poses(self._sides_and_pose(units, course.when())) + self._network(words, other)
        if self.channels.has_face:
            seen += course.sentences()
        meant = [*self._rests_on_network(words, other, label), *voice.interpretation()]
        if label is not None:
            meant += self._compared(label, units, Wording("reasoner/clip", random))
        return Extra(
            self._holding([*seen, *voice.sentences()], Part.OBSERVATIONS), self._holding(meant, Part.INTERPRETATION)
        )

    def _holding(self, texts: Sequence[str], part: Part) -> list[str]:
        return [text for text in texts if self._holds(text, part)]

    def _holds(self, text: str, part: Part) -> bool:
        """Whether everything that is read in a sentence is supported."""
        claims = check_text(text, part, self._observation, self._track)
        return all(claim.verdict is Verdict.SUPPORTED for claim in claims)

    def _claims(self, text: str) -> int:
        """How many claims are read in a sentence, all of them supported; fewer than none where one is not."""
        claims = check_text(text, Part.OBSERVATIONS, self._observation, self._track)
        return len(claims) if all(claim.verdict is Verdict.SUPPORTED for claim in claims) else -1

    def _sides_and_pose(self, units: UnitText, when: str) -> list[str]:
        """What the reasoner says of head and gaze, and of units that differ between left and right."""
        kinds = {cue.id: cue.kind for cue in self.channels.cues}
        out = []
        for text in units.sentences(frozenset(), when):
            claims = check_text(text, Part.OBSERVATIONS, self._observation, self._track)
            pose = bool(claims) and all(kinds.get(id) in _POSE for claim in claims for id in claim.cues)
            if pose or _SIDE.search(text):
                out.append(text)
        return out

    def _network(self, words: Wording, other: Variation) -> list[str]:
        """What an expression network gives the first two expressions."""
        cues = {cue.id: cue for cue in self.weighing.expressions.values()}
        ranked = sorted(cues.values(), key=lambda cue: (-(cue.value or 0.0), cue.id))
        named = [(word, cue) for cue in ranked if (word := Evidence.emotion(cue)) is not None]
        if not named:
            return []
        values = {"emotion": named[0][0], "value": two(named[0][1].value), "second": ""}
        if len(named) > 1 and (named[1][1].value or 0.0) >= _LEAST:
            values |= {"second": named[1][0], "second_score": two(named[1][1].value)}
        said = words.say("expression", **values)
        if self._lead:
            return [f"{self._lead} {lowered(said)}"]
        return [other.network(said, **{"second_score": "", **values})]

    def _rests_on_network(self, words: Wording, other: Variation, label: str | None) -> list[str]:
        weighing = self.weighing
        if label is None or not weighing.share or weighing.by_units.get(label, 0.0) >= _BY_UNITS:
            return []
        cue = weighing.expressions.get(label)
        if cue is None or (cue.value or 0.0) < _CARRIES:
            return []
        return [other.rests(words.say("network_alone", label=label), label, two(cue.value))]

    def _compared(self, label: str, units: UnitText, words: Wording) -> list[str]:
        """Whether face, words and voice agree."""
        found = compare(label, self.labels, self.channels)
        out = [self._comparison(one, label, units, words) for one in found]
        return [*out, words.say("cannot_tell")] if not all(one.agree for one in found) else out

    def _comparison(self, found: Comparison, label: str, units: UnitText, words: Wording) -> str:
        match = self.weighing.matches.get(label)
        there = units.values(match.present[:2]) if match is not None else []
        values = {"label": label, "units": listed(there) if there else ""}
        way = "agree" if found.agree else "differ"
        if found.polarity is not None:
            values |= {"start": seconds(found.polarity.start), "end": seconds(found.polarity.end)}
            return words.say(f"words_{way}", tone=tone(found.polarity), value=two(found.polarity.value), **values)
        heard = self.channels.activation
        return words.say(f"voice_{way}", signs=listed(heard.signs if heard is not None else ("",)), **values)
