"""A build from its recipe to its shards: plan, blocks, last step; stopped at any moment it goes on where it was.

    counts = build(settings, ["clips"], Path("out"))

Blocks are independent of each other and of who does them, so the files are the same for any number of processes, and the same after
a kill as without one.
"""

import fcntl
import os
import reprlib
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.connection import wait as wait_for
from pathlib import Path

from pydantic import ValidationError

import emollm
from emollm.data_engines.blocks import LEDGER, write_block
from emollm.data_engines.engines import ENGINES
from emollm.data_engines.filters import build_filters, build_set_filters
from emollm.data_engines.finish import JUDGED, counts_of, judge, judged, place
from emollm.data_engines.recipe import BuildSettings
from emollm.data_engines.shards import (
    BUILD,
    OBSERVATIONS,
    PARTS,
    REJECTS,
    SAMPLES,
    Build,
    Counts,
    key_of,
    read_build,
    refuse_other,
    shard,
    shards,
)
from emollm.data_engines.sources import Plan, Span, plan
from emollm.emotions import label_set
from emollm.errors import ConfigError, EmollmError

Progress = Callable[[int, int, Counts], None]
"""Told after each block how many items are done, of how many, and the counts of that block."""


def build(
    settings: BuildSettings,
    inputs: Sequence[str],
    out: Path,
    *,
    limit: int | None = None,
    fresh: bool = False,
    progress: Progress = lambda *_: None,
    note: Callable[[str], None] = lambda _: None,
) -> Counts:
    """Builds the shards of a recipe in a folder, or goes on with them.

    Args:
        settings: The recipe.
        inputs: Files, folders and patterns.
        out: The folder; made if need be.
        limit: At most so many items.
        fresh: Replace a build that is there.
        progress: Told after each block.
        note: Told what a reader should know.

    Returns:
        The counts of the whole build, of earlier runs included.

    Raises:
        ConfigError: A wrong recipe, or the folder holds another build.
        DataError: Nothing to read.
        EmollmError: A file cannot be written, a model or asset cannot be had; blocks that are done stay.
    """
    settings = _pinned(settings)
    planned = plan(inputs, settings, limit)
    for text in planned.notes:
        note(text)
    wanted = _wanted(settings, inputs, planned, limit)
    build_filters(settings.filters)
    with _locked(out):
        found = read_build(out)
        if fresh:
            _clear(out)
        elif found is not None:
            refuse_other(out, found, wanted)
        elif shards(out, SAMPLES):
            raise ConfigError(f"{out}: holds Samples but no {BUILD}; give another --out, or --fresh to replace them")
        if not fresh and found is not None and found.state == "done" and found.counts is not None:
            note(f"{out}: is done already; --fresh builds it anew")
            _remove_parts(out)
            return found.counts
        _prepare(out)
        if found is not None and found.state == "partial":
            (out / PARTS / JUDGED).unlink(missing_ok=True)
        wanted.write(out)
        counts = _judged(planned, settings, out, progress)
        place(out, len(planned.spans), keep=counts.later > 0)
        wanted.model_copy(update={"state": "partial" if counts.later else "done", "counts": counts}).write(out)
        if not counts.later:
            _remove_parts(out)
    return counts


def _wanted(settings: BuildSettings, inputs: Sequence[str], planned: Plan, limit: int | None) -> Build:
    """What ``build.json`` says while the build runs. Makes the engine once: wrong options are told before any work."""
    label_set(settings.labels)
    try:
        engine = ENGINES[settings.engine](settings)
    except ValidationError as error:  # of the engine's own options
        first = error.errors(include_url=False)[0]
        setting = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"options.{setting}: {first['msg']}, got {reprlib.repr(first['input'])}") from error
    name = f"{engine.name}@{engine.version}"
    return Build(
        state="writing",
        key=key_of(settings, planned.fingerprint, limit, name),
        recipe=settings,
        inputs=tuple(inputs),
        fingerprint=planned.fingerprint,
        blocks=len(planned.spans),
        limit=limit,
        versions={"emollm": emollm.__version__, "engine": name},
    )


def _pinned(settings: BuildSettings) -> BuildSettings:
    """The recipe with names of files made absolute that other processes open."""
    cache = settings.annotator.cache
    if cache is None:
        return settings
    annotator = settings.annotator.model_copy(update={"cache": os.path.abspath(cache)})
    return settings.model_copy(update={"annotator": annotator})


# ---- the folder -----------------------------------------------------------------------------------------------------


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Keeps two runs from writing into one folder.

    Raises:
        EmollmError: The folder cannot be made, or another run writes into it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        handle = os.open(out, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise EmollmError(
            f"{out}: cannot be written: {(error.strerror or str(error)).lower()}; give a folder"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise EmollmError(f"{out}: another run writes into this folder; wait for it, or give another --out") from error
    try:
        yield
    finally:
        os.close(handle)


def _clear(out: Path) -> None:
    """Removes what a build wrote, ``build.json`` first: without it nobody takes the rest for a build. Replies of models stay."""
    (out / BUILD).unlink(missing_ok=True)
    _remove_parts(out)
    for kind in (SAMPLES, REJECTS, OBSERVATIONS):
        for path in shards(out, kind):
            path.unlink(missing_ok=True)


def _prepare(out: Path) -> None:
    """Makes ``parts`` and removes what a killed run left half-written."""
    parts = out / PARTS
    try:
        parts.mkdir(exist_ok=True)
        for folder in (out, parts):
            for path in folder.glob(".*.tmp"):
                path.unlink(missing_ok=True)
        (parts / LEDGER).unlink(missing_ok=True)
    except OSError as error:
        raise EmollmError(f"{out}: cannot be written: {(error.strerror or str(error)).lower()}") from error


def _remove_parts(out: Path) -> None:
    shutil.rmtree(out / PARTS, ignore_errors=True)


# ---- the blocks -----------------------------------------------------------------------------------------------------


def _judged(planned: Plan, settings: BuildSettings, out: Path, progress: Progress) -> Counts:
    """Does all that comes before the placing of the shards, unless an earlier run has done it."""
    counts = judged(out)
    if counts is None:
        _write_blocks(planned, settings, out, progress)
        counts = judge(out, len(planned.spans), build_set_filters(settings.filters))
    return counts


def _write_blocks(planned: Plan, settings: BuildSettings, out: Path, progress: Progress) -> None:
    todo, done = [], 0
    for span in planned.spans:
        if shard(out / PARTS, SAMPLES, span.index).exists() and not (counts := counts_of(out, span.index)).later:
            done += span.count
            progress(done, planned.items, counts)
        else:
            todo.append(span)
    for span, counts in _done(todo, settings, out):
        done += span.count
        progress(done, planned.items, counts)


def _done(spans: Sequence[Span], settings: BuildSettings, out: Path) -> Iterator[tuple[Span, Counts]]:
    """Each block with its counts when it is done, in any order."""
    if settings.scale.engine == "ray" and spans:
        from emollm.data_engines.ray_run import write_blocks

        yield from write_blocks(spans, settings, out)
    elif settings.scale.workers == 1 or len(spans) < 2:
        for span in spans:
            yield span, write_block(span, settings, out)
    else:
        yield from _pooled(spans, settings, out)


def _pooled(spans: Sequence[Span], settings: BuildSettings, out: Path) -> Iterator[tuple[Span, Counts]]:
    """The same by several processes; only a few blocks are under way at a time."""
    workers = min(settings.scale.workers, len(spans))
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_begin)
    waiting = iter(spans)
    running: dict[Future[Counts], Span] = {}
    try:
        while True:
            while len(running) < 2 * workers and (span := next(waiting, None)) is not None:
                running[pool.submit(write_block, span, settings, out)] = span
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
        pool.shutdown()
    except BrokenProcessPool as error:
        raise EmollmError(
            "a process of the build was killed, perhaps for want of memory; run it again with fewer --workers to go on"
        ) from error
    except BaseException:  # also Ctrl-C: nobody waits for the blocks under way, they are done again next time
        pool.shutdown(wait=False, cancel_futures=True)
        for process in active_children():
            process.terminate()
        raise


def _begin() -> None:
    """In each process: Ctrl-C is the parent's affair, and a process without its parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)
