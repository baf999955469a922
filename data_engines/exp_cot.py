"""Exp-CoT Samples: key observations, overall interpretation, conclusion (ExpLLM, Lan et al. 2024), and what is asked around them.

    data_engines/recipes/exp_cot.yaml, engine: exp_cot

The moment is worded by :mod:`emollm.data_engines.writing`; of a clip the course, the voice and the words are those of the reasoner's own
writer. Every sentence is read by the checker before it is kept. Gold labels accept or reject: the text is written from the evidence.
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

from emollm.data_engines.base import Item, Rejected, Written
from emollm.data_engines.composing import compose, gold_labels
from emollm.data_engines.recipe import BuildSettings
from emollm.data_engines.unit_table import UnitTable
from emollm.data_engines.writing.clip_text import ClipText
from emollm.data_engines.writing.conversations import Conversations, Extra, Options, judged, options_of
from emollm.data_engines.writing.face import Face, Weights, face_of, fits_of
from emollm.data_engines.writing.grammar import refs
from emollm.data_engines.writing.moment import MomentWriter
from emollm.data_engines.writing.rows import Lines, RowWriter
from emollm.emotions import label_set
from emollm.errors import ConfigError
from emollm.evidence import Evidence
from emollm.facs import UNITS
from emollm.prompts import prompt
from emollm.reasoner import decide, find_doubts
from emollm.reasoner.channels import Channels
from emollm.reasoner.weighing import Weighing, weigh
from emollm.samples import Mark, Sample, Task
from emollm.types import CueKind, Extent, Observation, Track

__all__ = ["ENGINE", "Options"]

NAME, VERSION = "exp_cot", 1


class Weighed(NamedTuple):
    """One person's evidence and what it leads to."""

    channels: Channels
    weighing: Weighing
    face: Face


class ExpCot:
    """The engine.

    Args:
        settings: The recipe; ``options`` are :class:`Options`.

    Raises:
        ConfigError: Unknown options, label set or priors.
    """

    name = NAME
    version = VERSION

    def __init__(self, settings: BuildSettings) -> None:
        self.settings = settings
        self.options = options_of(settings)
        self.labels = label_set(settings.labels)
        self.fits = fits_of(self.labels, settings.reasoner)
        self.rows = RowWriter(settings, f"{NAME}@{VERSION}")
        self.conversations: Conversations = self.rows.conversations
        self.writer: MomentWriter = self.rows.writer

    def write(self, item: Item, observation: Observation, random: Random) -> Iterator[Sample | Rejected]:
        """The Samples about the most prominent person of an item, without claims yet."""
        person = next(iter(observation.people), None)
        gold = gold_labels(item.gold, self.labels.id) if item.gold is not None else None
        if item.gold is not None and not gold:
            reason = f"unknown label: {item.gold.labels[0]!r} has no place in {self.labels.id}"
            yield Rejected(item.clip.id, "write", reason)
            return
        weighed = self.weighed(observation, person)
        verdict = judged(weighed.face, gold, self.options)
        if verdict.rejected is not None:
            yield Rejected(item.clip.id, "write", verdict.rejected)
            return
        track = person.id if person is not None else None
        clip = ClipText(weighed.channels, weighed.weighing, self.labels, observation, track)
        plain = is_row(observation)
        extra = Extra() if plain else clip.extra(verdict.label, random)
        gaps = [gap.stream for gap in observation.missing_for(track) if gap.stream in UNITS]
        counts: dict[Task, int] = {}
        for one in self.conversations.about(weighed.face, verdict, random, extra, gaps, None if plain else clip.kept):
            index = counts[one.task] = counts.get(one.task, -1) + 1
            yield compose(
                item,
                observation,
                track,
                one.task,
                [(turn.asked, turn.text) for turn in one.turns],
                label=one.label,
                label_set=self.labels.id,
                marks=one.marks,
                prompts=(*refs(), *(() if plain else (prompt(id).ref for id in clip.prompts))),
                engine=f"{NAME}@{VERSION}",
                index=index,
                label_visible=Mark.UNSUPPORTED in one.marks,
            )

    def write_rows(self, table: UnitTable, indices: Sequence[int], seed: int) -> Iterator[Written]:
        """The Samples of some rows as records, with claims; :meth:`row_lines` is faster where JSON is enough.

        Args:
            table: The rows.
            indices: Which of them.
            seed: That of the recipe.

        Raises:
            ConfigError: Another seed than the recipe's.
            DataError: A claim of a row is contradicted: a fault of the wordings.
        """
        if seed != self.settings.seed:
            raise ConfigError(
                f"exp_cot: expected the recipe's seed {self.settings.seed}, got {seed}; set it in the recipe"
            )
        for one in self.row_lines(table, indices):
            yield Written([Sample.from_json(line, one.id) for line in one.lines], one.rejects)

    def row_lines(self, table: UnitTable, indices: Sequence[int] | None = None) -> Iterator[Lines]:
        """The same as JSON lines."""
        return self.rows.lines(table, indices)

    def weighed(self, observation: Observation, person: Track | None) -> Weighed:
        """What one person's cues at the moment that decides lead to."""
        settings = self.settings.reasoner
        channels = Channels(observation, person, settings)
        evidence = Evidence(channels.moment)
        doubts = find_doubts(person, evidence, settings)
        speaking = channels.peak is not None and channels.peak.speaking and channels.speaks
        weighing = weigh(evidence, self.labels, (1 - settings.doubt) ** len(doubts), settings, speaking)
        outcome = decide(weighing, settings).outcome if channels.has_face else "no_face"
        face = face_of(evidence, weighing, outcome, settings, self.fits)
        if outcome == "no_face":
            face = face._replace(values={}, weights=Weights("no_face", *face.weights[1:]))
        return Weighed(channels, weighing, face)


def is_row(observation: Observation) -> bool:
    """Whether nothing but units of one moment was measured, as in a row of a table."""
    plain = all(cue.kind is CueKind.ACTION_UNIT and cue.extent is Extent.MOMENT for cue in observation.cues)
    return (
        observation.media.kind == "table"
        and plain
        and not (observation.tracks or observation.series or observation.words)
    )


ENGINE = ExpCot
"""What the table of engines names."""
