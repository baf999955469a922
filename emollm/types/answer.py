"""What is said: claims with their verdicts, rationales, answers and the questions that follow."""

from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from emollm.types.cue import Missing
from emollm.types.record import Record, Seconds, Signed, Unit


class Verdict(StrEnum):
    """What the evidence says of a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNVERIFIABLE = "unverifiable"


class Part(StrEnum):
    """The three parts of a rationale."""

    OBSERVATIONS = "observations"
    INTERPRETATION = "interpretation"
    CONCLUSION = "conclusion"


class Claim(Record):
    """One checkable statement of a rationale."""

    text: str
    """The words of the rationale that make the claim, verbatim."""
    part: Part
    verdict: Verdict
    cues: tuple[str, ...] = ()
    """Ids of the cues the verdict rests on."""
    reason: str = ""
    """Why, in a few words, for a reader: ``AU12 0.78, needs 0.30``."""
    start: Seconds | None = None
    """Of which time it speaks: what the text says, or else the time of its cues; None in a photo."""
    end: Seconds | None = None


class Rationale(Record):
    """Why, in three parts (Exp-CoT)."""

    observations: str
    interpretation: str
    conclusion: str


class RankedLabel(Record):
    """A label of the set with its weight."""

    label: str
    score: Unit


class FollowUp(Record):
    """A question asked about an answer, and the reply."""

    question: str
    text: str
    claims: tuple[Claim, ...] = ()
    model: str
    prompt: str
    """``id@version`` of the prompt."""


class AnswerProvenance(Record):
    """What an answer came from."""

    model: str
    """``reasoner@<version>`` or a checkpoint's name and hash."""
    prompt: str | None = None
    """``id@version`` of the prompt that worded or asked for it."""
    cues: tuple[str, ...] = ()
    """Backends of the cues it could use, ``backend@version``."""
    versions: dict[str, str] = Field(default={})


class Answer(Record):
    """Which emotion, how strongly and why; or that nothing can be said; or a text that could not be read."""

    id: str
    track: str | None = None
    status: Literal["answered", "abstained", "unparsed"]
    label: str | None = None
    """None when abstained or unparsed, and when the evidence is unclear."""
    label_set: str | None = None
    labels: tuple[RankedLabel, ...] = ()
    """All labels of the set, best first, with scores that sum to 1; empty where nothing was measured that speaks for any."""
    intensity: Unit | None = None
    valence: Signed | None = None
    arousal: Signed | None = None
    rationale: Rationale | None = None
    claims: tuple[Claim, ...] = ()
    missing: tuple[Missing, ...] = ()
    text: str = ""
    """Raw text: what the model wrote, or the rationale in one piece."""
    provenance: AnswerProvenance
    follow_ups: tuple[FollowUp, ...] = ()
    people: tuple["Answer", ...] = ()
    """Answers for the other people in the clip."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.status != "answered" and self.label is not None:
            raise ValueError(f"an {self.status} answer has no label")
        if self.status == "answered" and (self.label is None or self.rationale is None):
            raise ValueError("an answered answer has a label and a rationale")
        return self
