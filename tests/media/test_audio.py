import random
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from emollm import assets
from emollm.media.audio import RATE, Block, Sound, open_sound, read_sound
from emollm.media.opening import kind_of

Writer = Callable[..., Path]
Refusal = Callable[..., str]


def tone(seconds: float, rate: int = RATE, pitch: float = 440.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def clicks(rate: int, *at: float, seconds: float = 2.0) -> np.ndarray:
    """Silence with steps to 0.8 that last 2 ms."""
    samples = np.zeros(round(seconds * rate), np.float32)
    for time in at:
        place = round(time * rate)
        samples[place : place + rate // 500] = 0.8
    return samples


def heard(path: Path, seconds: float = 20.0) -> tuple[Sound, np.ndarray]:
    sound = open_sound(path)
    return sound, joined(list(sound.blocks(seconds)))


def joined(blocks: list[Block]) -> np.ndarray:
    return np.concatenate([block.samples for block in blocks])


def onsets(samples: np.ndarray) -> list[float]:
    """Where the steps begin, in seconds: where half of their height is passed."""
    loud = np.flatnonzero(np.abs(samples) > 0.4)
    return [round(float(first) / RATE, 4) for first in loud[np.diff(loud, prepend=-RATE) > RATE // 10]]


@pytest.fixture
def refusal(refusal_by: Callable[..., Refusal]) -> Refusal:
    return refusal_by(open_sound)


# ---- time -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_any_rate_becomes_16_khz_without_delay(tmp_path: Path, write_sound: Writer, rate: int) -> None:
    sound, samples = heard(write_sound(tmp_path / "clicks.wav", clicks(rate, 0.5, 1.0, 1.75), rate=rate))
    assert len(samples) == 2 * RATE
    assert onsets(samples) == pytest.approx([0.5, 1.0, 1.75], abs=2 / RATE)
    assert (sound.info.kind, sound.info.sample_rate, sound.info.channels) == ("audio", rate, 1)
    assert sound.info.duration == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("codec", "suffix", "rate"),
    [
        ("libmp3lame", "mp3", 44_100),
        ("libmp3lame", "mkv", 44_100),
        ("aac", "m4a", 44_100),
        ("aac", "mkv", 48_000),
        ("libopus", "ogg", 48_000),
        ("libopus", "webm", 48_000),
        ("flac", "flac", 44_100),
        ("alac", "m4a", 44_100),
        ("wavpack", "wv", 44_100),
        ("pcm_s16be", "aiff", 44_100),
        ("pcm_alaw", "wav", 8_000),
    ],
)
def test_what_an_encoder_put_before_the_sound_is_not_sound(
    tmp_path: Path, write_sound: Writer, codec: str, suffix: str, rate: int
) -> None:
    """Priming samples (LAME and Opus headers, MP4 edit lists, Matroska codec delay) are left out."""
    sound, samples = heard(write_sound(tmp_path / f"c.{suffix}", clicks(rate, 0.5, 1.0, 1.75), codec=codec, rate=rate))
    assert onsets(samples) == pytest.approx([0.5, 1.0, 1.75], abs=2 / RATE)
    assert len(samples) / RATE == pytest.approx(2.0, abs=0.025)
    assert sound.ended_early is None
    assert sound.info.note is None


def test_blocks_follow_each_other_without_a_gap(tmp_path: Path, write_sound: Writer) -> None:
    path = write_sound(tmp_path / "long.wav", tone(5.3, 44_100), rate=44_100)
    blocks = list(open_sound(path).blocks(seconds=2.0))
    assert [len(block.samples) for block in blocks] == [2 * RATE, 2 * RATE, round(1.3 * RATE)]
    assert [block.start for block in blocks] == [0, 2, 4]
    assert all(block.samples.dtype == np.float32 for block in blocks)
    assert np.array_equal(joined(blocks), read_sound(path)[1])
    middle = joined(blocks)[RATE : 2 * RATE]
    assert np.abs(middle - tone(2.0)[RATE:]).max() < 0.01


@pytest.mark.parametrize(
    ("codec", "suffix", "rate"),
    [("flac", "mkv", RATE), ("libopus", "ogg", 48_000), ("aac", "m4a", RATE), ("aac", "ts", RATE)],
)
def test_a_gap_in_the_times_becomes_silence(
    tmp_path: Path, write_sound: Writer, codec: str, suffix: str, rate: int
) -> None:
    path = write_sound(tmp_path / f"gap.{suffix}", tone(1.0, rate), rate=rate, codec=codec, starts=(0.0, 3.5))
    sound, samples = heard(path)
    assert len(samples) / RATE == pytest.approx(4.5, abs=0.15)
    assert np.abs(samples[round(1.2 * RATE) : round(3.4 * RATE)]).max() < 1e-3
    assert np.abs(samples[round(3.7 * RATE) : round(4.4 * RATE)]).max() > 0.25
    assert sound.info.note == "gaps of 2.50 s in the sound filled with silence"


def test_a_long_gap_and_a_leap(tmp_path: Path, write_sound: Writer) -> None:
    """Fifteen minutes are a pause, five hours are an error."""
    path = write_sound(tmp_path / "gap.mkv", tone(1.0), codec="pcm_s16le", starts=(0.0, 901.0))
    assert len(joined(list(open_sound(path).blocks()))) == 902 * RATE
    path = write_sound(tmp_path / "leap.mkv", tone(1.0), codec="pcm_s16le", starts=(0.0, 18_001.0))
    sound, samples = heard(path)
    assert len(samples) == 2 * RATE
    assert sound.info.note == "times start anew 1 time, made continuous"


def test_sound_that_is_there_twice_is_heard_once(tmp_path: Path, write_sound: Writer) -> None:
    """The last packet is wholly covered by those before it."""
    path = tmp_path / "twice.mkv"
    values = tone(0.1, 48_000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=48_000, layout="mono")
        for count, index in enumerate((0, 1, 2, 3, 4, 5, 6, 3)):
            packet = av.Packet(values.tobytes())
            packet.stream, packet.time_base, packet.pts, packet.dts = stream, Fraction(1, 1000), 100 * index, count
            container.mux(packet)
    sound, samples = heard(path)
    assert len(samples) == round(0.7 * RATE)
    assert sound.info.note == "0.10 s of overlapping sound left out"


def test_the_sound_of_a_video_has_the_videos_times(tmp_path: Path, write_video: Writer) -> None:
    path = write_video(tmp_path / "clip.mkv", 50, sound=clicks(RATE, 0.25), sound_codec="flac", sound_start=0.5)
    start, samples = read_sound(path)
    assert start == pytest.approx(0.5)
    assert onsets(samples) == [0.25]
    path = write_video(
        tmp_path / "late.mkv", 50, times=[1 + index / 25 for index in range(50)], sound=clicks(RATE, 0.25)
    )
    assert read_sound(path)[0] == 0


# ---- samples --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["stereo", "2.1", "5.1", "7.1", "hexadecagonal"])
@pytest.mark.parametrize(
    ("codec", "suffix"), [("pcm_s16le", "wav"), ("pcm_f32le", "wav"), ("pcm_s16be_planar", "nut"), ("aac", "m4a")]
)
def test_channels_are_averaged(tmp_path: Path, write_sound: Writer, layout: str, codec: str, suffix: str) -> None:
    channels = av.AudioLayout(layout).nb_channels
    levels = np.arange(1, channels + 1) / 20
    path = write_sound(tmp_path / f"wide.{suffix}", np.repeat(levels[:, None], RATE, 1), codec=codec, layout=layout)
    sound, samples = heard(path)
    assert sound.info.channels == channels
    assert samples[RATE // 4 : -RATE // 4].mean() == pytest.approx(levels.mean(), abs=0.005)


@pytest.mark.parametrize(("codec", "suffix"), [("pcm_s16le", "wav"), ("aac", "m4a")])
def test_channels_that_cancel_each_other_are_not_averaged(
    tmp_path: Path, write_sound: Writer, codec: str, suffix: str
) -> None:
    wave = tone(2.0)
    path = write_sound(tmp_path / f"wide.{suffix}", np.stack([wave, -wave]), codec=codec, layout="stereo")
    sound, samples = heard(path)
    assert np.abs(samples[1000:-1000] - wave[1000 : len(samples) - 1000]).max() < 0.02
    assert sound.info.note == "channels that cancel each other, one of them heard alone for 2.0 s"
    assert np.array_equal(samples, heard(path)[1])


def test_only_where_channels_cancel_each_other_is_one_taken(tmp_path: Path, write_sound: Writer) -> None:
    wave = tone(3.0)
    other = np.concatenate([wave[: 5 * RATE], -wave, wave])
    path = write_sound(
        tmp_path / "part.wav", np.stack([np.tile(wave, 3)[: len(other)], other]), layout="stereo", codec="pcm_f32le"
    )
    sound, samples = heard(path)
    assert np.abs(samples).reshape(-1, RATE).max(axis=1)[[0, 1, 5, 7, 8]] == pytest.approx(0.3, abs=0.01)
    assert "cancel" in str(sound.info.note)


@pytest.mark.parametrize(
    ("left", "right"), [(1.0, 0.0), (0.0, 1.0), (1.0, -0.5), (1.0, 1.0), (0.0, 0.0)], ids=lambda level: f"{level:g}"
)
def test_sound_that_does_not_cancel_is_averaged(tmp_path: Path, write_sound: Writer, left: float, right: float) -> None:
    wave = tone(1.0)
    path = write_sound(tmp_path / "two.wav", np.stack([left * wave, right * wave]), layout="stereo", codec="pcm_f32le")
    sound, samples = heard(path)
    assert np.allclose(samples, (left + right) / 2 * wave, atol=1e-6)
    assert sound.info.note is None


def test_where_sound_begins_ends_and_is_lacking_is_told(tmp_path: Path, write_sound: Writer) -> None:
    sound = open_sound(write_sound(tmp_path / "gap.mkv", tone(1.0), codec="flac", starts=(0.0, 1.5, 4.0)))
    assert (sound.first, sound.last, sound.gaps, sound.damaged) == (0, 0, (), 0)
    list(sound.blocks())
    assert (sound.first, sound.last) == (0, pytest.approx(5.0))
    assert sound.gaps == (pytest.approx((2.5, 4.0), abs=0.03),)


@pytest.mark.parametrize(
    "codec", ["pcm_u8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_mulaw"]
)
def test_any_sample_format_becomes_floats_of_the_same_size(tmp_path: Path, write_sound: Writer, codec: str) -> None:
    wave = tone(0.5)
    suffix = "aiff" if codec.endswith("be") else "wav"
    _, samples = heard(write_sound(tmp_path / f"tone.{suffix}", wave, codec=codec))
    assert len(samples) == len(wave)
    assert np.abs(samples - wave).max() < {"pcm_u8": 0.009, "pcm_mulaw": 0.02}.get(codec, 1e-4)


def test_floats_beyond_full_scale_are_clipped_and_counted(tmp_path: Path, write_sound: Writer) -> None:
    wave = np.zeros((2, RATE), np.float32)
    wave[0, 10:20], wave[1, 10:15] = 3.0, -2.0
    sound, samples = heard(write_sound(tmp_path / "loud.wav", wave, codec="pcm_f32le", layout="stereo"))
    assert samples[10:20].tolist() == [0.0] * 5 + [0.5] * 5
    assert sound.clipped == 15 / (2 * RATE)
    assert np.abs(heard(write_sound(tmp_path / "hard.wav", np.sign(tone(1.0, 44_100)), rate=44_100))[1]).max() <= 1


@pytest.mark.parametrize("codec", ["pcm_f32le", "pcm_f64le"])
def test_samples_that_are_not_numbers_are_an_error(
    tmp_path: Path, write_sound: Writer, codec: str, refusal: Refusal
) -> None:
    wave = np.zeros((1, RATE), np.float32)
    wave[0, 5000:5006], wave[0, 9000:9006] = np.nan, np.inf
    path = write_sound(tmp_path / "nan.wav", wave, codec=codec)
    assert "12 of 16,000 samples are not numbers" in refusal(path, read_sound)


def test_the_pexels_clip() -> None:
    sound, samples = heard(assets.path("clip-pexels"))
    assert len(samples) / RATE == pytest.approx(19.69, abs=0.002)
    assert (sound.info.sample_rate, sound.info.channels, sound.ended_early) == (48_000, 2, None)
    assert sound.info.note is None


# ---- damaged --------------------------------------------------------------------------------------------------------


def test_what_holds_no_sound_is_refused(
    tmp_path: Path, write_sound: Writer, write_video: Writer, refusal: Refusal
) -> None:
    assert "has no audio stream" in refusal(write_video(tmp_path / "silent.mp4", 3))
    whole = write_sound(tmp_path / "empty.wav", tone(0.1)).read_bytes()
    place = whole.index(b"data") + 4
    (tmp_path / "empty.wav").write_bytes(whole[:place] + bytes(4))
    assert "holds no sound (0 s)" in refusal(tmp_path / "empty.wav")
    (tmp_path / "note.wav").write_text("not a sound\n" * 100)
    assert "it holds text" in refusal(tmp_path / "note.wav")
    assert "no such file" in refusal(tmp_path / "gone.wav")


@pytest.mark.parametrize(
    ("codec", "suffix", "options"),
    [
        ("pcm_s16le", "wav", {}),
        ("flac", "flac", {}),
        ("libmp3lame", "mp3", {}),
        ("aac", "m4a", {"movflags": "faststart"}),
        ("libopus", "mkv", {}),
        ("pcm_s16be", "aiff", {}),
    ],
)
def test_a_file_that_is_cut_short_gives_what_is_there(
    tmp_path: Path, write_sound: Writer, codec: str, suffix: str, options: dict[str, str]
) -> None:
    noise = np.random.default_rng(0).normal(scale=0.1, size=10 * 48_000).astype(np.float32)
    path = write_sound(tmp_path / f"cut.{suffix}", noise, codec=codec, rate=48_000, options=options)
    assert heard(path)[0].ended_early is None
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    sound, samples = heard(path)
    assert 4 < len(samples) / RATE < 6
    assert sound.ended_early is not None
    assert sound.ended_early.startswith(f"its sound ends at {len(samples) / RATE:.1f} s of 10.0 s: ")
    assert sound.info.duration == pytest.approx(10.0, abs=0.05)


def test_a_guessed_length_is_not_taken_for_a_promise(tmp_path: Path, write_sound: Writer) -> None:
    """FFmpeg guesses the length of ADTS from the bit rate of its first frames: here from the loud ones."""
    noise = np.random.default_rng(0).normal(scale=0.2, size=12 * RATE).astype(np.float32)
    noise[3 * RATE :] = 0
    sound, samples = heard(write_sound(tmp_path / "voice.aac", noise, codec="aac"))
    assert sound.ended_early is None
    assert sound.info.duration == pytest.approx(len(samples) / RATE)
    assert len(samples) / RATE == pytest.approx(12, abs=0.2)


def test_damaged_sound_becomes_silence(tmp_path: Path, write_sound: Writer) -> None:
    path = write_sound(tmp_path / "tone.flac", tone(4.0), codec="flac")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 1500] = bytes(1500)
    path.write_bytes(data)
    sound, samples = heard(path)
    assert len(samples) == 4 * RATE
    quiet = np.abs(samples.reshape(-1, 160)).max(axis=1) < 1e-4
    assert 0.03 < quiet.mean() < 0.6
    assert np.abs(samples[-RATE // 2 :] - tone(4.0)[-RATE // 2 :]).max() < 1e-3
    assert "filled with silence" in str(sound.info.note)


def test_an_absurd_rate_is_refused_by_the_header(tmp_path: Path, write_sound: Writer, refusal: Refusal) -> None:
    path = write_sound(tmp_path / "fast.wav", tone(0.1))
    data = path.read_bytes()
    for rate in (3, 2_000_000_000):
        path.write_bytes(data.replace(struct.pack("<II", RATE, 2 * RATE), struct.pack("<II", rate, 2 * RATE)))
        assert "sample rate" in refusal(path)


def test_long_files_are_read_in_blocks_only(tmp_path: Path, write_sound: Writer, refusal: Refusal) -> None:
    path = write_sound(tmp_path / "hour.mkv", tone(1.0), codec="pcm_s16le", starts=range(0, 2400, 590))
    assert "expected up to 30 minutes of sound" in refusal(path, read_sound)
    assert sum(len(block.samples) for block in open_sound(path).blocks()) == 2361 * RATE


def test_a_sound_can_be_read_twice(tmp_path: Path, write_sound: Writer) -> None:
    with open_sound(write_sound(tmp_path / "tone.wav", tone(1.0))) as sound:
        assert np.array_equal(joined(list(sound.blocks(0.3))), joined(list(sound.blocks())))


@pytest.mark.parametrize("count", [12, pytest.param(1500, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        ("pcm_f32le", "wav"),
        ("flac", "flac"),
        ("libmp3lame", "mp3"),
        ("aac", "aac"),
        ("aac", "m4a"),
        ("libopus", "ogg"),
        ("wavpack", "wv"),
        ("pcm_s16be", "aiff"),
        ("pcm_s16le", "caf"),
    ],
)
def test_damage_ends_in_success_or_one_line(
    tmp_path: Path,
    write_sound: Writer,
    spoilt: Callable[..., bytes],
    survive: Callable[..., None],
    codec: str,
    suffix: str,
    count: int,
) -> None:
    path = write_sound(tmp_path / f"tone.{suffix}", tone(0.5, 48_000), rate=48_000, codec=codec)
    whole = path.read_bytes()
    dice = random.Random(count)
    for _ in range(count):
        path.write_bytes(spoilt(whole, dice))
        survive(path, kind_of, lambda path: list(open_sound(path).blocks(0.1)))
