"""ExpLLM's Exp-CoT (Lan et al. 2024): a JSON list of ``file_name``, ``emo``, ``au`` (24 numbers) and ``description`` (PROTOCOLS 5.4).

Reads and writes Items. ``file_name`` is the image, ``emo`` the label, ``description`` the note ``rationale`` (three headed parts), ``au`` an
Observation: 24 numbers 0 to 1 of :data:`VECTOR`, of which a two-sided unit takes the larger side and keeps both. The numbers themselves
stay in the note ``au``; all other fields are notes. Units that the vector does not have are missing, not zero.

Rejected on import: a record whose vector is all zero while its observations claim movement (the known fault of label-conditioned data),
judged by :mod:`emollm.evidence` on the part under "Key Observations", or on the whole text where it has no headings. On such a record an
all-zero vector that claims nothing is kept.

A mixture file (``json_path,image_dir[,repeat]`` a line) is read too: each file with its own image folder, once whatever the repeat.

Not held, and told: measurements that the vector has no place for (written as 0 by ExpLLM's own data, so an Item that lacks some unit of the
vector is refused: missing is not zero). All else travels in the field ``emollm``.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from emollm import __version__
from emollm.data_engines.base import Item
from emollm.data_engines.formats.annotations import gold_of, own_of, tell_observation, with_own
from emollm.data_engines.formats.base import OWN, RATIONALE, Fault, Format, Found, Head, Options, Sink, checked, text_of
from emollm.data_engines.formats.files import each, elements
from emollm.data_engines.formats.media import relative, resolved
from emollm.data_engines.formats.sinks import Lost, json_sink
from emollm.errors import DataError
from emollm.evidence import check_text
from emollm.files import opened_text
from emollm.perception.tables.observation import FACS_CODES
from emollm.rationale_text import split
from emollm.types import Clip, Cue, CueKind, MediaInfo, Missing, Observation, Part, Scale, Source, Verdict

SET = "affectnet8"
SOURCE = Source(backend="expllm-au", version="unknown", licence="as the data: research use")

VECTOR: tuple[tuple[str, int | None, int | None], ...] = (
    ("AU43", 0, 1),
    ("AU05", 2, 3),
    ("AU04", 4, 5),
    ("AU02", 6, 7),
    ("AU26", 8, None),
    ("AU30", 9, 10),
    ("AU12", 11, 12),
    ("AU20", 13, 14),
    ("AU29", 17, None),
    ("AU10", 18, None),
    ("AU16", 19, None),
    ("AU17", 20, None),
    ("AU18", 21, None),
    ("AU34", 22, None),
    ("AU09", 23, None),
)
"""Unit, place of its left side (or its only one), place of its right side. Brow raise is AU02, jaw slide AU30 to either side. Places 15
and 16, upper and lower lip suck, are both AU28 (:data:`LIPS`)."""
LIPS = ("AU28", 15, 16)
SIZE = 24


def read(paths: Sequence[Path], options: Options) -> Iterator[Found[Item] | Fault]:
    """Items of JSON lists, or of the files that a mixture names."""
    for path in paths:
        if path.suffix.lower() in (".txt", ".csv"):
            yield from _mixture(path, options)
        else:
            yield from each(elements(path), lambda one, _: item_of(one.value, options))


def _mixture(path: Path, options: Options) -> Iterator[Found[Item] | Fault]:
    seen: set[str] = set()
    with opened_text(path) as file:
        lines = [line.strip() for line in file if line.strip()]
    for line in lines:
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) not in (2, 3):
            raise DataError(f"{path}: expected 'json_path,image_dir[,repeat]', got {line!r:.60}")
        if cells[0] in seen:
            continue
        seen.add(cells[0])
        root = None if options.root is None else options.root / cells[1]
        yield from read([path.parent / cells[0]], replace(options, root=root))


def item_of(record: object, options: Options) -> Item:
    """The Item of one record.

    Raises:
        DataError: Half a record, a vector that is not 24 numbers from 0 to 1, or a claim of movement over an all-zero vector.
    """
    if not isinstance(record, dict):
        raise DataError("expected an object with file_name, emo, au and description")
    name = text_of(record, "file_name")
    description = text_of(record, "description", "")
    label = text_of(record, "emo", "")
    vector = _vector(record.get("au"))
    if not label.strip() and not description.strip():
        raise DataError("neither emo nor description; half a record?")
    observation = None if vector is None else observation_of(name, vector)
    if observation is not None and vector is not None and not any(vector):
        _refuse_movement(description, observation)
    notes = {key: value for key, value in record.items() if key not in ("file_name", "emo", "description", OWN)}
    if "description" in record:
        notes[RATIONALE] = description
    gold = gold_of(label, SET, "unknown")
    if gold is not None and gold.labels[0] != label:
        notes["emo"] = label
    item = checked(
        Item,
        clip=checked(Clip, id=name, image=resolved(name, options), dataset=options.dataset),
        observation=observation,
        gold=gold,
        licence=options.licence,
        notes=notes,
    )
    return own_of(record, item, options)


def _vector(values: object) -> tuple[float, ...] | None:
    if values is None:
        return None
    if not isinstance(values, list) or len(values) != SIZE:
        raise DataError(
            f"au: expected {SIZE} numbers, got {len(values) if isinstance(values, list) else type(values).__name__}"
        )
    for place, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
            raise DataError(f"au[{place}]: expected a number from 0 to 1, got {value!r:.40}")
    return tuple(map(float, values))


def observation_of(name: str, vector: Sequence[float]) -> Observation:
    """What the 24 numbers say."""
    cues = []
    for code, left, right in (*VECTOR, LIPS):
        assert left is not None
        sides = None if right is None or (code, left, right) == LIPS else (vector[left], vector[right])
        value = vector[left] if right is None else max(vector[left], vector[right])
        cues.append(
            Cue(
                id=code,
                kind=CueKind.ACTION_UNIT,
                name=code,
                scale=Scale.INTENSITY,
                value=value,
                left=sides[0] if sides else None,
                right=sides[1] if sides else None,
                source=SOURCE,
            )
        )
    measured = {cue.name for cue in cues}
    gaps = tuple(Missing(stream=code, reason="not in ExpLLM's vector") for code in FACS_CODES if code not in measured)
    return Observation(
        id=name,
        media=MediaInfo(kind="table", note="24 numbers of ExpLLM"),
        cues=tuple(sorted(cues, key=lambda cue: cue.name)),
        missing=gaps,
        versions={"emollm": __version__},
    )


def _refuse_movement(description: str, observation: Observation) -> None:
    """Refuses a text that claims a movement which an all-zero vector contradicts."""
    rationale = split(description)
    text = rationale.observations if rationale is not None else description
    claims = check_text(text, Part.OBSERVATIONS, observation, None)
    wrong = [claim for claim in claims if claim.verdict is Verdict.CONTRADICTED]
    if wrong:
        raise DataError(f"all 24 units are 0 but the observations claim movement: {wrong[0].text!r:.80}")


# ---- writing --------------------------------------------------------------------------------------------------------


def write(out: Path, options: Options) -> AbstractContextManager[Sink[Item]]:
    """A JSON list."""

    def encode(item: Item, lost: Lost) -> Any:
        tell_observation(item, lost, "24 numbers", "ExpLLM")
        return with_own(record_of(item, options), item, lambda one, given: item_of(one, given), options)

    return json_sink(out, "list", encode)


def record_of(item: Item, options: Options) -> dict[str, Any]:
    """The record of one Item.

    Raises:
        DataError: No image, or a unit of the vector was not measured.
    """
    if item.clip.image is None:
        raise DataError("ExpLLM holds images; this clip has none")
    notes = dict(item.notes)
    word = notes.pop("emo", None)
    rationale = notes.pop(RATIONALE, None)
    record: dict[str, Any] = {
        "file_name": relative(item.clip.image, options),
        "emo": word if word is not None else item.gold.labels[0] if item.gold is not None else "",
    }
    if item.observation is not None and "au" not in notes:
        record["au"] = vector_of(item.observation)
    record.update(notes)
    if rationale is not None:
        record["description"] = rationale
    return record


def vector_of(observation: Observation) -> list[float]:
    """The 24 numbers of an Observation of one face.

    Raises:
        DataError: A unit of the vector was not measured as an intensity.
    """
    track = observation.tracks[0].id if observation.tracks else None
    cues: Mapping[str, Cue] = {
        cue.name: cue for cue in observation.of(track, CueKind.ACTION_UNIT) if cue.scale is Scale.INTENSITY
    }
    vector = [0.0] * SIZE
    for code, left, right in (*VECTOR, LIPS):
        cue = cues.get(code)
        if cue is None or cue.value is None:
            raise DataError(f"{code} was not measured as an intensity, and ExpLLM's vector has no place for 'unknown'")
        assert left is not None
        vector[left] = cue.value if right is None or cue.left is None else cue.left
        if right is not None:
            vector[right] = cue.value if cue.right is None else cue.right
    return vector


def _recognises(head: Head) -> bool:
    return head.has("file_name", "emo") or head.has("file_name", "description")


FORMAT = Format(
    "expllm",
    "ExpLLM's Exp-CoT: image, label, 24 units, description",
    "items",
    _recognises,
    read,
    write,
    ("measurements other than the 24 numbers", "upper and lower lip suck become one unit, AU28"),
)
