"""Open-vocabulary and MER2025–26 csv (PROTOCOLS 5.3): ``name`` with ``openset``, ``reason``, ``discrete``, or subtitles.

Reads and writes Items. Columns that are read, in any combination: ``openset`` (a list of words, note ``openset``), ``reason`` (note
``rationale``), ``discrete`` (the label), ``english`` or else ``chinese`` (the transcript; the other one is a note), all else notes (``a1``,
``a2``, ``preference`` …). Without ``discrete`` the words of the open set are the labels. Several files give Items of their own; subtitles
in a second file are laid beside the clips of the first ones.

Written is ``name,openset,discrete,reason,english``; columns that no reader expects are ignored by name. Not held, and told: media under
another name, measurements, split, speaker, group, licence, other notes.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from emollm.data_engines.base import Gold, Item
from emollm.data_engines.formats.annotations import clip_of, gold_of, tell_lost, tell_observation
from emollm.data_engines.formats.base import RATIONALE, Fault, Format, Found, Head, Options, Sink, checked
from emollm.data_engines.formats.emer import tell_name
from emollm.data_engines.formats.files import each, head_of, table
from emollm.data_engines.formats.sinks import Lost, csv_sink
from emollm.errors import DataError
from emollm.word_lists import join_list, split_list

SET = "mer2023"
COLUMNS = ("name", "openset", "discrete", "reason", "english")
_SUBTITLES = frozenset({"name", "chinese", "english"})


def read(paths: Sequence[Path], options: Options) -> Iterator[Found[Item] | Fault]:
    """Items of csv files; tables of nothing but subtitles are laid beside the others."""
    columns = {path: frozenset(head_of(path).columns) for path in paths}
    beside = [path for path in paths if columns[path] <= _SUBTITLES]
    main = [path for path in paths if path not in beside] or beside
    said: dict[str, dict[str, str]] = {}
    for path in beside if main != beside else ():
        for row in table(path, "name"):
            if isinstance(row, Fault):
                yield row
            else:
                said[row.value["name"]] = row.value
    for path in main:
        yield from each(
            table(path, "name"), lambda one, _: item_of({**said.get(one.value["name"], {}), **one.value}, options)
        )


def item_of(row: dict[str, str], options: Options) -> Item:
    """The Item of one row.

    Raises:
        DataError: Nothing but a name.
    """
    words = split_list(row.get("openset", ""))
    discrete, reason = row.get("discrete", ""), row.get("reason", "")
    said = row.get("english") or row.get("chinese") or ""
    used = [*COLUMNS, *([] if row.get("english") else ["chinese"])]
    rest = {key: value for key, value in row.items() if key not in used and value}
    if not (words or discrete.strip() or reason.strip() or said.strip() or rest):
        raise DataError("a name and nothing else; half a record?")
    gold = gold_of(discrete, SET, "annotators")
    if gold is None and words:
        gold = Gold(labels=tuple(words), by="annotators")
    notes = {**rest, **({"openset": words} if words else {}), **({RATIONALE: reason} if reason else {})}
    clip = clip_of(row["name"].strip(), {}, said or None, options)
    return checked(Item, clip=clip, gold=gold, licence=options.licence, notes=notes)


def write(out: Path, options: Options) -> AbstractContextManager[Sink[Item]]:
    """A csv file."""

    def encode(item: Item, lost: Lost) -> dict[str, str]:
        gold, words = item.gold, item.notes.get("openset")
        if not isinstance(words, list):
            words = list(gold.labels) if gold is not None and gold.label_set is None else []
        held = frozenset({RATIONALE, "openset", "gold", "transcript"})
        tell_lost(item, lost, held=held, format="the csv")
        tell_observation(item, lost, "", "the csv")
        tell_name(item, lost, options, "the csv")
        closed = gold is not None and tuple(map(str, words)) != gold.labels
        row = {
            "name": item.clip.id,
            "openset": join_list([str(word) for word in words]) if words else "",
            "discrete": gold.labels[0] if gold is not None and closed else "",
            "reason": str(item.notes.get(RATIONALE, "")),
            "english": item.clip.transcript or "",
        }
        if not any(value for key, value in row.items() if key != "name"):
            raise DataError("neither words nor label nor reason nor subtitle; there is nothing to write")
        return row

    return csv_sink(out, COLUMNS, encode)


def _recognises(head: Head) -> bool:
    columns = set(head.columns)
    return head.columns[:1] == ("name",) and bool(
        {"openset", "reason", "discrete", "chinese", "english", "preference"} & columns
    )


FORMAT = Format(
    "ov",
    "open-vocabulary and MER2025-26 csv: openset, reason, discrete, subtitles",
    "items",
    _recognises,
    read,
    write,
    ("media under another name, measurements, split, speaker, group, licence, other notes",),
)
