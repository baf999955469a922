"""Draws the report of a folder of clips as one self-contained HTML page: timelines of a cohort, engagement, ambivalence moments.

The page loads nothing and runs no script. Names of files, words and labels are data: all of it is escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from emollm.emotions import label_set
from emollm.errors import DataError, one_line
from emollm.files import replacing
from emollm.reasoner import ReasonerSettings
from emollm.report import cohort_view as view
from emollm.report.axis import length
from emollm.report.cohort_counts import cohort
from emollm.report.cohort_discord import Compared, ambivalence, compared
from emollm.report.cohort_engagement import Asked, engagement
from emollm.report.cohort_numbers import CohortReport, Kind
from emollm.report.cohort_people import Person, people_of
from emollm.report.cohort_reading import Contents, Entry
from emollm.report.cohort_watched import Watched, watch
from emollm.report.page import environment

_TITLES: dict[Kind, str] = {"cohort": "Cohort", "engagement": "Class", "ambivalence": "Ambivalence"}


class Wanted(NamedTuple):
    """What a report is to hold."""

    kinds: tuple[Kind, ...] = ("cohort", "ambivalence")
    names: bool = True
    """Call people and folders by the names of their files; else by numbers."""
    labels: str | None = None
    """Label set of the deterministic reasoner, for clips without an Answer."""
    own_words: bool = False
    """The words of each clip are known to be those of the person seen."""
    asked: Asked = Asked()
    """Of the part on engagement."""


class Gathered(NamedTuple):
    """The numbers, and the people whose courses are drawn."""

    report: CohortReport
    people: tuple[Person, ...]
    names: tuple[str, ...]


def gather(contents: Contents, wanted: Wanted, advance: Callable[[], None] | None = None) -> Gathered:
    """Reads everything in a folder, one clip at a time.

    Args:
        contents: The folder.
        wanted: What the report is to hold.
        advance: Called after each clip.

    Raises:
        DataError: Nothing could be read.
        ConfigError: Unknown label set.
    """
    if wanted.labels is not None:
        label_set(wanted.labels)
    read = _Read([], [], [])
    clips = 0
    for entry in contents.entries():
        read.add(entry, wanted)
        clips += 1
        if advance is not None:
            advance()
    if not read.people:
        first = contents.rejects[0]
        raise DataError(f"{contents.folder}: no record could be read: {first.file}: {first.reason}")
    names = tuple(one.name if wanted.names else f"person {at}" for at, one in enumerate(read.people, start=1))
    report = _report(contents, read, names, clips, wanted)
    return Gathered(report, tuple(read.people), names)


class _Read(NamedTuple):
    """What is kept of the clips that were read."""

    people: list[Person]
    watched: list[Watched]
    streams: list[Compared]

    def add(self, entry: Entry, wanted: Wanted) -> None:
        """Takes what is wanted of one clip."""
        settings = ReasonerSettings()
        own = list(people_of(entry, wanted.labels, settings, wanted.kinds != ("engagement",)))
        if entry.observation is not None:
            if "engagement" in wanted.kinds and (seen := watch(entry.observation, own, wanted.asked.every)) is not None:
                self.watched.append(seen)
            if "ambivalence" in wanted.kinds:
                self.streams.extend(_compared(entry, own, len(self.people), wanted, settings))
        self.people.extend(own)


def _report(contents: Contents, read: _Read, names: Sequence[str], clips: int, wanted: Wanted) -> CohortReport:
    notes = tuple(_notes(contents, read.people, read.watched, clips, wanted))
    group = engagement(read.watched, wanted.asked) if "engagement" in wanted.kinds else None
    people = len(read.people)
    if group is not None and (not wanted.names or wanted.kinds == ("engagement",)):  # nothing is told of those left out
        clips, people = sum(row.clips for row in group.classes), sum(row.people for row in group.classes)
    return CohortReport(
        name=contents.name if wanted.names else "",
        kinds=wanted.kinds,
        clips=clips,
        people=people,
        unmeasured=len(contents.unmeasured),
        unread=len(contents.unread),
        rejected=len(contents.rejects),
        rejects=tuple(contents.rejects) if wanted.names else (),
        notes=notes,
        named=wanted.names,
        cohort=cohort(read.people, names, wanted.names) if "cohort" in wanted.kinds else None,
        engagement=group,
        ambivalence=ambivalence(read.streams, wanted.own_words) if "ambivalence" in wanted.kinds else None,
    )


def _compared(
    entry: Entry, people: Sequence[Person], before: int, wanted: Wanted, settings: ReasonerSettings
) -> Iterator[Compared]:
    """The streams of each person of a clip."""
    observation = entry.observation
    assert observation is not None
    tracks = {track.id: track for track in observation.tracks}
    for at, one in enumerate(people, start=before + 1):
        labels = label_set(people[0].read_in)
        name = one.name if wanted.names else f"person {at}"
        track = tracks[one.track] if one.track is not None else None
        yield compared(observation, track, name, labels, settings, wanted.own_words, wanted.names)


def _notes(
    contents: Contents, people: Sequence[Person], watched: Sequence[Watched], clips: int, wanted: Wanted
) -> Iterator[str]:
    """What a reader has to know of how the numbers came about."""
    if contents.doubled:
        yield f"{_several(contents.doubled, 'clip')} had two different records of one kind; the one read last counts."
    single = wanted.kinds != ("engagement",)
    if single and (reasoned := len({one.clip for one in people if one.reasoned})):
        yield f"{_several(reasoned, 'clip')} had no Answer: the deterministic reasoner read the labels off the measurements."
    if single and (alone := len({one.clip for one in people if not one.kind})):
        yield f"{_several(alone, 'clip')} had an Answer and no Observation: only the label is known of them."
    sets = sorted({one.label_set for one in people if one.label_set})
    if len(sets) > 1 and "cohort" in wanted.kinds:
        yield f"Labels are of several sets ({', '.join(sets)}) and are counted by their names."
    if "engagement" in wanted.kinds and len(watched) < clips:
        yield f"{_several(clips - len(watched), 'clip')} show nobody over time (photos, sound, no face) and are not in the part on engagement."


def _several(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def write_cohort_report(path: Path, gathered: Gathered) -> None:
    """Writes the page.

    Args:
        path: The ``.html`` file; it is replaced as a whole or not at all.
        gathered: From :func:`gather`.

    Raises:
        EmollmError: The file cannot be written.
    """
    page = render(gathered)
    with replacing(path, "w") as file:
        file.write(page)


def render(gathered: Gathered) -> str:
    """The page as HTML text."""
    report, people, names = gathered
    duration = report.cohort.duration if report.cohort is not None else None
    discords = report.ambivalence.discords if report.ambivalence is not None else ()
    return (
        environment()
        .get_template("cohort.html")
        .render(
            report=report,
            title=" and ".join(_TITLES[kind] for kind in report.kinds).capitalize(),
            name=one_line(report.name),
            view=view,
            apart=bool(discords),
            length=length,
            duration=duration,
            groups=view.groups(people, names, duration, report.named, discords) if duration is not None else (),
            most_active=view.most_active(people),
            timed=sum(one.duration is not None for one in people),
            stills=view.stills(people, names) if report.cohort is not None else (),
            ticks=view.marks(duration) if duration is not None else (),
            band=view.activity_band(report.cohort.bins) if report.cohort is not None else None,
            moments=_moments(report)[: view.MOST_TABLED],
            moments_in_all=len(_moments(report)),
        )
    )


def _moments(report: CohortReport) -> list[tuple[str, object]]:
    rows = report.cohort.people if report.cohort is not None else ()
    return [(row.name, moment) for row in rows for moment in sorted(row.moments, key=lambda one: one.time)]
