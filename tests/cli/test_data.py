"""``emollm data build`` from outside: real tables, exit codes, one-line refusals, Ctrl-C, Ray."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from emollm.config import load
from emollm.data_engines.engines import ENGINES
from emollm.data_engines.recipe import BuildSettings
from emollm.data_engines.shards import SAMPLES, read_samples, shards
from emollm.emotions import label_set
from emollm.samples import Sample

ROOT = Path(__file__).parents[2]
RECIPES = sorted(
    path for path in (ROOT / "data_engines" / "recipes").glob("*.yaml") if "emollm data build" in path.read_text()
)
"""Those of this command; ``embedded.yaml`` is made of several builds and has a command of its own."""
OPENFACE = "frame,timestamp,confidence,success,AU01_r,AU04_r,AU06_r,AU12_r,AU15_r,AU25_r\n"


def openface(path: Path, rows: int = 30) -> Path:
    """A face that begins to smile."""
    lines = [
        f"{row},{row / 30:.3f},0.98,1,0,0,{min(row, 40) / 12:.2f},{min(row, 40) / 10:.2f},0,0.2" for row in range(rows)
    ]
    path.write_text(OPENFACE + "\n".join(lines) + "\n")
    return path


def emollm(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "emollm", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def samples(out: Path) -> list[Sample]:
    return [sample for path in shards(out, SAMPLES) for sample in read_samples(path)]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_loads_and_names_what_exists(path: Path) -> None:
    settings = load(BuildSettings, path)
    assert settings.engine in ENGINES
    assert label_set(settings.labels).labels
    command = next(line for line in path.read_text().splitlines() if "emollm data build" in line)
    assert path.stem in command


def test_there_are_recipes() -> None:
    others = {path.stem for path in (ROOT / "data_engines" / "recipes").glob("*.yaml")} - {
        path.stem for path in RECIPES
    }
    assert others <= {"embedded"}
    assert {"exp_cot", "exp_cot_rows"} <= {path.stem for path in RECIPES}


def test_a_folder_of_tables_becomes_samples_with_claims(tmp_path: Path) -> None:
    folder, out = tmp_path / "clips", tmp_path / "out"
    folder.mkdir()
    for name in ("001", "002"):
        openface(folder / f"{name}.csv")
    (folder / "clip_attrs.csv").write_text("clipN,class,phraseN,phrase_txt\n001,gn,1,we won the match\n")
    done = emollm("data", "build", "exp_cot", "--input", folder, "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    counts: dict[str, Any] = json.loads(done.stdout)
    found = samples(out)
    assert counts["items"] == 2
    assert counts["kept"] == len(found) > 0
    assert counts["claims"]["contradicted"] == 0
    assert {sample.provenance.clip for sample in found} == {"001.csv", "002.csv"}
    assert "we won the match" in next(sample for sample in found if sample.provenance.clip == "001.csv").to_json()


def test_rows_of_one_table_are_items(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = emollm("data", "build", "exp_cot_rows", "--input", openface(tmp_path / "a.csv"), "--out", out, "--limit", 12)
    assert done.returncode == 0, done.stderr
    assert "12 items: " in done.stderr
    assert len({sample.provenance.clip for sample in samples(out)}) > 6


def test_exit_codes_say_whether_all_could_be_read(tmp_path: Path) -> None:
    good, bad = openface(tmp_path / "good.csv"), tmp_path / "bad.csv"
    bad.write_text(OPENFACE)
    some = emollm("data", "build", "exp_cot", "--input", good, "--input", bad, "--out", tmp_path / "some")
    none = emollm("data", "build", "exp_cot", "--input", bad, "--out", tmp_path / "none")
    assert (some.returncode, none.returncode) == (1, 2)
    assert "1 items could not be read" in some.stderr
    assert "a header but no rows" in (tmp_path / "none" / "rejects-00000.jsonl").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["exp_cott", "--input", "{clip}"], "unknown recipe 'exp_cott' (did you mean 'exp_cot'?)"),
        (["exp_cot", "--input", "{clip}", "--set", "tasks.reason=1"], "unknown setting 'reason'"),
        (["exp_cot", "--input", "{clip}", "--set", "engine=nosuch"], "unknown data engine 'nosuch'"),
        (["exp_cot", "--input", "gone.csv"], "nothing done"),
        (["exp_cot_rows", "--input", "{photo}"], "rows are read from .csv and .parquet"),
        (["exp_cot_rows", "--input", "{plain}"], "no column of action units"),
        (["exp_cot", "--input", "{clip}", "--set", "labels=nosuch"], "unknown label set 'nosuch'"),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "plain.csv").write_text("a,b\n1,2\n")
    (tmp_path / "photo.png").write_bytes(b"no photo")
    names = {
        "clip": openface(tmp_path / "clip.csv"),
        "photo": tmp_path / "photo.png",
        "plain": tmp_path / "plain.csv",
    }
    done = emollm("data", "build", *[one.format(**names) for one in arguments], "--out", tmp_path / "out")
    assert done.returncode == 2
    if said != "nothing done":
        assert said in done.stderr
        assert not shards(tmp_path / "out", SAMPLES)
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_an_output_that_is_a_file_is_told_in_one_line(tmp_path: Path) -> None:
    clip = openface(tmp_path / "clip.csv")
    done = emollm("data", "build", "exp_cot", "--input", clip, "--out", clip)
    assert done.returncode == 2
    assert "clip.csv: cannot be written: file exists; give a folder" in done.stderr


def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    out, table = tmp_path / "out", openface(tmp_path / "a.csv", 20_000)
    command = [
        sys.executable,
        "-m",
        "emollm",
        "data",
        "build",
        "exp_cot_rows",
        "--input",
        str(table),
        "--out",
        str(out),
    ]
    command += ["--set", "scale.block=50"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 60
        while not shards(out / "parts", SAMPLES) and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert process.returncode == 130
    assert "of 20000 items; run the same command again to go on" in said
    assert said.count("\n") == 1


@pytest.mark.slow
def test_ray_writes_the_same_samples(tmp_path: Path) -> None:
    table = openface(tmp_path / "a.csv", 60)
    common = ["--input", table, "--set", "scale.block=10"]
    here = emollm("data", "build", "exp_cot_rows", *common, "--out", tmp_path / "here")
    there = emollm(
        "data", "build", "exp_cot_rows", *common, "--out", tmp_path / "there", "--engine", "ray", "--workers", 2
    )
    assert (here.returncode, there.returncode) == (0, 0), there.stderr
    kept = [{path.name: path.read_bytes() for path in (tmp_path / name).glob("*.jsonl")} for name in ("here", "there")]
    assert len(kept[0]) == 12
    assert kept[0] == kept[1]


def test_help_names_the_commands() -> None:
    said = emollm("data", "--help").stdout
    assert all(name in said for name in ("build", "convert", "report"))
