"""Files of requests: how they come in, and where they lie while they are looked at.

Nothing in a request names a place: a file's own name is only shown, and what is written lies in a private folder under a name of ours, for as
long as the request lasts. Addresses are not followed.
"""

import asyncio
import binascii
import json
import math
import re
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath
from typing import Any, NamedTuple

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from emollm.clip_files import is_table
from emollm.errors import DataError, one_line, unknown_name
from emollm.serve.leftovers import PREFIX, new_folder
from emollm.serve.limits import Take, pieces_of
from emollm.serve.refusals import Refused
from emollm.serve.settings import LimitSettings

_NAME = 120
"""Longest name of a file that is shown."""
_FIELD = 2**20
"""Bytes of a field that is no file."""
_VALUES = 4_000_000
"""Values of one JSON body: each takes far more memory than its letters."""
_PIECE = 2**22
"""Letters of base64 that are decoded at a time, so that others have their turn between; a multiple of 4."""
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


async def json_of(request: Request, limits: LimitSettings, take: Take) -> dict[str, Any]:
    """The object that a request holds, its numbers finite and its texts such as UTF-8 can hold.

    Args:
        request: With JSON.
        limits: Sizes and times.
        take: Told what is held of it.

    Raises:
        Refused: It holds something else, too much, or too slowly.
    """
    kind = _type_of(request)
    if kind != "application/json":
        told = f"a body of type {one_line(kind, 60) or 'none'}; send application/json"
        raise Refused(415, told, "unsupported_type")
    body = bytearray()
    async for piece in pieces_of(request, limits, take):
        body += piece
    return await asyncio.to_thread(_read, body)


def _read(body: bytearray) -> dict[str, Any]:
    """The object in a body, which is emptied on the way."""
    try:
        text = str(body, "utf-8-sig")
        body.clear()
        if text.count(",") > _VALUES:
            raise Refused(413, f"a body of more than {_VALUES} values", "too_large")
        said = json.loads(text, parse_float=_number, parse_int=_whole, parse_constant=_number)
        del text
        _refuse_surrogates(said)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body is not JSON: {one_line(str(error), 120)}") from error
    if not isinstance(said, dict):
        raise Refused(400, "expected a JSON object")
    return said


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{one_line(text, 40)} is no number that can be reckoned with")
    return number


def _whole(text: str) -> int:
    if len(text) > 19:  # more than 64 bits, which neither vLLM nor a float holds
        raise ValueError(f"{one_line(text, 40)} is too large")
    return int(text)


def _refuse_surrogates(said: Any) -> None:
    r"""Half a pair of UTF-16 (``"\ud800"``) is no letter and cannot be sent on."""
    left = [said]
    while left:
        value = left.pop()
        if isinstance(value, str):
            if not value.isascii():
                value.encode()
        elif isinstance(value, dict):
            left += value
            left += value.values()
        elif isinstance(value, list):
            left += value


async def fields_of(
    request: Request, folder: Path, limits: LimitSettings, take: Take, known: Collection[str]
) -> Fields:
    """The file and the fields of a form, or of JSON with the file as base64.

    Args:
        request: Of either kind.
        folder: Where the file is put.
        limits: Sizes and times.
        take: Told what is held of it.
        known: Names of fields, the file's among them.

    Raises:
        Refused: Malformed, without a file, with a field that is not known, too large, too slow, or of a type that is not read.
    """
    kind = _type_of(request)
    if kind == "multipart/form-data":
        return await _form(request, folder, limits, take, known)
    if kind != "application/json":
        told = "a body of type {}; send multipart/form-data with a file, or application/json"
        raise Refused(415, told.format(one_line(kind, 60) or "none"), "unsupported_type")
    said = await json_of(request, limits, take)
    refuse_unknown(said, known)
    file = said.pop("file", None)
    if not isinstance(file, dict) or not isinstance(file.get("data"), str):
        raise Refused(400, 'expected "file": {"name": "...", "data": "<base64>"}')
    refuse_unknown(file, ("name", "type", "data"))
    if any(not isinstance(file.get(name) or "", str) for name in ("name", "type")):
        raise Refused(400, "the name and the type of the file have to be texts")
    written = from_base64(file.pop("data"), limits)
    return Fields(await asyncio.to_thread(put, folder, file.get("name"), written, file.get("type") or "", 0), said)


def refuse_unknown(said: Collection[str], known: Collection[str]) -> None:
    """Refuses a field that would do nothing: most are misspelt.

    Raises:
        Refused: One is not known; with the closest name and the known ones.
    """
    if unknown := sorted(set(said) - set(known)):
        raise Refused(400, unknown_name("field", one_line(unknown[0], 60), known), "unknown_field")


def _type_of(request: Request) -> str:
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


async def _form(request: Request, folder: Path, limits: LimitSettings, take: Take, known: Collection[str]) -> Fields:
    parser = MultiPartParser(
        request.headers, pieces_of(request, limits, take), max_files=1, max_fields=16, max_part_size=_FIELD
    )
    form: FormData | None = None
    try:
        form = await parser.parse()
        refuse_unknown(form, known)
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Refused(400, "expected a file in the field `file`")
        if (file.size or 0) > limits.upload_mb * 1e6:
            raise _large(limits)
        source = file.file

        def written(path: Path) -> None:
            with path.open("wb") as into:
                shutil.copyfileobj(source, into)

        said = {name: value for name, value in form.items() if isinstance(value, str)}
        _refuse_surrogates([said, file.filename, file.content_type])
        return Fields(await asyncio.to_thread(put, folder, file.filename, written, file.content_type or "", 0), said)
    except (MultiPartException, KeyError, UnicodeError) as error:
        raise Refused(400, f"the form cannot be read: {one_line(str(error), 120)}") from error
    finally:
        if form is not None:
            await form.close()


Written = Callable[[Path], None]
"""Writes a file's content to a path."""


def put(folder: Path, name: str | None, written: Written, declared: str, place: int) -> Upload:
    """Writes a file of a request where only its own processes find it. Waits for the disk: to be called in a thread.

    Args:
        folder: Of the request.
        name: What the client calls it.
        written: Writes its content.
        declared: Its MIME type, if that was said.
        place: Its number in the request.

    Raises:
        Refused: Empty, not readable as what it came as, or of a type that is not read.
    """
    shown = shown_name(name)
    kind = _kind(declared, shown)
    path = folder / f"{place}.csv" if kind == "table" else folder / f"{place}"
    written(path)
    if not path.stat().st_size:
        raise Refused(422, f"{shown}: the file is empty (0 bytes)", "unreadable_media")
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


def from_base64(text: str, limits: LimitSettings, start: int = 0) -> Written:
    """What writes the bytes that base64 stands for; it raises :class:`Refused` where the text is none.

    Args:
        text: Ends in base64.
        limits: Size.
        start: Where that begins.

    Raises:
        Refused: It is too much.
    """
    if (len(text) - start) * 3 / 4 > limits.upload_mb * 1e6 + 3:
        raise _large(limits)

    def written(path: Path) -> None:
        try:
            with path.open("wb") as into:
                for place in range(start, len(text), _PIECE):
                    piece = text[place : place + _PIECE]
                    if "=" in piece and place + _PIECE < len(text):
                        raise ValueError("padding in the middle")
                    into.write(binascii.a2b_base64(piece, strict_mode=True))
        except ValueError as error:
            raise Refused(400, f"the file's data are not base64: {one_line(str(error), 100)}") from error

    return written


def from_url(url: Any, kind: str, limits: LimitSettings) -> tuple[Written, str]:
    """What writes the content of a ``data:`` URL, and its declared type; no other is ever opened.

    Raises:
        Refused: It is another kind of URL, or malformed.
    """
    match = _DATA.match(url[:200]) if isinstance(url, str) else None
    if match is None or match["coded"] is None:
        told = f"{kind}: expected data:{kind}/…;base64,…; addresses and paths are not opened"
        raise Refused(400, told, "not_a_data_url")
    return from_base64(url, limits, match.end()), match["type"] or ""


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


def switched(said: Mapping[str, Any], name: str) -> bool:
    """A field that is a switch: true or false, in a form as a word.

    Raises:
        DataError: It is something else.
    """
    value = said.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    word = value.strip().lower() if isinstance(value, str) else None
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("", "0", "false", "no", "off"):
        return False
    raise DataError(f"{name}: expected true or false, got {one_line(repr(value), 40)}")


def _large(limits: LimitSettings) -> Refused:
    return Refused(413, f"a file of more than {limits.upload_mb:g} MB; give a smaller one", "too_large")
