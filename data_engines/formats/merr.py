"""MERR (Emotion-LLaMA, Cheng et al. 2024): one JSON object of clips, an index and transcripts beside it (PROTOCOLS 5.1).

Reads and writes Items. Inputs are the coarse or the fine JSON (comments and trailing commas are let pass: the published fine file has
them), the text index ``name frames label number`` and the transcripts csv ``name,sentence``, in any combination: index and transcripts
are laid beside the JSON's clips, or give Items of their own without a JSON. Written is one JSON object.

``text`` is the transcript, ``pseu_emotion`` the label (told by a rule over units: Gold ``by="rule"``), ``smp_reason_caption`` the note
``rationale``; all other fields are notes of the same name. ``peak_AU_list`` with values ("AU05: 1.10", 0 to 5) also gives an
Observation; a bare code gives none, and units that are not listed are missing, not zero.

Not held, and told: measurements other than the intensities of units. Of a label's set only the word.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emollm import __version__
from emollm.data_engines.base import Item
from emollm.data_engines.formats.annotations import (
    clip_of,
    gold_of,
    media_fields,
    own_of,
    tell_observation,
    units_of,
    with_own,
)
from emollm.data_engines.formats.base import (
    OWN,
    RATIONALE,
    Fault,
    Format,
    Found,
    Head,
    Options,
    Sink,
    checked,
    fault,
    text_of,
)
from emollm.data_engines.formats.files import Element, each, elements, table
from emollm.data_engines.formats.sinks import Lost, json_sink
from emollm.errors import DataError
from emollm.facs import UNITS
from emollm.files import opened_text
from emollm.perception.tables.observation import FACS_CODES
from emollm.perception.tables.openface2 import SOURCE
from emollm.types import Cue, CueKind, MediaInfo, Missing, Observation, Scale

SET = "merr"
_TEXTS = ("audio_prior_list", "visual_objective_list", "peak_index", "caption", "smp_reason_caption", "text")
_LISTS = ("AU_list", "visual_prior_list", "peak_AU_list")
_UNIT = re.compile(r"(AU\d\d)(?:_r)?\s*:\s*([0-9.]+)")
_MAX = 5.0
_INDEX = re.compile(r"(\S+)\s+(\d+)\s+(\S+)\s+(-?\d+(?:\.\d+)?)")
_MOST = 2_000_000
"""Entries of an index or a table of transcripts, which are held in memory."""


@dataclass
class _Beside:
    """Index and transcripts by clip."""

    index: dict[str, tuple[str, str, str, str]] = field(default_factory=dict)
    """Name -> place, frames, label, number."""
    said: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Name -> place, sentence."""


def read(paths: Sequence[Path], options: Options) -> Iterator[Found[Item] | Fault]:
    """Items of JSON files, with what index and transcripts say; of those alone where there is no JSON."""
    beside, faults = _Beside(), []
    files = [path for path in paths if path.suffix.lower() not in (".txt", ".csv")]
    for path in paths:
        if path not in files:
            faults += list(_load(path, beside))
    yield from faults
    for path in files:
        found = elements(path, whole=True, lenient=True)
        yield from each(found, lambda one, _: item_of(str(one.key), _joined(one, beside), options))
    if not files:
        yield from _alone(beside, options)


def item_of(name: str, record: Mapping[str, Any], options: Options) -> Item:
    """The Item of one clip.

    Raises:
        DataError: A field is not what MERR has there, or nothing is said of the clip.
    """
    for key in _TEXTS:
        text_of(dict(record), key, "")
    for key in _LISTS:
        value = record.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise DataError(f"{key}: expected a list of texts, got {value!r:.60}")
    word = text_of(dict(record), "pseu_emotion", "")
    if not word.strip() and not any(record.get(key) for key in ("caption", "smp_reason_caption", "AU_list", "text")):
        raise DataError("neither label nor captions nor units; half a record?")
    gold = gold_of(word, SET, "rule")
    notes = {
        key: value
        for key, value in record.items()
        if key not in ("text", "smp_reason_caption", "pseu_emotion", "image", "video", "audio", OWN)
    }
    if "smp_reason_caption" in record:
        notes[RATIONALE] = record["smp_reason_caption"]
    if gold is None or gold.labels[0] != word:
        notes["pseu_emotion"] = word
    item = checked(
        Item,
        clip=clip_of(name, record, record.get("text") or None, options),
        observation=observation_of(name, record.get("peak_AU_list", [])),
        gold=gold,
        licence=options.licence,
        notes=notes,
    )
    return own_of(record, item, options)


def observation_of(name: str, units: Sequence[str], source_note: str = "peak frame, by OpenFace") -> Observation | None:
    """What a list of units with values measured; None if no unit has a value.

    Args:
        name: Id of the clip.
        units: ``"AU05: 1.10"``, 0 to 5.
        source_note: What was measured.

    Raises:
        DataError: A value is outside of the scale, or a unit stands twice.
    """
    found: dict[str, float] = {}
    for text in units:
        parsed = _UNIT.fullmatch(text.strip())
        if parsed is None or parsed[1] not in UNITS:
            continue
        try:
            value = float(parsed[2])
        except ValueError:
            raise DataError(f"peak_AU_list: {text!r:.40} has no number") from None
        if not value <= _MAX * 1.001:
            raise DataError(f"peak_AU_list: {text!r:.40} is above {_MAX:g}, the largest intensity of OpenFace")
        if parsed[1] in found:
            raise DataError(f"peak_AU_list: {parsed[1]} stands twice")
        found[parsed[1]] = min(value / _MAX, 1.0)
    if not found:
        return None
    cues = tuple(
        Cue(id=code, kind=CueKind.ACTION_UNIT, name=code, scale=Scale.INTENSITY, value=value, source=SOURCE)
        for code, value in found.items()
    )
    gaps = tuple(Missing(stream=code, reason="not listed for the peak") for code in FACS_CODES if code not in found)
    return Observation(
        id=name,
        media=MediaInfo(kind="table", note=source_note),
        cues=cues,
        missing=gaps,
        versions={"emollm": __version__, SOURCE.backend: SOURCE.version},
    )


# ---- index and transcripts ------------------------------------------------------------------------------------------


def _load(path: Path, beside: _Beside) -> Iterator[Fault]:
    if path.suffix.lower() == ".csv":
        for found in table(path, "name", "sentence"):
            if isinstance(found, Fault):
                yield found
            elif found.value["name"] in beside.said:
                yield fault(
                    found.where, f"duplicate id; first at {beside.said[found.value['name']][0]}", found.value["name"]
                )
            else:
                beside.said[found.value["name"]] = (found.where, found.value["sentence"])
                _refuse_many(beside.said, path)
        return
    with opened_text(path) as file:
        for number, line in enumerate(file, start=1):
            where = f"{path}:{number}"
            parsed = _INDEX.fullmatch(line.strip())
            if parsed is None:
                if line.strip():
                    yield fault(where, f"expected 'name frames label number', got {line.strip()!r:.60}")
            elif parsed[1] in beside.index:
                yield fault(where, f"duplicate id; first at {beside.index[parsed[1]][0]}", parsed[1])
            else:
                beside.index[parsed[1]] = (where, parsed[2], parsed[3], parsed[4])
                _refuse_many(beside.index, path)


def _refuse_many(entries: Mapping[str, object], path: Path) -> None:
    if len(entries) > _MOST:
        raise DataError(f"{path}: more than {_MOST} entries; split the index")


def _joined(found: Element, beside: _Beside) -> dict[str, Any]:
    """The record with its line of the index and its transcript, where it has none itself."""
    if not isinstance(found.value, dict):
        raise DataError(f"expected an object, got {type(found.value).__name__}")
    record, name = dict(found.value), str(found.key)
    if name in beside.index:
        _, frames, label, number = beside.index[name]
        record.setdefault("frames", int(frames))
        record.setdefault("index_number", number)
        if not record.get("pseu_emotion"):
            record["pseu_emotion"] = label
        elif record["pseu_emotion"] != label:
            record.setdefault("index_label", label)
    if name in beside.said and not record.get("text"):
        record["text"] = beside.said[name][1]
    return record


def _alone(beside: _Beside, options: Options) -> Iterator[Found[Item] | Fault]:
    names = dict.fromkeys([*beside.index, *beside.said])
    found = (Element((beside.index.get(name) or beside.said[name])[0], {}, name) for name in names)
    return each(found, lambda one, _: item_of(str(one.key), _joined(one, beside), options))


# ---- writing --------------------------------------------------------------------------------------------------------


def write(out: Path, options: Options) -> AbstractContextManager[Sink[Item]]:
    """One JSON object of clips."""

    def encode(item: Item, lost: Lost) -> Any:
        tell_observation(item, lost, "the intensities of action units", "MERR")
        record = record_of(item, options)
        again = with_own(record, item, lambda one, given: item_of(item.clip.id, one, given), options)
        return item.clip.id, again

    return json_sink(out, "object", encode)


def record_of(item: Item, options: Options) -> dict[str, Any]:
    """The fields of one clip."""
    notes = dict(item.notes)
    record: dict[str, Any] = {}
    if item.observation is not None and "peak_AU_list" not in notes:
        record["peak_AU_list"] = [f"{code}: {value * _MAX:.2f}" for code, value in units_of(item.observation).items()]
    rationale = notes.pop(RATIONALE, None)
    word = notes.pop("pseu_emotion", None)
    record.update(notes)
    record["text"] = item.clip.transcript or ""
    record["pseu_emotion"] = word if word is not None else item.gold.labels[0] if item.gold is not None else ""
    if rationale is not None:
        record["smp_reason_caption"] = rationale
    return {**record, **media_fields(item.clip, options)}


def _recognises(head: Head) -> bool:
    if head.member is not None:
        return head.has("pseu_emotion") or head.has("peak_AU_list") or head.has("AU_list", "visual_prior_list")
    if head.columns:
        return head.columns == ("name", "sentence")
    return _INDEX.fullmatch(head.line.strip()) is not None


FORMAT = Format(
    "merr",
    "MERR of Emotion-LLaMA: JSON by clip, index, transcripts",
    "items",
    _recognises,
    read,
    write,
    ("measurements other than intensities of action units",),
)
