"""Where face, voice and words of one person point different ways, and from when to when.

After BAH (González-González et al. 2025): ambivalence and hesitancy show as a discord between channels or within one. A face has a side
by what it is read as, words have one by their polarity, a voice is more or less activated; the tables are those of
:mod:`emollm.reasoner.conflict`. What a discord means is not told.
"""

from typing import Literal, NamedTuple

from emollm.emotions import LabelSet
from emollm.evidence import Evidence
from emollm.reasoner.channels import Activation, Channels, Level
from emollm.reasoner.conflict import activation, tone, valence
from emollm.reasoner.weighing import Weighing, weigh
from emollm.types import Cue, CueKind, Extent, Peak

_FACE = frozenset({CueKind.ACTION_UNIT, CueKind.EXPRESSION})
_SHORT = 0.1
"""Seconds below which a stretch of discord has no length worth telling."""
_VOICE = 0.5
"""Score of a discord with the voice, whose level has no finer measure."""


class Reading(NamedTuple):
    """What the face shows at one moment."""

    label: str
    weight: float
    side: str | None
    """``positive``, ``negative``, ``neutral``."""
    time: float | None
    start: float
    end: float
    evidence: Evidence
    """The cues of that moment."""
    present: tuple[str, ...]
    """Units that speak for the label."""


class Pair(NamedTuple):
    """Two channels, or two moments of one, held against each other."""

    kind: Literal["words", "voice", "within words", "within face"]
    agree: bool
    score: float
    """0 for agreement up to 1."""
    start: float | None = None
    end: float | None = None
    face: Reading | None = None
    other: Reading | None = None
    """The face at another moment."""
    polarity: Cue | None = None
    second: Cue | None = None
    """Another polarity."""


class Comparison(NamedTuple):
    """All channels beside each other."""

    face: Reading | None
    """At the moment that decides; None where it is not clear or there is none."""
    voice: Activation | None
    pairs: tuple[Pair, ...]

    @property
    def discords(self) -> list[Pair]:
        """The pairs that do not agree, strongest first."""
        return sorted((one for one in self.pairs if not one.agree), key=lambda one: -one.score)

    @property
    def score(self) -> float | None:
        """0, all that could be compared agrees, to 1; None where nothing could be compared."""
        return max((one.score for one in self.pairs), default=None)


class Comparer:
    """Compares the channels of one person.

    Args:
        channels: What was measured.
        labels: The set that faces are read in.
        own_words: The words are known to be this person's: a data set says so where nothing was measured of it.
    """

    def __init__(self, channels: Channels, labels: LabelSet, own_words: bool = False) -> None:
        self.channels = channels
        self.settings = channels.settings
        self.labels = labels
        self.is_own = channels.is_own_voice or own_words
        """Whether voice and words are held against the face."""

    def compare(self) -> Comparison:
        """Everything that can be held against each other."""
        peak = self.channels.peak
        face = self._face(None if peak is None else peak.time) if self._has_face else None
        sound = self.channels.activation if self.channels.is_own_voice else None
        pairs: list[Pair] = []
        if self.is_own:
            pairs += self._with_words(face)
            pairs += self._with_voice(face, sound)
            pairs += self._within_words()
        return Comparison(face, sound, (*pairs, *self._within_face()))

    @property
    def _has_face(self) -> bool:
        """Whether anything was measured by which a face is read."""
        return any(cue.kind in _FACE for cue in self.channels.cues)

    def _face(self, time: float | None) -> Reading | None:
        """What the face is read as at a moment; None where that is not clear, or not all is known of that moment."""
        peak = self.channels.peak
        at_apex = time is None or (peak is not None and peak.time == time)
        cues = self.channels.moment if at_apex or time is None else self.channels.moment_at(time)
        if not cues:
            return None
        evidence = Evidence(cues)
        near = next((one for one in self._peaks if one.time == time), None)
        speaking = near is not None and near.speaking and self.channels.speaks
        weighing = weigh(evidence, self.labels, 1.0, self.settings, speaking)
        (label, score), (_, second), *_ = weighing.ranked
        support = weighing.support(label, self.settings)
        clear = score >= self.settings.min_score and score - second >= self.settings.min_margin
        if weighing.empty or not clear or support < self.settings.min_support:
            return None
        start, end = self._span(weighing, label, time, near)
        match = weighing.matches.get(label)
        present = match.present if match is not None else ()
        return Reading(label, score, valence(label, self.labels), time, start, end, evidence, present)

    @property
    def _peaks(self) -> tuple[Peak, ...]:
        return self.channels.person.peaks if self.channels.person is not None else ()

    def _span(self, weighing: Weighing, label: str, time: float | None, near: Peak | None) -> tuple[float, float]:
        """From when to when the movements that speak for a label are there around a moment."""
        if time is None:
            return 0.0, 0.0
        match = weighing.matches.get(label)
        names = set(match.present) if match is not None else set()
        events = [cue for cue in self.channels.cues if cue.extent is Extent.EVENT and cue.name in names]
        around = [cue for cue in events if cue.start <= time <= cue.end]
        if around:
            return max(cue.start for cue in around), min(cue.end for cue in around)
        return (near.start, near.end) if near is not None else (time, time)

    def _with_words(self, face: Reading | None) -> list[Pair]:
        """Each clear piece of speech beside the face at that time."""
        out = []
        for cue in self.channels.polarities:
            value = cue.value or 0.0
            if abs(value) < self.settings.clear_polarity:
                continue
            here = face if cue.end <= cue.start else self._during(cue)
            if here is None or here.side not in ("positive", "negative"):
                continue
            agree = here.side == tone(cue)
            score = 0.0 if agree else (here.weight + abs(value)) / 2
            start, end = max(here.start, cue.start), min(here.end, cue.end)
            timed = cue.end > cue.start and end - start >= _SHORT
            first, last = (start, end) if timed else (cue.start, cue.end) if cue.end > cue.start else (None, None)
            out.append(Pair("words", agree, score, first, last, here, polarity=cue))
        return out

    def _during(self, cue: Cue) -> Reading | None:
        """The face while something is said: at a moment of expression then, else in the middle."""
        times = [peak.time for peak in self._peaks if cue.start <= peak.time <= cue.end]
        return next((found for time in times or [(cue.start + cue.end) / 2] if (found := self._face(time))), None)

    def _with_voice(self, face: Reading | None, sound: Activation | None) -> list[Pair]:
        if face is None or sound is None or sound.level is Level.ORDINARY:
            return []
        if face.side == "neutral":
            agree = sound.level is not Level.HIGH
        elif (usual := activation(face.label, self.labels)) is not None:
            agree = usual == sound.level
        else:
            return []
        speech = self.channels.speech
        start = max(face.start, min((cue.start for cue in speech), default=0.0))
        end = min(face.end, max((cue.end for cue in speech), default=0.0))
        first, last = (start, end) if end - start >= _SHORT else (None, None)
        return [Pair("voice", agree, 0.0 if agree else _VOICE, first, last, face)]

    def _within_words(self) -> list[Pair]:
        """Words that are clearly positive at one time and clearly negative at another."""
        clear = [cue for cue in self.channels.polarities if abs(cue.value or 0.0) >= self.settings.clear_polarity]
        best = max((cue for cue in clear if (cue.value or 0.0) > 0), key=lambda cue: cue.value or 0.0, default=None)
        worst = min((cue for cue in clear if (cue.value or 0.0) < 0), key=lambda cue: cue.value or 0.0, default=None)
        if best is None or worst is None:
            return []
        score = ((best.value or 0.0) - (worst.value or 0.0)) / 2
        start, end = min(best.start, worst.start), max(best.end, worst.end)
        return [Pair("within words", False, score, start, end, polarity=best, second=worst)]

    def _within_face(self) -> list[Pair]:
        """A face that is read as pleasant at one moment and as unpleasant at another."""
        read = [found for peak in self._peaks if (found := self._face(peak.time)) is not None]
        good = max((one for one in read if one.side == "positive"), key=lambda one: one.weight, default=None)
        bad = max((one for one in read if one.side == "negative"), key=lambda one: one.weight, default=None)
        if good is None or bad is None or good.time is None or bad.time is None:
            return []
        first, then = (good, bad) if good.time < bad.time else (bad, good)
        score = (good.weight + bad.weight) / 2
        return [Pair("within face", False, score, first.time, then.time, face=first, other=then)]
