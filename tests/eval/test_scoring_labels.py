"""Answers of one label, or of several, beside references: worked by hand, beside scikit-learn's numbers, and what answers worth nothing score."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from emollm.eval.scoring import Settings
from emollm.eval.scoring_compare import score
from emollm.metrics.bootstrap import wilson
from emollm.metrics.scored import Scored

FAST = Settings(resamples=100)
MELD = {"neutral": 1256, "joy": 402, "anger": 345, "surprise": 281, "sadness": 208, "disgust": 68, "fear": 50}
BAH = {"no": 153, "yes": 239}
RAF_DB = {"hap": 1185, "neu": 680, "sad": 478, "sur": 329, "ang": 162, "dis": 160, "fea": 74}
SKLEARN = [0.583333, 0.588889, 0.476190, 0.634921, 0.851852]
"""Of scikit-learn 1.9.1: accuracy_score, recall_score over the labels present, f1_score (macro, weighted), average_precision_score."""
SKLEARN_SEVERAL = {
    "macro_f1": 0.64127,
    "micro_f1": 0.666667,
    "weighted_f1": 0.671429,
    "samples_f1": 0.638889,
    "exact": 0.333333,
}
"""f1_score of indicators by average, and accuracy_score."""
C_EXPR = {"fs": 24, "hs": 15, "ss": 13, "ds": 10, "as": 8, "sf": 19, "sa": 16, "other": 20}


def scored(
    folder: Path, gold: Mapping[str, Any], said: Mapping[str, Any], settings: Settings = FAST, kind: str = "labels"
) -> Scored:
    """References and answers by id, as rows of JSONL."""
    for name, rows in (("gold", gold), ("said", said)):
        lines = [
            json.dumps({"id": id} | (row if isinstance(row, dict) else {"labels": row})) for id, row in rows.items()
        ]
        (folder / f"{name}.jsonl").write_text("\n".join(lines))
    return score(kind, folder / "said.jsonl", folder / "gold.jsonl", settings)


def values(found: Scored, *names: str) -> list[float | None]:
    return [None if (one := found.metrics[name].value) is None else round(one, 6) for name in names]


def notes(found: Scored) -> dict[str, int]:
    return {note.what: note.count for note in found.notes}


def test_one_label_an_item_by_hand(tmp_path: Path) -> None:
    gold = dict(zip("abcdef", [["sad"], ["sad"], ["happy"], ["happy"], ["angry"], ["angry"]], strict=True))
    said = {
        "a": {"label": "Sad"},
        "b": {"text": "I would say that she is happy."},
        "c": {"scores": {"happy": 0.7, "sad": 0.3}},
        "d": {"label": "bored"},
        "e": {"label": None},
    }
    found = scored(tmp_path, gold, said, FAST._replace(labels="happy,sad,angry"))
    assert found.answers == {"answered": 3, "outside": 1, "abstained": 1, "unparsed": 0, "missing": 1}
    # right are a and c. Recalls: happy 1/2, sad 1/2, angry 0. F1: happy 2/(2+1+1), sad 2/(2+0+1), angry 0.
    assert values(found, "war", "uar", "macro_f1") == pytest.approx([2 / 6, 1 / 3, (1 / 2 + 2 / 3) / 3], abs=1e-6)
    assert values(found, "war_lenient") == [0.5]
    assert found.coverage == pytest.approx(3 / 6)  # a word outside the set is no label of it
    assert found.per_class["sad"].recall == 0.5
    assert found.confusion is not None
    assert found.confusion.columns == ("happy", "sad", "angry", "other", "none")
    assert found.confusion.counts == ((1, 0, 0, 1, 0), (1, 1, 0, 0, 0), (0, 0, 0, 0, 2))
    assert notes(found) == {
        "references without a prediction": 1,
        "labels outside the set": 1,
        "answers without a score for every label, left out of ap and calibration": 6,
    }


@pytest.mark.parametrize(
    ("counts", "said", "metric", "floor"),
    [
        (MELD, "neutral", "war", 0.481),
        (MELD, "neutral", "weighted_f1", 0.313),
        (RAF_DB, "hap", "war", 0.386),
        (RAF_DB, "hap", "uar", 0.143),
        (C_EXPR, "fs", "macro_f1", 0.040),
        (BAH, "yes", "average_f1", 0.379),
    ],
)
def test_the_commonest_label_for_everything_scores_the_known_floor_and_is_told_as_such(
    tmp_path: Path, counts: dict[str, int], said: str, metric: str, floor: float
) -> None:
    words = [label for label, n in counts.items() for _ in range(n)]
    found = scored(
        tmp_path,
        {str(k): [word] for k, word in enumerate(words)},
        {str(k): [said] for k in range(len(words))},
        FAST._replace(labels=",".join(counts)),
    )
    assert found.metrics[metric].value == pytest.approx(floor, abs=5e-4)
    if metric in found.floors["majority"]:
        assert found.metrics[metric].value == pytest.approx(found.floors["majority"][metric])


def test_equals_scikit_learn_over_a_fixed_list(tmp_path: Path) -> None:
    truth, answer = "wwwxxyyyywxy", "wxzxxywyzwyy"
    tenths = ["7111", "3421", "2224", "1810", "3421", "1261", "5131", "0190", "1135", "6211", "1351", "0271"]
    scores = [{label: int(one) / 10 for label, one in zip("wxyz", row, strict=True)} for row in tenths]
    said = {str(k): {"label": answer[k], "scores": scores[k]} for k in range(12)}
    found = scored(tmp_path, {str(k): [label] for k, label in enumerate(truth)}, said, FAST._replace(labels="w,x,y,z"))
    names = ("war", "uar", "macro_f1", "weighted_f1", "ap")
    assert values(found, *names) == pytest.approx(SKLEARN, abs=1e-6)


def test_nothing_is_guessed_from_an_answer_that_cannot_be_read(tmp_path: Path) -> None:
    gold = {str(k): ["happy" if k % 2 else "sad"] for k in range(8)}
    said: dict[str, Any] = {
        "0": {"label": ""},
        "1": {"text": "Sie ist froh."},
        "2": {"text": "她很难过"},
        "3": {"labels": ["happy", "sad"]},
        "4": {"scores": {"happy": 0.5, "sad": 0.5}},
        "5": {"labels": [1], "text": "happy"},
        "6": {"text": "sad " * 300_000},
        "7": {"label": "开心"},
    }
    found = scored(tmp_path, gold, said)
    assert found.answers == {"answered": 0, "outside": 1, "abstained": 0, "unparsed": 7, "missing": 0}
    assert set(notes(found)) == {
        "unparsed: an empty answer",
        "unparsed: a text that names no label of the set",
        "unparsed: a text in another script",
        "unparsed: several labels",
        "unparsed: scores without one highest label of the set",
        "unparsed: expected a list of words",
        "unparsed: an answer of more than 100,000 characters",
        "labels in another script",
        "answers without a score for every label, left out of ap and calibration",
    }
    assert values(found, "war", "macro_f1") == [0, 0]


def test_an_id_with_two_answers_has_none(tmp_path: Path) -> None:
    (tmp_path / "gold.csv").write_text("id,label\na,sad\nb,happy\n")
    (tmp_path / "said.csv").write_text("id,label\na,sad\na,happy\nb,happy\nb,happy\nc,sad\n,sad\n")
    found = score("labels", tmp_path / "said.csv", tmp_path / "gold.csv", FAST)
    assert found.answers["answered"] == 1
    assert found.counts == {"references": 2, "predictions": 3, "scored": 2, "rejected": 3}
    assert notes(found)["unparsed: ids that stand twice with different answers"] == 1
    assert notes(found)["predictions: ids that stand twice with the same answer"] == 1


def test_one_class_and_few_items_are_scored_and_said_to_be_so(tmp_path: Path) -> None:
    found = scored(
        tmp_path, {"a": ["sad"], "b": ["sad"]}, {"a": ["sad"], "b": ["happy"]}, FAST._replace(labels="happy,sad")
    )
    assert values(found, "war", "uar", "macro_f1") == pytest.approx([0.5, 0.5, 1 / 3], abs=1e-6)
    assert found.per_class["happy"].recall is None
    assert found.remarks[0] == "2 references: intervals of so few are too narrow"
    assert found.remarks[1].startswith("1 of 2 labels have references")


def test_few_answers_among_many_references_are_said_to_be_few(tmp_path: Path) -> None:
    gold = {str(k): ["sad" if k % 2 else "happy"] for k in range(50)}
    found = scored(tmp_path, gold, {str(k): gold[str(k)] for k in range(6)})
    assert found.metrics["war_lenient"].ci == wilson(6, 6)
    assert found.remarks[0] == (
        "of 6 references alone, too few for their intervals: war_lenient, uar_lenient, macro_f1_lenient, weighted_f1_lenient"
    )
    assert found.remarks[1] == (
        "all right or all wrong, which resampling cannot vary: the interval is Wilson's, of items: war_lenient"
    )


def test_groups_are_compared_beside_what_chance_gives(tmp_path: Path) -> None:
    rows = [("f", "sad", "sad"), ("f", "happy", "happy"), ("m", "sad", "happy"), ("m", "happy", "happy")] * 25
    gold = {str(k): {"label": row[1], "sex": row[0]} for k, row in enumerate(rows)}
    found = scored(tmp_path, gold, {str(k): [row[2]] for k, row in enumerate(rows)}, FAST._replace(groups=("sex",)))
    told = found.more["groups by sex"]
    assert [told[name].value for name in ("war of f (n = 50)", "war of m (n = 50)", "gap of war")] == [1, 0.5, 0.5]
    low, high = told["gap of war"].ci or (0, 0)
    assert 0.3 < low < 0.5 < high < 0.7
    assert 0 < (told["gap of war"].floor or 0) < 0.2


def test_groups_of_whole_speakers_are_dealt_out_by_speaker(tmp_path: Path) -> None:
    gold = {
        str(k): {"label": "sad" if k % 2 else "happy", "speaker": f"s{k // 20}", "sex": "fm"[k // 20 % 2]}
        for k in range(200)
    }
    said = {id: [row["label"] if int(id) // 20 % 3 else "happy"] for id, row in gold.items()}
    alone, together = (
        scored(tmp_path, gold, said, FAST._replace(groups=("sex",), cluster=cluster)).more["groups by sex"][
            "gap of war"
        ]
        for cluster in ("", "speaker")
    )
    assert alone.value == together.value
    assert (together.floor or 0) > 1.5 * (alone.floor or 0)


def test_clusters_widen_the_interval_of_answers_that_go_together(tmp_path: Path) -> None:
    gold = {str(k): {"label": "sad" if k % 2 else "happy", "speaker": f"s{k // 20}"} for k in range(200)}
    said = {str(k): ["sad" if (k % 2) == (k // 20 % 2) else "happy"] for k in range(200)}
    alone, together = (
        scored(tmp_path, gold, said, FAST._replace(cluster=cluster)).metrics["war"].ci or (0, 0)
        for cluster in ("", "speaker")
    )
    assert together[1] - together[0] > 2 * (alone[1] - alone[0])


# ---- several labels -------------------------------------------------------------------------------------------------


def sets(words: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    return {str(k): list(own) for k, own in enumerate(words)}


def test_several_labels_by_hand(tmp_path: Path) -> None:
    gold = sets([["joy", "love"], ["anger"], ["joy"], ["anger"]])
    said: dict[str, Any] = sets([["love", "joy"], ["anger", "rage"], ["joy", "anger"]])
    said["3"] = {"text": "They argue."}
    found = scored(tmp_path, gold, said, FAST._replace(labels="joy,love,anger"), "several")
    # F1: joy 1, love 1, anger 2·1/(2 + 2). Decisions: 4 right of 5 in the references and 6 said ("rage" among them).
    names = ("macro_f1", "micro_f1", "samples_f1", "exact")
    assert values(found, *names) == pytest.approx([2.5 / 3, 8 / 11, (1 + 2 / 3 + 2 / 3) / 4, 1 / 4], abs=1e-6)
    assert found.answers == {"answered": 3, "outside": 0, "abstained": 0, "unparsed": 1, "missing": 0}
    assert notes(found) == {"labels outside the set": 1, "unparsed: a text that is no list of labels of the set": 1}
    assert found.floors["all labels"]["macro_f1"] == pytest.approx((4 / 6 + 2 / 5 + 4 / 6) / 3)
    assert found.metrics["macro_f1"].floor == found.floors["all labels"]["macro_f1"]


def test_several_labels_equal_scikit_learn(tmp_path: Path) -> None:
    gold, said = ["ab", "c", "ac", "b", "c", "a"], ["a", "bc", "ac", "b", "a", "abc"]
    found = scored(tmp_path, sets(gold), sets(said), FAST, "several")
    assert values(found, *SKLEARN_SEVERAL) == pytest.approx(list(SKLEARN_SEVERAL.values()), abs=1e-6)


def test_perfect_answers_of_several_labels_have_no_doubt_however_rare_a_label_is(tmp_path: Path) -> None:
    gold = sets(["a"] * 40 + ["b"] * 20 + ["ab", "c"])
    found = scored(tmp_path, gold, gold, FAST._replace(labels="a,b,c,d"), "several")
    sure = {"macro_f1": (0.75, 0.75), "micro_f1": (1, 1), "weighted_f1": (1, 1), "samples_f1": (1, 1)}
    exact = found.metrics.pop("exact")
    assert {name: one.ci for name, one in found.metrics.items()} == sure
    assert (exact.ci, exact.method) == (wilson(62, 62), "wilson")


def test_always_saying_the_commonest_set_is_not_above_the_floor(tmp_path: Path) -> None:
    gold = sets(["ab", "ac", "ad", "b", "b", "a"])  # the commonest label is a, the commonest set b alone
    found = scored(tmp_path, gold, sets(["b"] * 6), FAST, "several")
    assert found.metrics["exact"].value == found.metrics["exact"].floor == found.floors["b"]["exact"] == 2 / 6
