"""Descriptions beside what was measured (PROTOCOLS 3.8): what of them is supported, contradicted or cannot be checked. No reference text is needed.

A row holds a ``text`` and an ``observation``, which is a file (JSON, also ``.gz``; from the folder of the rows) or an object as ``emollm explain``
measures it; or counted verdicts as ``claims``: numbers of ``supported``, ``contradicted`` and ``unverifiable``, or a list of claims that each
have a ``verdict``. Runs of description tasks leave such rows (:mod:`emollm.eval.run`).
"""

import gzip
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from emollm import __version__
from emollm.errors import DataError, one_line
from emollm.eval.predictions import EMPTY, Row, Table
from emollm.eval.scoring import Aligned, Pair, Settings, Task, align
from emollm.eval.scoring_labels import in_other_script
from emollm.evidence import Faithfulness
from emollm.files import replacing
from emollm.metrics.bootstrap import among
from emollm.metrics.faithfulness import against_others, checked, faithfulness
from emollm.metrics.report import Measure
from emollm.types import Observation

OBSERVATIONS = "observations"
"""Folder of what a run has measured."""
_REMARK = (
    "claims are found and held against measurements by emollm.evidence; supported, contradicted and unverifiable are shares of all claims, support "
    "is of the decided ones"
)
_CONTROL = "floors of faithfulness: the same texts beside what was measured in another item each"
_NO_CONTROL = "faithfulness has no floor here: it needs the observation of every answer that makes claims, and of two items at least"
_VERDICTS = Faithfulness._fields
_NONE = Faithfulness(0, 0, 0)
_MOST = 256 * 2**20
"""Bytes of an observation."""


class Held(NamedTuple):
    """An answer and what it is held against."""

    kind: str
    """``answered``, ``abstained``, ``unparsed`` or ``missing``."""
    text: str = ""
    observation: Observation | None = None
    track: str | None = None
    """Of whom the text speaks; the whole clip if None."""
    counted: Faithfulness | None = None
    """Verdicts that came counted."""
    fault: str = ""
    """Why an unparsed one could not be read."""
    lacks: str = ""
    """Why there is nothing to hold it against."""


def build(gold: Table, said: Table, settings: Settings) -> tuple[Task, Aligned]:
    """The task of faithfulness; references say which items there are, and may hold the observations.

    Raises:
        DataError: No row has an observation or counted claims.
    """
    held = {id: hold(Pair(row, said.rows.get(id)), gold.path, said.path) for id, row in gold.rows.items()}
    aligned = align(gold, said, lambda row: held[row.id].lacks, settings)
    found = [held[pair.gold.id] for pair in aligned.pairs]
    for pair, one in zip(aligned.pairs, found, strict=True):
        if one.kind == "unparsed":
            aligned.notes.add(f"unparsed: {one.fault or EMPTY}", pair.gold.id)
    kinds = Counter(one.kind for one in found)
    measures, remarks = measures_of(found, settings.seed)
    task = Task(
        "faithfulness",
        "support",
        measures,
        {kind: kinds[kind] for kind in ("answered", "abstained", "unparsed", "missing")},
        by_group=("support",),
        remarks=remarks,
        told={"checker": f"emollm.evidence {__version__}"},
    )
    return task, aligned


def beside(pairs: Sequence[Pair], gold: Path, said: Path, seed: int) -> tuple[dict[str, Measure], tuple[str, ...]]:
    """The shares of answers that are scored otherwise, of those that have something to be held against, and remarks; empty where none has."""
    if not any(pair.said is not None and pair.said.evidence for pair in pairs):
        return {}, ()
    found = [hold(pair, gold, said) for pair in pairs]
    kept = np.array([not one.lacks for one in found])
    without = [one.lacks for one in found if one.lacks]
    told = (
        (f"faithfulness leaves out {len(without)} of {len(found)} items, such as one {without[0]}",) if without else ()
    )
    if not kept.any():
        return {}, told
    measures, remarks = measures_of([one for one in found if not one.lacks], seed)
    return {name: one._replace(statistic=among(kept, one.statistic), items=kept) for name, one in measures.items()}, (
        *remarks,
        *told,
    )


def measures_of(found: Sequence[Held], seed: int) -> tuple[dict[str, Measure], tuple[str, ...]]:
    """Shares of verdicts with their control, and what to know of them."""
    counts = [one.counted or _NONE for one in found]
    measured = [k for k, one in enumerate(found) if one.observation is not None]
    texts, observations = ([found[k].text for k in measured], [_seen(found[k]) for k in measured])
    tracks = [found[k].track for k in measured]
    for k, own in zip(measured, checked(texts, observations, tracks), strict=True):
        counts[k] = own
    control: list[Faithfulness] | None = None
    if len(measured) > 1 and all(
        one.observation is not None or not sum(own) for one, own in zip(found, counts, strict=True)
    ):
        control = [_NONE] * len(found)
        for k, other in zip(measured, against_others(texts, observations, tracks, seed), strict=True):
            control[k] = other
    return faithfulness(counts, control), (_REMARK, _CONTROL if control is not None else _NO_CONTROL)


def hold(pair: Pair, gold: Path, said: Path) -> Held:
    """One answer with what it is held against: the observation of its own row, else that of the reference, else counted claims."""
    row = pair.said
    kind, text, fault = _text(row)
    for given, path in ((row, said), (pair.gold, gold)):
        if given is None or "observation" not in given.evidence:
            continue
        try:
            observation = observation_of(given.evidence["observation"], path.parent)
        except DataError as error:
            return Held(kind, lacks=f"of an observation that cannot be read: {one_line(str(error), 80)}")
        return Held(kind, text, observation, _track(given.fields.get("track"), row, observation), fault=fault)
    if row is not None and "claims" in row.evidence:
        counted = counted_claims(row.evidence["claims"])
        if counted is None:
            return Held(kind, lacks="of claims that are neither counts nor a list with verdicts")
        return Held("answered", counted=counted)
    if kind in ("abstained", "missing"):
        return Held(kind)
    return Held(kind, lacks="of an answer without an observation and without counted claims")


def counted_claims(given: Any) -> Faithfulness | None:
    """Counts of verdicts, from counts or from a list of claims; None of anything else."""
    given = _parsed(given)
    if isinstance(given, Mapping):
        counts = [given.get(name, 0) for name in _VERDICTS]
        known = set(given) <= set(_VERDICTS) and any(name in given for name in _VERDICTS)
        whole = all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in counts)
        return Faithfulness(*counts) if known and whole else None
    if not isinstance(given, list):
        return None
    verdicts = [one.get("verdict") if isinstance(one, Mapping) else None for one in given]
    if not all(one in _VERDICTS for one in verdicts):
        return None
    return Faithfulness(*(verdicts.count(name) for name in _VERDICTS))


def observation_of(given: Any, folder: Path) -> Observation:
    """An observation, from an object or from the path of its file.

    Args:
        given: As it stands in a row.
        folder: What paths start from.

    Raises:
        DataError: There is no such file, it is larger than 256 MiB, or it holds something else.
    """
    given = _parsed(given)
    if isinstance(given, Mapping):
        return Observation.from_json(json.dumps(given), "observation")
    if not isinstance(given, str):
        raise DataError("expected an object or the path of a file")
    path = folder / given
    if not path.is_file():
        raise DataError(f"{given}: no such file")
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(_MOST + 1)
    except (OSError, EOFError) as error:
        raise DataError(f"{given}: cannot be read") from error
    if len(data) > _MOST:
        raise DataError(f"{given}: larger than {_MOST >> 20} MiB")
    return Observation.from_json(data, given)


def written(observation: Observation, folder: Path, name: str) -> str:
    """Keeps an observation, without embeddings, below a folder; gives its path from there.

    Raises:
        EmollmError: It cannot be written.
    """
    path = Path(OBSERVATIONS, f"{name}.json.gz")
    with replacing(folder / path) as file:
        file.write(gzip.compress(observation.model_copy(update={"embeddings": ()}).to_json().encode(), mtime=0))
    return str(path)


def _text(row: Row | None) -> tuple[str, str, str]:
    """What became of an answer, its text where it has one that can be checked, and why it has none."""
    if row is None or row.abstained:
        return "missing" if row is None else "abstained", "", ""
    reason = row.fault("text")
    if not reason and row.text:
        if not in_other_script(row.text):
            return "answered", row.text, ""
        reason = "a text in another script"
    return "unparsed", "", reason


def _track(given: str | None, row: Row | None, observation: Observation) -> str | None:
    """Of whom a text speaks: whom the row names, else the most prominent person."""
    named = (row.fields.get("track") if row is not None else None) or given
    ids = [person.id for person in observation.people]
    return named if named in ids else ids[0] if ids else None


def _seen(one: Held) -> Observation:
    assert one.observation is not None
    return one.observation


def _parsed(given: Any) -> Any:
    """JSON that stands in the cell of a table."""
    if not isinstance(given, str) or not given.lstrip().startswith(("{", "[")):
        return given
    try:
        return json.loads(given)
    except (ValueError, RecursionError):
        return given
