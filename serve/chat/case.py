"""One explained clip: what was measured, what was said of whom, and the pictures to show it on."""

from dataclasses import dataclass, replace

from emollm.report.heatmap_view import HeatView
from emollm.serve.decoding import Pictures
from emollm.types import Answer, Clip, FollowUp, Observation


@dataclass(frozen=True)
class Case:
    """One clip of a visitor, with what was measured and said of it."""

    clip: Clip
    observation: Observation
    answer: Answer
    pictures: Pictures
    heat: dict[str, HeatView] | None = None
    """Where the face net looked, by person; None where it was not drawn, as for teachers."""
    final: bool = True
    """False while the answer is still being made: only the measurements are to be shown."""

    @property
    def answered(self) -> tuple[str, ...]:
        """The people that have an answer of their own, the most prominent first."""
        own = {one.track for one in (self.answer, *self.answer.people)}
        return tuple(track.id for track in self.observation.people if track.id in own)

    def about(self, track: str | None) -> Answer:
        """The answer for one person; the main one where there is none for it."""
        everyone = (self.answer, *self.answer.people)
        return next((one for one in everyone if one.track == track), self.answer)

    def asked(self, track: str | None, follow_up: FollowUp) -> "Case":
        """The same with one more question in the answer for a person."""

        def added(one: Answer) -> Answer:
            return one.model_copy(update={"follow_ups": (*one.follow_ups, follow_up)})

        chosen = self.about(track)
        people = tuple(added(one) if one is chosen else one for one in self.answer.people)
        main = added(self.answer) if chosen is self.answer else self.answer
        return replace(self, answer=main.model_copy(update={"people": people}))

    def bare(self) -> "Case":
        """The same without its pictures, as a message keeps it."""
        return replace(self, pictures=Pictures(), heat=None)
