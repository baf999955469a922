"""Annotated clips of other projects as Items: labels, media fields, and what of an Item travels beside them.

A foreign record in JSON carries what it has no place for (split, speaker, licence, who gave the label …) as JSON text in the field
``emollm``, only where reading it back would give something else.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from emollm.data_engines.base import Gold, Item
from emollm.data_engines.formats.base import OWN, Options, checked, fault
from emollm.data_engines.formats.media import clip_path, relative, resolved
from emollm.data_engines.formats.sinks import Lost
from emollm.emotions import label_set
from emollm.errors import DataError
from emollm.types import Clip, CueKind, Observation, Scale

By = Literal["annotators", "acting", "rule", "unknown"]
_MEDIA = ("image", "video", "audio")


def gold_of(word: str, set_id: str | None, by: By) -> Gold | None:
    """A label as Gold, in the words of the set where it is one of them, else as a free word; None for an empty cell."""
    word = " ".join(word.split())
    if not word:
        return None
    found = None if set_id is None else label_set(set_id).find(word)
    return checked(Gold, labels=(found or word,), label_set=set_id if found else None, by=by)


def media_from(record: Mapping[str, Any], options: Options) -> dict[str, Path]:
    """Paths that a record states itself in ``image``, ``video``, ``audio``."""
    return {kind: resolved(record[kind], options) for kind in _MEDIA if record.get(kind) is not None}


def clip_of(id: str, record: Mapping[str, Any], transcript: str | None, options: Options) -> Clip:
    """The clip of a record that gives only its name: with its stated media, else the video of that name.

    Raises:
        DataError: The name is no file name, or with a root: there is no such file.
    """
    media = media_from(record, options)
    if not media and "video" not in record:
        try:
            media = {"video": clip_path(id, options)}
        except DataError:
            if options.root is not None or not transcript:
                raise
    return checked(Clip, id=id, transcript=transcript or None, dataset=options.dataset, **media)


def media_fields(clip: Clip, options: Options) -> dict[str, str | None]:
    """The media of a clip as fields; none where the clip's name alone leads to it, ``video: null`` where it has no media."""
    found: dict[str, str | None] = {
        kind: relative(path, options) for kind in _MEDIA if (path := getattr(clip, kind)) is not None
    }
    return {} if found == {"video": f"{clip.id}.mp4"} else found or {"video": None}


# ---- what travels beside ----------------------------------------------------------------------------------------------


def with_own(
    record: dict[str, Any], item: Item, read: Callable[[dict[str, Any], Options], Item], options: Options
) -> dict[str, Any]:
    """The record, with the field ``emollm`` where reading it back would not give the Item (its Observation apart).

    Args:
        record: The Item in the foreign layout.
        item: The Item.
        read: The reader of that layout.
        options: The root that paths are written from.
    """
    loose = replace(options, root=None)
    try:
        back: dict[str, Any] = _light(read(record, loose), loose)
    except DataError:
        back = {}
    mine = _light(item, options)
    own = {name: value for name, value in mine.items() if back.get(name) != value}
    return {**record, OWN: json.dumps(own, ensure_ascii=False)} if own else record


def own_of(record: Mapping[str, Any], item: Item, options: Options) -> Item:
    """The Item with what its field ``emollm`` says.

    Raises:
        DataError: The field is not ours.
    """
    text = record.get(OWN)
    if not isinstance(text, str) or not text:
        return item
    try:
        own = json.loads(text)
        values = {**json.loads(item.model_dump_json(exclude={"observation"})), **own}
        found = Item.model_validate_json(json.dumps(values))
    except (ValueError, TypeError) as error:
        what = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else error
        raise DataError(f"field {OWN!r}: not what emollm wrote ({fault('', str(what)).reason})") from error
    clip = found.clip
    if "clip" in own:
        paths = {kind: resolved(str(path), options) for kind in _MEDIA if (path := getattr(clip, kind)) is not None}
        clip = clip.model_copy(update=paths)
    return found.model_copy(update={"clip": clip, "observation": item.observation})


def _light(item: Item, options: Options) -> dict[str, Any]:
    paths = {kind: Path(relative(path, options)) for kind in _MEDIA if (path := getattr(item.clip, kind)) is not None}
    clip = item.clip.model_copy(update=paths)
    found: dict[str, Any] = json.loads(item.model_copy(update={"clip": clip, "observation": None}).model_dump_json())
    return found


# ---- what cannot be held ----------------------------------------------------------------------------------------------


def tell_lost(item: Item, lost: Lost, *, held: frozenset[str] = frozenset(), format: str) -> None:
    """Counts what an annotation format without a field of ours has no place for.

    Args:
        item: The Item that is written.
        lost: Where it is counted.
        held: What the format does hold: names of notes, ``split``, ``speaker``, ``group``, ``gold``, ``media``, ``transcript``.
        format: Name of the format.
    """
    for name in ("split", "group"):
        if getattr(item, name) is not None and name not in held:
            lost[f"{name}: {format} has no place for it"] += 1
    if item.marks:
        lost[f"marks: {format} has no place for them"] += 1
    if item.clip.speaker is not None and "speaker" not in held:
        lost[f"speaker: {format} has no place for it"] += 1
    if item.gold is not None and "gold" not in held:
        lost[f"label: {format} has no place for it"] += 1
    if item.clip.transcript is not None and "transcript" not in held:
        lost[f"transcript: {format} has no place for it"] += 1
    if item.gold is not None and len(item.gold.labels) > 1 and "openset" not in held:
        lost[f"further labels: {format} holds one"] += 1
    for name in sorted(set(item.notes) - held):
        lost[f"{name}: {format} has no place for it"] += 1


def tell_observation(item: Item, lost: Lost, held: str, format: str) -> None:
    """Counts an Observation of which a format does not hold all: it holds intensities of units (``held`` says how), or nothing."""
    observation = item.observation
    if observation is None:
        return
    units = all(cue.kind is CueKind.ACTION_UNIT and cue.scale is Scale.INTENSITY for cue in observation.cues)
    if not held or not units or observation.tracks or observation.series or observation.words:
        lost[f"measurements: {format} holds {held or 'none'}"] += 1


def units_of(observation: Observation | None) -> dict[str, float]:
    """Intensities of the main person's units by code, largest first; no probabilities, which say nothing of strength."""
    if observation is None:
        return {}
    track = observation.tracks[0].id if observation.tracks else None
    found = {
        cue.name: cue.value
        for cue in observation.of(track, CueKind.ACTION_UNIT)
        if cue.scale is Scale.INTENSITY and cue.value is not None
    }
    return dict(sorted(found.items(), key=lambda one: -one[1]))
