"""Files of requests: how they come in, and where they lie while they are looked at.

Nothing in a request names a place: a file's own name is only shown, and what is written lies in a private folder under a name of ours, for as
long as the request lasts. Addresses are not followed.
"""

import base64
import binascii
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath
from typing import Any, NamedTuple

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from emollm.clip_files import is_table
from emollm.errors import DataError, one_line
from emollm.serve.leftovers import PREFIX, new_folder
from emollm.serve.limits import pieces_of
from emollm.serve.refusals import Refused
from emollm.serve.settings import LimitSettings

_NAME = 120
"""Longest name of a file that is shown."""
_FIELD = 2**20
"""Bytes of a field that is no file."""
_DATA = re.compile(
    r"data:(?P<type>[\w.+-]+/[\w.+-]+)?(?P<more>(?:;[\w.+-]+=[\w.+\"-]*)*)(?P<coded>;base64)?,", re.ASCII
)
KINDS = ("image", "audio", "video")
_UNSAID = ("", "application/octet-stream", "binary/octet-stream")
"""Types that say nothing."""
_TABLES = ("text/csv", "application/csv", "application/vnd.ms-excel")


class Upload(NamedTuple):
    """A file of a request."""

    name: str
    """What the client calls it, for people to read."""
    path: Path
    """Where it lies, for as long as the request lasts."""
    kind: str | None
    """What it was declared to be: ``image``, ``audio``, ``video``, ``table``; None where that was not said."""


class Fields(NamedTuple):
    """A request to ``/v1/explain`` or ``/v1/observe``."""

    upload: Upload
    said: dict[str, Any]
    """The other fields."""


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder that only this user can read, and that is gone afterwards with all that is in it."""
    folder = new_folder(PREFIX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def shown_name(given: str | None) -> str:
    """A file's name as it is shown: its last part, without control characters, of bounded length."""
    last = PureWindowsPath(given or "").name  # knows both kinds of slashes
    return one_line(last.encode("utf-8", "replace").decode(), _NAME) or "upload"


async def json_of(request: Request, limits: LimitSettings) -> dict[str, Any]:
    """The object that a request holds.

    Raises:
        Refused: It holds something else, too much, or too slowly.
    """
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in ("application/json", ""):
        raise Refused(415, f"a body of type {one_line(kind, 60)}; send application/json", "unsupported_type")
    body = b"".join([piece async for piece in pieces_of(request, limits)])
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body is not JSON: {one_line(str(error), 120)}") from error
    if not isinstance(said, dict):
        raise Refused(400, "expected a JSON object")
    return said


async def fields_of(request: Request, folder: Path, limits: LimitSettings) -> Fields:
    """The file and the fields of a form, or of JSON with the file as base64.

    Args:
        request: Of either kind.
        folder: Where the file is put.
        limits: Sizes and times.

    Raises:
        Refused: Malformed, without a file, too large, too slow, or of a type that is not read.
    """
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _form(request, folder, limits)
    if kind != "application/json":
        told = "a body of type {}; send multipart/form-data with a file, or application/json"
        raise Refused(415, told.format(one_line(kind, 60) or "none"), "unsupported_type")
    said = await json_of(request, limits)
    file = said.pop("file", None)
    if not isinstance(file, dict) or not isinstance(file.get("data"), str):
        raise Refused(400, 'expected "file": {"name": "...", "data": "<base64>"}')
    name = file.get("name")
    if name is not None and not isinstance(name, str):
        raise Refused(400, "the file's name has to be a text")
    declared = file.get("type") if isinstance(file.get("type"), str) else ""
    return Fields(put(folder, name, decoded(file["data"], limits), str(declared), 0), said)


async def _form(request: Request, folder: Path, limits: LimitSettings) -> Fields:
    parser = MultiPartParser(
        request.headers, pieces_of(request, limits), max_files=1, max_fields=16, max_part_size=_FIELD
    )
    form: FormData | None = None
    try:
        form = await parser.parse()
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Refused(400, "expected a file in the field `file`")
        if (file.size or 0) > limits.upload_mb * 1e6:
            raise _large(limits)
        upload = put(folder, file.filename, await file.read(), file.content_type or "", 0)
        return Fields(upload, {name: value for name, value in form.items() if isinstance(value, str)})
    except (MultiPartException, KeyError) as error:
        raise Refused(400, f"the form cannot be read: {one_line(str(error), 120)}") from error
    finally:
        if form is not None:
            await form.close()


def put(folder: Path, name: str | None, data: bytes, declared: str, place: int) -> Upload:
    """Writes a file of a request where only its own processes find it.

    Args:
        folder: Of the request.
        name: What the client calls it.
        data: Its content.
        declared: Its MIME type, if that was said.
        place: Its number in the request.

    Raises:
        Refused: Empty, or of a type that is not read.
    """
    shown = shown_name(name)
    if not data:
        raise Refused(422, f"{shown}: the file is empty (0 bytes)", "unreadable_media")
    kind = _kind(declared, shown)
    path = folder / f"{place}.csv" if kind == "table" else folder / f"{place}"
    path.write_bytes(data)
    return Upload(shown, path, kind)


def _kind(declared: str, name: str) -> str | None:
    """What a file is declared to be."""
    mime = declared.partition(";")[0].strip().lower()
    if mime in _TABLES or (mime in (*_UNSAID, "text/plain") and is_table(Path(name))):
        return "table"
    if mime in _UNSAID:
        return None
    kind = mime.partition("/")[0]
    if kind not in KINDS:
        told = f"{name}: declared as {one_line(mime, 60)}; pictures, sounds, videos and tables (.csv) are read"
        raise Refused(415, told, "unsupported_type")
    return kind


def decoded(text: str, limits: LimitSettings) -> bytes:
    """The bytes that base64 stands for.

    Raises:
        Refused: It is none, or too much.
    """
    if len(text) * 3 / 4 > limits.upload_mb * 1e6 + 3:
        raise _large(limits)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(400, f"the file's data are not base64: {one_line(str(error), 100)}") from error


def from_url(url: Any, kind: str, limits: LimitSettings) -> tuple[bytes, str]:
    """Content and declared type of a ``data:`` URL; no other is ever opened.

    Raises:
        Refused: It is another kind of URL, or malformed.
    """
    match = _DATA.match(url[:200]) if isinstance(url, str) else None
    if match is None or match["coded"] is None:
        told = f"{kind}: expected data:{kind}/…;base64,…; addresses and paths are not opened"
        raise Refused(400, told, "not_a_data_url")
    return decoded(url[match.end() :], limits), match["type"] or ""


def readable(said: Mapping[str, Any], name: str) -> str | None:
    """A field that is a text.

    Raises:
        DataError: It is something else.
    """
    value = said.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise DataError(f"{name}: expected a text, got {one_line(repr(value), 40)}")
    return value


def _large(limits: LimitSettings) -> Refused:
    return Refused(413, f"a file of more than {limits.upload_mb:g} MB; give a smaller one", "too_large")
