import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from emollm.errors import MediaError
from emollm.report.media import apex_frames, player
from emollm.report.settings import ReportSettings


def write_video(path: Path, codec: str, pix_fmt: str, *, frames: int = 12, size: tuple[int, int] = (64, 48)) -> None:
    """Frames that grow brighter, 12 a second."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=12)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        for i in range(frames):
            pixels = np.full((size[1], size[0], 3), 20 + 18 * i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))


def embedded(uri: str | None) -> bytes:
    assert uri is not None
    return base64.b64decode(uri.partition(",")[2])


@pytest.mark.parametrize(
    ("name", "codec", "mime"),
    [("a.mp4", "libx264", "video/mp4"), ("a.mov", "libx264", "video/mp4"), ("a.webm", "libvpx-vp9", "video/webm")],
)
def test_what_browsers_play_is_embedded_as_it_is(tmp_path: Path, name: str, codec: str, mime: str) -> None:
    write_video(tmp_path / name, codec, "yuv420p")
    found = player(tmp_path / name)
    assert found.kind == "video"
    assert found.uri is not None
    assert found.uri.startswith(f"data:{mime};base64,")
    assert embedded(found.uri) == (tmp_path / name).read_bytes()
    assert found.note == ""


@pytest.mark.parametrize(("name", "mime"), [("a.flac", "audio/flac"), ("a.wav", "audio/wav")])
def test_sound_is_embedded_as_it_is(
    tmp_path: Path, write_sound: Callable[[Path, float], None], name: str, mime: str
) -> None:
    write_sound(tmp_path / name, 0.5)
    found = player(tmp_path / name)
    assert found.kind == "audio"
    assert (found.uri or "").startswith(f"data:{mime};base64,")


@pytest.mark.parametrize(("name", "codec", "pix_fmt"), [("a.avi", "mpeg4", "yuv420p"), ("a.mp4", "libx264", "yuv444p")])
def test_what_browsers_do_not_play_is_copied_with_its_times(
    tmp_path: Path, name: str, codec: str, pix_fmt: str
) -> None:
    write_video(tmp_path / name, codec, pix_fmt)
    found = player(tmp_path / name)
    assert found.note == "A smaller copy of the clip, made for this page."
    with av.open(io.BytesIO(embedded(found.uri))) as copy:
        shown = [(frame.time, frame.to_ndarray(format="rgb24").mean()) for frame in copy.decode(video=0)]
        assert copy.streams.video[0].codec_context.pix_fmt == "yuv420p"
    assert [time for time, _ in shown] == pytest.approx([i / 12 for i in range(12)], abs=0.002)
    assert [mean for _, mean in shown] == pytest.approx([20 + 18 * i for i in range(12)], abs=12)


def test_a_large_clip_is_copied_smaller_and_a_long_one_is_not_embedded(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream: Any = container.add_stream("libx264", rate=10, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        still = rng.integers(0, 255, (720, 1280, 3), np.uint8)
        for _ in range(2):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(still, format="rgb24")))
        container.mux(stream.encode(None))
    size = (tmp_path / "a.mp4").stat().st_size / 1e6
    copied = player(tmp_path / "a.mp4", ReportSettings(embed=0.8 * size))
    with av.open(io.BytesIO(embedded(copied.uri))) as copy:
        assert (copy.streams.video[0].width, copy.streams.video[0].height) == (854, 480)
    told = player(tmp_path / "a.mp4", ReportSettings(embed=0.8 * size, copy_up_to=0.1))
    assert told.uri is None
    assert told.note == f"The clip ({size:.0f} MB) is not embedded: open it beside this page."


def test_embedding_can_be_turned_off(pexels: Path) -> None:
    assert player(pexels, ReportSettings(embed=0)).uri is None


def test_what_is_no_clip_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no clip")
    with pytest.raises(MediaError, match=r"a\.mp4"):
        player(tmp_path / "a.mp4")
    with pytest.raises(MediaError, match=r"b\.mp4"):
        player(tmp_path / "b.mp4")


def test_frames_at_the_peaks_are_those_of_the_clip(clip: Any) -> None:
    found = apex_frames(clip.observation, clip.media)
    assert list(found) == sorted(clip.frames)
    for time, picture in found.items():
        assert picture.pixels.shape == (360, 640, 3)
        assert np.abs(picture.pixels.astype(int) - clip.frames[time].pixels).mean() < 12


def test_a_clip_that_is_gone_has_no_frames(clip: Any, tmp_path: Path) -> None:
    assert apex_frames(clip.observation, tmp_path / "gone.mp4") == {}
