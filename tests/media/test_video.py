import io
import random
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from emollm import assets
from emollm.errors import MediaError
from emollm.media.audio import open_sound, read_sound
from emollm.media.opening import MAX_PIXELS, kind_of
from emollm.media.packets import Decoder
from emollm.media.video import MAX_SIDE, Frame, Video, frame_at, open_video

Writer = Callable[..., Path]
Painter = Callable[..., np.ndarray]
Refusal = Callable[..., str]

TONE = (0.3 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000)).astype(np.float32)
"""Two seconds."""

CORNERS = [[255, 0, 0], [40, 40, 40], [40, 40, 40], [0, 0, 255]]
"""Of the first painted picture: top left, top right, bottom left, bottom right."""


def read(path: Path, **settings: Any) -> tuple[Video, list[Frame]]:
    video = open_video(path, **settings)
    return video, list(video.frames())


def times(frames: list[Frame]) -> list[float]:
    return [round(frame.time, 6) for frame in frames]


def corners(pixels: np.ndarray) -> list[list[int]]:
    height, width = pixels.shape[:2]
    return [pixels[y, x].tolist() for y in (height // 10, -height // 10) for x in (width // 10, -width // 10)]


def noisy(picture: Painter, count: int) -> list[np.ndarray]:
    """Painted pictures that do not compress to nothing."""
    noise = np.random.default_rng(0)
    shapes = [picture(index).astype(np.int16) for index in range(count)]
    return [np.clip(shape + noise.integers(-12, 12, shape.shape), 0, 255).astype(np.uint8) for shape in shapes]


def write_jpegs(path: Path, pictures: Iterable[np.ndarray], stamps: Iterable[int]) -> Path:
    """A video of JPEG files, each with its time in milliseconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for index, (pixels, stamp) in enumerate(zip(pictures, stamps, strict=True)):
            jpeg = io.BytesIO()
            Image.fromarray(pixels).save(jpeg, "JPEG", quality=95)
            packet = av.Packet(jpeg.getvalue())
            packet.stream, packet.time_base, packet.pts, packet.dts = stream, Fraction(1, 1000), stamp, index
            packet.is_keyframe = True
            container.mux(packet)
    return path


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with each packet that is decoded."""
    packets: list[int] = []
    frames = Decoder.frames
    monkeypatch.setattr(Decoder, "frames", lambda self, packet: packets.append(1) or frames(self, packet))
    return packets


@pytest.fixture
def refusal(refusal_by: Callable[..., Refusal]) -> Refusal:
    return refusal_by(open_video)


# ---- time -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_times_are_those_of_the_file_not_of_a_rate(tmp_path: Path, write_video: Writer, suffix: str) -> None:
    uneven = [0, 0.04, 0.08, 0.3, 0.5, 0.51, 1.2, 1.3, 2.0, 2.04]
    video, frames = read(write_video(tmp_path / f"vfr.{suffix}", 10, times=uneven))
    assert times(frames) == uneven
    assert video.info.rate == pytest.approx(9 / 2.04)
    assert video.info.duration == pytest.approx(2.08)
    assert [round(frame.pixels[24, 32, 0] / 5) for frame in frames] == list(range(8, 18))


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        ("mp4", "libx264"),
        ("mkv", "libvpx-vp9"),
        ("avi", "mpeg4"),
        ("ts", "mpeg2video"),
        ("flv", "flv"),
        ("mov", "mjpeg"),
    ],
)
def test_the_first_frame_of_a_silent_clip_is_at_zero(
    tmp_path: Path, write_video: Writer, suffix: str, codec: str
) -> None:
    path = write_video(
        tmp_path / f"clip.{suffix}", 25, codec=codec, layout="yuvj420p" if codec == "mjpeg" else "yuv420p"
    )
    video, frames = read(path)
    assert np.allclose(times(frames), np.arange(25) / 25)
    assert (video.info.kind, video.has_sound, video.ended_early) == ("video", False, None)


def test_pictures_and_sound_share_one_zero(tmp_path: Path, write_video: Writer) -> None:
    late = [0.4 + index / 25 for index in range(20)]
    path = write_video(tmp_path / "late.mkv", 20, times=late, sound=TONE, sound_start=0.1, sound_codec="flac")
    video, frames = read(path)
    assert frames[0].time == pytest.approx(0.3)
    assert read_sound(path)[0] == 0
    path = write_video(tmp_path / "early.mkv", 20, times=late, sound=TONE, sound_start=0.9, sound_codec="flac")
    assert read(path)[1][0].time == 0
    assert read_sound(path)[0] == pytest.approx(0.5)
    assert (video.has_sound, video.info.sample_rate, video.info.channels) == (True, 16_000, 1)


def test_recordings_joined_end_to_end_go_on_in_time(tmp_path: Path, write_video: Writer, picture: Painter) -> None:
    first = write_video(tmp_path / "a.ts", 50, sound=TONE)
    other = [picture(index, 96, 64) for index in range(50)]
    path = tmp_path / "joined.ts"
    path.write_bytes(first.read_bytes() + write_video(tmp_path / "b.ts", other, sound=TONE).read_bytes())
    video, frames = read(path)
    gaps = np.diff([frame.time for frame in frames])
    assert gaps.min() > 0.039
    assert gaps.max() < 0.081
    assert frames[-1].time == pytest.approx(4.0, abs=0.1)
    assert "times start anew 1 time, made continuous" in str(video.info.note)
    assert len(read_sound(path)[1]) / 16_000 == pytest.approx(4.1, abs=0.1)


def test_a_time_that_does_not_rise_costs_its_frame(tmp_path: Path, picture: Painter) -> None:
    stamps = [0, 40, 40, 20, 80]
    path = write_jpegs(tmp_path / "steps.mkv", [picture(index) for index in range(5)], stamps)
    video, frames = read(path)
    assert times(frames) == [0, 0.04, 0.08]
    assert [round(frame.pixels[24, 32, 0] / 5) for frame in frames] == [8, 9, 12]
    assert video.info.note == "2 frames without a later time than the one before, left out"


LONG = np.tile(TONE, 11)
"""Twenty-two seconds."""


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("shown", [[0.0], [0.0, 0.04], [15.0], [15 + index / 25 for index in range(30)], [21.0, 21.5]])
def test_few_or_late_pictures_beside_much_sound_are_found(
    tmp_path: Path, write_video: Writer, shown: list[float], suffix: str
) -> None:
    path = write_video(tmp_path / f"clip.{suffix}", len(shown), times=shown, sound=LONG)
    video, frames = read(path)
    assert times(frames) == shown
    assert (video.info.sample_rate, video.info.channels) == (16_000, 1)
    assert read_sound(path)[0] == pytest.approx(0, abs=0.1)
    assert frame_at(path, 99.0).time == shown[-1]


def test_the_search_for_late_pictures_does_not_decode_the_sound(
    tmp_path: Path, write_video: Writer, decoded: list[int]
) -> None:
    open_video(write_video(tmp_path / "late.mkv", 2, times=[20.0, 20.04], sound=LONG))
    assert len(decoded) < 10


@pytest.mark.parametrize("bframes", ["0", "3"])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_long_pause_costs_no_frame(tmp_path: Path, write_video: Writer, suffix: str, bframes: str) -> None:
    shown = [index / 25 for index in range(30)] + [900 + index / 25 for index in range(30)]
    path = write_video(tmp_path / f"pause.{suffix}", 60, times=shown, codec_options={"bf": bframes})
    video, frames = read(path)
    assert times(frames) == shown
    assert video.gaps == (pytest.approx((1.2, 900.0)),)
    assert video.info.note is None


def test_frames_minutes_apart_keep_their_times(tmp_path: Path, write_video: Writer) -> None:
    shown = [300.0 * index for index in range(30)]
    video, frames = read(write_video(tmp_path / "slow.mkv", 30, times=shown))
    assert times(frames) == shown
    assert video.gaps == ()


@pytest.mark.parametrize("bframes", ["0", "3"])
def test_a_leap_costs_no_frame(tmp_path: Path, write_video: Writer, bframes: str) -> None:
    """Five hours are an error of the file, not a pause."""
    shown = [index / 25 for index in range(30)] + [18_000 + index / 25 for index in range(30)]
    video, frames = read(write_video(tmp_path / "leap.mkv", 60, times=shown, codec_options={"bf": bframes}))
    assert [round(frame.pixels[24, 32, 0] / 5) - 8 for frame in frames] == [index % 40 for index in range(60)]
    assert np.diff(times(frames)).max() < 0.7
    assert video.info.note == "times start anew 1 time, made continuous"


def test_pictures_before_time_zero_are_shown_before_those_after_it(tmp_path: Path, write_video: Writer) -> None:
    """FFmpeg takes some of Matroska's negative times away."""
    path = write_video(
        tmp_path / "negative.mkv",
        39,
        times=[index / 25 - 1.2 for index in range(39)],
        codec_options={"bf": "0", "qp": "12"},
        options={"avoid_negative_ts": "disabled"},
    )
    video, frames = read(path)
    assert np.allclose(times(frames), np.arange(39) / 25, atol=0.002)
    assert [round(frame.pixels[24, 32, 0] / 5) - 8 for frame in frames] == list(range(39))
    assert video.info.note == "30 frames without a time, timed by the frame rate"


def test_where_pictures_begin_end_and_are_lacking_is_told(tmp_path: Path, write_video: Writer) -> None:
    shown = [index / 25 for index in range(25)] + [4 + index / 25 for index in range(25)] + [5.9]
    path = write_video(tmp_path / "clip.mkv", 51, times=[0.5 + time for time in shown], sound=TONE, sound_codec="flac")
    video = open_video(path)
    assert (video.first, video.last, video.gaps, video.damaged, video.frames_given) == (0, 0, (), 0, 0)
    list(video.frames())
    assert (video.first, video.last) == (0.5, pytest.approx(6.44, abs=0.01))
    assert video.gaps == (pytest.approx((1.5, 4.5), abs=0.01),)
    assert (video.damaged, video.frames_given) == (0, 51)


def test_at_most_twenty_gaps_are_kept_the_longest(tmp_path: Path, write_video: Writer) -> None:
    pauses = [1.5 + (index * 7 % 30) / 10 for index in range(30)]
    starts = np.round(np.cumsum([0.0, *(pause + 0.2 for pause in pauses)]), 3)
    shown = [float(round(start + index / 25, 3)) for start in starts for index in range(6)]
    video, _ = read(write_video(tmp_path / "gaps.mkv", len(shown), times=shown))
    assert len(video.gaps) == 20
    assert list(video.gaps) == sorted(video.gaps)
    lengths = [end - start for start, end in video.gaps]
    assert sorted(lengths) == pytest.approx(sorted(pauses)[10:] - np.float64(0.04), abs=0.05)


# ---- pixels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "layout", "suffix", "off"),
    [
        ("libx264", "yuv420p", "mp4", 4),
        ("libx264", "yuvj420p", "mp4", 4),
        ("libx264", "yuv444p", "mp4", 4),
        ("libx264", "nv12", "mp4", 4),
        ("ffv1", "yuv422p10le", "mkv", 3),
        ("ffv1", "bgr0", "mkv", 0),
        ("prores_ks", "yuva444p10le", "mov", 3),
        ("libvpx-vp9", "yuv420p", "webm", 4),
        ("rawvideo", "rgb24", "nut", 0),
    ],
)
def test_any_pixel_format_becomes_rgb(
    tmp_path: Path, write_video: Writer, codec: str, layout: str, suffix: str, off: int
) -> None:
    _, frames = read(write_video(tmp_path / f"clip.{suffix}", 3, codec=codec, layout=layout))
    for frame in frames:
        assert (frame.pixels.shape, frame.pixels.dtype, frame.scale) == ((48, 64, 3), np.uint8, 1.0)
        assert frame.pixels.flags.c_contiguous
        assert frame.pixels.flags.writeable
    assert np.allclose(corners(frames[0].pixels), CORNERS, atol=off)


@pytest.mark.parametrize("layout", ["gray", "gray16le"])
def test_grey_becomes_rgb(tmp_path: Path, write_video: Writer, layout: str) -> None:
    _, frames = read(write_video(tmp_path / "grey.mkv", 3, codec="ffv1", layout=layout))
    assert frames[0].pixels[24, 32].tolist() == [40, 40, 40]


def test_transparency_is_composited_on_white(tmp_path: Path, write_video: Writer) -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[..., 0] = 200
    pixels[:4, :, 3] = 255
    pixels[4:, :4, 3] = 128
    _, frames = read(write_video(tmp_path / "cut.mkv", [pixels], codec="ffv1", layout="bgra"))
    assert frames[0].pixels[0, 0].tolist() == [200, 0, 0]
    assert np.allclose(frames[0].pixels[7, 0], [227, 127, 127], atol=1)
    assert frames[0].pixels[7, 7].tolist() == [255, 255, 255]


LUMA = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593), 2: (0.299, 0.114)}
"""Kr and Kb of ITU-T H.273, table 4, for BT.709, BT.601, BT.2020; 2 is: not said."""


@pytest.mark.parametrize(
    ("matrix", "full", "lines"), [(1, 0, 48), (1, 1, 48), (6, 0, 720), (6, 1, 48), (9, 0, 48), (2, 0, 48), (2, 0, 720)]
)
def test_colours_follow_matrix_and_range(tmp_path: Path, matrix: int, full: int, lines: int) -> None:
    """Against the formula of ITU-T H.273, 8.3; a matrix that is not said is BT.709 from 720 lines on, else BT.601."""
    path = tmp_path / "colours.mkv"
    triples = [(60, 100, 180), (180, 90, 110), (120, 160, 100), (200, 128, 128)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, lines, "yuv444p"
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, 2 if full else 1
        for index, triple in enumerate(triples):
            frame = av.VideoFrame(64, lines, "yuv444p")
            for plane, value in zip(frame.planes, triple, strict=True):
                plane.update(bytes([value]) * plane.buffer_size)
            frame.pts, frame.colorspace, frame.color_range = index, matrix, 2 if full else 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    red, blue = LUMA[1 if (matrix, lines) == (2, 720) else matrix]
    for frame, (y, cb, cr) in zip(read(path)[1], triples, strict=True):
        luma = y / 255 if full else (y - 16) / 219
        u, v = ((value - 128) / (255 if full else 224) for value in (cb, cr))
        r, b = luma + 2 * (1 - red) * v, luma + 2 * (1 - blue) * u
        g = (luma - red * r - blue * b) / (1 - red - blue)
        wanted = np.clip(np.round(np.array([r, g, b]) * 255), 0, 255)
        assert np.abs(frame.pixels[lines // 2, 32] - wanted).max() <= 2


def test_one_scaler_for_all_frames_gives_what_one_for_each_frame_gives(tmp_path: Path) -> None:
    path = assets.path("clip-pexels")
    with av.open(str(path)) as container:
        for frame, _ in zip(open_video(path).frames(), range(5), strict=False):
            wanted = next(container.decode(video=0)).to_ndarray(format="rgb24")
            assert np.abs(frame.pixels.astype(int) - wanted).max() <= 2


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 2), (3, 5), (161, 91), (17, 1)])
def test_odd_sizes_are_kept(tmp_path: Path, write_video: Writer, width: int, height: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    video, frames = read(write_video(tmp_path / "odd.mkv", [pixels], codec="ffv1", layout="bgr0"))
    assert np.array_equal(frames[0].pixels, pixels)
    assert (video.info.width, video.info.height) == (width, height)


def test_one_frame_is_a_video(tmp_path: Path, write_video: Writer) -> None:
    video, frames = read(write_video(tmp_path / "one.mp4", 1))
    assert times(frames) == [0]
    assert (video.info.frames, video.ended_early) == (1, None)


# ---- upright --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("turn", "order", "note"),
    [
        ((90, False, False), [1, 3, 0, 2], "rotated by its metadata"),
        ((180, False, False), [3, 2, 1, 0], "rotated by its metadata"),
        ((-90, False, False), [2, 0, 3, 1], "rotated by its metadata"),
        ((0, True, False), [1, 0, 3, 2], "mirrored by its metadata"),
        ((0, False, True), [2, 3, 0, 1], "mirrored by its metadata"),
        ((90, True, False), None, "mirrored by its metadata"),
    ],
)
def test_the_display_matrix_is_followed(
    tmp_path: Path, write_video: Writer, turn: tuple[int, bool, bool], order: list[int] | None, note: str
) -> None:
    """Turns of FFmpeg's ``av_display_rotation_set`` are counterclockwise."""
    path = write_video(tmp_path / "turned.mp4", 3, prepare=lambda stream: stream.set_display_rotation(*turn))
    video, frames = read(path)
    size = (64, 48) if turn[0] % 180 == 0 else (48, 64)
    assert (video.info.width, video.info.height) == size
    assert frames[0].pixels.shape == (*size[::-1], 3)
    assert frames[0].pixels.flags.c_contiguous
    assert video.info.note == note
    if order is not None:
        assert np.allclose(corners(frames[0].pixels), [CORNERS[index] for index in order], atol=4)
    else:
        assert sorted(map(tuple, np.round(np.array(corners(frames[0].pixels)) / 20).tolist()))[0] == (0, 0, 13)


def test_a_phone_held_upright_gives_an_upright_picture(tmp_path: Path, write_video: Writer) -> None:
    """Phones write the matrix 0 1 0 / -1 0 0 (ISO/IEC 14496-12, 8.3.2): x goes down, y goes left, clockwise by 90 degrees."""
    path = write_video(tmp_path / "phone.mp4", 3, prepare=lambda stream: stream.set_display_rotation(0))
    data = bytearray(path.read_bytes())
    one = 1 << 16
    plain, phone = (
        struct.pack(">9i", *(*matrix, 0, 0, 1 << 30)) for matrix in ((one, 0, 0, 0, one, 0), (0, one, 0, -one, 0, 0))
    )
    place = data.index(plain, data.index(b"tkhd"))
    data[place : place + 36] = phone
    path.write_bytes(data)
    video, frames = read(path)
    assert (video.info.width, video.info.height) == (48, 64)
    assert np.allclose(corners(frames[0].pixels), [CORNERS[index] for index in (2, 0, 3, 1)], atol=4)


def test_a_turn_by_no_multiple_of_90_degrees_is_told(tmp_path: Path, write_video: Writer) -> None:
    for degrees, size, told in ((-45, (64, 48), "45"), (-80, (48, 64), "80"), (20, (64, 48), "-20")):
        path = write_video(
            tmp_path / "odd.mp4", 3, prepare=lambda stream, turn=degrees: stream.set_display_rotation(turn)
        )
        video, _ = read(path)
        assert (video.info.width, video.info.height) == size
        assert f"its metadata turn it by {told} degrees: only multiples of 90 are followed" in str(video.info.note)


@pytest.mark.parametrize(
    ("aspect", "size"), [(Fraction(2, 1), (128, 48)), (Fraction(1, 2), (64, 96)), (Fraction(1, 1000), (64, 48))]
)
def test_pixels_are_made_square(tmp_path: Path, write_video: Writer, aspect: Fraction, size: tuple[int, int]) -> None:
    def prepare(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = aspect

    video, frames = read(write_video(tmp_path / "oblong.mkv", 3, prepare=prepare))
    assert (video.info.width, video.info.height) == size
    assert frames[0].pixels.shape == (*size[::-1], 3)
    assert frames[0].scale == 1
    assert np.allclose(corners(frames[0].pixels), CORNERS, atol=6)


def test_large_frames_are_reduced_in_their_upright_size(tmp_path: Path, write_video: Writer) -> None:
    path = write_video(tmp_path / "turned.mp4", 3, prepare=lambda stream: stream.set_display_rotation(90))
    video, frames = read(path, max_side=32)
    assert frames[0].pixels.shape == (32, 24, 3)
    assert frames[0].scale == 0.5
    assert (video.info.width, video.info.height) == (48, 64)
    assert video.info.note == "rotated by its metadata; reduced from 48x64"
    assert np.allclose(corners(frames[0].pixels), [CORNERS[index] for index in (1, 3, 0, 2)], atol=12)
    video, frames = read(
        write_video(tmp_path / "wide.mkv", [np.zeros((8, 2400, 3), np.uint8)], codec="ffv1", layout="bgr0")
    )
    assert frames[0].pixels.shape == (6, MAX_SIDE, 3)


def test_frames_may_change_size(tmp_path: Path, picture: Painter) -> None:
    sizes = [(64, 48)] * 5 + [(32, 80)] * 5
    pictures = [picture(index, *size) for index, size in enumerate(sizes)]
    path = write_jpegs(tmp_path / "changing.mkv", pictures, range(0, 400, 40))
    video, frames = read(path)
    assert [frame.pixels.shape[:2] for frame in frames] == [(48, 64)] * 5 + [(80, 32)] * 5
    assert (video.info.width, video.info.height) == (64, 48)
    assert video.info.note == "frames change size: 64x48, 32x80"


# ---- damaged --------------------------------------------------------------------------------------------------------


def cut(path: Path, part: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    return path


@pytest.mark.parametrize("with_sound", [True, False])
@pytest.mark.parametrize(("suffix", "options"), [("mp4", {"movflags": "faststart"}), ("mkv", {}), ("flv", {})])
def test_a_file_that_is_cut_short_gives_what_is_there(
    tmp_path: Path, write_video: Writer, picture: Painter, suffix: str, options: dict[str, str], with_sound: bool
) -> None:
    sound = TONE if with_sound else None
    path = write_video(tmp_path / f"cut.{suffix}", noisy(picture, 50), options=options, sound=sound)
    whole, all_frames = read(path)
    assert whole.ended_early is None
    video, frames = read(cut(path, 0.5))
    assert 10 <= len(frames) < 40
    assert times(frames) == times(all_frames)[: len(frames)]
    assert all(np.array_equal(one.pixels, other.pixels) for one, other in zip(frames, all_frames, strict=False))
    assert video.ended_early is not None
    assert video.ended_early.startswith("its pictures end at ")
    assert " of 2." in video.ended_early
    assert video.ended_early.endswith(": the rest of the file is missing")


def test_an_interrupted_recording_without_index_is_refused(
    tmp_path: Path, write_video: Writer, refusal: Refusal
) -> None:
    assert "without its index (moov)" in refusal(cut(write_video(tmp_path / "cut.mp4", 25), 0.5))


def test_pictures_may_end_before_the_sound_and_after_it(tmp_path: Path, write_video: Writer) -> None:
    for suffix, count in (("mp4", 10), ("mp4", 100), ("mkv", 10), ("mkv", 100)):
        path = write_video(tmp_path / f"clip{count}.{suffix}", count, sound=TONE)
        video, frames = read(path)
        assert (len(frames), video.ended_early) == (count, None)
        assert video.info.duration == pytest.approx(max(count / 25, 2.0), abs=0.1)
        sound = open_sound(path)
        assert sum(len(block.samples) for block in sound.blocks()) / 16_000 == pytest.approx(2.0, abs=0.08)
        assert sound.ended_early is None


def test_damaged_frames_are_left_out_and_counted(tmp_path: Path, write_video: Writer, picture: Painter) -> None:
    path = write_video(tmp_path / "clip.mp4", noisy(picture, 30), codec_options={"g": "5"})
    data = bytearray(path.read_bytes())
    place = data.index(b"mdat") + 2000
    data[place : place + 1500] = bytes(1500)
    path.write_bytes(data)
    video, frames = read(path)
    assert 15 <= len(frames) < 30
    assert "damaged, left out" in str(video.info.note)
    assert video.damaged > 0
    assert video.frames_given == len(frames)


def test_not_one_frame_is_an_error(tmp_path: Path, write_video: Writer, picture: Painter, refusal: Refusal) -> None:
    path = write_video(tmp_path / "clip.mp4", noisy(picture, 5))
    data = bytearray(path.read_bytes())
    begin, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    data[begin:end] = b"\x55" * (end - begin)
    path.write_bytes(data)
    assert "none of its pictures can be decoded" in refusal(path)


def test_too_many_pixels_are_refused_by_the_header(tmp_path: Path, picture: Painter, refusal: Refusal) -> None:
    path = tmp_path / "bomb.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr24"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(0), format="bgr24")))
    data = path.read_bytes()
    header = struct.pack("<ii", 64, -48)
    assert header in data
    path.write_bytes(data.replace(header, struct.pack("<ii", 15_000, -15_000)))
    assert f"no size of the frames up to {MAX_PIXELS:,} pixels" in refusal(path)


def test_what_holds_no_pictures_is_refused(
    tmp_path: Path, write_sound: Writer, picture: Painter, refusal: Refusal
) -> None:
    assert "has no video stream" in refusal(write_sound(tmp_path / "voice.wav", TONE))
    Image.fromarray(picture(0)).save(tmp_path / "photo.mp4", "PNG")
    assert "this is an image" in refusal(tmp_path / "photo.mp4")


# ---- reading --------------------------------------------------------------------------------------------------------


def reading_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "read-ahead"]


@pytest.mark.parametrize("ahead", [0, 1, 8])
def test_reading_ahead_changes_nothing(tmp_path: Path, write_video: Writer, ahead: int) -> None:
    video = open_video(write_video(tmp_path / "clip.mp4", 30))
    plain = list(video.frames(0))
    again = list(video.frames(ahead))
    assert times(again) == times(plain)
    assert all(np.array_equal(one.pixels, other.pixels) for one, other in zip(plain, again, strict=True))
    assert not reading_threads()


def test_leaving_the_loop_ends_the_thread(tmp_path: Path, write_video: Writer) -> None:
    path = write_video(tmp_path / "clip.mp4", 100)
    for _ in open_video(path).frames():
        assert reading_threads()
        break
    assert not reading_threads()
    with open_video(path) as video:
        frames = video.frames()
        next(frames)
    assert not reading_threads()
    with pytest.raises(KeyboardInterrupt):
        interrupted(open_video(path).frames())
    assert not reading_threads()
    assert not list(frames)


def interrupted(frames: Iterator[Frame]) -> None:
    for _ in frames:
        raise KeyboardInterrupt


def test_an_error_reaches_the_consumer_of_the_thread(tmp_path: Path, write_video: Writer) -> None:
    path = write_video(tmp_path / "clip.mp4", 10)
    video = open_video(path)
    path.unlink()
    with pytest.raises(MediaError, match="no such file"):
        list(video.frames())
    assert not reading_threads()


def test_the_pexels_clip(tmp_path: Path) -> None:
    video, frames = read(assets.path("clip-pexels"))
    assert len(frames) == video.info.frames == 472
    assert (video.info.width, video.info.height, video.has_sound, video.info.channels) == (640, 360, True, 2)
    assert video.info.duration == pytest.approx(19.69)
    assert np.allclose([frame.time for frame in frames], np.arange(472) * 1001 / 24_000)
    assert video.ended_early is None
    assert video.info.note is None


# ---- one frame ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [
        ("mp4", "libx264", {"g": "12", "bf": "3"}),
        ("mkv", "libx264", {"g": "12", "x264-params": "open-gop=1:keyint=12:bframes=3"}),
        ("mp4", "mpeg4", {"g": "12", "bf": "2"}),
        ("avi", "mpeg4", {"g": "12"}),
        ("ts", "libx264", {"g": "12"}),
        ("mpg", "mpeg2video", {"g": "12", "bf": "2"}),
        ("webm", "libvpx-vp9", {"g": "12"}),
        ("flv", "libx264", {"g": "12"}),
    ],
)
def test_the_frame_at_a_time_is_the_one_of_the_whole_reading(
    tmp_path: Path, write_video: Writer, picture: Painter, suffix: str, codec: str, options: dict[str, str]
) -> None:
    sound_codec = {"mpg": "mp2", "webm": "libopus"}.get(suffix, "aac")
    path = write_video(
        tmp_path / f"clip.{suffix}",
        noisy(picture, 50),
        codec=codec,
        codec_options=options,
        sound=TONE,
        sound_codec=sound_codec,
        sound_rate=16_000 if sound_codec == "aac" else 48_000,
    )
    _, frames = read(path)
    for time in (-1.0, 0.0, 0.01, 0.33, 0.479, 0.481, 1.0, 1.51, 99.0):
        wanted = ([frame for frame in frames if frame.time <= time] or frames[:1])[-1]
        found = frame_at(path, time)
        assert (found.time, found.scale) == (wanted.time, wanted.scale)
        assert np.array_equal(found.pixels, wanted.pixels)


def test_one_frame_of_a_long_clip_is_sought(tmp_path: Path, write_video: Writer, decoded: list[int]) -> None:
    path = write_video(tmp_path / "long.mp4", 300, codec_options={"g": "25"})
    assert frame_at(path, 10.0).time == pytest.approx(10.0)
    assert len(decoded) < 100


# ---- hostile --------------------------------------------------------------------------------------------------------


def ways(ahead: int) -> tuple[Callable[[Path], object], ...]:
    """All ways to read a file, with so many frames decoded ahead."""
    return (
        kind_of,
        lambda path: [frame.pixels for frame in open_video(path).frames(ahead)],
        lambda path: frame_at(path, 0.2).pixels,
        lambda path: list(open_sound(path).blocks(0.1)),
    )


@pytest.mark.parametrize("count", [12, pytest.param(1500, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("suffix", "codec", "layout", "sound_codec"),
    [
        ("mp4", "libx264", "yuv420p", "aac"),
        ("mkv", "libx264", "yuv420p", "flac"),
        ("webm", "libvpx-vp9", "yuv420p", "libopus"),
        ("avi", "mpeg4", "yuv420p", "libmp3lame"),
        ("ts", "mpeg2video", "yuv420p", "mp2"),
        ("mov", "mjpeg", "yuvj420p", "pcm_s16le"),
    ],
)
def test_damage_ends_in_success_or_one_line(
    tmp_path: Path,
    write_video: Writer,
    picture: Painter,
    spoilt: Callable[..., bytes],
    survive: Callable[..., None],
    suffix: str,
    codec: str,
    layout: str,
    sound_codec: str,
    count: int,
) -> None:
    options = {"movflags": "faststart"} if suffix in ("mp4", "mov") else {}
    path = write_video(
        tmp_path / f"clip.{suffix}",
        noisy(picture, 12),
        codec=codec,
        layout=layout,
        sound=TONE,
        sound_codec=sound_codec,
        options=options,
        sound_rate=48_000,
    )
    whole = path.read_bytes()
    dice = random.Random(count)
    for turn in range(count):
        path.write_bytes(spoilt(whole, dice))
        survive(path, *ways(2 * (turn % 2)))
