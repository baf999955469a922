"""Open-vocabulary answers and descriptions beside references, on invented wheels."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emollm import assets
from emollm.emotions import label_set
from emollm.errors import AssetError
from emollm.eval import scoring_emer
from emollm.eval.predictions import read
from emollm.eval.scoring import Settings, finish
from emollm.eval.scoring_compare import score
from emollm.eval.scoring_words import Finder
from emollm.metrics import wheels
from emollm.metrics.scored import Scored
from tests import wheel_tables
from tests.eval.serving import serving
from tests.test_replies import DENIALS


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(vocabulary=str(wheel_tables.write(tmp_path / "wheels")), resamples=100)


def write(path: Path, rows: Mapping[str, Any]) -> Path:
    path.write_text("\n".join(json.dumps({"id": id} | row) for id, row in rows.items()))
    return path


def scored(folder: Path, kind: str, gold: Mapping[str, Any], said: Mapping[str, Any], settings: Settings) -> Scored:
    return score(kind, write(folder / "said.jsonl", said), write(folder / "gold.jsonl", gold), settings)


def labels(*words: Sequence[str]) -> dict[str, Any]:
    return {str(k): {"labels": list(own)} for k, own in enumerate(words)}


def test_lists_by_hand_and_what_is_told_beside_them(tmp_path: Path, settings: Settings) -> None:
    gold = labels(["anger", "sad"], ["happy"], ["worry"], ["neutral"])
    said = labels(["Angry", "annoyed", "bored"], ["glad", "sad"]) | {"2": {"text": "He is not sad but worried."}}
    found = scored(tmp_path, "ov", gold, said, settings)
    # Level 1: {anger} of {anger, sorrow}: P 1, R 1/2; {joy, sorrow} of {joy}: P 1/2, R 1; {fear}: 1, 1; neutral has no cluster.
    precision, recall = 2.5 / 3, 2.5 / 3
    assert found.metrics["ew_precision"].value == pytest.approx(precision)
    assert found.metrics["ew_f1"].value == pytest.approx(2 * precision * recall / (precision + recall))
    assert found.metrics["jaccard"].value == pytest.approx((1 / 2 + 1 / 2 + 1) / 3)
    about = {name: one.value for name, one in found.more["about the answers"].items()}
    assert about["labels a clip, predictions"] == pytest.approx(6 / 4)
    assert about["predicted labels in the tables"] == pytest.approx(5 / 6)
    assert about["clips skipped, wheel1"] == 1 / 4
    assert (about["neutral clips"], about["neutral clips said to be neutral"]) == (1 / 4, 0)
    assert found.answers == {"answered": 3, "abstained": 0, "unparsed": 0, "missing": 1}
    assert {note.what for note in found.notes} == {
        "references without a prediction",
        "predicted labels that the tables do not have",
    }
    told = json.loads(found.to_json())["provenance"]["vocabulary"]
    assert told["version"].startswith("wheels:")
    assert told["words"] == [13, 6, 10]


def test_saying_the_same_of_every_clip_scores_what_is_told_as_its_floor(tmp_path: Path, settings: Settings) -> None:
    gold = labels(["angry"], ["happy", "glad"], ["sad", "worried"], ["annoyed", "sad"])
    for words in (["angry"], ["angry", "sad", "worried", "happy"], ["neutral"]):
        found = scored(tmp_path, "ov", gold, labels(*[words] * 4), settings)
        told = found.floors[", ".join(words)]
        assert {name: found.metrics[name].value for name in told} == pytest.approx(told)
        assert all((one.value or 0) <= (one.floor or 0) + 1e-9 for name, one in found.metrics.items() if name in told)


@pytest.mark.parametrize(
    ("words", "hit_rate"), [(["angry", "sad", "happy"], 0.762), (["angry", "sad", "worried", "happy"], 0.843)]
)
def test_words_that_are_always_said_have_the_hit_rate_on_meld_that_is_published_of_them(
    tmp_path: Path, words: list[str], hit_rate: float
) -> None:
    try:
        assets.path("emotion-wheels")
    except AssetError as error:
        pytest.skip(f"the published wheels are not at hand: {error}")
    meld = {"neutral": 1256, "joy": 402, "anger": 345, "surprise": 281, "sadness": 208, "disgust": 68, "fear": 50}
    gold = labels(*([word] for word, count in meld.items() for _ in range(count)))
    found = scored(tmp_path, "ov", gold, labels(*[words] * len(gold)), Settings(resamples=100)).metrics
    assert round(found["hit_rate"].value or 0, 3) == hit_rate
    assert 0.2 < (found["mscore"].value or 0) < 0.32  # words too many are charged here


def test_answers_that_cannot_be_read_have_no_labels(tmp_path: Path, settings: Settings) -> None:
    said: dict[str, Any] = {
        "0": {"labels": []},
        "1": {"openset": "[['angry']]"},
        "2": {"text": "Es geht ihm gut."},
        "3": {"text": "他很生气"},
        "4": {"labels": ["angry"] * 30_000},
        "5": {"labels": ["高兴"]},
    }
    found = scored(tmp_path, "ov", labels(*[["angry"]] * 6), said, settings)
    assert found.answers == {"answered": 1, "abstained": 0, "unparsed": 5, "missing": 0}
    assert {note.what for note in found.notes} == {
        "unparsed: an empty list",
        "unparsed: a list within a list",
        "unparsed: a text without an emotion word",
        "unparsed: a text in another script",
        "unparsed: an answer of more than 100,000 characters",
        "predicted labels that the tables do not have and in another script",
    }
    assert found.metrics["ew_f1"].value == 0


def test_an_id_with_two_answers_has_no_labels(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "said.csv").write_text("name,openset\na,\"['sad']\"\na,\"['angry']\"\nb,\"['sad']\"\n")
    gold = write(tmp_path / "gold.jsonl", {"a": {"labels": ["sad"]}, "b": {"labels": ["sad"]}})
    found = score("ov", tmp_path / "said.csv", gold, settings)
    assert (found.answers["unparsed"], found.metrics["ew_f1"].value) == (1, 0.5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("She is angry, then sad.", ("angry", "sad")),
        ("His anger grows; no sadness is heard.", ("anger",)),
        ("He isn’t angry; he is Happy.", ("happy",)),
        ("Not at all angry or sad, just worried", ("worried",)),
        ("The drawer opens and the used one tends to stick.", ()),
    ],
)
def test_words_in_running_text(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    finder = Finder(wheels.read(wheel_tables.write(tmp_path), "invented"))
    assert finder.find(text) == words


@pytest.mark.parametrize("text", DENIALS)
def test_denied_words_of_running_text_are_those_of_replies(tmp_path: Path, text: str) -> None:
    found = Finder(wheels.read(wheel_tables.write(tmp_path), "invented")).find(text)
    assert {label_set("basic8").find(word) for word in found} == {DENIALS[text]}


def test_what_is_said_to_be_unknown_is_no_word(tmp_path: Path) -> None:
    finder = Finder(wheels.read(wheel_tables.write(tmp_path), "invented"))
    assert finder.find("As an AI I cannot determine fear or sadness of people.") == ()
    assert finder.find("I cannot tell whether he is angry, but she is sad.") == ("sad",)


# ---- descriptions ---------------------------------------------------------------------------------------------------

GOLD = {
    "a": {"text": "Her brows are lowered and her voice is loud. She is angry."},
    "b": {"text": "He smiles broadly. He is happy."},
    "c": {"text": "She says little, and is sad."},
}
SAID = {
    "a": {"text": "The brows are lowered. It is anger."},
    "b": {"text": "He smiles. He seems happy."},
    "c": {"text": "Her voice trembles; she is worried."},
}


def by_words() -> tuple[Any, str]:
    """Sentences by the words in them, as unit vectors."""

    def embed(sentences: Sequence[str]) -> NDArray[np.floating]:
        words = sorted({word for one in sentences for word in one.lower().split()})
        found = np.array([[float(word in one.lower().split()) for word in words] for one in sentences])
        return found / np.linalg.norm(found, axis=-1, keepdims=True)

    return embed, "words"


def test_labels_of_descriptions_are_compared_without_any_model(tmp_path: Path, settings: Settings) -> None:
    found = scored(tmp_path, "emer", GOLD, SAID, settings._replace(clues=False))
    assert found.metrics["label_f1"].value == pytest.approx(2 / 3)
    assert found.metrics["clue_f1"].value is None
    assert found.floors["angry"]["label_f1"] == pytest.approx(1 / 3)
    assert 1 / 3 <= (found.metrics["label_f1"].floor or 0) < 2 / 3


def test_clues_are_compared_too_and_references_of_others_score_far_lower(tmp_path: Path, settings: Settings) -> None:
    files = read(write(tmp_path / "gold.jsonl", GOLD)), read(write(tmp_path / "said.jsonl", SAID))
    found = finish(*scoring_emer.build(*files, settings, by_words), *files, settings)
    clue = found.metrics["clue_f1"]
    assert 0.4 < (clue.value or 0) <= 1
    assert (clue.floor or 0) < (clue.value or 0) / 2
    assert found.provenance["overlap"] == "2, words"


def test_a_judge_is_told_with_how_far_it_agrees(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "cache"))
    files = read(write(tmp_path / "gold.jsonl", GOLD)), read(write(tmp_path / "said.jsonl", SAID))
    with serving(lambda asked: "2" if "worried" in asked else "9") as server:
        asking = settings._replace(judge=server.generator.removeprefix("openai:"))
        found = finish(*scoring_emer.build(*files, asking, by_words), *files, asking)
    assert found.metrics["clue_judge"].value == pytest.approx(20 / 3)
    told = found.more["judge and overlap, clues"]
    assert 0 < (told["spearman (n = 3)"].value or 0) <= 1
    clue = found.metrics["clue_score"].value or 0
    assert told["mean_difference (n = 3)"].value == pytest.approx(20 / 3 - clue)


def test_references_without_an_emotion_word_are_left_out(tmp_path: Path, settings: Settings) -> None:
    gold = GOLD | {"d": {"text": "The door opens."}, "e": {"text": "他很高兴"}}
    found = scored(tmp_path, "emer", gold, SAID, settings._replace(clues=False))
    assert (found.n, found.counts["references"]) == (3, 5)
    assert [note.count for note in found.notes if note.what.startswith("references left out")] == [2]


def test_own_answers_and_references_of_other_clips_are_rows_of_their_own(tmp_path: Path, settings: Settings) -> None:
    """Who says the same of every clip loses nothing when answers are shuffled; references of others are no part of that."""
    said = {id: {"labels": ["angry"]} for id in GOLD}
    found = scored(tmp_path, "emer", GOLD, said, settings._replace(clues=False))
    own, other = found.floors["own answers of other clips"], found.floors["the reference of another clip"]
    assert own["label_f1"] == pytest.approx(found.metrics["label_f1"].value)
    assert other["label_f1"] != pytest.approx(own["label_f1"])
    assert "ew_f1" in other
    assert "ew_f1" not in own


def test_a_chinese_judge_gets_what_nobody_else_can_read(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EMER's second version in both languages; the judge is asked in Chinese, other metrics have nothing and say so."""
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "cache"))
    gold, said = tmp_path / "gold.csv", tmp_path / "said.csv"
    gold.write_text("name,chinese,english\na,他很高兴,He is happy\nb,她很生气,She is angry\n")
    said.write_text("names,chi_reasons\na,他看起来很开心\nb,她在笑\n")
    with serving(lambda asked: "[高兴]" if "[" in asked and "评分" not in asked else "8") as server:
        asking = settings._replace(judge=server.generator.removeprefix("openai:"), language="zh", clues=False)
        found = score("emer", said, gold, asking)
        assert any("他很高兴" in body for body in server.asked)
        assert not any("He is happy" in body for body in server.asked)
    assert (found.n, found.coverage, found.primary) == (2, 1.0, "clue_judge")
    assert found.metrics["clue_judge"].value == 8
    assert found.metrics["label_f1"].value is None
    counted = {note.what: note.count for note in found.notes}
    assert counted["references that only the judge can read, left out of the other metrics"] == 2
    assert counted["answers that only the judge can read; to the other metrics they say nothing"] == 2


def test_with_a_judge_the_other_metrics_stay_what_they_are(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "cache"))
    without = scored(tmp_path, "emer", GOLD, SAID, settings._replace(clues=False))
    gold, said = GOLD | {"z": {"text": "他很高兴"}}, SAID | {"z": {"text": "他很开心"}}
    with serving(lambda asked: "8") as server:
        asking = settings._replace(judge=server.generator.removeprefix("openai:"), clues=False)
        found = scored(tmp_path, "emer", gold, said, asking)
    assert found.n == without.n + 1
    for name in ("label_f1", "ew_f1", "jaccard"):
        assert found.metrics[name].value == pytest.approx(without.metrics[name].value)
        assert found.metrics[name].floor == pytest.approx(without.metrics[name].floor)
