"""``emollm explain --heatmap`` as a user types it."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

HEAD = ("--set", "perception.action_units=mesh-head")
TABLE = "frame, timestamp, confidence, success, AU06_r, AU12_r\n1, 0.000, 0.98, 1, 2.9, 4.1\n"

Run = subprocess.CompletedProcess[str]


@pytest.fixture
def explain(say: Callable[..., tuple[int, str, str]]) -> Callable[..., Run]:
    """The command in this process."""
    return lambda *arguments: subprocess.CompletedProcess(arguments, *say("explain", *arguments, *HEAD))


def test_a_photo_gets_a_heat_map_and_its_page_shows_it(
    astronaut: Path, tmp_path: Path, explain: Callable[..., Run]
) -> None:
    run = explain(astronaut, "--heatmap", tmp_path / "h.png", "--report", tmp_path / "p.html")
    assert run.returncode == 0, run.stderr
    with Image.open(tmp_path / "h.png") as image:
        assert image.format == "PNG"
        assert image.width >= 512
    page = (tmp_path / "p.html").read_text()
    assert "Where the face net looked" in page
    assert "not a measurement and no evidence for a claim" in page


def test_a_folder_gets_one_file_a_clip_and_tables_none(
    astronaut: Path, tmp_path: Path, explain: Callable[..., Run]
) -> None:
    Image.new("RGB", (80, 60), "navy").save(tmp_path / "c.png")
    (tmp_path / "t.csv").write_text(TABLE)
    run = explain(astronaut, tmp_path / "c.png", tmp_path / "t.csv", "--json", "--heatmap", tmp_path / "maps")
    assert run.returncode == 0, run.stderr
    assert {path.name for path in (tmp_path / "maps").iterdir()} == {f"{astronaut.name}.png", "c.png.png"}
    assert run.stderr.count("no picture to draw on") == 1
    assert len(run.stdout.splitlines()) == 3


def test_a_map_is_made_anew_for_another_layer_and_kept_for_the_same(
    astronaut: Path, tmp_path: Path, explain: Callable[..., Run]
) -> None:
    arguments = (astronaut, "--out", tmp_path / "a.jsonl", "--heatmap", tmp_path / "h.png")
    assert explain(*arguments).returncode == 0
    first, written = (tmp_path / "h.png").read_bytes(), (tmp_path / "h.png").stat().st_mtime_ns
    assert explain(*arguments).returncode == 0
    assert (tmp_path / "h.png").stat().st_mtime_ns == written
    other = explain(*arguments, "--heatmap-layer", "stem")
    assert other.returncode == 0, other.stderr
    assert (tmp_path / "h.png").read_bytes() != first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--heatmap-layer", "stem"], "--heatmap-layer: is about the heat map, and none is asked for"),
        (["--heatmap-activations"], "--heatmap-activations: is about the heat map"),
        (["--heatmap", "h.png", "--heatmap-net", " "], "--heatmap-net: the name is empty"),
        (["--heatmap", "h.png", "--heatmap-net", "face-mtt"], "unknown face net 'face-mtt'"),
        (["--heatmap", "h.png", "--heatmap-layer", "stage7"], "unknown layer of face_mt 'stage7'"),
        (["--heatmap", "h.png", "--heatmap-class", "hapiness"], "did you mean 'happiness'"),
        (["--heatmap", "h.pdf"], "--heatmap h.pdf: expected a name that ends in .png"),
        (["--heatmap", "-"], "--heatmap -: standard output is not written to"),
        (["--heatmap", "h.png", "--overlay", "h.png"], "both --overlay and --heatmap would be written there"),
        (["--heatmap", "maps", "--overlay", "maps"], "both --overlay and --heatmap would be written there"),
        (["--heatmap", "x.jpg"], "x.jpg: is a clip and would be replaced"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2_before_any_clip_is_opened(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    explain: Callable[..., Run],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path))
    monkeypatch.setenv("EMOLLM_OFFLINE", "1")
    run = explain("x.jpg", *arguments)
    assert run.returncode == 2
    assert message in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_table_alone_has_no_heat_map(tmp_path: Path, explain: Callable[..., Run]) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    run = explain(tmp_path / "t.csv", "--heatmap", tmp_path / "h.png")
    assert run.returncode == 2
    assert "no picture to draw on; leave --heatmap out" in run.stderr


def test_heat_maps_are_not_put_where_the_next_run_would_read_them(
    astronaut: Path, tmp_path: Path, explain: Callable[..., Run]
) -> None:
    (tmp_path / "a.png").symlink_to(astronaut)
    run = explain(tmp_path, "--heatmap", tmp_path / "maps")
    assert run.returncode == 2
    assert "take the drawings for photos" in run.stderr


def test_a_video_without_a_face_says_so(
    tmp_path: Path, film: Callable[..., Path], nobody: object, explain: Callable[..., Run]
) -> None:
    clip = film(tmp_path / "c.mp4", [nobody] * 8)
    run = explain(clip, "--heatmap", tmp_path / "h.png")
    assert run.returncode == 0, run.stderr
    with Image.open(tmp_path / "h.png") as image:
        assert image.width >= 256
