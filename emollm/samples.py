"""Training records: a conversation about a clip, its media, the claims it makes, and where it came from.

Data engines write Samples, training reads them, reports draw them. JSONL, one Sample a line; docs/data.md says what each field is for.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from emollm.types import Box, Claim, MediaPart, Message, Record, Seconds


class Task(StrEnum):
    """What a conversation asks for."""

    RECOGNITION = "recognition"
    """The label alone."""
    REASONING = "reasoning"
    """The label and why, in three parts."""
    OPEN_VOCABULARY = "open_vocabulary"
    """Free emotion words with their reasons."""
    CONFLICT = "conflict"
    """Whether face, voice and words agree, and where they do not."""
    AUDIENCE = "audience"
    """An answer fitted to a reader."""
    FOLLOW_UP = "follow_up"
    """A question about one cue, or about what cannot be known."""


class Mark(StrEnum):
    """What is special about a Sample; training may weigh it, reports count it."""

    UNSUPPORTED = "unsupported"
    """The muscles alone do not show what the annotators say, and the text says so."""
    COMBINED = "combined"
    """Streams of different sources that share a label were put together."""
    CONFLICT = "conflict"
    """Streams of different sources with different labels were put together."""
    PSEUDO_LABEL = "pseudo_label"
    """The label was told from action units by a rule; no person gave it."""
    LABEL_GUIDED = "label_guided"
    """The writer was shown the label."""
    REWRITTEN = "rewritten"
    """A claim was contradicted at first; the text was written again without it."""
    ABSTAINED = "abstained"
    """The right answer is that nothing can be told."""


class MediaItem(Record):
    """One media file of a sample, with the face box that the processor crops."""

    type: Literal["image", "audio", "video"]
    path: Path
    box: Box | None = None
    roll: float = 0.0
    start: Seconds | None = None
    end: Seconds | None = None


class SampleProvenance(Record):
    """Where a training record came from."""

    engine: str
    """``engine@version``."""
    prompt: str | None = None
    """``id@version`` of the prompts that worded it, separated by spaces."""
    annotator: str = "writer"
    """``writer``, the deterministic one, or the name of a language model."""
    cues: tuple[str, ...] = ()
    """Backends of the cues, ``backend@version``."""
    licence: str
    label_visible: bool
    """Whether the writer saw the gold label."""
    clip: str
    """Id of the clip, or of the row of a table."""
    dataset: str | None = None


class Sample(Record):
    """A training record: a conversation, its media, a weight, and where it came from."""

    id: str
    task: Task = Task.REASONING
    messages: tuple[Message, ...] = Field(min_length=1)
    media: tuple[MediaItem, ...] = ()
    weight: Annotated[float, Field(gt=0)] = 1.0
    label: str | None = None
    """The label that the assistant gives, in the words of ``label_set``; None where it gives none."""
    label_set: str | None = None
    gold: tuple[str, ...] = ()
    """Labels that people gave, in the words of ``label_set``; empty without."""
    split: str | None = None
    """``train``, ``valid`` …, as the data set says."""
    speaker: str | None = None
    group: str | None = None
    """What must not stand in two splits beside the speaker: a sentence, a source video."""
    marks: tuple[Mark, ...] = ()
    claims: tuple[Claim, ...] = ()
    """All claims of the assistant's turns, with their verdicts and cues."""
    provenance: SampleProvenance
    extra: dict[str, Any] = Field(default_factory=dict)
    """Fields of a foreign format that have no place here; written back when the Sample is converted to that format."""

    @model_validator(mode="after")
    def _has_a_place_for_each_item(self) -> Self:
        places = [part.type for message in self.messages for part in message.content if isinstance(part, MediaPart)]
        if places != [item.type for item in self.media]:
            raise ValueError(
                f"{len(places)} media places {places} but media {[item.type for item in self.media]}; make them match"
            )
        return self

    @property
    def reply(self) -> str:
        """The text of all assistant turns, one paragraph a turn."""
        turns = (message for message in self.messages if message.role == "assistant")
        return "\n\n".join("".join(part.text for part in turn.content if part.type == "text") for turn in turns)
