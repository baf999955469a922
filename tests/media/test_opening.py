import io
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from emollm import assets
from emollm.errors import MediaError
from emollm.media.opening import kind_of, open_container

Refusal = Callable[..., str]

SILENCE = np.zeros(1600, np.float32)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, write_video: Callable[..., Path]) -> bytes:
    """A short MP4, as bytes."""
    return write_video(tmp_path_factory.mktemp("clip") / "clip.mp4", 3).read_bytes()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder that is the working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def port() -> Iterator[int]:
    """A port that listens, to which nobody may have connected at the end of the test."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening.getsockname()[1]
        with pytest.raises(BlockingIOError):
            listening.accept()


@pytest.fixture
def refusal(refusal_by: Callable[..., Refusal]) -> Refusal:
    return refusal_by(kind_of)


# ---- what a file is -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "webp", "tif", "bmp", "ppm", "jp2", "avif"])
def test_an_image_is_an_image_under_any_name(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photo.{suffix}"
    Image.new("RGB", (8, 8)).save(path)
    assert kind_of(path.rename(tmp_path / "clip.mp4")) == "image"


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_an_animation_is_an_image(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green")]
    frames[0].save(tmp_path / f"moving.{suffix}", save_all=True, append_images=frames[1:])
    assert kind_of(tmp_path / f"moving.{suffix}") == "image"


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("mp4", "libx264"), ("mkv", "libx264"), ("webm", "libvpx-vp9"), ("avi", "mpeg4"), ("ts", "mpeg2video")],
)
def test_a_video_is_a_video_under_any_name(
    tmp_path: Path, write_video: Callable[..., Path], suffix: str, codec: str
) -> None:
    path = write_video(tmp_path / f"clip.{suffix}", 25, codec=codec)
    assert kind_of(path) == "video"
    assert kind_of(path.rename(tmp_path / "photo.jpg")) == "video"


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("wav", "pcm_s16le"), ("flac", "flac"), ("mp3", "libmp3lame"), ("m4a", "aac"), ("ogg", "libopus"), ("mp4", "aac")],
)
def test_a_sound_is_a_sound_under_any_name(
    tmp_path: Path, write_sound: Callable[..., Path], suffix: str, codec: str
) -> None:
    path = write_sound(tmp_path / f"voice.{suffix}", SILENCE, codec=codec, rate=48_000)
    assert kind_of(path) == "audio"
    assert kind_of(path.rename(tmp_path / "clip.mpg")) == "audio"


def test_a_cover_picture_does_not_make_a_song_a_video(tmp_path: Path) -> None:
    cover = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(cover, "JPEG")
    path = tmp_path / "song.mp3"
    with av.open(str(path), "w") as song:
        sound = song.add_stream("libmp3lame", rate=44_100, layout="mono")
        picture = song.add_stream("mjpeg", rate=1)
        picture.width, picture.height, picture.pix_fmt = 32, 32, "yuvj420p"
        picture.disposition = av.stream.Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44_100), np.int16), format="s16p", layout="mono")
        frame.sample_rate = 44_100
        packets = [*sound.encode(frame), *sound.encode(None)]
        packet = av.Packet(cover.getvalue())
        packet.stream, packet.pts, packet.dts = picture, 0, 0
        song.mux([*packets[:1], packet, *packets[1:]])
    with av.open(str(path)) as song:
        assert len(song.streams.video) == 1
    assert kind_of(path) == "audio"


def test_the_pexels_clip_is_a_video() -> None:
    assert kind_of(assets.path("clip-pexels")) == "video"


# ---- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("empty.mp4", b"", "empty (0 bytes)"),
        ("note.mp4", b"this is text, not a clip\n" * 200, "it holds text"),
        ("bytes.mp4", bytes(range(256)) * 20, "not a picture, video or sound file"),
        ("zeros.mp4", bytes(5000), "nothing but zeros"),
        ("paper.mp4", b"%PDF-1.7\n", "PDF"),
        ("pack.mp4", b"PK\x03\x04" + bytes(50), "ZIP"),
        ("page.mp4", b"<!DOCTYPE html><html>", "web page"),
        ("head.mp4", b"\0\0\0\x18ftypisom\0\0\0\0isom", "index (moov)"),
        ("head.mkv", b"\x1aE\xdf\xa3\x01\0\0\0", "truncated or damaged"),
        ("head.wav", b"RIFF\x24\0\0\0WAVEfmt ", "truncated or damaged"),
    ],
)
def test_what_is_no_medium_is_named(tmp_path: Path, name: str, content: bytes, word: str, refusal: Refusal) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert word in refusal(path)


def test_what_cannot_be_opened_is_named(tmp_path: Path, refusal: Refusal) -> None:
    assert "no such file" in refusal(tmp_path / "gone.mp4")
    folder = tmp_path / "folder.mp4"
    folder.mkdir()
    assert "expected an image, a video or a sound file, this is a folder" in refusal(folder)
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    assert "pipe" in refusal(pipe)
    assert "device" in refusal(Path("/dev/zero"))
    with pytest.raises(MediaError, match=r"^'a\\x00b\.mp4': not a file name"):
        kind_of(Path("a\0b.mp4"))


def test_a_container_without_pictures_and_sound_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    path = tmp_path / "words.mkv"
    text = tmp_path / "words.srt"
    text.write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n")
    with av.open(str(text)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.subtitles[0])
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    assert "neither pictures nor sound" in refusal(path)


# ---- only local files, only one of them -----------------------------------------------------------------------------


def test_a_playlist_reads_nothing_else(tmp_path: Path, clip: bytes, port: int) -> None:
    (tmp_path / "real.mp4").write_bytes(clip)
    address = f"http://127.0.0.1:{port}/clip.ts"
    for name, text in {
        "a.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{address}\n#EXT-X-ENDLIST\n",
        "local.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nreal.mp4\n#EXT-X-ENDLIST\n",
        "late.m3u8": f"\n\n#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{address}\n#EXT-X-ENDLIST\n",
        "a.ffconcat": "ffconcat version 1.0\nfile real.mp4\n",
        "a.txt": "file real.mp4\n",
        "a.mpd": f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{address}</BaseURL></MPD>',
        "a.sdp": f"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video {port} RTP/AVP 96\n",
        "a.pls": f"[playlist]\nFile1={address}\n",
    }.items():
        for path in (tmp_path / name, tmp_path / f"{name}.mp4"):
            path.write_text(text)
            with pytest.raises(MediaError):
                open_container(path)


def test_only_listed_formats_are_opened_even_where_their_signature_is_not_known(
    tmp_path: Path, refusal: Refusal
) -> None:
    """A SubRip file is text that FFmpeg would open."""
    path = tmp_path / "words.srt"
    path.write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n")
    with av.open(str(path)) as container:
        assert container.format.name == "srt"
    assert "it holds text" in refusal(path)


def test_numbered_pictures_are_not_a_video(here: Path, refusal: Refusal) -> None:
    for index in range(3):
        Image.new("RGB", (8, 8)).save(here / f"p{index}.png")
    with av.open("p%d.png") as container:
        assert container.format.name == "image2"
    assert "no such file" in refusal(Path("p%d.png"))


@pytest.mark.parametrize(
    "name",
    [
        "-x.mp4",
        "concat:a.mp4|b.mp4",
        "file:x.mp4",
        "data:x.mp4",
        "pipe:0",
        "a?b#c.mp4",
        "%d.mp4",
        "é\udcff.mp4",
        "a\nb.mp4",
    ],
)
def test_a_strange_name_means_the_file_of_that_name(here: Path, clip: bytes, name: str) -> None:
    path = Path(name)
    path.write_bytes(clip)
    assert kind_of(path) == "video"
    path.unlink()
    with pytest.raises(MediaError, match="no such file"):
        kind_of(path)


def test_an_address_means_a_folder_and_a_file(here: Path, clip: bytes, port: int) -> None:
    address = f"http://127.0.0.1:{port}/x.mp4"
    with pytest.raises(MediaError, match="no such file"):
        kind_of(Path(address))
    Path(address).parent.mkdir(parents=True)
    Path(address).write_bytes(clip)
    assert kind_of(Path(address)) == "video"


def test_nothing_is_said_on_standard_error(tmp_path: Path, clip: bytes) -> None:
    damaged = bytearray(clip)
    damaged[-900:-300] = bytes(600)
    (tmp_path / "damaged.mp4").write_bytes(damaged)
    (tmp_path / "cut.mp4").write_bytes(clip[:-500])
    code = (
        "import sys; from pathlib import Path; from emollm.errors import MediaError\n"
        "from emollm.media.video import open_video\n"
        "for name in sys.argv[1:]:\n"
        "    try: list(open_video(Path(name)).frames())\n"
        "    except MediaError: pass\n"
    )
    files = [tmp_path / "damaged.mp4", tmp_path / "cut.mp4"]
    done = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_importing_the_readers_does_not_import_av() -> None:
    code = (
        "import sys; import emollm.media.opening, emollm.media.video, emollm.media.audio\n"
        "print(sorted({'av', 'PIL'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
