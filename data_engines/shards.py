"""The files of a build: shards of Samples, of rejects and of observations, and ``build.json``.

While a build runs its blocks lie in ``parts/``; the last step puts them in their place. A block is done when its Samples are there:
they are renamed into place after everything else that belongs to the block.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from emollm import __version__, prompts
from emollm.data_engines.base import Rejected
from emollm.data_engines.recipe import BuildSettings
from emollm.errors import ConfigError, DataError
from emollm.files import replacing
from emollm.samples import Sample
from emollm.types import Record, Verdict

BUILD = "build.json"
PARTS = "parts"
"""Folder of the blocks of a build that is not finished."""
SAMPLES, REJECTS, OBSERVATIONS, COUNTS = "samples", "rejects", "observations", "counts"


def shard(folder: Path, kind: str, index: int) -> Path:
    """The file of one kind and block: ``samples-00007.jsonl``."""
    return folder / f"{kind}-{index:05d}.{'json' if kind == COUNTS else 'jsonl'}"


def shards(folder: Path, kind: str) -> list[Path]:
    """All files of a kind, in order."""
    return sorted(folder.glob(f"{kind}-*.jsonl"), key=number)


def number(path: Path) -> int:
    """The block that a file belongs to."""
    return int(path.stem.rpartition("-")[2])


class Counts(Record):
    """What became of the items of a block, or of all of them."""

    items: int = 0
    """That were read, those that could not be read included."""
    unread: int = 0
    """Of them, those that could not be read or measured."""
    written: int = 0
    """Samples that the engine wrote."""
    kept: int = 0
    """Samples that no filter rejected."""
    later: int = 0
    """Samples that a later run tries again: a budget was spent, a server did not answer."""
    rejected: dict[str, int] = Field(default_factory=dict)
    """By stage and kind of fault: ``filter:faithfulness contradicted``."""
    tasks: dict[str, int] = Field(default_factory=dict)
    """Kept Samples by task."""
    claims: dict[str, int] = Field(default_factory=dict)
    """Claims of the kept Samples by verdict."""

    @property
    def rejects(self) -> int:
        """How many lines of rejects there are."""
        return sum(self.rejected.values())


class Tally:
    """Counts while they grow."""

    def __init__(self) -> None:
        self.items = self.unread = self.written = self.kept = self.later = 0
        self.rejected: dict[str, int] = {}
        self.tasks: dict[str, int] = {}
        self.claims: dict[str, int] = dict.fromkeys((verdict.value for verdict in Verdict), 0)

    def keep(self, sample: Sample, sign: int = 1) -> None:
        """One kept Sample more, or with -1 one less."""
        self.kept += sign
        self.tasks[sample.task.value] = self.tasks.get(sample.task.value, 0) + sign
        for claim in sample.claims:
            self.claims[claim.verdict] += sign

    def reject(self, rejected: Rejected) -> None:
        """One line of rejects more."""
        key = f"{rejected.stage} {rejected.reason.partition(':')[0]}"
        self.rejected[key] = self.rejected.get(key, 0) + 1

    def add(self, counts: Counts) -> None:
        """Adds those of a block."""
        self.items += counts.items
        self.unread += counts.unread
        self.written += counts.written
        self.kept += counts.kept
        self.later += counts.later
        for mine, theirs in (
            (self.rejected, counts.rejected),
            (self.tasks, counts.tasks),
            (self.claims, counts.claims),
        ):
            for key, value in theirs.items():
                mine[key] = mine.get(key, 0) + value

    @property
    def counts(self) -> Counts:
        """As a record, with sorted names."""
        return Counts(
            items=self.items,
            unread=self.unread,
            written=self.written,
            kept=self.kept,
            later=self.later,
            rejected=dict(sorted(self.rejected.items())),
            tasks=dict(sorted(self.tasks.items())),
            claims=self.claims,
        )


def reject_line(rejected: Rejected) -> bytes:
    """A line of ``rejects-*.jsonl``: ``id``, ``stage``, ``reason`` and the Sample or null."""
    id, stage, reason = (json.dumps(text, ensure_ascii=False) for text in rejected[:3])
    sample = "null" if rejected.sample is None else rejected.sample.to_json()
    text = f'{{"id":{id},"stage":{stage},"reason":{reason},"sample":{sample}}}\n'
    return text.encode("utf-8", "backslashreplace")


def read_rejects(path: Path) -> Iterator[Rejected]:
    """The rejects of a file.

    Raises:
        DataError: A line is no reject.
    """
    for row, line in _lines(path):
        where = f"{path}:{row}"
        try:
            values: Any = json.loads(line)
            sample = values["sample"]
            found = Rejected(str(values["id"]), str(values["stage"]), str(values["reason"]), None)
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"{where}: expected a reject with id, stage, reason and sample") from error
        yield found if sample is None else found._replace(sample=Sample.from_json(json.dumps(sample), where))


def read_samples(path: Path) -> Iterator[Sample]:
    """The Samples of a file.

    Raises:
        DataError: A line is no Sample; the message has file and line.
    """
    for row, line in _lines(path):
        yield Sample.from_json(line, f"{path}:{row}")


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            yield from enumerate(file, 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def write_lines(path: Path, lines: Iterable[bytes]) -> None:
    """Writes a file whole or not at all; see :func:`emollm.files.replacing`."""
    with replacing(path) as file:
        file.writelines(lines)


# ---- build.json -----------------------------------------------------------------------------------------------------


class Build(Record):
    """What a folder holds: the recipe, what it read, how far it is, and the counts."""

    state: Literal["writing", "partial", "done"]
    """``done`` when every block and the last step are; ``partial`` where a later run has Samples to try again."""
    key: str
    """Of everything that decides the Samples; another run with the same key goes on where this one was stopped."""
    recipe: BuildSettings
    """All settings, resolved."""
    inputs: tuple[str, ...]
    """As given."""
    fingerprint: str
    """Of the input files' names, sizes and times of change."""
    blocks: int
    limit: int | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    """Of emollm and of the engine."""
    counts: Counts | None = None
    """Of the whole build; None until it is done."""

    def write(self, out: Path) -> None:
        """Writes ``build.json``."""
        with replacing(out / BUILD, "w") as file:
            file.write(self.to_json(indent=1) + "\n")


def read_build(out: Path) -> Build | None:
    """What a folder holds; None if it holds no build.

    Raises:
        DataError: ``build.json`` cannot be read.
    """
    path = out / BUILD
    try:
        return Build.from_json(path.read_bytes(), str(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


_NOT_DECISIVE = {"scale": {"workers", "engine"}, "annotator": {"workers", "retries", "timeout", "budget", "cache"}}
"""Settings that change how the work is done, not what comes out."""


def key_of(settings: BuildSettings, fingerprint: str, limit: int | None, engine: str) -> str:
    """SHA-256 of everything that decides the Samples of a build."""
    decisive = settings.model_dump_json(exclude=_NOT_DECISIVE)
    parts = [__version__, engine, _wordings(), decisive, fingerprint, limit]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _wordings() -> str:
    """SHA-256 of all prompt files: half a build is not gone on with in other words."""
    found = hashlib.sha256()
    for id in sorted(prompts.names()):
        found.update(id.encode() + files("emollm.prompts").joinpath(f"{id}.yaml").read_bytes())
    return found.hexdigest()


def refuse_other(out: Path, found: Build, wanted: Build) -> None:
    """Refuses to go on in a folder that holds another build.

    Raises:
        ConfigError: The recipe, the input or the version is another one.
    """
    if found.key == wanted.key:
        return
    same = found.recipe.model_dump(exclude=_NOT_DECISIVE) == wanted.recipe.model_dump(exclude=_NOT_DECISIVE)
    what = "another recipe" if not same else "other input"
    if same and (found.fingerprint, found.limit) == (wanted.fingerprint, wanted.limit):
        what = (
            f"another version or other prompts ({', '.join(f'{name} {one}' for name, one in found.versions.items())})"
        )
    raise ConfigError(f"{out}: holds a build of {what}; give another --out, or --fresh to replace it")
