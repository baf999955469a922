"""What makes a trained adapter shippable, and what it refuses."""

from pathlib import Path

import pytest

from emollm.errors import ConfigError, DataError
from emollm.modeling.assemble import ModelSettings
from emollm.modeling.shipped import PARTS
from emollm.train.ship import ship


@pytest.mark.parametrize("there", ["folder", "file"])
def test_what_is_no_shipped_model_is_not_replaced(tmp_path: Path, there: str) -> None:
    out = tmp_path / "pretrained"
    if there == "folder":
        (out / "other-model").mkdir(parents=True)
        (out / "other-model" / "model.safetensors").write_bytes(b"dear")
    else:
        out.write_bytes(b"dear")
    with pytest.raises(ConfigError, match="is no shipped model"):
        ship(tmp_path / "run", ModelSettings(), out)
    assert [path.read_bytes() for path in [out, *out.rglob("*")] if path.is_file()] == [b"dear"]


def test_a_folder_that_is_no_run_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / PARTS).write_text("{}")
    with pytest.raises(DataError, match=r"expected a run of emollm train with its run\.yaml"):
        ship(tmp_path / "run", ModelSettings(), tmp_path / "out")
    assert (tmp_path / "out" / PARTS).read_text() == "{}"
