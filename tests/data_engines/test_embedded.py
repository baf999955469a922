"""The recipe of the embedded model's training set."""

import re
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emollm import config
from emollm.data_engines.embedded import EmbeddedSettings, acceptance, main
from emollm.data_engines.engines import ENGINES
from emollm.data_engines.measuring import read_items
from emollm.data_engines.shards import SAMPLES, read_samples, shards

RECIPE = Path(__file__).parents[2] / "data_engines" / "recipes" / "sets" / "embedded.yaml"


def test_each_part_of_the_recipe_has_an_engine_that_takes_its_options() -> None:
    settings = config.load(EmbeddedSettings, RECIPE)
    told = {"face", "voice", "words", "combined", "heard", "conflict"}
    assert told | {"face-labels", "voice-labels", "words-labels"} == set(settings.parts)
    for part in settings.parts.values():
        assert ENGINES[part.engine](part).name == part.engine


def test_a_part_is_built_and_its_acceptance_counted_by_class(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "words").mkdir(parents=True)
    (data / "words" / "labels.txt").write_text("anger\njoy\n")
    (data / "words" / "train.tsv").write_text("I love what you did for all of us\t1\ta\nstop that right now\t0\tb\n")
    (data / "words" / "dev.tsv").write_text("what a great day we had\t1\tc\n")
    settings = config.load(EmbeddedSettings, RECIPE)
    only = settings.model_copy(update={"words": "words"})
    items = _words_only(only, data, tmp_path / "out")
    found = acceptance(read_items(items), tmp_path / "out" / "words-labels")
    assert found["train"]["happiness"]["items"] == found["train"]["happiness"]["accepted"] == 1
    assert found["train"]["anger"]["samples"] >= 1
    assert found["valid"]["happiness"]["samples"] >= 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "goemotions/ekman: no such file or folder|ferplus.*: no such file or folder"),
        (
            ("--set", "parts={faces-labels: {engine: recognition}}"),
            "unknown part 'faces-labels'; known: combined, conflict, face,",
        ),
    ],
)
def test_what_cannot_be_made_is_told_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    (tmp_path / "data").mkdir()
    out = tmp_path / "out"
    assert main([str(RECIPE), "--data", str(tmp_path / "data"), "--out", str(out), *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert re.search(told, lines[0])
    assert not out.exists()


def test_samples_of_a_relative_folder_find_their_pictures_from_anywhere(
    astronaut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    face = Image.open(astronaut).convert("L").crop((150, 20, 310, 180)).resize((48, 48))
    tiles = np.stack([np.asarray(face), np.asarray(face)[:, ::-1]])
    votes = np.zeros((2, 10), np.int64)
    votes[:, 1] = 10
    (data / "ferplus").mkdir(parents=True)
    np.savez(
        data / "ferplus" / "ferplus_train_valid.npz", images=tiles, votes=votes, split=np.array(["train", "valid"])
    )
    (data / "emodb").mkdir()
    with wave.open(str(data / "emodb" / "03a01Fa.wav"), "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes((np.sin(np.arange(16_000) / 20) * 9000).astype("<i2").tobytes())
    (data / "goemotions" / "ekman").mkdir(parents=True)
    for name, text in (
        ("labels.txt", "anger\njoy\n"),
        ("train.tsv", "so good\t1\ta\n"),
        ("dev.tsv", "so good\t1\tb\n"),
    ):
        (data / "goemotions" / "ekman" / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    arguments = [
        str(RECIPE),
        "--data",
        "data",
        "--out",
        "made/set",
        "--set",
        "parts={face: {engine: exp_cot, labels: basic8}}",
    ]
    assert main(arguments) == 0
    files = shards(Path("made/set/face"), SAMPLES)
    pictures = [item.path for file in files for sample in read_samples(file) for item in sample.media]
    assert pictures
    assert all(path.is_absolute() and path.is_file() for path in map(Path, pictures))


def test_no_process_at_all_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(RECIPE), "--data", str(tmp_path), "--out", str(tmp_path / "out"), "--workers", "0"])


def _words_only(settings: EmbeddedSettings, data: Path, out: Path) -> list[Path]:
    from emollm.data_engines import corpora
    from emollm.data_engines.measuring import measure
    from emollm.data_engines.run import build

    paths = []
    for split in ("train", "valid"):
        paths += measure(
            corpora.words(data / settings.words, split), out / "items", f"words-{split}", settings.perception
        )
    build(settings.parts["words-labels"], [str(path) for path in paths], out / "words-labels")
    return paths
