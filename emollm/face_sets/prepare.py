"""Preparing a data set of faces: every picture found by our perception, cut by our aligner, kept as Arrow."""

import json
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from tqdm import tqdm

from emollm import ferplus
from emollm.config import Settings
from emollm.errors import DataError, one_line
from emollm.face_sets.classes import UNLABELLED, Classes
from emollm.face_sets.face_set import RECORD, REJECTS, FaceSet, SetRecord
from emollm.face_sets.layouts import Raw, Reader, reader
from emollm.face_sets.raw import RawTable, digest, fingerprint, raw_table, require_datasets
from emollm.face_sets.seeing import Cut, Job, Seen, begin_worker, measured, versions, work_on
from emollm.face_sets.source import FaceSource
from emollm.files import replacing
from emollm.perception.crops import ALIGNER
from emollm.perception.photo import choose_meter

if TYPE_CHECKING:
    import pyarrow as pa

_VERSION = 1
"""Of what is stored, and of which pictures are enlarged; a change is a new version."""
_SHARD = 2000
"""Rows of the source in a file: what an interruption loses at most."""
_STRETCH = 25
"""Rows that a worker gets at a time, and those of an Arrow batch."""


class CropSettings(Settings):
    """How faces are cut out of their pictures."""

    size: Annotated[int, Field(ge=16, le=1024)] = 96
    """Side of a crop in pixels."""
    margin: Annotated[float, Field(ge=0, le=2)] = 0.35
    """How much is added to the face on each side, in sides of the face."""
    units: bool = True
    """Whether intensities of the action units are kept with the crops."""
    backend: str = "auto"
    """What finds and measures the face: a backend of action units, as in the settings of perception."""


def prepare(source: FaceSource, crop: CropSettings, work: Path, workers: int = 2) -> FaceSet:
    """The data set with a crop for every picture; made once, then opened from ``work``.

    Files of 2,000 rows are written as they are done, so that an interrupted run goes on where it was. Rows that cannot be used are
    counted and listed in ``rejects.jsonl``; nothing stands in for them.

    Args:
        source: The data set.
        crop: How faces are cut.
        work: Folder for prepared data sets; each has its own folder in it, named by its fingerprint.
        workers: Processes; up to 1 the work is done in this one.

    Raises:
        DataError: The source is not there, not what its layout says, has a class that the label set does not have, or no row that can
            be used.
        ConfigError: Unknown label set or backend.
        MissingDependency: ``datasets`` is not installed.
    """
    from filelock import FileLock

    require_datasets()
    classes = Classes(source.label_set, source.ignore)
    made = reader(source, classes)
    backend = choose_meter(crop.backend)
    rows = fingerprint(source, made.content())
    seen_by = versions(backend) | {"aligner": ALIGNER}
    settings = crop.model_dump() | {"backend": backend}
    name = digest([_VERSION, rows, settings, seen_by])
    folder = work / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be made: {error.strerror}; give another work folder") from error
    with FileLock(work / f"{name}.lock"):  # of several processes that want the same set, one makes it
        if not (folder / RECORD).exists():
            cut = Cut(crop.size, crop.margin, measured(backend) if crop.units else (), backend)
            table = raw_table(made, rows, work)
            _fill(folder, table, made, classes, cut, workers)
            _finish(folder, name, source, made, classes, cut, seen_by)
    return FaceSet.open(folder)


# ---- shards ---------------------------------------------------------------------------------------------------------


def _fill(folder: Path, table: Path, made: Reader, classes: Classes, cut: Cut, workers: int) -> None:
    """Writes the shards that are not there yet."""
    for left in folder.glob(".*.tmp"):  # of a run that was killed
        left.unlink()
    raw = RawTable(table)
    shards = range(-(-len(raw) // _SHARD))
    wanted = [k for k in shards if not _shard(folder, k).exists()]
    jobs = (
        Job(table, made.root, cut, start, min(start + _STRETCH, len(raw), (k + 1) * _SHARD))
        for k in wanted
        for start in range(k * _SHARD, min((k + 1) * _SHARD, len(raw)), _STRETCH)
    )
    if not wanted:
        return
    done = len(raw) - sum(min((k + 1) * _SHARD, len(raw)) - k * _SHARD for k in wanted)
    with (
        tqdm(total=len(raw), initial=done, desc="faces", unit=" faces", mininterval=1, disable=None) as bar,
        ExitStack() as stack,
    ):
        results = _in_turn(jobs, workers, stack)
        for k in wanted:
            _write(folder, k, raw, results, classes, cut, bar.update)


def _shard(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05d}.arrow"


def _in_turn(jobs: Iterator[Job], workers: int, stack: ExitStack) -> Iterator[tuple[Job, list[Seen]]]:
    """Each job with its result, in order; a few more than there are workers are under way."""
    if workers <= 1:
        return ((job, work_on(job)) for job in jobs)
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, begin_worker)
    stack.callback(pool.shutdown, wait=True, cancel_futures=True)
    return _ahead(pool, jobs, 4 * workers)


def _ahead(pool: Executor, jobs: Iterator[Job], most: int) -> Iterator[tuple[Job, list[Seen]]]:
    waiting: deque[tuple[Job, Future[list[Seen]]]] = deque(
        (job, pool.submit(work_on, job)) for job in islice(jobs, most)
    )
    while waiting:
        job, result = waiting.popleft()
        try:
            seen = result.result()
        except BrokenProcessPool as error:
            raise DataError(
                f"a worker process ended while it prepared rows {job.start} to {job.stop}, perhaps for want of memory; "
                "start again with fewer workers: what is done is kept"
            ) from error
        waiting.extend((job, pool.submit(work_on, job)) for job in islice(jobs, 1))
        yield job, seen


def _write(
    folder: Path,
    number: int,
    raw: RawTable,
    results: Iterator[tuple[Job, list[Seen]]],
    classes: Classes,
    cut: Cut,
    advance: Callable[[int], Any],
) -> None:
    """One shard; its rejects are written first, because the shard's own file says that it is done."""
    import pyarrow as pa

    rejects: list[str] = []
    end = min((number + 1) * _SHARD, len(raw))
    with replacing(_shard(folder, number)) as file:
        with pa.ipc.new_stream(file, _schema()) as writer:
            for job, seen in results:
                batch: list[tuple[Raw, Seen]] = []
                for row, one, shown in zip(
                    range(job.start, job.stop), raw.rows(job.start, job.stop), seen, strict=True
                ):
                    if shown.reject is None:
                        batch.append((one, shown))
                    else:
                        rejects.append(
                            json.dumps({"row": row, "id": one.id, "reason": shown.reject}, ensure_ascii=False)
                        )
                if batch:
                    writer.write_batch(_batch(batch, len(classes.labels), len(cut.units)))
                advance(job.stop - job.start)
                if job.stop >= end:
                    break
        with replacing(_shard(folder, number).with_suffix(".rejects"), "w") as listed:
            listed.writelines(line + "\n" for line in rejects)


def _schema() -> "pa.Schema":
    import pyarrow as pa

    return pa.schema(
        {
            "id": pa.string(),
            "split": pa.string(),
            "crop": pa.binary(),
            "shares": pa.list_(pa.float32()),
            "label": pa.int32(),
            "votes": pa.list_(pa.int32()),
            "units": pa.list_(pa.float32()),
            "found": pa.bool_(),
            "valence": pa.float32(),
            "arousal": pa.float32(),
        }
    )


def _batch(rows: list[tuple[Raw, Seen]], classes: int, units: int) -> "pa.RecordBatch":
    import pyarrow as pa

    labelled = [_labels(raw, classes) for raw, _ in rows]
    votes = [np.zeros(0, np.int64) if raw.votes is None else raw.votes for raw, _ in rows]
    columns = {
        "id": [raw.id for raw, _ in rows],
        "split": [raw.split for raw, _ in rows],
        "crop": [seen.crop for _, seen in rows],
        "shares": _lists([shares for shares, _ in labelled], np.float32),
        "label": [label for _, label in labelled],
        "votes": _lists(votes, np.int32),
        "units": _lists([np.array(seen.units) for _, seen in rows], np.float32),
        "found": [seen.found for _, seen in rows],
        "valence": [raw.valence for raw, _ in rows],
        "arousal": [raw.arousal for raw, _ in rows],
    }
    schema = _schema()
    arrays = [
        value if isinstance(value, pa.Array) else pa.array(value, schema.field(name).type)
        for name, value in columns.items()
    ]
    return pa.record_batch(arrays, schema=schema)


def _labels(raw: Raw, classes: int) -> tuple[NDArray[np.float32], int]:
    """Shares (C,) and label of a row: by its votes, or all for its one class."""
    if raw.votes is not None:
        votes = raw.votes[None]
        return ferplus.shares(votes, classes)[0], int(ferplus.majorities(votes, classes)[0])
    shares = np.zeros(classes, np.float32)
    if raw.label != UNLABELLED:
        shares[raw.label] = 1
    return shares, raw.label


def _lists(rows: list[NDArray], kind: type[np.generic]) -> "pa.ListArray":
    """Lists as Arrow has them; built from the numbers, so that NaN stays NaN."""
    import pyarrow as pa

    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(rows).astype(kind), from_pandas=False))


# ---- the whole ------------------------------------------------------------------------------------------------------


class _Totals(NamedTuple):
    rows: int
    found: int
    absent: tuple[str, ...]


def _finish(
    folder: Path, name: str, source: FaceSource, made: Reader, classes: Classes, cut: Cut, seen_by: dict[str, str]
) -> None:
    """Joins the lists of rejects, and writes the record that says that the set is complete."""
    parts = sorted(folder.glob("shard-*.rejects"))
    rejects = 0
    with replacing(folder / REJECTS, "w") as out:
        for part in parts:
            lines = part.read_text(encoding="utf-8")
            rejects += lines.count("\n")
            out.write(lines)
    totals = _totals(folder, classes)
    if not totals.rows:
        first = json.loads((folder / REJECTS).read_text(encoding="utf-8").split("\n", 1)[0])
        raise DataError(
            f"{source.path}: none of its {rejects} rows can be used; the first: {one_line(first['id'], 80)}: {first['reason']} "
            f"({REJECTS} in the folder of prepared sets lists all)"
        )
    record = SetRecord(
        fingerprint=name,
        labels=classes.labels,
        columns=made.columns,
        units=cut.units,
        size=cut.size,
        margin=cut.margin,
        versions=seen_by,
        rows=totals.rows,
        rejects=rejects,
        found=totals.found / totals.rows,
        absent=totals.absent,
        layout=source.layout,
        split=source.split,
        label_set=source.label_set,
    )
    with replacing(folder / RECORD, "w") as file:
        file.write(record.to_json(indent=2) + "\n")
    for part in parts:
        part.unlink()


def _totals(folder: Path, classes: Classes) -> _Totals:
    """Counted over the shards, so that those of an interrupted run count too."""
    import pyarrow as pa

    rows, found = 0, 0
    weight = np.zeros(len(classes.labels))
    for shard in sorted(folder.glob("shard-*.arrow")):
        with pa.memory_map(str(shard)) as file:
            for batch in pa.ipc.open_stream(file):
                rows += len(batch)
                found += int(np.count_nonzero(batch["found"].to_numpy(zero_copy_only=False)))
                weight += batch["shares"].flatten().to_numpy().reshape(len(batch), -1).sum(0)
    absent = tuple(label for label, share in zip(classes.labels, weight, strict=True) if not share)
    return _Totals(rows, found, absent)
