"""The numbers of a cohort report, as records: what the page shows and what ``emollm report --json`` prints."""

from typing import Literal

from pydantic import Field

from emollm.report.cohort_reading import Reject
from emollm.types import Record

Kind = Literal["cohort", "engagement", "ambivalence"]
KINDS: tuple[Kind, ...] = ("cohort", "engagement", "ambivalence")
Orientation = Literal["learning", "subject", "doubtful"]
Condition = Literal["room", "online", "recorded", "single"]
Preference = Literal["overview", "cues", "moments", "limits", "next"]


class Figure(Record):
    """A mean or a share over people."""

    value: float
    low: float | None = None
    """Lower end of its 95 % interval; None where one clip is all there is."""
    high: float | None = None
    n: int
    """People it was measured in."""


class LabelRow(Record):
    """How many show one label at their main moment."""

    label: str
    people: int
    share: Figure
    intensity: Figure | None = None
    """Of those of whom it was measured."""


class UnitRow(Record):
    """How often one movement is there."""

    unit: str
    name: str
    shown: Figure
    """Share of the people in whom it was there at any time."""
    time: Figure | None = None
    """Mean share of the time in which it is there, of people followed over time."""


class QuantityRow(Record):
    """A quantity of voices or words."""

    name: str
    unit: str
    figure: Figure


class GapRow(Record):
    """What could not be measured."""

    stream: str
    reason: str
    people: int


class BinRow(Record):
    """A stretch of the common axis of time."""

    start: float
    end: float
    people: int
    """Whose face was measured in it."""
    activity: Figure | None = None
    """Movements that are there at once, in the mean over people."""
    units: dict[str, Figure] = Field(default={})
    """Of each drawn unit the share of people in whom it was there in this stretch."""


class MomentRow(Record):
    """A moment at which a face is most expressive."""

    time: float
    start: float
    end: float
    label: str | None
    units: tuple[str, ...]
    main: bool


class PersonRow(Record):
    """One person of one clip."""

    name: str
    clip: str | None
    """Id of the clip; None where names are left out."""
    track: str | None
    group: str
    """The folder of the clip; empty where names are left out."""
    duration: float | None
    status: str
    label: str | None
    intensity: float | None
    moments: tuple[MomentRow, ...] = ()


class GroupRow(Record):
    """The people whose clips lie in one folder."""

    name: str
    """As much of its path as tells it from the others; a number where names are left out."""
    people: int
    labels: tuple[LabelRow, ...]


class Cohort(Record):
    """Timelines and a summary of all people."""

    people: tuple[PersonRow, ...]
    labels: tuple[LabelRow, ...]
    label_sets: tuple[str, ...]
    answered_by: tuple[str, ...]
    unlabelled: tuple[tuple[str, int], ...]
    """Why people have no label, and how many."""
    groups: tuple[GroupRow, ...]
    units: tuple[UnitRow, ...]
    quantities: tuple[QuantityRow, ...]
    gaps: tuple[GapRow, ...]
    bins: tuple[BinRow, ...]
    duration: float | None
    """Seconds of the common axis; None where nothing has a course over time."""
    uncertain: str
    """What the intervals are made of."""


class Stretch(Record):
    """A class in one stretch of time."""

    start: float
    end: float
    people: int | None
    """None where there are fewer than the least number: how many is then not told."""
    signals: dict[str, Figure] = Field(default={})
    """Only those measured in enough people."""


class Signal(Record):
    """Something that is measured of a class."""

    name: str
    title: str
    means: str
    """How it is measured."""


class Look(Record):
    """A stretch in which a class differs from its own usual."""

    start: float
    end: float
    signal: str
    value: float
    usual: float


class Named(Record):
    """One person, where names were asked for."""

    name: str
    signals: dict[str, float]


class ClassRow(Record):
    """One class: the people whose clips lie in one folder."""

    name: str
    """A number; its folder where names were asked for."""
    people: int
    """Seen at the same time in one clip, or added up over clips of different people."""
    clips: int
    whole: Stretch
    """Over the stretches that are shown."""
    stretches: tuple[Stretch, ...]
    hidden: int
    """Stretches with too few people to be shown."""
    looks: tuple[Look, ...]
    coarse: float
    """Longest step in seconds of a series: a movement counts for a whole step."""
    named: tuple[Named, ...] = ()


class Engagement(Record):
    """What can be measured of a class, told of groups only."""

    least: int
    """People below which nothing is told of a group."""
    every: float
    different: bool
    """Whether nobody is in two clips of a class, so that their people are added up."""
    orientation: Orientation | None
    condition: Condition | None
    preferences: tuple[Preference, ...]
    signals: tuple[Signal, ...]
    classes: tuple[ClassRow, ...]
    """None where there is one learner."""
    hidden: int
    """Classes with too few people to be shown."""


class Discord(Record):
    """Streams of one person that point different ways."""

    person: str
    clip: str | None
    track: str | None
    between: Literal["face and words", "face and voice", "within the words", "within the face"]
    start: float | None
    end: float | None
    score: float
    face: str
    """What the face is read as, with its side; empty where it has no part in it."""
    words: str
    voice: str
    quote: str
    holding_back: str
    """Pauses beside it, and whether the voice is halting."""
    cues: tuple[str, ...]


class Ambivalence(Record):
    """Where face, words and voice of one person disagree."""

    compared: int
    """People whose face could be held against their words or voice."""
    discordant: Figure | None
    """Share of them in whom the two disagree."""
    within: int
    """People of whom the face or the words go both ways."""
    discords: tuple[Discord, ...]
    """Strongest first."""
    left_out: int
    """Further discords that are not listed."""
    incomparable: tuple[tuple[str, int], ...]
    """Why a face could not be held against words or voice, and in how many people."""
    own_words: bool


class CohortReport(Record):
    """All that a report holds."""

    emollm_report: Literal[1] = 1
    name: str
    """Of the folder; empty where names are left out."""
    kinds: tuple[Kind, ...]
    clips: int
    people: int
    unmeasured: int
    """Clips in the folder that no record speaks of."""
    unread: int
    """Clips that an earlier command could not read."""
    rejected: int
    rejects: tuple[Reject, ...]
    """Empty where names are left out."""
    notes: tuple[str, ...]
    named: bool
    cohort: Cohort | None = None
    engagement: Engagement | None = None
    ambivalence: Ambivalence | None = None
