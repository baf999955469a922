"""Getting verified bytes from elsewhere: downloads that resume, and where the package index has a file.

Nothing fetched is installed, imported or run. :mod:`emollm.assets` decides what to fetch and where it goes.
"""

import errno
import hashlib
import os
import socket
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from emollm.errors import AssetError

CONNECT_SECONDS = 10.0
"""How long an address may take to accept a connection: past that it counts as unreachable."""
READ_SECONDS = 60.0
"""How long a server may be silent in the middle of an answer."""
ATTEMPTS = 3
"""Connections in a row that bring nothing new before a download is given up."""
PAUSE_SECONDS = 0.5
"""Wait before a download that was cut is resumed."""
REMEMBER_SECONDS = 300.0
"""How long what failed is not tried again: one command does not wait twice, a server finds a network that came back."""
LARGEST = 4 * 2**30
"""Bytes at which a download of unstated size is stopped."""

CHUNK = 1 << 15
"""Bytes read at a time; when a connection is cut, at most so many that had arrived are lost."""

_failures: dict[Hashable, tuple[float, str]] = {}
"""Hosts and sources that failed: when, and why."""


class SourceError(AssetError):
    """One source of an asset failed; another may work. The message is a short reason without the asset's name."""


class Bytes(NamedTuple):
    """What a file must be; None where nobody says."""

    sha256: str | None
    size: int | None


class Remote(NamedTuple):
    """An address, with the headers and the credentials that are meant for its host."""

    url: str
    headers: dict[str, str]
    auth: tuple[str, str] | None = None


def remember(what: Hashable, reason: str) -> None:
    """Notes that a host or a source failed."""
    _failures[what] = (time.monotonic(), reason)


def recall(what: Hashable) -> str | None:
    """Why it failed a short while ago, if it did."""
    when, reason = _failures.get(what, (0.0, ""))
    return reason if reason and time.monotonic() - when < REMEMBER_SECONDS else None


def forget(what: Hashable = None) -> None:
    """Forgets one failure, or all."""
    if what is None:
        _failures.clear()
    else:
        _failures.pop(what, None)


def sha256(path: Path) -> str:
    """SHA-256 of a file as hexadecimal digits.

    Raises:
        AssetError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise AssetError(f"{path}: cannot be read: {error.strerror}; check its permissions") from error


# ---- downloads ------------------------------------------------------------------------------------------------------


def download(remote: Remote, path: Path, part: Path, expected: Bytes, label: str) -> None:
    """Puts the file at an address at ``path``, whole and verified, or leaves ``path`` as it was.

    Bytes that arrived before a cut stay in ``part``, and a later call goes on from there (HTTP range requests, RFC 9110
    section 14). A server that ignores the range starts over. What does not match its checksum is removed.

    Args:
        remote: Where the file is.
        path: Where it goes.
        part: Where it grows; on the same disk as ``path``.
        expected: Checksum and size.
        label: What the progress bar says.

    Raises:
        SourceError: Not reachable, refused, cut for good, or other bytes than expected.
        AssetError: It cannot be written here.
    """
    _reach(remote.url)
    resumed = _size(part) > 0
    _complete(remote, part, expected, label)
    if (wrong := _wrong(part, expected)) and resumed:  # the bytes from before may have been of another file
        part.unlink()
        _complete(remote, part, expected, label)
        wrong = _wrong(part, expected)
    if wrong:
        part.unlink()
        raise SourceError(wrong)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(part, path)
    except OSError as error:
        raise AssetError(_unwritable(path, error)) from error


def _complete(remote: Remote, part: Path, expected: Bytes, label: str) -> None:
    """Requests until ``part`` has all bytes; each request goes on where the one before was cut."""
    most, idle, reason = 0, 0, ""
    while idle < ATTEMPTS:
        cut = _request(remote, part, expected, label)
        if cut is None:
            return
        here = _size(part)
        idle, most, reason = (0 if here > most else idle + 1), max(most, here), cut
        time.sleep(PAUSE_SECONDS)
    raise SourceError(f"{reason} after {most} of {expected.size or 'unknown'} bytes; the next try goes on from there")


def _request(remote: Remote, part: Path, expected: Bytes, label: str) -> str | None:
    """One request for what ``part`` lacks; None if it is then complete, else how the answer was cut."""
    import requests

    start = _size(part)
    if expected.size is not None and start >= expected.size:
        if start == expected.size:
            return None
        part.unlink()
        start = 0
    headers = {"Accept-Encoding": "identity", "User-Agent": "emollm", **remote.headers}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        with requests.get(
            remote.url, headers=headers, auth=remote.auth, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)
        ) as answer:
            if _is_refused(answer, start, expected):
                part.unlink()
                return "the server refused to resume"
            resumes = answer.status_code == 206
            total = _total(answer, start if resumes else 0, expected)
            got = _save(answer, part, start if resumes else 0, total, expected.size or LARGEST, label)
            return None if total is None or got == total else "the connection was cut"
    except requests.exceptions.SSLError as error:
        raise SourceError("its certificate is not accepted") from error
    except requests.exceptions.ProxyError as error:
        raise SourceError("the proxy cannot be used") from error
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        return "no answer" if isinstance(error, requests.Timeout) else "the connection was cut"
    except requests.RequestException as error:
        raise SourceError(f"the request failed ({type(error).__name__})") from error


def _is_refused(answer: Any, start: int, expected: Bytes) -> bool:
    """Whether the range was not accepted. Raises SourceError for an answer that is of no use at all."""
    for hop in (*answer.history, answer):  # the hub names a large file's sha256 before it sends it
        etag = hop.headers.get("X-Linked-Etag", "").strip('W/"')
        if expected.sha256 and len(etag) == 64 and etag.lower() != expected.sha256:
            raise SourceError(f"the hub has another file there: expected sha256 {expected.sha256}, got {etag}")
    if start and answer.status_code == 416:
        return True
    if answer.status_code not in (200, 206):
        raise SourceError(
            f"{urlsplit(answer.url).hostname} says HTTP {answer.status_code} {answer.reason or ''}".strip()
        )
    return answer.status_code == 206 and not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _total(answer: Any, start: int, expected: Bytes) -> int | None:
    if expected.size is not None:
        return expected.size
    length = answer.headers.get("Content-Length", "")
    return start + int(length) if length.isdigit() else None


def _save(answer: Any, part: Path, start: int, total: int | None, limit: int, label: str) -> int:
    """Writes the body of an answer from position ``start`` of ``part``; gives the size it then has."""
    from tqdm import tqdm

    bar = tqdm(desc=label, total=total, initial=start, unit="B", unit_scale=True, leave=False, disable=None)
    with bar, _writing(part, start) as file:
        for chunk in answer.iter_content(CHUNK):
            start += len(chunk)
            if start > limit:
                raise SourceError(f"sends more than the {limit} bytes expected")
            _write(part, file, chunk)
            bar.update(len(chunk))
        _write(part, file, b"", sync=True)
    return start


@contextmanager
def _writing(part: Path, start: int) -> Iterator[IO[bytes]]:
    """Opens ``part`` unbuffered for appending at ``start``; removes it if it cannot be written or is of no use."""
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        file = part.open("ab" if start else "wb", buffering=0)
    except OSError as error:
        raise AssetError(_unwritable(part, error)) from error
    try:
        with file:
            yield file
    except AssetError:
        part.unlink(missing_ok=True)
        raise


def _write(part: Path, file: IO[bytes], chunk: bytes, sync: bool = False) -> None:
    try:
        file.write(chunk)
        if sync:
            os.fsync(file.fileno())
    except OSError as error:
        raise AssetError(_unwritable(part, error)) from error


def _wrong(path: Path, expected: Bytes) -> str:
    """What is wrong with a downloaded file, or nothing."""
    if expected.size is not None and (size := _size(path)) != expected.size:
        return f"expected {expected.size} bytes, got {size}"
    if expected.sha256 is not None and (got := sha256(path)) != expected.sha256:
        return f"expected sha256 {expected.sha256}, got {got}"
    return ""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _unwritable(path: Path, error: OSError) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    remedy = "free some space or set" if full else "set"
    return f"{path}: cannot be written: {error.strerror or error}; {remedy} EMOLLM_CACHE to another folder"


def _reach(url: str) -> None:
    """Refuses a host that takes no connection within ``CONNECT_SECONDS`` over all its addresses.

    A library's connect timeout counts for each address, and a name may have a dozen: behind a firewall that drops
    packets that adds up to minutes.

    Raises:
        SourceError: Not reachable, now or a short while ago.
    """
    from requests.utils import get_environ_proxies

    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)
    if get_environ_proxies(url, no_proxy=None):
        return  # a proxy resolves and connects for us
    if reason := recall((host, port)):
        raise SourceError(reason)
    try:
        _connect(host, port)
    except OSError as error:
        cause = "name not known" if isinstance(error, socket.gaierror) else (error.strerror or str(error)).lower()
        reason = f"{host} cannot be reached ({cause})"
        remember((host, port), reason)
        raise SourceError(reason) from error


def _connect(host: str, port: int) -> None:
    deadline = time.monotonic() + CONNECT_SECONDS
    last: OSError = OSError("no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        with socket.socket(family, kind, protocol) as connection:
            connection.settimeout(max(left / 2, 0.05))  # leaves time for a second address
            try:
                connection.connect(address)
            except OSError as error:
                last = error
            else:
                return
    raise last


# ---- package index --------------------------------------------------------------------------------------------------


def on_index(project: str, distribution: str) -> tuple[Remote, Bytes]:
    """Where the package index has a distribution file, with the checksum and size that the index states.

    The index is ``PIP_INDEX_URL`` if that is set, else the public one (Simple Repository API, PEP 503 and 691).

    Args:
        project: Name of the project.
        distribution: File name of a wheel or an sdist.

    Raises:
        SourceError: The index cannot be reached or read, or has no such file.
    """
    import requests
    from pypi_simple import (
        PYPI_SIMPLE_ENDPOINT,
        NoSuchProjectError,
        PyPISimple,
        UnsupportedContentTypeError,
        UnsupportedRepoVersionError,
    )

    index, auth = _without_credentials(os.environ.get("PIP_INDEX_URL", "").strip() or PYPI_SIMPLE_ENDPOINT)
    host = urlsplit(index).hostname
    if not host or urlsplit(index).scheme not in ("http", "https"):
        raise SourceError("PIP_INDEX_URL is not an http or https address")
    _reach(index)
    try:
        with PyPISimple(index, auth=auth) as client:
            page = client.get_project_page(project, timeout=(CONNECT_SECONDS, READ_SECONDS))
    except NoSuchProjectError as error:
        raise SourceError(f"{host} has no project {project}") from error
    except requests.HTTPError as error:
        raise SourceError(f"{host}: HTTP {error.response.status_code}") from error
    except requests.RequestException as error:
        raise SourceError(f"{host}: the request failed ({type(error).__name__})") from error
    except (UnsupportedContentTypeError, UnsupportedRepoVersionError) as error:
        raise SourceError(f"{host} does not answer like a package index; check PIP_INDEX_URL") from error
    for package in page.packages:
        if package.filename == distribution:
            url, own = _without_credentials(package.url)
            url = urlsplit(url)._replace(fragment="").geturl()
            same = urlsplit(url).netloc == urlsplit(index).netloc
            return Remote(url, {}, own or (auth if same else None)), Bytes(package.digests.get("sha256"), package.size)
    raise SourceError(f"{host} has no file {distribution} of {project}")


def _without_credentials(url: str) -> tuple[str, tuple[str, str] | None]:
    """An address without ``user:password@``, which must not reach messages or other hosts, and these two apart."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    return urlunsplit(parts._replace(netloc=host)), (unquote(name), unquote(password)) if at else None
