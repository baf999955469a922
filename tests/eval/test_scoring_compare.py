"""Two files of answers to the same items."""

import json
from pathlib import Path
from typing import Any

import pytest

from emollm.errors import DataError
from emollm.eval.scoring import Settings
from emollm.eval.scoring_compare import compare, score
from emollm.eval.scoring_report import comparison, text
from tests import wheel_tables

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


def test_speakers_that_rows_declare_are_what_is_resampled(tmp_path: Path) -> None:
    speakers = [f"s{k // 10}" for k in range(100)]
    together = [{"happy": "sad", "sad": "happy"}[label] if k // 10 % 2 else label for k, label in enumerate(TRUTH)]
    files = []
    for name, answers in (("a", together), ("b", right(50))):
        rows = [
            {"id": str(k), "label": one, "gold": TRUTH[k], "cluster": speakers[k], "sex": "fm"[k // 50]}
            for k, one in enumerate(answers)
        ]
        files.append(tmp_path / f"{name}.jsonl")
        files[-1].write_text("\n".join(map(json.dumps, rows)))
    gold = tmp_path / "gold.csv"
    gold.write_text("\n".join(["id,label,speaker", *(f"{k},{TRUTH[k]},{speakers[k]}" for k in range(100))]))
    found, declared = (
        score("labels", files[0], None, FAST),
        score("labels", files[0], gold, FAST._replace(cluster="speaker")),
    )
    assert found.metrics == declared.metrics
    assert json.loads(found.to_json())["provenance"]["bootstrap"]["cluster_column"] == "cluster"
    assert any("n is its rows" in remark for remark in found.remarks)
    assert not any("n is its rows" in remark for remark in declared.remarks)
    both = compare("labels", files[0], files[1], None, FAST)
    assert both.remarks[0] == "10 clusters: intervals of so few are too narrow"
    assert "gap of war" in score("labels", files[0], None, FAST._replace(groups=("sex",))).more["groups by sex"]
    with pytest.raises(DataError, match=r"no column 'speaker'; columns beside the answers: cluster, sex"):
        compare("labels", files[0], files[1], None, FAST._replace(cluster="speaker"))


def test_items_that_could_not_be_asked_are_missing_and_stay_counted(tmp_path: Path) -> None:
    files = []
    for name, lost in (("a", 0), ("b", 1)):
        path = recorded(tmp_path / f"{name}.jsonl", right(100))
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        rows[lost] = {"id": str(lost), "gold": TRUTH[lost], "fault": "clip.mp4: no such file", "key": ""}
        path.write_text("\n".join(map(json.dumps, rows)))
        files.append(path)
    found = score("labels", files[0], None, FAST)
    assert (found.n, found.answers["missing"], found.answers["unparsed"]) == (100, 1, 0)
    assert found.metrics["war"].value == 0.99
    assert [note.what for note in found.notes] == [
        "predictions: items that could not be asked",
        "references without a prediction",
    ]
    both = compare("labels", *files, None, FAST)
    assert (both.n, both.first["war"], both.second["war"]) == (100, 0.99, 0.99)
    assert both.mcnemar == {"only_first": 1, "only_second": 1, "p": 1}
    (tmp_path / "c.jsonl").write_text('{"id": "0", "gold": "sad", "fault": "status 500", "key": ""}')
    with pytest.raises(DataError, match=r"none of its 1 items could be asked \(0: status 500\)"):
        score("labels", tmp_path / "c.jsonl", None, FAST)


def test_recorded_descriptions_are_compared_and_scored_as_those_of_a_file_of_references(tmp_path: Path) -> None:
    gold = {"a": "He is angry.", "b": "She is sad and " + "very " * 300 + "worried.", "c": "He is happy."}
    said = {"a": "angry", "b": "sad, worried", "c": "neutral"}, {"a": "angry", "b": "happy", "c": "happy"}
    settings = Settings(vocabulary=str(wheel_tables.write(tmp_path / "wheels")), resamples=100, clues=False)
    files = []
    for name, answers in zip("xy", said, strict=True):
        rows = [{"id": id, "text": answers[id], "reference": text} for id, text in gold.items()]
        files.append(tmp_path / f"{name}.jsonl")
        files[-1].write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "gold.jsonl").write_text("\n".join(json.dumps({"id": id, "text": text}) for id, text in gold.items()))
    apart = score("emer", files[0], tmp_path / "gold.jsonl", settings)
    assert score("emer", files[0], None, settings).metrics == apart.metrics
    both = compare("emer", *files, None, settings)
    assert (both.n, both.first["label_f1"]) == (3, apart.metrics["label_f1"].value)
    files[1].write_text(files[1].read_text().replace("He is angry.", "He is sad."))
    with pytest.raises(DataError, match="1 references differ"):
        compare("emer", *files, None, settings)


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
