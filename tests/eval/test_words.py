import json
import os
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from emollm import assets
from emollm.errors import MediaError
from emollm.eval.words import Row, main, recordings, summary


def test_words_are_counted_by_group(tmp_path: Path) -> None:
    folder = tmp_path / "noises"
    folder.mkdir()
    with wave.open(str(folder / "hiss.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", "NONE"))
        file.writeframes((np.random.default_rng(0).normal(0, 3000, 32_000)).astype(np.int16).tobytes())
    (folder / "notes.txt").write_text("no sound")
    run = CliRunner().invoke(main, [str(folder), str(assets.path("speech-jfk")), "--json"])
    assert run.exit_code == 0
    assert "left out:" in run.stderr
    assert "3/3" in run.stderr
    found = json.loads(run.stdout)
    counts = {name: [group[key] for key in ("files", "with_speech", "with_words")] for name, group in found.items()}
    assert counts == {str(folder): [1, 0, 0], "files": [1, 1, 1]}
    assert found["files"]["rows"][0]["words"] == 22
    assert found["files"]["word_probability"]["50"] > 0.85


def test_a_share_is_of_all_files_and_quantiles_are_of_those_with_words() -> None:
    rows = [
        Row(Path("a"), 2.0, 1.5, 5, 0.9, -0.2, ()),
        Row(Path("b"), 2.0, 1.5, 0, 0.5, -1.0, ("mean word probability 0.50, needs 0.70",)),
        Row(Path("c"), 2.0, 0.0, 0, None, None, ()),
        Row(Path("d"), 2.0, 0.0, 0, None, None, ()),
    ]
    found = summary(rows)
    assert (found["files"], found["with_speech"], found["with_words"], found["share_with_words"]) == (4, 2, 1, 0.25)
    assert found["word_probability"] == {"5": 0.52, "25": 0.6, "50": 0.7, "75": 0.8, "95": 0.88}


def test_a_group_without_files_has_no_share() -> None:
    assert summary([])["share_with_words"] is None


def test_without_the_recogniser_nothing_is_counted(tmp_path: Path) -> None:
    environment = {"EMOLLM_CACHE": str(tmp_path), "EMOLLM_OFFLINE": "1"}
    command = [sys.executable, "-m", "emollm.eval.words", str(assets.path("speech-jfk"))]
    run = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)
    assert (run.returncode, run.stdout) == (2, "")
    assert "asset 'whisper-tiny.en' is not in the cache" in run.stderr


def test_a_place_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such file or folder"):
        recordings([tmp_path / "nowhere"])
    assert CliRunner().invoke(main, [str(tmp_path / "nowhere")]).exit_code == 2


def test_an_interrupted_run_tells_what_was_heard_so_far(tmp_path: Path) -> None:
    """Ctrl-C comes when the second file is begun."""
    for name in ("a.wav", "b.wav"):
        with wave.open(str(tmp_path / name), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", "NONE"))
            file.writeframes(bytes(32_000))
    code = """
import signal, sys
from emollm.eval import words
heard = words.hear

def hear(file, settings):
    if file.name == "b.wav":
        signal.raise_signal(signal.SIGINT)
    return heard(file, settings)

words.hear = hear
words.main()
"""
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert run.returncode == 130
    assert "1 files, 0 with speech" in run.stdout
    assert "interrupted" in run.stderr
