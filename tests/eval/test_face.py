"""Face nets measured on a tiny data set, end to end."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from emollm.encoders.weights import Trained
from emollm.errors import DataError, ModelError
from emollm.eval.face import FaceTask, Reject, evaluate, rejects
from emollm.eval.face_table import compare, table
from emollm.eval.face_text import text, write_predictions
from emollm.face_sets.source import FaceSource

Make = Callable[..., Trained]


def task(file: Path, **more: object) -> FaceTask:
    source = {"path": file, "split": "valid"} | more.pop("source", {})  # type: ignore[operator]
    settings = {"source": FaceSource.model_validate(source), "backend": "mesh-head", "resamples": 100}
    return FaceTask.model_validate(settings | more)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "work"


def test_all_rows_are_accounted_for(ferplus: Path, net: Make, work: Path) -> None:
    report = evaluate(net(), task(ferplus), work, workers=1).report
    assert report.counts == {
        "read": 10,
        "rejected": 1,
        "discarded": 1,
        "scored": 8,
        "scored_without_a_found_face": 2,
    }
    assert report.n == 8
    assert report.provenance["rejects"] == {"votes sum to zero": 1}
    assert {label: score.support for label, score in report.per_class.items() if score.support} == {
        "neutral": 2,
        "happiness": 3,
        "surprise": 1,
        "sadness": 1,
        "anger": 1,
    }


def test_the_report_says_what_it_depends_on(ferplus: Path, net: Make, work: Path) -> None:
    told = json.loads(evaluate(net(), task(ferplus), work, workers=1).report.to_json())["provenance"]
    assert told["model"]["name"] == "tiny"
    assert (told["crops"]["size"], told["crops"]["margin"], told["crops"]["aligner"]) == (16, 0.1, "mesh@1")
    assert told["data"]["split"] == "valid"
    assert len(told["data"]["sha256"]) == 12
    assert told["protocol"].startswith("ferplus-majority")
    assert told["intervals"]["seed"] == 0
    assert told["versions"]["emollm"]


def test_the_same_run_gives_the_same_report(ferplus: Path, net: Make, work: Path) -> None:
    trained = net()
    first, again = (evaluate(trained, task(ferplus), work, workers=1).report for _ in range(2))
    assert first == again


def test_a_file_with_several_splits_needs_a_choice(ferplus: Path, net: Make, work: Path) -> None:
    with pytest.raises(DataError, match="has the splits train, valid; choose one with --split"):
        evaluate(net(), task(ferplus, source={"split": None}), work, workers=1)


@pytest.mark.parametrize("keys", [("images", "votes", "columns"), ("images", "votes", "columns", "name", "split")])
def test_a_file_of_one_part_needs_no_split(ferplus: Path, net: Make, work: Path, keys: tuple[str, ...]) -> None:
    with np.load(ferplus) as arrays:
        valid = arrays["split"] == "valid"
        kept = {key: arrays[key] if key == "columns" else arrays[key][valid] for key in keys}
    np.savez(ferplus, **kept)
    assert evaluate(net(), task(ferplus, source={"split": None}), work, workers=1).report.n == 8


def test_restricted_classes_leave_other_faces_and_answers_out(ferplus: Path, net: Make, work: Path) -> None:
    report = evaluate(net(), task(ferplus, classes=("neutral", "happiness")), work, workers=1).report
    assert (report.n, report.counts["of_other_classes"]) == (5, 3)
    assert report.confusion.columns == ("neutral", "happiness")
    assert "restricted to neutral, happiness" in text(report)


def test_a_net_with_fewer_classes_is_told_which_to_score(ferplus: Path, net: Make, work: Path) -> None:
    small = net(labels=("happiness", "neutral", "surprise", "sadness"))
    with pytest.raises(DataError, match=r"faces of anger, .*--classes neutral,happiness,surprise,sadness"):
        evaluate(small, task(ferplus), work, workers=1)
    only = ("neutral", "happiness", "surprise", "sadness")
    assert evaluate(small, task(ferplus, classes=only), work, workers=1).report.n == 7


def test_a_list_with_unlabelled_pictures_scores_the_labelled_ones(
    tmp_path: Path, tiles: np.ndarray, net: Make, work: Path
) -> None:
    (tmp_path / "img").mkdir()
    rows = ["file,label7"]
    for k, label in enumerate(["happy", "", "sad", "happy"]):
        cv2.imwrite(str(tmp_path / "img" / f"{k}.png"), tiles[k])
        rows.append(f"{k}.png,{label}")
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    columns = {"image": "file", "label": "label7", "folder": "img"}
    source = {"split": None, "layout": "csv", "columns": columns}
    report = evaluate(net(), task(tmp_path / "labels.csv", source=source), work, workers=1).report
    assert (report.n, report.counts["read"], report.provenance["protocol"]) == (3, 4, "labels as given")
    assert report.provenance["rejects"] == {"no label": 1}
    assert "kl" not in report.metrics


def test_units_are_scored_where_the_net_has_a_head_for_them(ferplus: Path, net: Make, work: Path) -> None:
    units = evaluate(net(units=("AU12", "AU99")), task(ferplus, heads=("expression", "units")), work, workers=1)
    assert set(units.report.more["unit_ccc"]) == {"AU12"}
    assert "concordance" in text(units.report)
    with pytest.raises(ModelError, match="has no head for action units"):
        evaluate(net(), task(ferplus, heads=("units",)), work, workers=1)


def test_a_net_trained_on_other_crops_is_refused(ferplus: Path, net: Make, work: Path) -> None:
    trained = net()
    stale = trained._replace(config=trained.config.model_copy(update={"aligner": "mesh@0"}))
    with pytest.raises(ModelError, match="trained on faces cut by mesh@0"):
        evaluate(stale, task(ferplus), work, workers=1)


def test_the_text_shows_counts_intervals_floors_and_confusion(ferplus: Path, net: Make, work: Path) -> None:
    shown = text(evaluate(net(), task(ferplus), work, workers=1).report)
    for piece in (
        "discarded by the protocol: 1",
        "without a found face",
        "| uar ",
        "95 % interval",
        "floor",
        "| reference \\ answer |",
        "primary metric: war",
        "| without looking |",
    ):
        assert piece in shown
    assert "1: votes sum to zero" in shown
    assert "5 of 8 classes have faces: UAR is the mean over these, macro F1 that over all" in shown


def test_where_all_classes_have_faces_nothing_is_said_of_others(ferplus: Path, net: Make, work: Path) -> None:
    assert "classes have faces" not in text(
        evaluate(net(), task(ferplus, classes=("neutral", "happiness")), work, workers=1).report
    )


def test_rows_that_could_not_be_used_are_listed_with_their_reason(ferplus: Path, net: Make, work: Path) -> None:
    assert rejects(evaluate(net(), task(ferplus), work, workers=1).faces) == [Reject("f10.png", "votes sum to zero")]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_answers_are_written_face_by_face(ferplus: Path, net: Make, work: Path, suffix: str) -> None:
    import pandas as pd

    result = evaluate(net(), task(ferplus), work, workers=1)
    file = work / f"answers{suffix}"
    write_predictions(result.answers, file)
    rows = pd.read_csv(file) if suffix == ".csv" else pd.read_parquet(file)
    assert rows["id"].tolist() == [f"f{k}.png" for k in (1, 2, 3, 4, 5, 6, 7, 9)]
    assert rows["found"].tolist() == [True] * 5 + [False, True, False]
    right = (rows["reference"] == rows["predicted"]).mean()
    assert right == pytest.approx(result.report.metrics["war"].value)
    np.testing.assert_allclose(rows.filter(like="p_").sum(axis=1), 1, atol=1e-4)


def test_nets_are_compared_face_by_face(ferplus: Path, net: Make, work: Path) -> None:
    rows = compare([net("one"), net("two", seed=1)], task(ferplus), work, rounds=1, workers=1)
    assert rows[0].against is None
    assert rows[1].against is not None
    one, two = (row.result.report.metrics["war"].value for row in rows)
    assert one is not None
    assert two is not None
    gain, test = rows[1].against
    assert gain.value == pytest.approx(two - one)
    assert test.only_first - test.only_second == round(8 * (two - one))
    lines = table(rows).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:4]] == ["one", "two"]
    assert "8 scored" in lines[-1]


def test_nets_that_score_different_faces_are_not_compared(ferplus: Path, net: Make, work: Path) -> None:
    from emollm.eval.face_table import paired

    every = evaluate(net(), task(ferplus), work, workers=1).answers
    some = evaluate(net(), task(ferplus, classes=("neutral", "happiness")), work, workers=1).answers
    with pytest.raises(DataError, match="different faces"):
        paired(some, every, task(ferplus))
