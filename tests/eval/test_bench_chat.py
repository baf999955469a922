"""The bench of the chat: what it tells of its pairs, and what it refuses."""

import shutil
from typing import Any

import pytest

from emollm.eval.bench_chat import as_text, main


def test_pairs_are_compared_one_by_one() -> None:
    text = as_text({"server": [1.0, 2.0, 4.0], "chat": [1.2, 2.2, 4.4]}, 2)
    assert "2.00 s from the bare server, 2.20 s from the click" in text
    assert "**1.10 ×** (1.10–1.20, 3 pairs" in text


def test_no_rounds_and_no_browser_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--rounds", "0"]) == 2
    real: Any = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "chromium" else real(name))
    assert main(["--rounds", "1"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert ["--rounds" in lines[0], "chromium" in lines[1], len(lines)] == [True, True, 2]
