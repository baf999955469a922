"""``emollm export``: a shipped model as a checkpoint that stands alone."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from emollm.modeling.assemble import load
from tests.cli.conftest import Said


def test_an_unknown_model_and_a_folder_that_is_there_are_refused(say: Callable[..., Said], tmp_path: Path) -> None:
    unknown = say("export", "emollm-13m", "--out", tmp_path / "out")
    there = say("export", "emollm-135m", "--out", tmp_path)
    assert (unknown.code, there.code) == (2, 2)
    assert "unknown model 'emollm-13m'" in unknown.err
    assert "is there already; give another folder" in there.err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_shipped_model_is_written_whole(say: Callable[..., Said], tmp_path: Path) -> None:
    said = say("export", "emollm-135m", "--out", tmp_path / "out")
    assert said.code == 0, said.err
    assert (tmp_path / "out" / "README.md").is_file()
    model, processor = load(tmp_path / "out")
    assert (model.dtype, set(model.config.streams)) == (torch.bfloat16, {"face", "speech"})
    assert processor.tokenizer.chat_template
