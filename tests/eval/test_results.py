"""The results page by one command."""

from pathlib import Path

import pytest

from emollm.errors import ConfigError
from emollm.eval.results import main, measure, settings
from tests.eval.serving import goemotions

ROW = "{{task: goemotions-ekman, data: words, split: {split}, generators: [majority, 'constant:anger']{more}}}"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    goemotions(tmp_path / "data" / "words", [("what a day", "joy"), ("leave me", "anger"), ("so good", "joy")])
    return tmp_path / "data"


def rows(tmp_path: Path, *runs: str, sweeps: str = "") -> Path:
    path = tmp_path / "rows.yaml"
    path.write_text(f"version: 1\nruns: [{', '.join(runs)}]\nsweeps: [{sweeps}]\n", encoding="utf-8")
    return path


def test_each_generator_has_a_row_with_interval_and_floor_and_the_page_keeps_the_rest(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Mine\n\n<!-- bench: eval-runs -->\nold\n<!-- end of bench: eval-runs -->\n\nBelow.\n")
    given = rows(tmp_path, ROW.format(split="dev", more=""))
    command = [str(given), "--data", str(data), "--out", str(tmp_path / "out"), "--page", str(page)]
    assert main(command) == 0
    text = page.read_text()
    assert text.startswith("# Mine\n")
    assert "Below." in text
    assert "old" not in text
    assert "| majority | 3 | macro_f1 0.114 |" in text
    assert "| constant:anger | 3 | macro_f1 0.071 |" in text
    assert "emollm eval run goemotions-ekman --data DATA/words --split dev --generator majority" in text
    capsys.readouterr()
    assert main(command) == 0
    assert capsys.readouterr().err == ""  # nothing was asked again
    assert page.read_text() == text


def test_data_that_are_not_there_are_told_and_the_rest_is_measured(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = "{task: meld, data: meld, split: dev, generators: [majority]}"
    given = rows(tmp_path, ROW.format(split="dev", more=""), other)
    assert main([str(given), "--data", str(data), "--out", str(tmp_path / "out")]) == 1
    told = capsys.readouterr()
    assert "macro_f1" in told.out
    assert "emollm: left out, meld: no meld/" in told.err
    assert main([str(rows(tmp_path, other)), "--data", str(data), "--out", str(tmp_path / "out")]) == 2


def test_a_test_part_is_refused(data: Path, tmp_path: Path) -> None:
    given = settings(rows(tmp_path, ROW.format(split="test", more="")))
    with pytest.raises(ConfigError, match="refused to select on the test"):
        measure(given, data, tmp_path / "out")


def test_the_rows_of_the_package_are_of_known_tasks_and_no_test(tmp_path: Path) -> None:
    from emollm.eval.tasks import task

    own = settings()
    roles = {task(row.task, row.set).splits[row.split].role for row in (*own.runs, *own.sweeps)}
    assert roles <= {"validation", "whole", "train"}
    assert len(own.runs) >= 5
