"""Pictures of how runs went."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from emollm.train.curves import main, read
from emollm.train.sft_state import mark_complete

LOG = [
    {"step": 10, "loss": 2.5},
    {"step": 20, "loss": 1.5},
    {"step": 20, "eval_loss": 1.25},
    {"step": 20, "eval_war": 0.75, "eval_answers": 8},
]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "align"
    checkpoint = folder / "checkpoint-20"
    checkpoint.mkdir(parents=True)
    (checkpoint / "trainer_state.json").write_text(json.dumps({"log_history": LOG}))
    mark_complete(checkpoint, "print", 1)
    return folder


def test_losses_and_shares_are_read_with_their_steps(run: Path) -> None:
    assert read(run) == (f"{run.parent.name}/align", [(10, 2.5), (20, 1.5)], [(20, 1.25)], [(20, 0.75)])


def test_a_picture_has_a_panel_a_run(run: Path) -> None:
    out = run.parent / "curves.svg"
    result = CliRunner().invoke(main, [str(run), str(run), "--out", str(out)])
    assert (result.exit_code, result.output) == (0, f"{out}\n")
    names = [element.get("id") or "" for element in ElementTree.parse(out).iter()]
    assert len([name for name in names if name.startswith("axes_")]) == 4  # each with its shares of labels


def test_a_folder_without_a_run_and_an_unknown_kind_of_picture_are_refused(run: Path, tmp_path: Path) -> None:
    for arguments, reason in (
        ([str(tmp_path), "--out", "c.svg"], "found none; train first"),
        ([str(run), "--out", "c.gif"], "expected a name that ends in .svg or .png"),
    ):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 2
        assert reason in result.output
