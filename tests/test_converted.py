"""Conversion of a GGUF asset."""

from functools import partial
from pathlib import Path

import pytest

from emollm.cache_folders import made_once
from emollm.converted import _convert, converted
from emollm.errors import ModelError


def test_the_folder_is_made_once_and_found_again() -> None:
    folder = converted("smollm2-135m-instruct")
    made = folder.stat().st_mtime_ns
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in folder.iterdir()}
    assert converted("smollm2-135m-instruct").stat().st_mtime_ns == made


def test_a_damaged_file_leaves_nothing_behind(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(b"GGUF and then nothing that a reader would take")
    with pytest.raises(ModelError, match="cannot be converted") as caught:
        made_once(tmp_path / "cache" / "model", partial(_convert, damaged), "converting")
    assert "\n" not in str(caught.value)
    assert {path.name for path in (tmp_path / "cache").iterdir()} <= {".model.lock"}
