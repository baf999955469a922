"""Media files opened safely, and images, videos and sound told apart by what is in them.

A media file is hostile until proved otherwise. It is opened only if it is a regular local file; FFmpeg may use only its
``file`` protocol and only the container formats of :data:`DEMUXERS`, none of which reads further files: playlists (HLS,
concat, DASH, SDP) and numbered pictures are refused. Names such as ``http://x.mp4``, ``concat:a|b`` or ``-x.mp4`` mean
files of that name. What FFmpeg logs goes nowhere: PyAV drops it unless a program asks for it.
"""

import os
import re
import stat
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from emollm.errors import MediaError, one_line

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream

Kind = Literal["image", "video", "audio"]

MAX_PIXELS = 200_000_000
"""Largest width x height of a video frame that is decoded."""

DEMUXERS = (
    *(
        "mov",
        "matroska",
        "avi",
        "mpegts",
        "mpeg",
        "mpegvideo",
        "m4v",
        "h264",
        "hevc",
        "vvc",
        "obu",
        "av1",
        "ivf",
        "flv",
    ),
    *("asf", "ogg", "mxf", "dv", "gxf", "nut", "rm", "yuv4mpegpipe", "vc1", "wtv", "h263"),
    *("wav", "w64", "aiff", "au", "caf", "mp3", "aac", "loas", "flac", "ape", "wv", "tta", "amr", "ac3", "eac3", "dts"),
    *("voc", "nistsphere", "dsf", "mpc", "mpc8"),
)
"""FFmpeg's names of the container formats that are read: each is one file that refers to no other."""

_HEAD = 4096
_FOREIGN = (
    (b"%PDF", "a PDF document; save the page as PNG"),
    (b"%!PS", "a PostScript file; save it as PNG"),
    (b"<svg", "an SVG drawing; save it as PNG"),
    (b"<!doctype html", "a web page; save the image or the clip itself"),
    (b"<html", "a web page; save the image or the clip itself"),
    (b"8BPS", "a Photoshop file; save it as PNG"),
    (b"PK\x03\x04", "a ZIP archive; unpack it first"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"#EXTM3U", "a playlist; give the clip itself"),
    (b"ffconcat", "a playlist; give the clip itself"),
    (b"[playlist]", "a playlist; give the clip itself"),
    (b"<MPD", "a playlist; give the clip itself"),
    (b"v=0\n", "a description of a stream (SDP); give a file"),
    (b"v=0\r\n", "a description of a stream (SDP); give a file"),
)
_IMAGES: tuple[bytes, ...] = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF8",
    b"II*\0",
    b"MM\0*",
    b"MM\0+",
    b"II+\0",
    b"\xff\x4f\xff\x51",
)
_IMAGES += (b"\0\0\0\x0cjP  ",)
_IMAGE_BRANDS = {b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_BMP = re.compile(rb"BM.{4}\0\0\0\0.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL)
_PNM = re.compile(rb"P[1-6][ \t\r\n]+[#\d]")
_BOXES = {b"ftyp", b"mdat", b"free", b"wide", b"skip", b"moof", b"styp", b"pnot"}


def kind_of(path: Path) -> Kind:
    """Whether a file is an image, a video or a sound, by its content.

    An animated GIF, WebP or PNG is an image. A cover picture does not make a song a video.

    Raises:
        MediaError: Not there, not a regular file, empty, or nothing of the three.
    """
    path = Path(path)
    with open_file(path, "an image, a video or a sound file") as file:
        head = file.read(_HEAD)
    if _starts_image(head):
        return "image"
    with open_container(path) as container:
        if picture_stream(container) is not None:
            return "video"
        if sound_stream(container) is not None:
            return "audio"
        raise MediaError(f"{path}: {_without_streams(container, 'neither pictures nor sound')}")


def open_file(path: Path, expected: str) -> IO[bytes]:
    """A regular, not empty file, opened for reading; a folder, a pipe or a device is refused without being opened.

    Args:
        path: Where it is.
        expected: What the messages say is wanted, with its article: ``an image file``.

    Raises:
        MediaError: In one line, whatever the reason.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            os.scandir(path).close()  # a folder that may not be read says so
            raise MediaError(f"{path}: expected {expected}, this is a folder")
        if not stat.S_ISREG(status.st_mode):
            raise MediaError(f"{path}: expected {expected}, this is {_special(status.st_mode)}")
        if status.st_size == 0:
            raise MediaError(f"{path}: the file is empty (0 bytes)")
        return path.open("rb")
    except OSError as error:
        raise MediaError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:  # a NUL in the name
        raise MediaError(f"{str(path)!r}: not a file name: {error}") from error


def open_container(path: Path) -> "InputContainer":
    """The container of a video or sound file, its header read and nothing decoded; it is to be closed.

    Raises:
        MediaError: Not readable, or not a video or sound file of one of :data:`DEMUXERS`.
    """
    import av

    with open_file(path, "a video or sound file") as file:
        head = file.read(_HEAD)
    if _starts_image(head):
        raise MediaError(f"{path}: expected a video or sound file, this is an image")
    if (name := foreign(head)) is not None:
        raise MediaError(f"{path}: expected a video or sound file, this is {name}")
    try:
        return av.open(
            f"file:{os.path.abspath(path)}",
            "r",
            metadata_errors="replace",
            options={"max_pixels": str(MAX_PIXELS)},
            container_options={"protocol_whitelist": "file", "format_whitelist": ",".join(DEMUXERS)},
        )
    except MemoryError as error:
        raise MediaError(f"{path}: not enough memory to read the file's header") from error
    except damage() as error:
        raise MediaError(f"{path}: {_why_not(head, error)}") from error


@cache
def damage() -> tuple[type[Exception], ...]:
    """What PyAV raises on damaged files, besides MemoryError; found by cutting and flipping bytes."""
    from av import FFmpegError

    return FFmpegError, OSError, ValueError, LookupError, EOFError, ArithmeticError, RuntimeError, AssertionError


def foreign(head: bytes) -> str | None:
    """What a file is by its first bytes, and what to do, if it is a document, an archive or a playlist; else None."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for signature, name in _FOREIGN:
        if text[: len(signature)].lower() == signature.lower():
            return name
    if text.startswith((b"<?xml", b"<!")):
        if b"<svg" in head:
            return "an SVG drawing; save it as PNG"
        if b"<MPD" in head:
            return "a playlist; give the clip itself"
    return None


def holds_text(head: bytes) -> bool:
    """Whether the first bytes of a file are plain ASCII text."""
    return head.isascii() and all(byte >= 32 or byte in b"\t\r\n\f" for byte in head)


def picture_stream(container: "InputContainer") -> "VideoStream | None":
    """The stream of moving pictures that is meant to be watched, or None; cover pictures and thumbnails do not count."""
    from av.stream import Disposition

    still = Disposition.attached_pic | Disposition.timed_thumbnails
    streams = [s for s in container.streams.video if s.codec_context is not None and not s.disposition & still]
    return next((s for s in streams if s.disposition & Disposition.default), streams[0] if streams else None)


def sound_stream(container: "InputContainer") -> "AudioStream | None":
    """The stream of sound that is meant to be heard, or None."""
    from av.stream import Disposition

    streams = [s for s in container.streams.audio if s.codec_context is not None]
    return next((s for s in streams if s.disposition & Disposition.default), streams[0] if streams else None)


def without(container: "InputContainer", kind: Literal["video", "audio"]) -> str:
    """Why a container gives no stream of this kind, in one phrase."""
    return _without_streams(container, f"no {kind} stream", kind)


def reason(error: BaseException) -> str:
    """What a library's error says, in a few words and in one line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    text = one_line(str(text), 100)
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _without_streams(container: "InputContainer", nothing: str, kind: str | None = None) -> str:
    unread: list[Stream] = [s for s in container.streams if s.type in ("video", "audio") and s.codec_context is None]
    if any(kind in (None, s.type) for s in unread):
        return "it is coded in a way that FFmpeg does not know; convert it to MP4 (H.264, AAC)"
    return f"has {nothing}"


def _special(mode: int) -> str:
    kinds = ((stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a device"))
    return next((name for test, name in kinds if test(mode)), "a device")


def _starts_image(head: bytes) -> bool:
    if head.startswith(_IMAGES) or _BMP.match(head) or _PNM.match(head):
        return True
    if head[4:8] == b"ftyp":
        return head[8:12] in _IMAGE_BRANDS
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def _why_not(head: bytes, error: Exception) -> str:
    """Why FFmpeg could not open a file with these first bytes."""
    if holds_text(head):
        return "not a picture, video or sound file: it holds text"
    if not any(head):
        return "not a picture, video or sound file: it starts with nothing but zeros; copy or download it again"
    if head[4:8] in _BOXES:
        return "damaged MP4 file, or one without its index (moov) as after an interrupted recording; copy it again"
    known = (b"RIFF", b"OggS", b"fLaC", b"ID3", b"\x1aE\xdf\xa3", b"FORM", b"FLV", b"0&\xb2u")
    if head.startswith(known):
        return f"truncated or damaged file: {reason(error)}; copy or download it again"
    return "not a picture, video or sound file that can be read; convert it to PNG, MP4 (H.264, AAC) or WAV"
