"""From an annotated clip to conversations, and back.

An Item gives one Sample a text: its rationale (or caption) as the reply to "why", in three headed parts where it has them; else its
open-vocabulary words; else its label alone. The Item itself, without measurements, stays in ``Sample.extra["item"]``, so that the way
back gives it again. A Sample without one becomes an Item by its media, labels and reply.
"""

import json
from collections.abc import Iterator
from random import Random

from pydantic import ValidationError

from emollm.data_engines.base import Gold, Item
from emollm.data_engines.composing import question, sample_id
from emollm.data_engines.formats.base import RATIONALE, checked
from emollm.data_engines.formats.conversations import provenance
from emollm.data_engines.formats.media import KINDS, plain
from emollm.emotions import label_set
from emollm.errors import DataError
from emollm.prompts import prompt
from emollm.rationale_text import join, split
from emollm.samples import Mark, MediaItem, Sample, Task
from emollm.types import Clip, MediaPart, Message, TextPart

ITEM = "item"
"""Field of ``Sample.extra`` that holds the Item it was made of."""

_QUOTE = "formats/annotation"


def samples_of(item: Item, format: str) -> Iterator[Sample]:
    """The conversations that an annotation gives.

    Args:
        item: The annotated clip.
        format: Where it came from, for the provenance.

    Raises:
        DataError: It has neither text nor label.
    """
    text = next((item.notes[name] for name in (RATIONALE, "caption") if _filled(item.notes.get(name))), None)
    words = item.notes.get("openset")
    found = False
    if text is not None:
        rationale = split(plain(text))
        yield _sample(item, Task.REASONING, join(rationale) if rationale else plain(text).strip(), format)
        found = True
    if isinstance(words, list) and words:
        yield _sample(item, Task.OPEN_VOCABULARY, plain(", ".join(str(word) for word in words)), format)
        found = True
    elif not found and item.gold is not None and item.gold.labels:
        yield _sample(item, Task.RECOGNITION, plain(item.gold.labels[0]), format)
        found = True
    if not found:
        raise DataError("neither a text nor a label to make a conversation of")


def _filled(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _sample(item: Item, task: Task, reply: str, format: str) -> Sample:
    clip, gold = item.clip, item.gold
    closed = gold.label_set if gold is not None else None
    asked = task if closed is not None or task is Task.OPEN_VOCABULARY else Task.OPEN_VOCABULARY
    id = sample_id(clip.id, None, task)
    refs = [prompt(f"instructions/{asked.value}").ref]
    content: list[TextPart | MediaPart] = []
    media = [MediaItem(type=kind, path=path) for kind in KINDS if (path := getattr(clip, kind)) is not None]
    content += [MediaPart(type=one.type) for one in media]
    if clip.transcript:
        words = plain(" ".join(clip.transcript.split())).replace('"', "'")
        content.append(TextPart(text=prompt(_QUOTE).render(words=words) + "\n\n"))
        refs.insert(0, prompt(_QUOTE).ref)
    labels = label_set(closed).labels if closed is not None else None
    content.append(TextPart(text=question(asked, Random(id), labels)))
    source = provenance(format, licence=item.licence, clip=clip.id, dataset=clip.dataset)
    cues = () if item.observation is None else tuple(sorted({str(cue.source) for cue in item.observation.cues}))
    return checked(
        Sample,
        id=id,
        task=task,
        messages=(
            Message(role="user", content=tuple(content)),
            Message(role="assistant", content=(TextPart(text=reply),)),
        ),
        media=tuple(media),
        label=gold.labels[0] if gold is not None and task is not Task.OPEN_VOCABULARY else None,
        label_set=closed,
        gold=() if gold is None or gold.by == "rule" else gold.labels,
        split=item.split,
        speaker=clip.speaker,
        group=item.group,
        marks=tuple(dict.fromkeys((*item.marks, *((Mark.PSEUDO_LABEL,) if gold and gold.by == "rule" else ())))),
        provenance=source.model_copy(update={"prompt": " ".join(refs), "cues": cues}),
        extra={ITEM: json.loads(item.model_dump_json(exclude={"observation"}))},
    )


def item_of(sample: Sample) -> Item:
    """The annotated clip of a conversation: the one it was made of, else one by its media, labels and reply.

    Raises:
        DataError: It has neither media nor an Item to stand on.
    """
    held = sample.extra.get(ITEM)
    if held is not None:
        try:
            return Item.model_validate_json(json.dumps(held))
        except ValidationError as error:
            raise DataError(f"extra.{ITEM}: {error.errors(include_url=False)[0]['msg']}") from error
    paths = {one.type: one.path for one in reversed(sample.media)}
    if not paths:
        raise DataError("no media: an annotation is of a clip")
    source = sample.provenance
    labels = sample.gold or ((sample.label,) if sample.label is not None else ())
    recognition = sample.task is Task.RECOGNITION
    return checked(
        Item,
        clip=checked(Clip, id=source.clip, speaker=sample.speaker, dataset=source.dataset, **paths),
        gold=Gold(labels=labels, label_set=sample.label_set) if labels else None,
        split=sample.split,
        group=sample.group,
        licence=source.licence,
        marks=sample.marks,
        notes={} if recognition else {RATIONALE: sample.reply},
    )
