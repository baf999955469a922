"""Measures items once and keeps them, in blocks that a stop loses at most one of.

A build reads items that hold their Observation without looking at the media again, so that one measurement serves many builds.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import emollm
from emollm.data_engines.base import Item, Rejected
from emollm.errors import DataError, MediaError
from emollm.files import replacing
from emollm.perception import observe
from emollm.perception.settings import PerceptionSettings

BLOCK = 500
"""Items in one file."""


def measure(
    items: Iterable[Item],
    out: Path,
    name: str,
    settings: PerceptionSettings,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Files ``<name>-00000-<key>.jsonl`` of measured items below ``out``; those that are there already are kept.

    The key is that of the block's items, the settings and our version: what was measured otherwise is never taken over.

    Args:
        items: In a fixed order: what a file holds depends on it.
        out: The folder.
        name: Begin of the file names.
        settings: How the clips are measured.
        workers: Processes.
        progress: Told how many files are done, and of how many.

    Raises:
        EmollmError: A model is missing, a file cannot be written. Items that cannot be read are left out and listed in
            ``<name>-00000-<key>.rejects.jsonl``.
    """
    jobs: list[tuple[tuple[Item, ...], Path]] = []
    paths = []
    for number, block in enumerate(_blocks(items)):
        path = out / f"{name}-{number:05d}-{_key(block, settings)}.jsonl"
        paths.append(path)
        if not path.exists():
            jobs.append((block, path))
    done = len(paths) - len(jobs)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures: list[Future[None]] = [pool.submit(_block, block, path, settings) for block, path in jobs]
        try:
            for future in as_completed(futures):
                future.result()
                done += 1
                if progress is not None:
                    progress(done, len(paths))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return paths


def read_items(paths: Sequence[Path]) -> Iterator[Item]:
    """The items of some files, in order.

    Raises:
        DataError: A line is no Item; the message has file and line.
    """
    for path in paths:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                yield Item.from_json(line, f"{path}:{number}")


def _key(items: Sequence[Item], settings: PerceptionSettings) -> str:
    digest = hashlib.sha256(f"{emollm.__version__} {settings.model_dump_json()}".encode())
    for item in items:
        digest.update(item.to_json().encode())
    return digest.hexdigest()[:12]


def _blocks(items: Iterable[Item]) -> Iterator[tuple[Item, ...]]:
    source = iter(items)
    while block := tuple(islice(source, BLOCK)):
        yield block


def _block(items: Sequence[Item], path: Path, settings: PerceptionSettings) -> None:
    """Measures one block; rejects first, so that a finished block has both."""
    done: list[str] = []
    rejects: list[Rejected] = []
    for item in items:
        try:
            seen = item.observation or observe(item.clip, settings)
        except (MediaError, DataError) as error:
            rejects.append(Rejected(item.clip.id, "observe", str(error)))
            continue
        done.append(item.model_copy(update={"observation": seen}).to_json())
    if rejects:
        with replacing(path.with_suffix(".rejects.jsonl"), "w") as file:
            file.writelines(
                json.dumps({"id": one.id, "stage": one.stage, "reason": one.reason}) + "\n" for one in rejects
            )
    with replacing(path, "w") as file:
        file.writelines(f"{line}\n" for line in done)
