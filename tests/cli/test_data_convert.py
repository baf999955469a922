"""``emollm data convert`` as a user calls it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MERR = """{
"clip_1": {"AU_list": ["AU05"], "peak_AU_list": ["AU05: 1.10"], "text": "You kept it?!", "pseu_emotion": "surprise",
           "smp_reason_caption": "His eyes open wide."},
"clip_2": {"pseu_emotion": ""},
"clip_3": {"AU_list": [], "pseu_emotion": "doubt", "caption": "She tilts her head."}
}"""


@pytest.fixture
def merr(tmp_path: Path) -> Path:
    """Two clips and half of one."""
    file = tmp_path / "merr.json"
    file.write_text(MERR, encoding="utf-8")
    return file


def test_merr_to_messages_and_back(merr: Path, tmp_path: Path, say: Callable[..., Any]) -> None:
    there = say("data", "convert", merr, "--from", "merr", "--to", "messages", "--out", tmp_path / "m.jsonl", "--json")
    assert there.code == 1
    counts = json.loads(there.out)
    assert (counts["read"], counts["written"], counts["rejected"]) == (3, 2, 1)
    assert f"1 rejected (see {tmp_path / 'rejects.jsonl'})" in there.err
    (row,) = map(json.loads, (tmp_path / "rejects.jsonl").read_text(encoding="utf-8").splitlines())
    assert row["where"] == f"{merr}:4"
    back = say("data", "convert", tmp_path / "m.jsonl", "--to", "merr", "--out", tmp_path / "back.json")
    assert (back.code, back.out) == (0, "")
    before = json.loads(MERR)
    before.pop("clip_2")
    after = json.loads((tmp_path / "back.json").read_text(encoding="utf-8"))
    assert {name: {key: value for key, value in clip.items() if value} for name, clip in after.items()} == {
        name: {key: value for key, value in clip.items() if value} for name, clip in before.items()
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--to", "lamafactory"), "unknown format 'lamafactory' (did you mean 'llamafactory'?); known:"),
        (("--to", "messages", "--from", "mer"), "(did you mean 'merr'?)"),
        (("--to", "pyfeat"), "format 'pyfeat' is only read; written:"),
        (("--to", "messages", "--root", "nowhere"), "--root nowhere: expected a folder with the media"),
        (("--to", "expllm"), "none of 3 records could be converted; the first:"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(
    arguments: tuple[str, ...], message: str, merr: Path, tmp_path: Path, say: Callable[..., Any]
) -> None:
    said = say("data", "convert", merr, *arguments, "--out", tmp_path / "out.json")
    assert said.code == 2
    assert message in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "out.json").exists()


def test_an_input_is_never_replaced(merr: Path, say: Callable[..., Any]) -> None:
    said = say("data", "convert", merr, "--to", "items", "--out", merr)
    assert (said.code, merr.read_text(encoding="utf-8")) == (2, MERR)


def test_a_clean_run_takes_its_old_rejects_away(merr: Path, tmp_path: Path, say: Callable[..., Any]) -> None:
    out = tmp_path / "i.jsonl"
    assert say("data", "convert", merr, "--to", "items", "--out", out).code == 1
    merr.write_text(MERR.replace('"clip_2": {"pseu_emotion": ""},', ""), encoding="utf-8")
    assert say("data", "convert", merr, "--to", "items", "--out", out).code == 0
    assert not (tmp_path / "rejects.jsonl").exists()
