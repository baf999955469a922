"""EMER csv (Lian et al. 2023): ``names,emotions,subtitles,reasons``; predictions ``names,chi_reasons`` (PROTOCOLS 5.2).

Reads and writes Items. ``emotions`` is the label as people wrote it (a free word; in the words of MER2023 where it is one of them),
``subtitles`` the transcript, ``reasons`` the note ``rationale``; other columns are notes. ``chi_reasons`` is read as the rationale of a record
without label. The second version (``name,chinese,english``) holds subtitles and is read by format ``ov``. Media are ``<name>.mp4``.

Not held, and told: media under another name, measurements, further labels and their shares, split, speaker, group, licence, all notes but
the rationale. Carriage returns are refused.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from emollm.data_engines.base import Item
from emollm.data_engines.formats.annotations import clip_of, gold_of, media_fields, tell_lost, tell_observation
from emollm.data_engines.formats.base import RATIONALE, Fault, Format, Found, Head, Options, Sink, checked
from emollm.data_engines.formats.files import each, table
from emollm.data_engines.formats.sinks import Lost, csv_sink
from emollm.errors import DataError

SET = "mer2023"
COLUMNS = ("names", "emotions", "subtitles", "reasons")


def read(paths: Sequence[Path], options: Options) -> Iterator[Found[Item] | Fault]:
    """Items of csv files."""
    for path in paths:
        yield from each(table(path, "names"), lambda one, _: item_of(one.value, options))


def item_of(row: dict[str, str], options: Options) -> Item:
    """The Item of one row.

    Raises:
        DataError: Neither label nor reasons.
    """
    name = row["names"].strip()
    reasons = row.get("reasons") or row.get("chi_reasons") or ""
    label = row.get("emotions", "")
    if not label.strip() and not reasons.strip():
        raise DataError("neither emotions nor reasons; half a record?")
    rest = {key: value for key, value in row.items() if key not in (*COLUMNS, "chi_reasons") and value}
    return checked(
        Item,
        clip=clip_of(name, {}, row.get("subtitles") or None, options),
        gold=gold_of(label, SET, "annotators"),
        licence=options.licence,
        notes={**rest, **({RATIONALE: reasons} if reasons else {})},
    )


def write(out: Path, options: Options) -> AbstractContextManager[Sink[Item]]:
    """A csv file."""

    def encode(item: Item, lost: Lost) -> dict[str, str]:
        if item.gold is None and not item.notes.get(RATIONALE):
            raise DataError("EMER holds a label or reasons; this clip has neither")
        tell_lost(item, lost, held=frozenset({RATIONALE, "gold", "transcript"}), format="EMER")
        tell_observation(item, lost, "", "EMER")
        tell_name(item, lost, options, "EMER")
        return {
            "names": item.clip.id,
            "emotions": item.gold.labels[0] if item.gold is not None else "",
            "subtitles": item.clip.transcript or "",
            "reasons": str(item.notes.get(RATIONALE, "")),
        }

    return csv_sink(out, COLUMNS, encode)


def tell_name(item: Item, lost: Lost, options: Options, format: str) -> None:
    """Counts media that the name alone does not lead to."""
    if media_fields(item.clip, options):
        lost[f"media: {format} holds only the name of the clip"] += 1


def _recognises(head: Head) -> bool:
    return head.columns[:1] == ("names",) and bool({"reasons", "chi_reasons", "emotions"} & set(head.columns))


FORMAT = Format(
    "emer",
    "EMER csv: label, subtitle, reasons",
    "items",
    _recognises,
    read,
    write,
    ("media under another name, measurements, further labels, split, speaker, group, licence, other notes",),
)
