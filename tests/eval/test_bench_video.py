"""The bench for clips: its arithmetic, its tables, its repeated recordings, and tiny runs of its contestants."""

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from emollm.errors import MediaError
from emollm.eval import bench_face
from emollm.eval.bench_loop import looped
from emollm.eval.bench_rivals import Contestant
from emollm.eval.bench_video import (
    ClipResult,
    ClipRow,
    Pass,
    Plan,
    against_table,
    as_json,
    as_text,
    ask,
    face_table,
    frames_table,
    growth,
    memory_table,
    times_as_fast,
    voice_table,
)
from emollm.media.images import Picture

FRAMES, RATE, SIDE = 6, 12, 64


def row(name: str, *seconds: float) -> ClipRow:
    """A contestant that took so long in each round for 120 frames of 5 seconds, and saw a face in 118."""
    return ClipRow(name, tuple(Pass(one, 1.5, 100_000, 120, 118, 5.0) for one in seconds))


OURS = row("ours", 0.2, 0.4, 0.3)
POINTS, IRISES = row("points", 0.4, 0.4, 0.9), row("irises", 0.8, 0.8, 0.6)
MEMORY = (Pass(1.0, 1.5, 200_000, 120, 118, 5.0), Pass(180.0, 1.5, 230_000, 86_400, 86_000, 3600.0))
FACE = {"mesh-head": {"photo": [3.0, 4.0], "look": [1.0, 1.2], "detail": [0.5, 0.3], "blendshapes": [0.1, 0.1]}}
RESULT = ClipResult(
    ours=(OURS,),
    rivals=(POINTS, IRISES),
    decoders=(ClipRow("decoding only", (Pass(0.1, 1.0, 50_000, 120),)),),
    memory=MEMORY,
    voice=(row("voice", 0.5, 0.25),),
    face=FACE,
    versions={"ours": {"emollm": "0.1"}},
    absent={"emollm, face-landmarker": f"{Path.home()}/bundle: is missing; pull it"},
    load=0.1,
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a second of frames that grow lighter, with a tone; half of them refer to later ones."""
    path = tmp_path_factory.mktemp("bench") / "clip.mp4"
    with av.open(str(path), "w") as target:
        video = target.add_stream("libx264", RATE, options={"bf": "2", "crf": "10"})
        video.width = video.height = SIDE
        video.pix_fmt = "yuv420p"
        sound = target.add_stream("aac", 16_000)
        for index in range(FRAMES):
            pixels = np.full((SIDE, SIDE, 3), 30 * (index + 1), np.uint8)
            target.mux(video.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        tone = np.sin(np.arange(8000) * 0.1).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(tone, "fltp", "mono")
        frame.sample_rate = 16_000
        target.mux([*sound.encode(frame), *sound.encode(None), *video.encode(None)])
    return path


def decoded(path: Path) -> list[tuple[float, float]]:
    """Time and mean grey of every frame."""
    with av.open(str(path)) as source:
        return [
            (float(frame.time or 0), float(frame.to_ndarray(format="gray").mean())) for frame in source.decode(video=0)
        ]


# ---- repeated recordings --------------------------------------------------------------------------------------------


def test_a_repeated_clip_shows_the_same_frames_again_and_again(clip: Path, tmp_path: Path) -> None:
    once, long = decoded(clip), decoded(looped(clip, 2.0, tmp_path / "long.mp4"))
    assert len(once) == FRAMES
    assert [grey for _, grey in long] == [grey for _, grey in once] * (len(long) // FRAMES)
    assert long[-1][0] + 1 / RATE >= 2.0
    assert len(decoded(looped(clip, 0.1, tmp_path / "short.mp4"))) == FRAMES


def test_the_times_of_a_repeated_clip_rise_without_a_gap(clip: Path, tmp_path: Path) -> None:
    times = [time for time, _ in decoded(looped(clip, 2.0, tmp_path / "long.mp4"))]
    steps = np.diff(times)
    assert steps.min() > 0.5 / RATE
    assert steps.max() < 2.5 / RATE


def test_a_repeated_clip_keeps_its_sound(clip: Path, tmp_path: Path) -> None:
    with av.open(str(looped(clip, 2.0, tmp_path / "long.mp4"))) as source:
        samples = sum(frame.samples for frame in source.decode(audio=0))
    assert samples / 16_000 == pytest.approx(2.5, abs=0.6)


def test_sound_alone_can_be_repeated(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    with av.open(str(path), "w") as target:
        stream = target.add_stream("pcm_s16le", 16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4000), np.int16), "s16", "mono")
        frame.sample_rate, frame.time_base = 16_000, Fraction(1, 16_000)
        target.mux([*stream.encode(frame), *stream.encode(None)])
    with av.open(str(looped(path, 1.0, tmp_path / "long.mka"))) as source:
        assert sum(frame.samples for frame in source.decode(audio=0)) == 16_000


def test_what_cannot_be_repeated_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("text", encoding="utf-8")
    with pytest.raises(MediaError, match=r"text.mp4: cannot be repeated") as caught:
        looped(tmp_path / "text.mp4", 1.0, tmp_path / "long.mp4")
    assert "\n" not in str(caught.value)


# ---- arithmetic and tables ------------------------------------------------------------------------------------------


def test_ratios_are_formed_within_a_round() -> None:
    assert times_as_fast(OURS, POINTS) == pytest.approx((2.0, 1.0, 3.0))


def test_frames_a_second_are_those_of_the_median_round() -> None:
    assert OURS.a_second() == pytest.approx((400.0, 300.0, 600.0))


def test_growth_is_the_peak_of_the_long_recording_over_that_of_the_short_one() -> None:
    assert growth(MEMORY) == pytest.approx(1.15)
    assert "1.15 times the memory of the clip; the aim is at most 1.2" in memory_table(MEMORY)


def test_the_cost_of_a_face_in_a_video_is_the_sum_of_its_steps() -> None:
    line = face_table(FACE).splitlines()[-1]
    assert "3.50 (3.00–4.00)" in line
    assert line.endswith("| 1.60 (1.60–1.60) |")


def test_voice_is_told_in_seconds_of_sound_a_second() -> None:
    assert "15.0 (10.0–20.0)" in voice_table([row("voice", 0.5, 0.25)])


def test_who_looks_for_no_face_has_none() -> None:
    assert "| – |" in frames_table(RESULT.decoders)
    assert "| 118 of 120 |" in frames_table([OURS])


def test_tables_have_as_many_cells_as_headings() -> None:
    tables = (
        frames_table([OURS, POINTS]),
        against_table([OURS], [POINTS, IRISES]),
        face_table(FACE),
        memory_table(MEMORY).partition("\n\n")[0],
        voice_table([OURS]),
    )
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_the_page_tells_who_was_not_there_and_no_folder() -> None:
    text = as_text(RESULT, Plan(3, 2), "2026-11-22")
    assert "Not there: emollm, face-landmarker: ~/bundle: is missing; pull it." in text
    assert str(Path.home()) not in text
    assert "2.00 (1.00–3.00)" in text
    assert "seconds of sound" not in as_text(RESULT._replace(voice=()), Plan(3, 2), "2026-11-22")


def test_the_record_has_every_timing() -> None:
    record = as_json(RESULT)
    assert [run["seconds"] for run in record["ours"][0]["passes"]] == [0.2, 0.4, 0.3]
    assert [one["length"] for one in record["memory"]] == [5.0, 3600.0]


# ---- tiny runs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["decode", "faces"])
def test_our_contestants_go_through_a_clip(clip: Path, tmp_path: Path, what: str) -> None:
    command = [sys.executable, "-m", "emollm.eval.bench_ours_video", what, "mesh-head", "2"]
    with Contestant("ours", command, tmp_path / "log") as contestant:
        assert "av" in contestant.versions
        for _ in range(2):
            measured = ask(contestant, clip)
            assert (measured.frames, measured.faces) == (FRAMES, 0)
            assert measured.seconds > 0


def test_the_cost_of_a_face_is_measured_step_by_step(astronaut_picture: Picture) -> None:
    costs = bench_face.costs([astronaut_picture.pixels] * 2, 1)
    assert set(costs["mesh-head"]) == {"photo", "look", "detail", "blendshapes"}
    assert all(len(figures) == 1 and figures[0] > 0 for figures in costs["mesh-head"].values())
