"""The bench: its recipe of pictures, its arithmetic, its page, its contestants."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from emollm.errors import DataError, EmollmError, MediaError
from emollm.eval import bench
from emollm.eval.bench_images import COUNT, SOURCES, Variation, plan, vary
from emollm.eval.bench_machine import plain, two_cores
from emollm.eval.bench_rivals import Contestant, Round, Timing
from emollm.eval.bench_table import (
    Row,
    Spread,
    from_file,
    from_pixels,
    images_a_second,
    ms_a_face,
    put,
    ratio_table,
    speed_table,
    spread,
    times_as_fast,
    where_equal,
)


def row(name: str, *rounds: list[tuple[float, float, int]]) -> Row:
    """A contestant with these timings."""
    return Row(name, 0.5, tuple(Round(tuple(Timing(*item) for item in run), 1.0, 1000) for run in rounds))


OURS = row("ours", [(0.01, 0.02, 1), (0.01, 0.06, 3)], [(0.01, 0.03, 1), (0.01, 0.07, 3)])
THEIRS = row("theirs", [(0.01, 0.03, 1), (0.01, 0.05, 1)], [(0.01, 0.06, 1), (0.01, 0.04, 1)])


# ---- pictures -------------------------------------------------------------------------------------------------------


def test_the_recipe_is_the_same_every_time() -> None:
    assert plan() == plan()
    assert plan()[:10] == plan(10)
    assert plan(10, seed=1) != plan(10)


def test_the_recipe_stays_within_its_stated_ranges() -> None:
    variations = plan()
    assert len(variations) == COUNT
    assert {item.source for item in variations} == set(SOURCES)
    for item in variations:
        assert 480 <= item.longer <= 1280
        assert 75 <= item.quality <= 95
        assert 0.8 <= item.share <= 1
        assert 0 <= min(item.frame, item.left, item.top) <= max(item.frame, item.left, item.top) <= 1


@pytest.mark.parametrize("size", [(640, 360), (300, 500), (512, 512)])
def test_every_variation_has_its_longer_side(size: tuple[int, int]) -> None:
    source = Image.new("RGB", size)
    assert all(max(vary(source, item).size) == item.longer for item in plan(8))


def test_a_mirrored_variation_is_mirrored() -> None:
    source = Image.new("RGB", (100, 100))
    source.paste((255, 0, 0), (0, 0, 50, 100))
    item = Variation("photo-x", 0, mirrored=False, share=1, left=0, top=0, longer=100, quality=90)
    assert vary(source, item).getpixel((5, 50)) == (255, 0, 0)
    assert vary(source, item._replace(mirrored=True)).getpixel((95, 50)) == (255, 0, 0)


# ---- arithmetic -----------------------------------------------------------------------------------------------------


def test_spread_is_median_and_extremes() -> None:
    assert spread([3.0, 1.0, 10.0]) == Spread(3.0, 1.0, 10.0)
    assert spread([3.0, 1.0, 10.0]).text() == "3.0 (1.0–10.0)"


def test_images_a_second_counts_decoding_only_from_files() -> None:
    assert images_a_second(OURS, from_pixels).high == pytest.approx(2 / 0.08)
    assert images_a_second(OURS, from_file).high == pytest.approx(2 / 0.10)


def test_milliseconds_a_face_divide_by_the_faces_found() -> None:
    face = ms_a_face(OURS, from_pixels)
    assert face is not None
    assert face.low == pytest.approx(80 / 4)
    assert ms_a_face(row("blind", [(0.1, 0.1, 0)]), from_pixels) is None


def test_ratios_are_formed_within_a_round() -> None:
    image = times_as_fast(OURS, THEIRS, from_pixels, a_face=False)
    assert image == pytest.approx((1.0, 1.0, 1.0))
    face = times_as_fast(OURS, THEIRS, from_pixels, a_face=True)
    assert face == pytest.approx((2.0, 2.0, 2.0))


def test_equal_pictures_are_those_with_equally_many_faces_and_at_least_one() -> None:
    blind = row("blind", [(0.1, 0.1, 0), (0.1, 0.2, 1), (0.1, 0.3, 2)])
    sharp = row("sharp", [(0.1, 0.1, 0), (0.1, 0.4, 1), (0.1, 0.5, 3)])
    a, b = where_equal(blind, sharp)
    assert [item.measuring for item in a.rounds[0].pictures] == [0.2]
    assert [item.measuring for item in b.rounds[0].pictures] == [0.4]


def test_tables_hold_when_nobody_finds_a_face() -> None:
    blind = row("blind", [(0.1, 0.1, 0)])
    assert "none found" in speed_table([blind])
    assert "no faces to compare" in ratio_table([blind, row("rival", [(0.1, 0.1, 0)])], blind)


def test_tables_have_as_many_cells_as_headings() -> None:
    for table in (speed_table([OURS, THEIRS]), ratio_table([OURS, THEIRS], THEIRS)):
        assert len({line.count("|") for line in table.splitlines()}) == 1


# ---- the page -------------------------------------------------------------------------------------------------------


def test_a_result_replaces_the_one_before_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "bench.md"
    page.write_text("before\n<!-- bench: a -->\nold\n<!-- end of bench: a -->\nafter\n", encoding="utf-8")
    put(page, "a", "new")
    put(page, "a", "newer")
    text = page.read_text(encoding="utf-8")
    assert text == "before\n<!-- bench: a -->\n\nnewer\n\n<!-- end of bench: a -->\nafter\n"


def test_a_new_section_goes_to_the_end(tmp_path: Path) -> None:
    page = tmp_path / "bench.md"
    page.write_text("before\n", encoding="utf-8")
    put(page, "b", "result")
    assert page.read_text(encoding="utf-8") == "before\n\n<!-- bench: b -->\n\nresult\n\n<!-- end of bench: b -->\n"


@pytest.mark.parametrize("text", ["<!-- bench: a -->", "<!-- end of bench: a -->\n<!-- bench: a -->"])
def test_a_page_with_broken_markers_is_refused_and_kept(tmp_path: Path, text: str) -> None:
    page = tmp_path / "bench.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="expected both"):
        put(page, "a", "new")
    assert page.read_text(encoding="utf-8") == text


def test_a_page_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run the bench in the checkout"):
        put(tmp_path / "none.md", "a", "new")


# ---- the machine ----------------------------------------------------------------------------------------------------


def test_contestants_get_two_cores_of_those_there_are() -> None:
    cores = two_cores()
    assert set(cores) <= os.sched_getaffinity(0)
    assert len(set(cores)) == min(2, len(os.sched_getaffinity(0)))


def test_a_reason_tells_no_folder_of_the_user() -> None:
    assert plain(f"{Path.home()}/models/x: is missing.\nMore of it") == "~/models/x: is missing"


# ---- contestants and command ----------------------------------------------------------------------------------------


def test_a_contestant_answers_each_round(tmp_path: Path) -> None:
    script = tmp_path / "echo.py"
    script.write_text(
        "import json, sys\n"
        "print(json.dumps({'versions': {'echo': '1'}}), flush=True)\n"
        "for line in sys.stdin:\n"
        "    pictures = [[0.1, 0.2, len(path)] for path in json.loads(line)]\n"
        "    print(json.dumps({'pictures': pictures, 'cpu': 1.5, 'peak': 7}), flush=True)\n",
        encoding="utf-8",
    )
    with Contestant("echo", [sys.executable, str(script)], tmp_path / "log") as contestant:
        assert contestant.versions == {"echo": "1"}
        for _ in range(2):
            assert contestant.run([Path("ab")]) == Round((Timing(0.1, 0.2, 2),), 1.5, 7)


def test_a_contestant_is_restricted_to_its_cores(tmp_path: Path) -> None:
    script = tmp_path / "cores.py"
    script.write_text(
        "import json, os, sys\n"
        "print(json.dumps({}), flush=True)\n"
        "for line in sys.stdin: print(json.dumps({line.strip(): sorted(os.sched_getaffinity(0))}), flush=True)\n",
        encoding="utf-8",
    )
    core = min(os.sched_getaffinity(0))
    with Contestant("cores", [sys.executable, str(script)], tmp_path / "log", [core]) as contestant:
        assert contestant.ask(7) == {"7": [core]}
    with Contestant("cores", [sys.executable, str(script)], tmp_path / "log") as contestant:
        assert contestant.ask(7) == {"7": sorted(os.sched_getaffinity(0))}


def test_a_contestant_that_ends_instead_of_answering_says_why(tmp_path: Path) -> None:
    script = "print({}, flush=True); raise SystemExit('too long a clip')"
    with (
        Contestant("broken", [sys.executable, "-c", script], tmp_path / "log") as contestant,
        pytest.raises(EmollmError, match="broken ended with code 1: too long a clip"),
    ):
        contestant.ask("clip.mp4")


def test_a_contestant_that_ends_says_why(tmp_path: Path) -> None:
    with pytest.raises(EmollmError, match="broken ended with code 1: out of order; its whole log is"):
        Contestant("broken", [sys.executable, "-c", "raise SystemExit('out of order')"], tmp_path / "log")


def test_mediapipes_side_needs_nothing_of_ours() -> None:
    from emollm.eval import bench_mediapipe, bench_mediapipe_video

    for side in (bench_mediapipe, bench_mediapipe_video):
        code = f"import runpy, sys; runpy.run_path({side.__file__!r}); print('emollm' in sys.modules)"
        done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "False"


@pytest.mark.parametrize(("folder", "message"), [("none", "expected a folder"), (".", "no photo in it can be read")])
def test_a_folder_without_photos_is_refused_before_anything_runs(tmp_path: Path, folder: str, message: str) -> None:
    (tmp_path / "text.png").write_text("text", encoding="utf-8")
    with pytest.raises(MediaError, match=message):
        CliRunner().invoke(bench.command, ["--images", str(tmp_path / folder)], catch_exceptions=False)
