"""The recipe of the embedded model's training set."""

import re
from pathlib import Path

import pytest

from emollm import config
from emollm.data_engines.embedded import EmbeddedSettings, acceptance, main
from emollm.data_engines.engines import ENGINES
from emollm.data_engines.measuring import read_items

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
