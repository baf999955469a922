"""Ratings beside references: by hand, and what is left out or never guessed."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from emollm.errors import ConfigError, DataError
from emollm.eval.scoring import Settings
from emollm.eval.scoring_compare import score
from emollm.metrics.scored import Scored

FAST = Settings(resamples=100)


def test_ratings_of_two_of_many_are_said_to_be_few(tmp_path: Path) -> None:
    (tmp_path / "gold.csv").write_text("\n".join(["id,valence", *(f"{k},{k / 50}" for k in range(50))]))
    (tmp_path / "said.csv").write_text("id,valence\n3,0.1\n7,0.2\n")
    found = score("va", tmp_path / "said.csv", tmp_path / "gold.csv", FAST)
    assert found.remarks[0].startswith("of 2 references alone, too few for their intervals: ccc_valence_lenient,")
    assert "sign_accuracy_valence" not in found.remarks[0]


def files(folder: Path, gold: str, said: str) -> tuple[Path, Path]:
    for name, rows in (("gold", gold), ("said", said)):
        (folder / f"{name}.csv").write_text(rows)
    return folder / "said.csv", folder / "gold.csv"


def test_ratings_by_hand(tmp_path: Path) -> None:
    gold = "id,valence,arousal\na,-1,0\nb,0,0\nc,1,0\nd,0,1\n"
    said = "id,valence,arousal\na,0,0.5\nb,0.5,0.5\nc,1,0.5\nd,0.5,0.5\n"
    found = score("va", *files(tmp_path, gold, said), FAST)
    metrics = {name: one.value for name, one in found.metrics.items()}
    # Valence: cov 1/4, variances 1/2 and 1/8, means 0 and 1/2; arousal is constant.
    assert metrics["ccc_valence"] == pytest.approx(2 / 4 / (1 / 2 + 1 / 8 + 1 / 4))
    assert (metrics["ccc_arousal"], metrics["pearson_arousal"]) == (0, 0)
    assert metrics["ccc_mean"] == pytest.approx((2 / 4 / (7 / 8)) / 2)
    assert metrics["mse_valence"] == pytest.approx((1 + 1 / 4 + 0 + 1 / 4) / 4)
    assert metrics["sign_accuracy_valence"] == 0.5
    assert found.metrics["mse_valence"].floor == pytest.approx(0.5)
    assert "the arousal of the answers never varies: CCC and Pearson are 0 by definition" in found.remarks


def test_equals_scipy_and_answers_by_recording(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.uniform(-1, 1, 60).round(3) for _ in range(2))
    rows = list(zip(x, (x + y) / 2, strict=True))
    gold = "id,valence,tape\n" + "".join(f"{k},{a},t{k % 6}\n" for k, (a, _) in enumerate(rows))
    said = "id,valence\n" + "".join(f"{k},{b}\n" for k, (_, b) in enumerate(rows))
    found = score("va", *files(tmp_path, gold, said), FAST._replace(cluster="tape"))
    assert found.metrics["pearson_valence"].value == pytest.approx(stats.pearsonr(x, (x + y) / 2).statistic)
    assert found.primary == "ccc_valence"
    assert found.metrics["ccc_valence_by_tape"].value == pytest.approx(found.metrics["ccc_valence"].value, abs=0.1)


def test_an_answer_that_is_no_number_or_out_of_range_is_unread_and_no_strict_score_exists(tmp_path: Path) -> None:
    gold = "id,valence\n" + "".join(f"{k},{k / 10}\n" for k in range(8))
    said = "id,valence\n0,nan\n1,0.1\n2,0.2\n3,high\n4,7\n5,0.4\n6,inf\n"
    found = score("va", *files(tmp_path, gold, said), FAST)
    assert found.answers == {"answered": 3, "abstained": 0, "unparsed": 4, "missing": 1}
    assert found.metrics["ccc_valence"].value is None
    assert 0.9 < (found.metrics["ccc_valence_lenient"].value or 0) <= 1
    assert {note.what: note.count for note in found.notes} == {
        "unparsed: valence is not a finite number": 3,
        "unparsed: outside -1 to 1, which is not clipped": 1,
        "references without a prediction": 1,
    }


def test_a_reference_that_is_nan_is_left_out(tmp_path: Path) -> None:
    found = score("va", *files(tmp_path, "id,valence\na,nan\nb,0\nc,1\n", "id,valence\na,0\nb,0\nc,1\n"), FAST)
    assert (found.n, found.counts["references"], found.metrics["ccc_valence"].value) == (2, 3, 1)


def test_label_and_valence_together_are_the_score_of_mer2023(tmp_path: Path) -> None:
    gold = "name,discrete,valence\na,happy,2\nb,sad,-3\nc,sad,-1\n"
    said = "name,discrete,valence\na,happy,1\nb,sad,-3\nc,happy,-1\n"
    found = score("va", *files(tmp_path, gold, said), FAST._replace(low=-5, high=5, labels="mer2023"))
    weighted = (1 * 2 / 3 + 2 * 2 / 3) / 3
    assert found.metrics["mer2023"].value == pytest.approx(weighted - 0.25 / 3)


@pytest.mark.parametrize(
    ("gold", "said", "settings", "message"),
    [
        ("id,label\na,sad\n", "id,valence\na,0\n", FAST, "no row has valence or arousal"),
        ("id,valence\na,1\n", "id,valence\na,nan\n", FAST, "no answer has valence within -1 to 1"),
        ("id,valence\na,1\n", "id,valence\na,1\n", FAST._replace(low=1), "--range 1 1: expected the lowest"),
    ],
)
def test_where_nothing_can_be_scored(tmp_path: Path, gold: str, said: str, settings: Settings, message: str) -> None:
    with pytest.raises((DataError, ConfigError), match=message):
        score("va", *files(tmp_path, gold, said), settings)


def test_a_report_is_plain_json(tmp_path: Path) -> None:
    found = score("va", *files(tmp_path, "id,valence\na,0\nb,1\n", "id,valence,model\na,0,net@2\nb,1,net@2\n"), FAST)
    told = json.loads(found.to_json())
    assert told["provenance"]["files"]["predictions"]["model"] == ["net@2"]
    assert len(told["provenance"]["files"]["references"]["sha256"]) == 64
    assert told["provenance"]["bootstrap"] == {
        "resamples": 100,
        "seed": 0,
        "level": 0.95,
        "clusters": 2,
        "cluster_column": None,
    }


LABELLED = [(0.5, "happy"), (-0.5, "sad"), (0.1, "happy"), (-0.1, "glee")]


def labelled(tmp_path: Path) -> Scored:
    gold, said = tmp_path / "gold.csv", tmp_path / "said.csv"
    rows = [f"{k},{value},{label}" for k, (value, label) in enumerate(LABELLED)]
    gold.write_text("\n".join(("id,valence,label", *rows)) + "\n")
    said.write_text("\n".join(("id,valence,label", *(f"{k},0,happy" for k in range(len(LABELLED))))) + "\n")
    return score("va", said, gold, Settings(labels="happy,sad", resamples=100))


def test_references_of_a_label_outside_the_set_are_counted_and_n_is_told(tmp_path: Path) -> None:
    found = labelled(tmp_path)
    (note,) = [one for one in found.notes if one.what.startswith("references of a label outside")]
    assert (note.count, note.examples) == (1, ("3: glee",))
    assert any("weighted_f1 and mer2023 are of the 3 of 4 references" in remark for remark in found.remarks)


def test_the_number_of_mer2023_has_the_floor_of_blind_labels_and_the_mean(tmp_path: Path) -> None:
    found = labelled(tmp_path).metrics
    always, blind = 2 / 3 * 0.8, 5 / 9  # always happy; labels drawn as often as they occur, (2/3)² + (1/3)²
    assert found["weighted_f1"].floor == pytest.approx(blind)
    spread = float(np.var([0.5, -0.5, 0.1]))
    assert found["mer2023"].floor == pytest.approx(blind - 0.25 * spread)
    assert found["weighted_f1"].value == pytest.approx(always)
    assert found["mer2023"].value == pytest.approx(always - 0.25 * np.mean([0.25, 0.25, 0.01]))
