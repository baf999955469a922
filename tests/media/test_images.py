import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from emollm.errors import MediaError
from emollm.media.images import IMAGE_SUFFIXES, MAX_SIDE, Picture, looks_like_image, read_image

Refusal = Callable[..., str]

RED, GREEN, BLUE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)


def quarters() -> Image.Image:
    """60x40: red, green over blue, black."""
    image = Image.new("RGB", (60, 40))
    for box, colour in (((0, 0, 30, 20), RED), ((30, 0, 60, 20), GREEN), ((0, 20, 30, 40), BLUE)):
        image.paste(colour, box)
    return image


def corners(picture: Picture) -> list[list[int]]:
    return [picture.pixels[y, x].tolist() for y, x in ((10, 10), (10, 50), (30, 10), (30, 50))]


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.fixture
def refusal(refusal_by: Callable[..., Refusal]) -> Refusal:
    return refusal_by(read_image)


# ---- what is read ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, suffix: str, orientation: int) -> None:
    stored_by = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the inverse turn, as a number of Image.Transpose
    image = quarters()
    if orientation > 1:
        image = image.transpose(Image.Transpose(stored_by[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = read_image(saved(tmp_path / f"photo.{suffix}", image, exif=exif, quality=95))
    assert picture.pixels.shape == (40, 60, 3)
    assert (picture.info.width, picture.info.height, picture.scale) == (60, 40, 1.0)
    assert np.allclose(corners(picture), [RED, GREEN, BLUE, BLACK], atol=12)
    assert (picture.info.note is None) == (orientation == 1)


def test_a_damaged_exif_block_does_not_cost_the_photo(tmp_path: Path) -> None:
    path = saved(tmp_path / "photo.jpg", quarters(), exif=b"Exif\0\0II*\0\xff\xff\xff\x7f\x01")
    assert read_image(path).pixels.shape == (40, 60, 3)


def test_pixels_are_writable_rgb_bytes(tmp_path: Path) -> None:
    picture = read_image(saved(tmp_path / "photo.png", quarters()))
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.flags.writeable
    assert corners(picture) == [list(colour) for colour in (RED, GREEN, BLUE, BLACK)]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_composited_on_white(tmp_path: Path, mode: str) -> None:
    image = Image.new(mode, (4, 2), 0)
    image.putpixel((0, 0), (0, 255) if mode == "LA" else (0, 0, 0, 255))
    picture = read_image(saved(tmp_path / "cut.png", image))
    assert picture.pixels[0, 0].tolist() == [0, 0, 0]
    assert picture.pixels[1, 3].tolist() == [255, 255, 255]
    assert picture.info.note == "transparency composited on white"


def test_an_opaque_alpha_channel_leaves_no_note(tmp_path: Path) -> None:
    assert read_image(saved(tmp_path / "a.png", quarters().convert("RGBA"))).info.note is None


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    picture = read_image(saved(tmp_path / "p.png", quarters().quantize(4)))
    assert np.allclose(corners(picture), [RED, GREEN, BLUE, BLACK], atol=3)


@pytest.mark.parametrize("transparency", [1, b"\xff\x00"])
def test_a_transparent_palette_entry_becomes_white(tmp_path: Path, transparency: int | bytes) -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([10, 20, 30, 200, 0, 0])
    image.putpixel((1, 1), 1)
    picture = read_image(saved(tmp_path / "p.png", image, transparency=transparency))
    assert picture.pixels[0, 0].tolist() == [10, 20, 30]
    assert picture.pixels[1, 1].tolist() == [255, 255, 255]


def test_a_transparent_grey_level_becomes_white(tmp_path: Path) -> None:
    image = Image.new("L", (2, 1), 7)
    image.putpixel((1, 0), 9)
    picture = read_image(saved(tmp_path / "l.png", image, transparency=9))
    assert picture.pixels[0].tolist() == [[7, 7, 7], [255, 255, 255]]


@pytest.mark.parametrize(("mode", "level"), [("1", 255), ("L", 100)])
def test_grey_and_one_bit_become_rgb(tmp_path: Path, mode: str, level: int) -> None:
    picture = read_image(saved(tmp_path / "g.png", Image.new(mode, (3, 2), level)))
    assert picture.pixels.shape == (2, 3, 3)
    assert (picture.pixels == level).all()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path, suffix: str) -> None:
    values = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    picture = read_image(saved(tmp_path / f"deep.{suffix}", Image.fromarray(values)))
    assert picture.pixels[0, :, 0].tolist() == [0, 1, 128, 255]
    assert picture.info.note == "grey scaled from 0 to 65535"


def test_a_16_bit_pgm_is_scaled_from_its_largest_value(tmp_path: Path) -> None:
    path = tmp_path / "deep.pgm"
    path.write_bytes(b"P5 3 1 1023\n" + np.array([0, 512, 1023], dtype=">u2").tobytes())
    assert read_image(path).pixels[0, :, 0].tolist() == [0, 128, 255]


def test_32_bit_grey_is_scaled_from_its_full_range(tmp_path: Path) -> None:
    values = np.array([[0, 2**30, 2**31 - 1]], dtype=np.int32)
    assert read_image(saved(tmp_path / "deep.tif", Image.fromarray(values))).pixels[0, :, 0].tolist() == [0, 128, 255]


def test_16_bit_rgb_is_scaled_not_clipped(tmp_path: Path) -> None:
    """Pillow cannot write such a PNG, so its chunks are put together here."""
    import struct
    import zlib

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    row = b"\0" + np.array([[65535, 32896, 0], [257, 514, 65535]], dtype=">u2").tobytes()
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    path = tmp_path / "deep.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    )
    assert read_image(path).pixels[0].tolist() == [[255, 128, 0], [1, 2, 255]]


@pytest.mark.parametrize("peak", [1, 255, 65535])
def test_float_grey_is_scaled_from_the_smallest_range_that_holds_it(tmp_path: Path, peak: int) -> None:
    values = np.array([[0, 0.5, 1.0]], dtype=np.float32) * peak
    picture = read_image(saved(tmp_path / "float.tif", Image.fromarray(values)))
    assert picture.pixels[0, :, 0].tolist() == [0, 128, 255]
    assert picture.info.note == f"float pixels read as 0 to {peak}"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 1e9])
def test_float_pixels_without_a_meaning_are_refused(tmp_path: Path, value: float, refusal: Refusal) -> None:
    values = np.full((3, 3), 0.5, dtype=np.float32)
    values[1, 1] = value
    assert "pixels" in refusal(saved(tmp_path / "float.tif", Image.fromarray(values)))


def test_cmyk_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    """Pillow writes CMYK JPEGs inverted with an Adobe marker, as Photoshop does."""
    path = saved(tmp_path / "print.jpg", quarters().convert("CMYK"), quality=95)
    assert b"Adobe" in path.read_bytes()
    picture = read_image(path)
    assert np.allclose(corners(picture), [RED, GREEN, BLUE, BLACK], atol=12)
    assert picture.info.note == "converted from CMYK"


def test_a_profile_that_does_not_fit_falls_back_to_the_plain_formula(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = saved(tmp_path / "print.jpg", quarters().convert("CMYK"), quality=95, icc_profile=profile)
    assert np.allclose(corners(read_image(path)), [RED, GREEN, BLUE, BLACK], atol=12)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_an_animation_gives_its_first_frame(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
    path = saved(tmp_path / f"moving.{suffix}", frames[0], save_all=True, append_images=frames[1:], lossless=True)
    picture = read_image(path)
    assert (picture.pixels == RED).all()
    assert (picture.info.frames, picture.info.note) == (3, "first of 3 frames")


def test_a_tiff_of_several_pages_gives_the_first(tmp_path: Path) -> None:
    path = saved(tmp_path / "scan.tif", quarters(), save_all=True, append_images=[Image.new("RGB", (5, 5))])
    picture = read_image(path)
    assert picture.pixels.shape == (40, 60, 3)
    assert picture.info.note == "first of 2 pages"


def test_one_pixel_is_an_image(tmp_path: Path) -> None:
    assert read_image(saved(tmp_path / "dot.png", Image.new("RGB", (1, 1), RED))).pixels.tolist() == [[list(RED)]]


def test_the_suffix_does_not_decide_the_format(tmp_path: Path) -> None:
    path = saved(tmp_path / "really_a_png.jpg", quarters(), format="PNG")
    assert corners(read_image(path))[0] == list(RED)


# ---- large ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_108_megapixel_picture_is_reduced_to_the_working_size(tmp_path: Path, suffix: str) -> None:
    image = Image.new("L", (12000, 9000), 90)
    picture = read_image(
        saved(tmp_path / f"large.{suffix}", image, **({"compress_level": 1} if suffix == "png" else {}))
    )
    assert picture.pixels.shape == (3072, MAX_SIDE, 3)
    assert (picture.pixels == 90).all()
    assert (picture.info.width, picture.info.height) == (12000, 9000)
    assert picture.scale == pytest.approx(4096 / 12000)
    assert picture.info.note == "reduced from 12000x9000 to 4096x3072"


def test_a_turned_picture_is_reduced_in_its_upright_size(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = read_image(saved(tmp_path / "p.jpg", quarters(), exif=exif), max_side=30)
    assert picture.pixels.shape == (30, 20, 3)
    assert (picture.info.width, picture.info.height, picture.scale) == (40, 60, 0.5)


def test_a_thin_picture_keeps_at_least_one_pixel(tmp_path: Path) -> None:
    assert read_image(saved(tmp_path / "line.png", Image.new("L", (30000, 1)))).pixels.shape == (1, MAX_SIDE, 3)


def test_too_many_pixels_are_refused_by_the_header(tmp_path: Path, refusal: Refusal) -> None:
    path = tmp_path / "bomb.pgm"
    path.write_bytes(b"P5 20000 20000 255\n")  # no pixels follow: decoding would say "truncated"
    assert "expected 1 to 200,000,000 pixels" in refusal(path)
    path.write_bytes(b"P5 200000 200000 255\n")
    assert "expected 1 to 200,000,000 pixels" in refusal(path)


# ---- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "bmp", "gif", "ppm"])
@pytest.mark.parametrize("part", [0.2, 0.6, 0.95])
def test_a_truncated_file_is_refused(
    tmp_path: Path, suffix: str, part: float, capfd: pytest.CaptureFixture[str], refusal: Refusal
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    path = saved(tmp_path / f"cut.{suffix}", Image.fromarray(noise))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    assert "truncated" in refusal(path)
    assert capfd.readouterr() == ("", "")


def test_a_damaged_compressed_tiff_prints_nothing_of_its_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], refusal: Refusal
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    path = saved(tmp_path / "scan.tif", Image.fromarray(noise), compression="jpeg")
    data = bytearray(path.read_bytes())
    place = data.rindex(b"\xff\xda")  # start of scan
    data[place : place + 40] = bytes(40)
    path.write_bytes(data)
    refusal(path)
    assert capfd.readouterr() == ("", "")


def test_a_tiff_with_missing_strips_is_not_filled_with_black(tmp_path: Path, refusal: Refusal) -> None:
    path = saved(tmp_path / "scan.tif", Image.new("L", (9, 9), 200))
    data = bytearray(path.read_bytes())
    place = data.index(b"\x01\x01\x04\0\x01\0\0\0\x09\0\0\0")  # tag 257, height, one 32-bit number: 9
    data[place + 9] = 1  # now 265 rows, in one strip of 9
    path.write_bytes(data)
    assert "truncated" in refusal(path)


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("empty.png", b"", "empty"),
        ("note.png", b"this is text\n", "text"),
        ("bytes.png", bytes(range(256)), "not an image"),
        ("photo.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        ("clip.png", b"\0\0\0\x18ftypisom\0\0\0\0isom", "video"),
        ("draw.svg", b'<?xml version="1.0"?>\n<!-- x -->\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        ("draw.png", b"<svg/>", "SVG"),
        ("paper.pdf", b"%PDF-1.7\n", "PDF"),
        ("figure.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
        ("page.jpg", b"\n<!DOCTYPE html><html>", "web page"),
        ("voice.png", b"RIFF\x24\0\0\0WAVEfmt ", "audio"),
        ("head.png", b"\x89PNG\r\n\x1a\n", "truncated"),
    ],
)
def test_what_is_not_an_image_is_named(tmp_path: Path, name: str, content: bytes, word: str, refusal: Refusal) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert word in refusal(path)


def test_a_missing_file_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    assert "no such file" in refusal(tmp_path / "gone.png")


def test_a_folder_named_like_an_image_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    path = tmp_path / "folder.png"
    path.mkdir()
    assert "folder" in refusal(path)


def test_a_pipe_is_refused_without_waiting(tmp_path: Path, refusal: Refusal) -> None:
    path = tmp_path / "pipe.png"
    os.mkfifo(path)
    assert "pipe" in refusal(path)


def test_a_device_is_refused(refusal: Refusal) -> None:
    assert "device" in refusal(Path("/dev/zero"))


def test_names_that_cannot_be_opened_are_refused(tmp_path: Path, refusal: Refusal) -> None:
    loop = tmp_path / "loop.png"
    loop.symlink_to(loop)
    assert "symbolic links" in refusal(loop)
    assert "too long" in refusal(tmp_path / ("x" * 300))
    with pytest.raises(MediaError, match=r"^'a\\x00b\.png': not a file name"):
        read_image(Path("a\0b.png"))


def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    """Root may read everything, so a child gives up root first; pytest's folders belong to their maker alone."""
    path = saved(tmp_path / "private.png", quarters())
    path.chmod(0)
    code = (
        "import os, sys; from pathlib import Path; from emollm.errors import MediaError\n"
        "from emollm.media.images import read_image\n"
        "os.getuid() or os.setuid(65534)\n"
        "try: read_image(Path(sys.argv[1]))\n"
        "except MediaError as error: print(error)"
    )
    result = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert result.stdout == f"{path}: cannot be read: permission denied\n"


# ---- side effects ---------------------------------------------------------------------------------------------------


def test_warnings_of_the_decoder_do_not_leak(tmp_path: Path) -> None:
    path = saved(tmp_path / "large.png", Image.new("1", (10000, 9000)))  # above Pillow's own warning level
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(path).info.width == 10000
        assert warnings.filters[0][0] == "error"


def test_settings_of_pillow_are_put_back(tmp_path: Path) -> None:
    path = saved(tmp_path / "photo.png", quarters())
    before = (Image.MAX_IMAGE_PIXELS, list(warnings.filters))
    threads = [threading.Thread(target=read_image, args=(path,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before


def test_images_are_recognised_by_suffix_without_opening_them() -> None:
    assert looks_like_image(Path("gone/PHOTO.JPG"))
    assert not looks_like_image(Path("notes.txt"))
    assert not looks_like_image(Path("png"))
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in IMAGE_SUFFIXES)
