"""From what an engine wrote to a Sample: media places, cue text, questions, provenance."""

from collections.abc import Sequence
from functools import lru_cache
from random import Random

from emollm.cue_text import PROMPT as CUES
from emollm.cue_text import cue_text as cue_text_of
from emollm.data_engines.base import Gold, Item
from emollm.emotions import label_set as set_of
from emollm.prompts import prompt
from emollm.samples import Mark, MediaItem, Sample, SampleProvenance, Task
from emollm.turns import first_turn, media_of
from emollm.types import Message, Observation, TextPart

_NO_TRACK = "all"


def compose(
    item: Item,
    observation: Observation,
    track: str | None,
    task: Task,
    turns: Sequence[tuple[str, str]],
    *,
    label: str | None,
    label_set: str | None,
    marks: Sequence[Mark] = (),
    prompts: Sequence[str] = (),
    engine: str,
    index: int = 0,
    cue_text: bool = True,
    label_visible: bool = False,
    annotator: str = "writer",
) -> Sample:
    """A Sample without claims: a conversation with the places of its media, and where it came from.

    Args:
        item: What it is about.
        observation: What was measured of it.
        track: The person it is about; None for cues without a place.
        task: What the first question asks for.
        turns: What the user says and what the assistant replies, in turn; at least one.
        label: The label that the assistant gives, if any.
        label_set: Its set.
        marks: What is special about it.
        prompts: ``id@version`` of the prompts that worded it, beside those of the cue text and of the question.
        engine: ``name@version``.
        index: Number among the Samples of this item, track and task.
        cue_text: Put the measured cues before the first question.
        label_visible: Whether whoever wrote it saw the gold label.
        annotator: ``writer``, or the name of a language model.
    """
    clip = item.clip
    media = media_of(clip, observation, track)
    asked = f"instructions/{task.value}"
    refs = [*prompts, prompt(asked).ref, *([prompt(CUES).ref] if cue_text else [])]
    before = cue_text_of(observation, track) if cue_text else None
    return Sample(
        id=sample_id(clip.id, track, task, index),
        task=task,
        messages=_messages(media, before, turns),
        media=media,
        label=label,
        label_set=label_set,
        gold=gold_labels(item.gold, label_set),
        split=item.split,
        speaker=clip.speaker,
        group=item.group,
        marks=tuple(dict.fromkeys((*item.marks, *marks))),
        provenance=SampleProvenance(
            engine=engine,
            prompt=" ".join(dict.fromkeys(refs)),
            annotator=annotator,
            cues=tuple(sorted({str(cue.source) for cue in observation.of(track)})),
            licence=item.licence,
            label_visible=label_visible,
            clip=clip.id,
            dataset=clip.dataset,
        ),
    )


def sample_id(clip: str, track: str | None, task: Task, index: int = 0) -> str:
    """``<clip id>#<track>.<task>.<index>``; ``all`` stands for no track."""
    return f"{clip}#{track or _NO_TRACK}.{task.value}.{index}"


def track_of(sample: Sample) -> str | None:
    """The person a composed Sample is about, told from its id."""
    track = sample.id.rpartition("#")[2].partition(".")[0]
    return None if track == _NO_TRACK else track


def gold_labels(gold: Gold | None, label_set: str | None) -> tuple[str, ...]:
    """Gold labels in the words of another set; those that have no home there are left out."""
    if gold is None or label_set is None:
        return ()
    if gold.label_set == label_set:
        return gold.labels
    words = set_of(label_set)
    if gold.label_set is None:
        found = [words.find(label) for label in gold.labels]
    else:
        own = set_of(gold.label_set)
        mapping = own.map_to(words)
        found = [mapping.get(own.find(label) or "") for label in gold.labels]
    return tuple(dict.fromkeys(label for label in found if label is not None))


def _messages(media: Sequence[MediaItem], before: str | None, turns: Sequence[tuple[str, str]]) -> tuple[Message, ...]:
    """Media places and cue text stand before the first question."""
    out: list[Message] = []
    for asked, replied in turns:
        out.append(Message(role="user", content=(TextPart(text=asked),)) if out else first_turn(media, before, asked))
        out.append(Message(role="assistant", content=(TextPart(text=replied),)))
    return tuple(out)


# ---- questions ------------------------------------------------------------------------------------------------------


def question(
    task: Task, random: Random, labels: Sequence[str] | None = None, *, topic: str = "text", **values: str
) -> str:
    """One of the questions that a user may ask for a task; wordings are the prompts ``instructions/<task>``.

    Args:
        task: What is asked for.
        random: Chooses the wording.
        labels: The labels to choose from, named in questions of recognition and reasoning, which need them.
        topic: Block of the prompt: ``cue``, ``other``, ``missing`` or ``knowing`` for follow-ups.
        values: What the wordings of that topic need: ``cue``, ``other``; ``reader`` for an audience.

    Raises:
        PromptError: No such topic, or a value is missing.
    """
    if labels is not None and "labels" in prompt(f"instructions/{task.value}").variables:
        values["labels"] = ", ".join(labels)
    return random.choice(_wordings(task.value, topic, tuple(sorted(values.items()))))


@lru_cache(maxsize=4096)
def _wordings(task: str, topic: str, values: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """All wordings, rendered once for the same values: a build asks millions of times."""
    return tuple(prompt(f"instructions/{task}").render(topic, **dict(values)).splitlines())
