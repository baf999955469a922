"""Image files to upright 8-bit RGB pixels, and one clear line for everything that is not a readable image.

What is decided here, once for training, chat, server and benchmark:

- EXIF orientation is applied; ``info.width`` and ``info.height`` are the upright size of the file.
- Transparency is composited on white. A palette, 1-bit, grey or CMYK picture becomes RGB; an embedded ICC profile is used
  for CMYK, where the plain formula is far off, and for nothing else.
- 16-bit and 32-bit grey is scaled from its full range, not clipped. Float pixels are read as 0 to 1, 0 to 255 or
  0 to 65535, the smallest range that holds them.
- Of an animation or a multi-page file the first frame is taken; ``info.frames`` tells how many there are.
- More than :data:`MAX_PIXELS` pixels are refused by the header, before anything is decoded. Pictures whose longest side
  is above :data:`MAX_SIDE` are reduced to it, and ``Picture.scale`` says by how much.

Each of these that happened is written in ``info.note``.
"""

import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np

from emollm.errors import MediaError
from emollm.media.opening import foreign, holds_text, open_file
from emollm.silence import stderr_silenced
from emollm.types import MediaInfo

if TYPE_CHECKING:
    from PIL import Image, ImageFile

MAX_PIXELS = 200_000_000
"""Largest width x height that is decoded: the largest phone sensors (16,320 x 12,240) pass, bombs do not."""

MAX_SIDE = 4096
"""Longest side of the returned pixels. A face that matters is still hundreds of pixels wide at this size."""

_COMMON = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp", ".bmp", ".dib", ".tif", ".tiff"})
IMAGE_SUFFIXES = _COMMON | {".mpo", ".apng", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".avif"}
"""Lower-case suffixes of the files that a folder contributes."""

# Only these of Pillow's formats: some others start programs (EPS) or fetch nothing but trouble from hostile files.
_FORMATS = ("JPEG", "MPO", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")

# What Pillow raises on hostile bytes; found by cutting and flipping bytes of every format.
_DAMAGE: tuple[type[Exception], ...] = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    struct.error,
)
_DAMAGE += (ArithmeticError, AttributeError, RuntimeError, AssertionError, zlib.error)

_SIGNATURES = (
    (b"\x1aE\xdf\xa3", "a video; give a still image"),
    (b"OggS", "an audio or video file; give a still image"),
    (b"fLaC", "an audio file; give a still image"),
    (b"ID3", "an audio file; give a still image"),
    (b"II\x1a\x00\x00\x00HEAPCCDR", "a raw photo; save it as JPEG"),
)
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


class Picture(NamedTuple):
    """A decoded image."""

    pixels: np.ndarray
    """(H, W, 3) uint8, RGB in 0–255, upright, writable."""
    info: MediaInfo
    """``width`` and ``height`` are the upright size of the file, not of ``pixels``."""
    scale: float
    """Size of ``pixels`` divided by the size of the file: 1.0 unless the picture was reduced."""


def looks_like_image(path: Path) -> bool:
    """Whether the suffix is one of :data:`IMAGE_SUFFIXES`; the file is not opened."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def read_image(path: Path, *, max_pixels: int = MAX_PIXELS, max_side: int = MAX_SIDE) -> Picture:
    """Reads one image file.

    Args:
        path: A regular file; a folder, a pipe or a device is refused without being opened.
        max_pixels: Largest width x height that is decoded.
        max_side: Longest side of the returned pixels; larger pictures are reduced to it.

    Raises:
        MediaError: Not there, not readable, not an image, truncated, too large, or with pixels that have no meaning (NaN).
    """
    path = Path(path)
    with open_file(path, "an image file") as file, _pillow_settings(max_pixels):
        image = _open_image(path, file)
        if min(image.size) < 1 or image.width * image.height > max_pixels:
            raise _too_large(path, max_pixels, f"{image.width}x{image.height} pixels")
        try:
            with _libtiff_silenced(image):
                return _decode(path, image, max_side)
        except MemoryError as error:
            raise MediaError(f"{path}: not enough memory to decode {image.width}x{image.height} pixels") from error
        except _DAMAGE as error:
            raise MediaError(f"{path}: {_damage(image.format or 'image', error)}") from error


# ---- opening --------------------------------------------------------------------------------------------------------


def _open_image(path: Path, file: IO[bytes]) -> "ImageFile.ImageFile":
    """The image with its header read and its pixels not yet decoded."""
    from PIL import Image, UnidentifiedImageError

    Image.init()
    try:
        return Image.open(file, formats=[name for name in _FORMATS if name in Image.OPEN])
    except UnidentifiedImageError as error:
        file.seek(0)
        raise MediaError(f"{path}: {_what_it_is(file.read(1024))}") from error
    except Image.DecompressionBombError as error:
        raise _too_large(path, Image.MAX_IMAGE_PIXELS or MAX_PIXELS, "far more") from error
    except _DAMAGE as error:
        raise MediaError(f"{path}: {_damage('image', error)}") from error


def _too_large(path: Path, max_pixels: int, came: str) -> MediaError:
    return MediaError(f"{path}: expected 1 to {max_pixels:,} pixels, came {came}; save it smaller")


def _damage(kind: str, error: BaseException) -> str:
    reason = " ".join(str(error).split()) or type(error).__name__
    if "truncated" in reason.lower():
        return f"truncated {kind} file: its end is missing; copy or download it again"
    return f"truncated or damaged {kind} file: {reason}"


def _what_it_is(head: bytes) -> str:
    """Why these first bytes are not an image that is read, in one phrase."""
    if (other := foreign(head)) is not None:
        return f"not a photo but {other}"
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return f"not a photo but {name}"
    if head[4:8] == b"ftyp":
        if head[8:12] in _HEIF_BRANDS:
            return "HEIC/HEIF is not supported; save it as JPEG or PNG"
        return "not a photo but a video, or a kind of image that is not read; give a JPEG or PNG"
    if head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"WAVE"):
        return f"not a photo but {'a video' if head[8:12] == b'AVI ' else 'an audio file'}; give a still image"
    known = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"II*\0", b"MM\0*", b"RIFF")
    if head.startswith(known):
        return "truncated or damaged image file: its header cannot be read"
    if holds_text(head):
        return "not an image: the file holds text; give a JPEG, PNG, WebP, GIF, TIFF or BMP file"
    return "not an image that can be read; give a JPEG, PNG, WebP, GIF, TIFF or BMP file"


_lock = threading.Lock()
_readers = 0
_putting_back = ExitStack()


@contextmanager
def _pillow_settings(max_pixels: int) -> Iterator[None]:
    """Pillow without its warnings, with our limit of pixels and no tolerance of truncated files.

    All three are global to the process. The first reader sets them and the last one puts back what was there, so that
    several threads may read at once.
    """
    global _readers
    from PIL import Image, ImageFile

    with _lock:
        _readers += 1
        if _readers == 1:
            _putting_back.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module=r"PIL\b")
            _putting_back.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
            _putting_back.callback(setattr, ImageFile, "LOAD_TRUNCATED_IMAGES", ImageFile.LOAD_TRUNCATED_IMAGES)
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = max_pixels, False
    try:
        yield
    finally:
        with _lock:
            _readers -= 1
            if _readers == 0:
                _putting_back.close()


@contextmanager
def _libtiff_silenced(image: "Image.Image") -> Iterator[None]:
    """Keeps libtiff from writing its own lines about a damaged file to standard error, below Python's reach.

    The descriptor is the process's, so this is done for compressed TIFFs only, one at a time.
    """
    if image.format != "TIFF" or image.info.get("compression", "raw") == "raw":
        yield
        return
    with stderr_silenced():
        yield


# ---- decoding -------------------------------------------------------------------------------------------------------


def _decode(path: Path, image: "ImageFile.ImageFile", max_side: int) -> Picture:
    from PIL import Image

    width, height = image.size
    notes: list[str] = []
    frames = 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))  # an MPO's others are depth, gain maps
    if frames > 1:
        notes.append(f"first of {frames} {'pages' if image.format == 'TIFF' else 'frames'}")
    turn = _orientation(image) if image.format == "TIFF" else 1
    if image.format == "TIFF" and max(tile[1][2] * tile[1][3] for tile in image.tile if tile[1]) < width * height:
        raise EOFError("truncated: strips are missing")  # Pillow would leave the rest of the picture black
    factor = min(1.0, max_side / max(width, height))
    working = (max(1, round(width * factor)), max(1, round(height * factor)))
    if factor < 1:
        image.draft(None, working)  # a JPEG is decoded at 1/2, 1/4 or 1/8 where that is enough
    image.load()
    if image.format != "TIFF":  # Pillow turns a TIFF itself while loading
        turn = _orientation(image)
    rgb = _straight(path, image, notes)
    if rgb.size != working:
        # Hamming: sharper than bilinear, and without the overshoot of bicubic and Lanczos at edges.
        rgb = rgb.resize(working, Image.Resampling.HAMMING, reducing_gap=3.0)
    rgb = _to_rgb(rgb, image, notes)
    if turn != 1:
        notes.append(f"turned upright from EXIF orientation {turn}")
        if image.format != "TIFF":
            rgb = rgb.transpose(_turns()[turn])
            if turn >= 5:
                width, height = height, width
    if factor < 1:
        notes.append(f"reduced from {width}x{height} to {rgb.width}x{rgb.height}")
    return Picture(
        pixels=np.array(rgb),
        info=MediaInfo(
            kind="image",
            width=width,
            height=height,
            frames=frames if frames > 1 else None,
            note="; ".join(notes) or None,
        ),
        scale=max(rgb.size) / max(width, height),
    )


def _turns() -> "dict[int, Image.Transpose]":
    """EXIF 2.32, tag 274: what brings each orientation upright."""
    from PIL.Image import Transpose

    return {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }


def _orientation(image: "Image.Image") -> int:
    """EXIF orientation 1 to 8; 1 where there is none or where the EXIF block is damaged."""
    try:
        value = image.getexif().get(0x0112)
    except _DAMAGE:
        return 1
    return value if isinstance(value, int) and value in _turns() else 1


def _straight(path: Path, image: "Image.Image", notes: list[str]) -> "Image.Image":
    """The image in a mode whose pixels may be averaged: L, RGB, RGBA, LA, CMYK."""
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return _eight_bit(path, image, notes)
    if image.mode == "1" and not image.has_transparency_data:
        return image.convert("L")
    if image.mode in ("P", "PA", "1") or "transparency" in image.info:
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode == "LAB":
        raise MediaError(f"{path}: the colour mode LAB is not read; save it as RGB")
    return image


def _to_rgb(rgb: "Image.Image", image: "Image.Image", notes: list[str]) -> "Image.Image":
    """RGB, with transparency composited on white and CMYK through the ICC profile of ``image``, if it has one."""
    from PIL import Image

    if rgb.mode in ("RGBA", "LA", "RGBa", "La", "PA"):
        rgb = rgb.convert("LA" if rgb.mode == "La" else rgb.mode).convert("RGBA")
        darkest = rgb.getchannel("A").getextrema()[0]
        if isinstance(darkest, int | float) and darkest < 255:
            notes.append("transparency composited on white")
            rgb = Image.alpha_composite(Image.new("RGBA", rgb.size, "white"), rgb)
    if rgb.mode == "CMYK":
        notes.append("converted from CMYK")
        return _from_cmyk(rgb, image.info.get("icc_profile"))
    return rgb if rgb.mode == "RGB" else rgb.convert("RGB")


def _from_cmyk(image: "Image.Image", profile: bytes | None) -> "Image.Image":
    from io import BytesIO

    from PIL import ImageCms

    if profile:
        try:
            converted = ImageCms.profileToProfile(
                image, ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError):  # a damaged profile, or one of another colour space
            converted = None
        if converted is not None:
            return converted
    return image.convert("RGB")


def _eight_bit(path: Path, image: "Image.Image", notes: list[str]) -> "Image.Image":
    """Grey of more than eight bits as L, scaled from the full range of its type."""
    from PIL import Image

    values = np.asarray(image)
    if image.mode == "F":
        low, high = float(values.min()), float(values.max())
        if not np.isfinite((low, high)).all():
            raise MediaError(f"{path}: the pixels hold NaN or infinity; expected finite numbers")
        peak = next((peak for peak in (1, 255, 65535) if high <= peak), None)
        if low < 0 or peak is None:
            raise MediaError(f"{path}: float pixels from {low:g} to {high:g}; expected 0–1, 0–255 or 0–65535")
        notes.append(f"float pixels read as 0 to {peak}")
    else:
        peak = _peak(image)
        if peak == 2**32 - 1:
            values = values.view(np.uint32)
        if values.min() < 0:
            raise MediaError(f"{path}: pixels down to {values.min()}; expected numbers from 0")
        notes.append(f"grey scaled from 0 to {peak}")
    if values.dtype == np.uint16:
        table = np.minimum(np.round(np.arange(65536) * (255 / peak)), 255).astype(np.uint8)
        return Image.fromarray(table[values])
    scaled = values.astype(np.float32)
    scaled *= np.float32(255 / peak)
    return Image.fromarray(np.minimum(np.round(scaled, out=scaled), 255).astype(np.uint8))


def _peak(image: "Image.Image") -> int:
    """Full scale of an integer mode. Only TIFF has others than 16 unsigned bits (TIFF 6.0, tags 258 and 339)."""
    tags = getattr(image, "tag_v2", {})
    bits = int(tags.get(258, (16,))[0])
    signed = int(tags.get(339, (1,))[0]) == 2
    return 2 ** (bits - signed) - 1
