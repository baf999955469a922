"""MER-Factory's export (PROTOCOLS 5.1): nearly MERR, or one JSON a clip with what each tool said.

Reads Items; it is not written (write ``merr``). Three defects of its MERR-like export are mended on the way in, each only where the
record shows how:

* ``AU_list`` is always empty: the codes are taken from ``peak_AU_list``;
* ``text`` is empty: the quoted subtitle of the audio description is no transcript, so none is made up; a transcripts csv
  (``name,sentence``) given beside it fills it;
* the label falls back to the first peak: it is replaced by the emotion of the strongest peak where ``chronological_emotion_peaks`` says
  how strong each is, kept as a free word otherwise. The label that stood there stays in the note ``exported_label``.

In the JSON of one clip the note ``rationale`` is ``final_summary``; ``top_aus_intensities`` ("AU07_r": 2.8, 0 to 5) gives an Observation at
the time of the overall peak; all other fields are notes of the same name.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from emollm.data_engines.base import Item
from emollm.data_engines.formats.annotations import gold_of
from emollm.data_engines.formats.base import RATIONALE, Fault, Format, Found, Head, Options, checked
from emollm.data_engines.formats.files import Element, each, elements, table
from emollm.data_engines.formats.media import resolved
from emollm.data_engines.formats.merr import SET, observation_of
from emollm.data_engines.formats.merr import item_of as merr_item
from emollm.errors import DataError
from emollm.types import Clip, Observation

_PEAK = re.compile(r"Peak at ([0-9.]+)s:\s*(.+)", re.IGNORECASE | re.DOTALL)
_EMOTION = re.compile(r"([A-Za-z][A-Za-z -]*?)\s*\((slight|mild|moderate|strong|intense|[0-9.]+)\)")
_STRENGTH = {"slight": 1.0, "mild": 1.0, "moderate": 2.0, "strong": 3.0, "intense": 4.0}
_CODE = re.compile(r"(AU\d\d)")
_DETAILS = "overall_peak_frame_info"


def read(paths: Sequence[Path], options: Options) -> Iterator[Found[Item] | Fault]:
    """Items of exports and of single clips' JSON, with transcripts from csv files beside them."""
    said: dict[str, str] = {}
    for path in paths:
        if path.suffix.lower() == ".csv":
            for row in table(path, "name", "sentence"):
                if isinstance(row, Fault):
                    yield row
                else:
                    said[row.value["name"]] = row.value["sentence"]
    for path in paths:
        if path.suffix.lower() != ".csv":
            yield from each(_records(path), lambda one, _: _item(one, said, options))


def _records(path: Path) -> Iterator[Element | Fault]:
    """The clips of an export; a file of one clip is one record."""
    whole: dict[str, Any] = {}
    for one in elements(path, whole=True, lenient=True):
        if isinstance(one, Fault) or (
            isinstance(one.value, dict) and one.key not in (_DETAILS, "coarse_descriptions_at_peak")
        ):
            yield one
        else:
            whole[str(one.key)] = one.value
    if whole:
        yield Element(f"{path}:1", whole, path.stem.removesuffix("_merr_data"))


def _item(one: Element, said: Mapping[str, str], options: Options) -> Item:
    if not isinstance(one.value, dict):
        raise DataError(f"expected an object, got {type(one.value).__name__}")
    record, name = dict(one.value), str(one.key)
    transcript = str(record.get("text") or said.get(name) or "")
    if "source_path" in record or _DETAILS in record or "final_summary" in record:
        return _single(name, record, transcript, options)
    if not record.get("AU_list"):
        record["AU_list"] = _codes(record.get("peak_AU_list", []))
    record["text"] = transcript
    return merr_item(name, _relabelled(record), options)


def _codes(units: object) -> list[str]:
    texts = units if isinstance(units, list) else []
    return list(dict.fromkeys(found[1] for text in texts if (found := _CODE.match(str(text)))))


def _relabelled(record: dict[str, Any]) -> dict[str, Any]:
    word = _strongest(record.get("chronological_emotion_peaks"))
    if word is None or word == record.get("pseu_emotion"):
        return record
    return {**record, "pseu_emotion": word, "exported_label": record.get("pseu_emotion")}


def _strongest(peaks: object) -> str | None:
    """The emotion of the strongest peak; None where strengths are not told apart."""
    found: list[tuple[float, str]] = []
    for text in peaks if isinstance(peaks, list) else []:
        parsed = _PEAK.fullmatch(str(text).strip())
        for word, strength in _EMOTION.findall(parsed[2]) if parsed else ():
            number = _STRENGTH.get(strength)
            found.append((float(strength) if number is None else number, word.strip().lower()))
    if not found:
        return None
    best = max(strength for strength, _ in found)
    words = {word for strength, word in found if strength == best}
    return words.pop() if len(words) == 1 else None


def _single(name: str, record: dict[str, Any], transcript: str, options: Options) -> Item:
    """The Item of one clip's own JSON."""
    details = record.get(_DETAILS)
    units = details.get("top_aus_intensities", {}) if isinstance(details, dict) else {}
    if not isinstance(units, dict) or not all(isinstance(value, int | float) for value in units.values()):
        raise DataError(f"{_DETAILS}.top_aus_intensities: expected numbers by unit")
    path = record.get("source_path")
    word = _strongest(record.get("chronological_emotion_peaks"))
    notes = {key: value for key, value in record.items() if key not in ("final_summary", "text", "source_path")}
    if isinstance(record.get("final_summary"), str):
        notes[RATIONALE] = record["final_summary"]
    elif word is None:
        raise DataError("neither final_summary nor a strongest peak; half a record?")
    place = resolved(_below(str(path)) if options.root is not None else str(path), options) if path else None
    return checked(
        Item,
        clip=checked(Clip, id=name, video=place, transcript=transcript or None, dataset=options.dataset),
        observation=_observation(name, units, details),
        gold=None if word is None else gold_of(word, SET, "rule"),
        licence=options.licence,
        notes=notes,
    )


def _below(path: str) -> str:
    """The file's name: exports hold the path on the machine that made them."""
    return path.replace("\\", "/").rpartition("/")[2]


def _observation(name: str, units: Mapping[str, float], details: object) -> Observation | None:
    found = observation_of(
        name, [f"{code[:4]}: {value:.6f}" for code, value in units.items()], "overall peak, by OpenFace"
    )
    time = details.get("timestamp") if isinstance(details, dict) else None
    if found is None or not isinstance(time, int | float) or time < 0:
        return found
    cues = tuple(cue.model_copy(update={"start": float(time), "end": float(time)}) for cue in found.cues)
    return found.model_copy(update={"cues": cues})


def _recognises(head: Head) -> bool:
    return head.has("source_path", "chronological_emotion_peaks") or head.has(
        "pseu_emotion", "chronological_emotion_peaks"
    )


FORMAT = Format("mer-factory", "MER-Factory's export (MERR-like, or one JSON a clip)", "items", _recognises, read)
