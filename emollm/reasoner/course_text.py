"""What a face does in the course of a clip, in sentences: movements that come and go, turns, blinks, the whole.

Wordings are those of ``prompts/reasoner/clip``; what a movement looks like is worded as for a photo.
"""

from collections.abc import Iterator, Mapping, Sequence
from random import Random

from emollm.facs import UNITS
from emollm.reasoner.channels import Channels
from emollm.reasoner.unit_text import TURNS, UnitText
from emollm.reasoner.wording import Wording, listed, lowered, seconds, two
from emollm.types import Cue, Extent, Peak, Scale, Track

_INSTANT = 0.1
"""Shorter than this an event is told as a moment, in seconds: its start and end would read the same."""
_ALIKE = 0.2
"""Seconds by which movements that are told together begin and end apart at most."""
_OTHERS = 3
"""Other moments that are told at most."""
_PLAIN = 0.45
"""An intensity whose wording says nothing of strength."""
_APART = 1.5
"""Seconds from which another moment is weighed against the apex."""
_EDGE = 0.3
"""So near the first or the last sight of a person, in seconds, a movement was there already or is still there."""


class CourseText:
    """Words the course of one person's face.

    Args:
        channels: What was measured.
        units: Words movements.
        random: Chooses among wordings.
        label: What the apex speaks for; None if for nothing clearly.
        fits: The same of the other moments that are known well enough, by their times.
    """

    def __init__(
        self,
        channels: Channels,
        units: UnitText,
        random: Random,
        label: str | None = None,
        fits: Mapping[float, str | None] | None = None,
    ) -> None:
        self.channels = channels
        self.label = label
        self.fits = fits or {}
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
        brief = cue.end - cue.start < _INSTANT
        return self._event(cue, self._clause(cue) if brief else self._over(cue), self.units.mark(cue))

    def _movements(self, cues: Sequence[Cue]) -> str:
        """Movements that come and go together, in one sentence."""
        clause = listed([f"{self._over(cue)} ({self.words.say('at_most', mark=self.units.mark(cue))})" for cue in cues])
        start, end = min(cue.start for cue in cues), max(cue.end for cue in cues)
        return self.words.say("together", start=seconds(start), end=seconds(end), clause=clause)

    def _clause(self, cue: Cue) -> str:
        if cue.scale is Scale.PROBABILITY:
            return self.words.say("likely_then", name=UNITS[cue.name].name)
        return lowered(self.units.clause((cue,))) + self.units.side(cue)

    def _over(self, cue: Cue) -> str:
        """A movement over a stretch of time: without a strength, which is that of its strongest moment only."""
        if cue.scale is Scale.PROBABILITY:
            return self._clause(cue)
        return lowered(self.units.clause((cue,), value=_PLAIN)) + self.units.side(cue)

    def _turn(self, cue: Cue) -> str:
        gaze = cue.name.startswith("gaze")
        _, positive, negative = TURNS[cue.name]
        clause = self.words.say(
            f"{cue.name}_then",
            strength="" if gaze else self.units.amount(cue),
            direction=positive if (cue.value or 0.0) > 0 else negative,
        )
        mark = "" if gaze else self.words.say("angle", name=cue.name, value=f"{cue.value:.0f}")
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
        out = [*self._goes(peak, person)] if peak.start < peak.time < peak.end else []
        others = sorted(person.peaks[1 : 1 + _OTHERS], key=lambda other: other.time)
        return [*out, *self._other_moments(peak, others)]

    def _goes(self, peak: Peak, person: Track) -> Iterator[str]:
        """When the main movement begins and ends, as far as that was seen; nothing where it only ebbs."""
        lost = self.channels.evidence.lost(peak.start, peak.end)
        begins = "start" if peak.start - person.start <= _EDGE else "found" if lost.before else "seen"
        ends = "end" if person.end - peak.end <= _EDGE else "lost" if lost.after else "seen"
        if (begins, ends) == ("start", "end"):
            return
        begin = self.words.say(f"begins_{begins}", start=seconds(peak.start))
        end = self.words.say(f"ends_{ends}", end=seconds(peak.end))
        begin = "" if begins == "seen" and self._goes_on(peak, peak.start) else begin
        end = "" if ends == "seen" and self._goes_on(peak, peak.end) else end
        if begin or end:
            yield self.words.say("goes", begin=begin, end=end)

    def _goes_on(self, peak: Peak, time: float) -> bool:
        """Whether a unit that makes the moment moves before and after a time alike."""
        events = [cue for cue in self.channels.cues if cue.extent is Extent.EVENT and cue.name in peak.units]
        return any(cue.start < time - _EDGE and cue.end > time + _EDGE for cue in events)

    def _other_moments(self, peak: Peak, others: list[Peak]) -> Iterator[str]:
        """What the face does at the other moments of expression, or where that is not known, when they are."""
        told = {seconds(other.time): self._then(float(seconds(other.time))) for other in others}
        plain = [other for other in others if not told[seconds(other.time)]]
        for time, clause in told.items():
            if clause:
                yield self.words.say("peak_then", time=time, clause=clause, fit=self._fit(float(time)))
        if plain:
            block = "second_peak" if len(plain) == 1 else "more_peaks"
            times = listed([seconds(other.time) for other in plain])
            yield self.words.say(block, time=times, where=_where(peak, plain))

    def _fit(self, time: float) -> str:
        """What another moment speaks for by itself, where that is not what the apex does; else nothing."""
        peak = self.channels.peak
        if peak is None or abs(peak.time - time) < _APART:
            return ""
        found = next((label for at, label in self.fits.items() if abs(at - time) < _INSTANT), self.label)
        if found == self.label:
            return ""
        return self.words.say("fits_other", label=found) if found is not None else self.words.say("fits_none")

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
