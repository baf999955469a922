"""What a face does in the course of a clip, in sentences: movements that come and go, turns, blinks, the whole.

Wordings are those of ``prompts/reasoner/clip``; what a movement looks like is worded as for a photo.
"""

from collections.abc import Iterator, Sequence
from random import Random

from emollm.facs import UNITS
from emollm.reasoner.channels import Channels
from emollm.reasoner.unit_text import TURNS, UnitText
from emollm.reasoner.wording import Wording, listed, lowered, seconds, two
from emollm.types import Cue, Peak, Scale

_INSTANT = 0.1
"""Shorter than this an event is told as a moment, in seconds: its start and end would read the same."""
_ALIKE = 0.2
"""Seconds by which movements that are told together begin and end apart at most."""
_OTHERS = 3
"""Other moments that are told at most."""
_EDGE = 0.3
"""So near the first or the last sight of a person, in seconds, a movement was there already or is still there."""


class CourseText:
    """Words the course of one person's face.

    Args:
        channels: What was measured.
        units: Words movements.
        random: Chooses among wordings.
    """

    def __init__(self, channels: Channels, units: UnitText, random: Random) -> None:
        self.channels = channels
        self.units = units
        self.words = Wording("reasoner/clip", random)

    def when(self) -> str:
        """How the sentences on the apex begin; nothing in a photo."""
        peak = self.channels.peak
        if peak is None:
            return ""
        block = "at_apex" if peak.reason is None else "at_clearest" if "clearest" in peak.reason else "at_moment"
        return self.words.say(block, time=seconds(peak.time))

    def sentences(self) -> Iterator[str]:
        """Movements that came and went, turns of the head and the gaze, unusual blinking; each kind in the order of time."""
        for group in _together(self.channels.movements):
            yield self._movement(group[0]) if len(group) == 1 else self._movements(group)
        for cue in self.channels.turns:
            yield self._turn(cue)
        if (rate := self.channels.blink_rate) is not None:
            yield self.words.say("blink_rate", value=two(rate.value))

    def _movement(self, cue: Cue) -> str:
        return self._event(cue, self._clause(cue), self.units.mark(cue))

    def _movements(self, cues: Sequence[Cue]) -> str:
        """Movements that come and go together, in one sentence."""
        clause = listed([f"{self._clause(cue)} ({self.units.mark(cue)})" for cue in cues])
        start, end = min(cue.start for cue in cues), max(cue.end for cue in cues)
        return self.words.say("together", start=seconds(start), end=seconds(end), clause=clause)

    def _clause(self, cue: Cue) -> str:
        if cue.scale is Scale.PROBABILITY:
            return self.words.say("likely_then", name=UNITS[cue.name].name)
        return lowered(self.units.clause((cue,))) + self.units.side(cue)

    def _turn(self, cue: Cue) -> str:
        gaze = cue.name.startswith("gaze")
        _, positive, negative = TURNS[cue.name]
        clause = self.words.say(
            f"{cue.name}_then",
            strength=self.units.amount(cue),
            direction=positive if (cue.value or 0.0) > 0 else negative,
        )
        mark = self.words.say("angle", name=cue.name.replace("_", " ") if gaze else cue.name, value=f"{cue.value:.0f}")
        return self._event(cue, clause, mark)

    def _event(self, cue: Cue, clause: str, mark: str) -> str:
        peak = cue.peak if cue.peak is not None else cue.start
        if cue.end - cue.start < _INSTANT:
            return self.words.say("instant", time=seconds(peak), clause=clause, mark=mark)
        values = {"start": seconds(cue.start), "end": seconds(cue.end), "clause": clause, "mark": mark}
        if cue.peak is None:
            return self.words.say("stretch", **values)
        return self.words.say("event", time=seconds(peak), **values)

    def summary(self) -> list[str]:
        """How the whole goes: when the main movement begins and ends, and what other moments there are."""
        peak, person = self.channels.peak, self.channels.person
        if peak is None or person is None or peak.reason:
            return []
        out = []
        begins, ends = peak.start - person.start > _EDGE, person.end - peak.end > _EDGE
        if peak.start < peak.time < peak.end:
            block = {(True, True): "rises_falls", (True, False): "rises", (False, True): "falls"}.get((begins, ends))
            if block is not None:
                out.append(self.words.say(block, start=seconds(peak.start), end=seconds(peak.end)))
        others = sorted(person.peaks[1 : 1 + _OTHERS], key=lambda other: other.time)
        return [*out, *self._other_moments(peak, others)]

    def _other_moments(self, peak: Peak, others: list[Peak]) -> Iterator[str]:
        """What the face does at the other moments of expression, or where that is not known, when they are."""
        told = {seconds(other.time): self._then(float(seconds(other.time))) for other in others}
        plain = [other for other in others if not told[seconds(other.time)]]
        for time, clause in told.items():
            if clause:
                yield self.words.say("peak_then", time=time, clause=clause)
        if plain:
            block = "second_peak" if len(plain) == 1 else "more_peaks"
            times = listed([seconds(other.time) for other in plain])
            yield self.words.say(block, time=times, where=_where(peak, plain))

    def _then(self, time: float) -> str:
        """The two strongest movements at a moment, as a clause; nothing where none is known."""
        return listed([self._clause(cue) for cue in self.channels.going_on(time)[:2]] or [""])


def _together(cues: Sequence[Cue]) -> list[list[Cue]]:
    """Movements that begin and end at about the same times as one group, the others alone; in the order of time."""
    groups: list[list[Cue]] = []
    for cue in cues:
        fits = (
            one
            for one in groups
            if all(abs(cue.start - other.start) <= _ALIKE and abs(cue.end - other.end) <= _ALIKE for other in one)
            and cue.name not in [other.name for other in one]
        )
        group = next(fits, None) if cue.end - cue.start >= _INSTANT else None
        if group is None:
            groups.append([cue])
        else:
            group.append(cue)
    return groups


def _where(peak: Peak, others: list[Peak]) -> str:
    """Whether the other moments all come after the apex, all before, or on both sides."""
    after = [other.time > peak.time for other in others]
    return "after" if all(after) else "around" if any(after) else "before"
