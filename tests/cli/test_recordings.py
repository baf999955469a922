"""Videos and sound on the command line: good ones, bad ones, and those that are not what their names say."""

import contextlib
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from emollm import assets
from emollm.types import Answer, Missing, Observation
from tests.cli.arguments import by_cues

Say = Callable[..., tuple[int, str, str]]
HEAD = ("--set", "perception.action_units=mesh-head")


def explained(say: Say, clip: Path, *arguments: str | Path) -> Answer:
    """The answer about a clip that can be read."""
    code, out, err = say("explain", clip, "--json", *HEAD, *arguments)
    assert (code, err) == (0, "")
    return Answer.from_json(out)


def observed(say: Say, clip: Path) -> Observation:
    """What is measured in a clip that can be read."""
    code, out, err = say("observe", clip, "--json", "--no-landmarks", *HEAD)
    assert (code, err) == (0, "")
    return Observation.from_json(out)


def refused(say: Say, clip: Path, folder: Path) -> str:
    """The one line about a clip that cannot be read; nothing else is printed or left behind."""
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    code, out, err = say("explain", clip, "--report", folder / "page.html", *HEAD)
    assert (code, out) == (2, "")
    assert err.startswith(f"emollm: {clip}: ")
    assert err.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    return err


def reasons(gaps: tuple[Missing, ...], stream: str) -> str:
    return "; ".join(gap.reason for gap in gaps if gap.stream == stream)


def tone(seconds: float) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * 16_000)) / 16_000).astype(np.float32)


def write_wav(path: Path, samples: np.ndarray, *, kind: int = 1) -> Path:
    """A WAV file of samples (n, channels) at 16 kHz: whole numbers (kind 1), or floats (kind 3)."""
    samples = samples.astype("<i2") if kind == 1 else samples.astype("<f4")
    data, channels, size = samples.tobytes(), samples.shape[1], samples.itemsize
    form = struct.pack("<HHIIHH", kind, channels, 16_000, 16_000 * channels * size, channels * size, 8 * size)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


@pytest.fixture(scope="session")
def smile(tmp_path_factory: pytest.TempPathFactory, film: Callable[..., Path], woman: np.ndarray) -> Path:
    """A video of 1.5 s: a smiling face and a tone."""
    return film(tmp_path_factory.mktemp("clips") / "smile.mp4", [woman] * 15, sound=tone(1.5))


# ---- what is taken for what -----------------------------------------------------------------------------------------


def test_a_video_is_explained_by_its_face_over_time(say: Say, smile: Path) -> None:
    answer = explained(say, smile)
    assert (answer.status, answer.label, answer.track) == ("answered", "happiness", "p1")
    assert all(claim.start is not None for claim in answer.claims if any(cue.startswith("p1.AU") for cue in claim.cues))


def test_what_a_file_holds_counts_and_not_its_suffix(say: Say, smile: Path, woman: np.ndarray, tmp_path: Path) -> None:
    photo, video, sound = tmp_path / "photo.mp4", tmp_path / "video.jpg", tmp_path / "sound.mp4"
    Image.fromarray(woman).save(photo, "PNG")
    shutil.copy(smile, video)
    write_wav(tmp_path / "a.wav", np.zeros((16_000, 1))).rename(sound)
    assert [observed(say, clip).media.kind for clip in (photo, video, sound)] == ["image", "video", "audio"]


def test_a_broken_photo_is_told_of_as_a_photo(say: Say, tmp_path: Path) -> None:
    clip = tmp_path / "photo.png"
    clip.write_text("no photo at all, just words")
    assert "image" in refused(say, clip, tmp_path)


def test_a_folder_gives_its_recordings_and_a_video_beside_its_sound_is_two_clips(
    say: Say, smile: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    shutil.copy(smile, folder / "talk.mp4")
    write_wav(folder / "talk.wav", np.zeros((8_000, 1)))
    (folder / "program.ts").write_text("let x = 1")
    (folder / "broken.mkv").write_bytes(b"\x1aE\xdf\xa3" + bytes(200))
    code, out, err = say("explain", folder, "--json", "--report", tmp_path / "pages", *HEAD)
    answers = [Answer.from_json(line) for line in out.splitlines()]
    assert [(Path(answer.id).name, answer.label) for answer in answers] == [
        ("talk.mp4", "happiness"),
        ("talk.wav", None),
    ]
    assert code == 1
    assert err.splitlines()[0].startswith(f"emollm: {folder}/broken.mkv: ")
    assert "2 of 3 clips done, 1 rejected" in err.splitlines()[1]
    names = {path.name for path in (tmp_path / "pages").iterdir()}
    assert names == {"index.html", "talk.mp4.html", "talk.wav.html"}


def test_another_person_of_a_video_can_be_asked_for_and_an_unknown_one_is_named(say: Say, smile: Path) -> None:
    assert explained(say, smile, "--track", "p1").track == "p1"
    code, out, err = say("explain", smile, "--track", "p7", *HEAD)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "unknown track 'p7'" in err


def test_frames_a_second_of_a_table_are_a_setting_like_the_others(say: Say, tmp_path: Path) -> None:
    table, out = tmp_path / "a.csv", tmp_path / "a.jsonl"
    table.write_text("frame, timestamp, confidence, success, AU12_r\n1, 0.0, 0.98, 1, 4.1\n")
    first, same, other = (say("observe", table, "--out", out, "--table-fps", fps) for fps in ("25", "25", "30"))
    assert first == same == (0, "", "")
    assert "made with other settings" in other[2]
    for bad in ("0", "-1", "nan", "inf"):
        code, _, err = say("observe", table, "--table-fps", bad)
        assert code == 2
        assert f"--table-fps {bad}: expected a number above 0" in err


# ---- pages and sheets -----------------------------------------------------------------------------------------------


def test_a_video_gets_a_page_with_itself_in_it_and_a_sheet_of_its_moments(
    say: Say, smile: Path, tmp_path: Path
) -> None:
    explained(say, smile, "--report", tmp_path / "page.html", "--overlay", tmp_path / "sheet.png")
    assert "data:video/mp4;base64," in (tmp_path / "page.html").read_text()
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert min(sheet.size) > 100
    explained(say, smile, "--report", tmp_path / "small.html", "--set", "report.embed=0")
    assert "data:video/mp4;base64," not in (tmp_path / "small.html").read_text()


def test_sound_has_no_overlay_and_one_line_says_so(say: Say, smile: Path, tmp_path: Path) -> None:
    sound = write_wav(tmp_path / "hum.wav", np.zeros((8_000, 1)))
    code, out, err = say("explain", sound, "--overlay", tmp_path / "o.png", *HEAD)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "1 sound recording has no picture to draw on" in err
    code, _, err = say("explain", sound, smile, "--json", "--overlay", tmp_path / "o", *HEAD)
    assert code == 0
    assert err.count("no picture to draw on") == 1
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["smile.mp4.png"]


def test_a_video_without_a_face_gets_a_page_and_a_plain_frame(
    say: Say, film: Callable[..., Path], nobody: np.ndarray, tmp_path: Path
) -> None:
    clip = film(tmp_path / "wall.mp4", [nobody] * 5)
    files = ("--report", tmp_path / "p.html", "--overlay", tmp_path / "s.png", "--out", tmp_path / "a.jsonl")
    assert explained(say, clip, *files).status == "abstained"
    assert (tmp_path / "p.html").exists()
    with Image.open(tmp_path / "s.png") as drawing:
        assert drawing.size == (256, 256)
    before = (tmp_path / "s.png").stat().st_mtime_ns
    explained(say, clip, *files)
    assert (tmp_path / "s.png").stat().st_mtime_ns == before, "taken over, not done again"


def test_sound_that_is_called_a_video_gets_no_overlay_and_one_line_says_so(say: Say, tmp_path: Path) -> None:
    clip = write_wav(tmp_path / "a.wav", np.zeros((8_000, 1))).rename(tmp_path / "a.mp4")
    arguments = ("explain", clip, "--json", "--overlay", tmp_path / "s.png", *HEAD)
    code, _, err = say(*arguments)
    assert (code, err) == (0, f"emollm: {clip}: no picture is in it; it gets no overlay\n")
    assert not (tmp_path / "s.png").exists()
    assert say(*arguments, "--out", tmp_path / "a.jsonl")[2].count("no picture is in it") == 1
    code, _, err = say(*arguments, "--out", tmp_path / "a.jsonl")
    assert (code, err) == (0, ""), "taken over, not measured again for a drawing that never comes"


def test_the_overview_is_the_same_when_all_clips_were_done_before(say: Say, smile: Path, tmp_path: Path) -> None:
    sound = write_wav(tmp_path / "hum.wav", np.zeros((8_000, 1)))
    pages = tmp_path / "pages"
    arguments = ("explain", smile, sound, "--out", tmp_path / "a.jsonl", "--report", pages, *HEAD)
    assert say(*arguments)[0] == 0
    index = (pages / "index.html").read_text()
    assert "data:image/webp;base64," in index
    (pages / "index.html").unlink()
    assert "2 by an earlier run" in say(*arguments)[2]
    assert (pages / "index.html").read_text() == index


# ---- what cannot be read --------------------------------------------------------------------------------------------


def test_a_recording_that_lost_its_index_is_refused(say: Say, smile: Path, tmp_path: Path) -> None:
    clip = tmp_path / "cut.mp4"
    clip.write_bytes(smile.read_bytes()[: smile.stat().st_size // 2])
    assert "moov" in refused(say, clip, tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.mp4", b"", "the file is empty (0 bytes)"),
        ("text.mp4", b"this is no video at all\n", "it holds text"),
        ("list.mp4", b"#EXTM3U\nhttp://127.0.0.1/a.ts\n", "playlist"),
        ("zeros.wav", bytes(4000), "zeros"),
    ],
)
def test_what_is_no_recording_is_refused(name: str, content: bytes, message: str, say: Say, tmp_path: Path) -> None:
    clip = tmp_path / name
    clip.write_bytes(content)
    assert message in refused(say, clip, tmp_path)


def test_sound_without_a_sample_is_refused(say: Say, tmp_path: Path) -> None:
    refused(say, write_wav(tmp_path / "none.wav", np.zeros((0, 1))), tmp_path)


def test_samples_that_are_no_numbers_are_refused(say: Say, tmp_path: Path) -> None:
    clip = write_wav(tmp_path / "nan.wav", np.full((16_000, 1), np.nan), kind=3)
    assert "not numbers" in refused(say, clip, tmp_path)


def test_a_video_whose_sound_is_no_numbers_is_still_seen(say: Say, smile: Path, tmp_path: Path) -> None:
    clip = tmp_path / "nan.mkv"
    with av.open(str(smile)) as source, av.open(str(clip), "w") as target:
        pictures = target.add_stream_from_template(source.streams.video[0])
        heard = target.add_stream("pcm_f32le", rate=16_000, layout="mono")
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = pictures
                target.mux(packet)
        frame = av.AudioFrame.from_ndarray(np.full((1, 16_000), np.nan, np.float32), format="flt", layout="mono")
        frame.sample_rate, frame.pts = 16_000, 0
        target.mux(heard.encode(frame))
    answer = explained(say, clip)
    assert answer.label == "happiness"
    assert "not numbers" in reasons(answer.missing, "audio")


def test_a_pipe_is_refused_and_not_waited_for(say: Say, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.wav")
    assert "this is a pipe" in refused(say, tmp_path / "x.wav", tmp_path)


def test_a_folder_called_like_a_video_is_a_folder(say: Say, smile: Path, tmp_path: Path) -> None:
    folder = tmp_path / "x.mp4"
    folder.mkdir()
    code, out, err = say("explain", folder, *HEAD)
    assert (code, out, err) == (2, "", f"emollm: {folder}: found nothing of a kind that is read\n")
    shutil.copy(smile, folder / "a.mp4")
    assert Path(explained(say, folder).id).name == "a.mp4"


def test_declared_sizes_beyond_all_bounds_are_refused(say: Say, tmp_path: Path) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    place = data.index(b"\xff\xc0") + 5  # SOF0: length, precision, then height and width
    clip = tmp_path / "huge.mkv"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("mjpeg", rate=5)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuvj420p"
        for k in range(3):
            packet = av.Packet(data[:place] + b"\xff\xdc\xff\xdc" + data[place + 4 :])
            packet.stream, packet.pts, packet.dts = stream, k, k
            container.mux(packet)
    (tmp_path / "a.jpg").unlink()
    refused(say, clip, tmp_path)


# ---- what is odd and can be read ------------------------------------------------------------------------------------


def test_a_video_that_is_cut_short_is_answered_with_what_there_is(
    say: Say, film: Callable[..., Path], woman: np.ndarray, tmp_path: Path
) -> None:
    dice = np.random.default_rng(1)  # noise takes room, so that the cut is in the middle
    pictures = [np.clip(woman + dice.integers(-12, 12, woman.shape), 0, 255).astype(np.uint8) for _ in range(20)]
    whole = film(tmp_path / "whole.mp4", pictures, options={"movflags": "faststart"})
    clip = tmp_path / "cut.mp4"
    clip.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    answer = explained(say, clip)
    assert answer.label == "happiness"
    assert "end" in reasons(answer.missing, "video")


def test_silence_is_an_abstention_that_says_so(say: Say, tmp_path: Path) -> None:
    answer = explained(say, write_wav(tmp_path / "silence.wav", np.zeros((16_000, 1))))
    assert (answer.status, answer.label) == ("abstained", None)
    assert "silent" in reasons(answer.missing, "voice")


def test_eight_channels_are_heard(say: Say, tmp_path: Path) -> None:
    sound = np.repeat(np.round(20_000 * tone(1.0))[:, None], 8, axis=1)
    observation = observed(say, write_wav(tmp_path / "eight.wav", sound))
    assert observation.media.channels == 8
    assert "no speech" in reasons(observation.missing, "voice")


def test_sound_that_ends_before_the_pictures_is_no_failure(
    say: Say, film: Callable[..., Path], woman: np.ndarray, tmp_path: Path
) -> None:
    clip = film(tmp_path / "short.mp4", [woman] * 20, sound=tone(0.5))
    observation = observed(say, clip)
    assert observation.media.duration == pytest.approx(2.0, abs=0.15)
    assert observation.tracks[0].frames == 20


def test_a_video_of_one_frame_is_answered_like_a_photo(
    say: Say, film: Callable[..., Path], woman: np.ndarray, tmp_path: Path
) -> None:
    answer = explained(say, film(tmp_path / "one.mp4", [woman]))
    assert answer.label == "happiness"
    assert "no audio stream" in reasons(answer.missing, "audio")


def test_a_face_that_comes_late_is_followed_from_then_on(
    say: Say, film: Callable[..., Path], woman: np.ndarray, nobody: np.ndarray, tmp_path: Path
) -> None:
    clip = film(tmp_path / "late.mp4", [nobody] * 10 + [woman] * 10)
    observation = observed(say, clip)
    assert observation.tracks[0].start == pytest.approx(1.0, abs=0.31)
    assert "of the frames" in reasons(observation.missing, "face")
    assert f"face seen {observation.tracks[0].start:.1f}–1.9 s" in say("observe", clip, *HEAD)[1]


def test_frames_may_change_their_size(say: Say, woman: np.ndarray, tmp_path: Path) -> None:
    clip = tmp_path / "sizes.mkv"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 256, 256, "yuvj420p"
        for k in range(12):
            Image.fromarray(woman).resize((256, 256) if k < 6 else (320, 240)).save(tmp_path / "a.jpg", quality=95)
            packet = av.Packet((tmp_path / "a.jpg").read_bytes())
            packet.stream, packet.pts, packet.dts = stream, k, k
            container.mux(packet)
    assert explained(say, clip).label == "happiness"


def test_a_wav_of_another_maker_is_read(say: Say, tmp_path: Path) -> None:
    """The standard library's writer beside ours above."""
    clip = tmp_path / "a.wav"
    with wave.open(str(clip), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44_100)
        file.writeframes(bytes(4 * 44_100))
    media = observed(say, clip).media
    assert (media.sample_rate, media.channels, media.duration) == (44_100, 2, 1.0)


def test_json_of_an_observation_has_no_line_beside_it(say: Say, smile: Path) -> None:
    code, out, err = say("observe", smile, "--json", "--no-landmarks", *HEAD)
    assert (code, err, len(out.splitlines())) == (0, "", 1)
    assert all(face["landmarks"] == [] for track in json.loads(out)["tracks"] for face in track["faces"])


# ---- stopping -------------------------------------------------------------------------------------------------------


def longer(clip: Path, path: Path, seconds: float) -> Path:
    """A clip over and over, without being encoded anew."""
    done = 0.0
    with av.open(str(path), "w") as target:
        streams: dict[int, Any] = {}
        while done < seconds:
            with av.open(str(clip)) as source:
                if not done:
                    streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
                for packet in source.demux():
                    if packet.dts is None or packet.pts is None:
                        continue
                    shift = round(done / packet.time_base)
                    packet.pts, packet.dts, packet.stream = (
                        packet.pts + shift,
                        packet.dts + shift,
                        streams[packet.stream.index],
                    )
                    target.mux(packet)
                done += (source.duration or 0) / av.time_base
    return path


def wait_until(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    """Asks again and again while the process runs."""
    for _ in range(6000):  # five minutes
        if condition():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("never")


def open_files(pid: int) -> set[str]:
    """Names of the files that a process has open."""
    found = set()
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            found.add(handle.readlink().name)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_long_recording_is_left_at_once_and_the_next_run_goes_on(
    signum: signal.Signals, code: int, woman: np.ndarray, tmp_path: Path
) -> None:
    folder, made = tmp_path / "clips", tmp_path / "made"
    folder.mkdir()
    made.mkdir()
    Image.fromarray(woman).save(folder / "a.png")
    longer(assets.path("clip-pexels"), folder / "b.mp4", 300)
    command = [sys.executable, "-m", "emollm", *by_cues(("explain", folder, "--out", made / "a.jsonl"))]
    command += ["--report", str(made / "pages"), *HEAD]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    journal = made / "a.jsonl.part"
    wait_until(process, lambda: journal.exists() and b"a.png" in journal.read_bytes())
    wait_until(process, lambda: "b.mp4" in open_files(process.pid))
    process.send_signal(signum)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (code, "")
    assert err == "emollm: stopped after 1 of 2; run the same command again to go on\n"
    assert {path.name for path in made.rglob("*")} == {"a.jsonl.part", "pages", "a.png.html"}
    longer(assets.path("clip-pexels"), folder / "b.mp4", 1)
    second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert second.returncode == 0
    assert "2 of 2 clips done (1 by an earlier run)" in second.stderr
    assert len((made / "a.jsonl").read_text().splitlines()) == 2
