"""Two files of answers to the same items."""

import json
from pathlib import Path
from typing import Any

import pytest

from emollm.errors import DataError
from emollm.eval.scoring import Settings
from emollm.eval.scoring_compare import compare, score
from emollm.eval.scoring_report import comparison, text

FAST = Settings(labels="happy,sad", resamples=200)
TRUTH = ["happy", "sad"] * 50


def recorded(path: Path, answers: list[Any], truth: list[str] = TRUTH, **more: Any) -> Path:
    rows = [{"id": str(k), "label": one, "gold": truth[k]} | more for k, one in enumerate(answers)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def right(n: int) -> list[str]:
    """The first n right, the others wrong."""
    return [label if k < n else {"happy": "sad", "sad": "happy"}[label] for k, label in enumerate(TRUTH)]


def test_the_difference_has_a_paired_interval_narrower_than_those_of_the_two(tmp_path: Path) -> None:
    files = recorded(tmp_path / "a.jsonl", right(80)), recorded(tmp_path / "b.jsonl", right(70))
    found = compare("labels", *files, None, FAST)
    one = found.difference["war"]
    assert (found.n, found.first["war"], found.second["war"]) == (100, 0.8, 0.7)
    assert one.value == pytest.approx(0.1)
    low, high = one.ci or (0, 0)
    alone = score("labels", files[0], None, FAST).metrics["war"].ci or (0, 0)
    assert 0 < low < 0.1 < high
    assert high - low < alone[1] - alone[0]
    assert found.mcnemar == {"only_first": 10, "only_second": 0, "p": pytest.approx(2 / 2**10)}
    assert "war: A scores higher" in comparison(found)


def test_the_same_answers_are_not_told_apart(tmp_path: Path) -> None:
    files = recorded(tmp_path / "a.jsonl", right(60)), recorded(tmp_path / "b.jsonl", right(60))
    found = compare("labels", *files, None, FAST)
    assert {name: (one.value, one.ci) for name, one in found.difference.items()} == dict.fromkeys(
        found.difference, (0, (0, 0))
    )
    assert "not told apart" in comparison(found)


def test_what_one_of_them_cannot_answer_is_wrong_there_and_told(tmp_path: Path) -> None:
    a, b = recorded(tmp_path / "a.jsonl", right(80)), recorded(tmp_path / "b.jsonl", [None] * 30 + right(100)[30:])
    found = compare("labels", a, b, None, FAST)
    assert (found.second["war"], found.answers["B"]["abstained"]) == (0.7, 30)


def test_other_references_are_refused(tmp_path: Path) -> None:
    a = recorded(tmp_path / "a.jsonl", right(80))
    cases = {
        "1 references differ": recorded(tmp_path / "b.jsonl", right(80), ["sad", *TRUTH[1:]]),
        "10 ids are not in both files": recorded(tmp_path / "c.jsonl", right(90)[:90]),
    }
    (tmp_path / "d.jsonl").write_text('{"id": "0", "label": "sad"}')
    cases["holds no references"] = tmp_path / "d.jsonl"
    for message, other in cases.items():
        with pytest.raises(DataError, match=message):
            compare("labels", a, other, None, FAST)


def test_ratings_are_compared_on_what_both_rate_and_never_with_themselves(tmp_path: Path) -> None:
    gold, a, b = (tmp_path / name for name in ("gold.csv", "a.csv", "b.csv"))
    gold.write_text("id,valence\na,0\nb,0.5\nc,1\nd,-1\n")
    a.write_text("id,valence\na,0\nb,0.5\nc,1\nd,nan\n")
    b.write_text("id,valence\na,0.5\nb,0.5\nc,0.5\nd,-1\n")
    found = compare("va", a, b, gold, Settings(resamples=100))
    assert (found.n, found.first["ccc_valence"], found.second["ccc_valence"]) == (3, 1, 0)
    with pytest.raises(DataError, match="give them with --gold"):
        compare("va", a, b, None, Settings(resamples=100))


def test_a_report_tells_where_its_numbers_come_from(tmp_path: Path) -> None:
    found = score("labels", recorded(tmp_path / "a.jsonl", right(80), model="net@2", prompt="p@1"), None, FAST)
    told = text(found)
    for part in (
        "n = 100, coverage 100.0%",
        "answered: 100",
        "| war ",
        "| majority",
        "model net@2; prompt p@1",
        "seed 0",
    ):
        assert part in told
