"""Open-vocabulary scores on invented wheels, worked by hand."""

from pathlib import Path

import numpy as np
import pytest
from openpyxl import Workbook

from emollm.errors import DataError
from emollm.metrics.bootstrap import Statistic, value
from emollm.metrics.open_floors import best_constants, constant, floors, shuffled
from emollm.metrics.open_vocabulary import Answers, covered, statistics
from emollm.metrics.wheels import WHEELS, Vocabulary, read

FORMS = 'name,format\nglad,"glad,gladly"\nsad,"sad,sadness"\ncross,cross\nodd,odd\nno words,\nplain,plain\n'
SYNONYMS = [
    ("word_run1", "synonym_run1", "word_run2", "synonym_run2"),
    ("Merry", "glad, jolly", "gloomy", "sad"),
    ("angry", "Cross", "sly", "odd"),
    ("plain", None, None, None),
]
FIRST = [
    ("Level1", "Level2", "Level3"),
    ("Joy", "Merry", "sly"),
    (None, None, "elated"),
    ("Pain", "Gloomy", "hurt"),
    (None, "angry", "sly"),
]
"""``sly`` stands twice: the last place counts."""
OTHER = [("level1", "level2", "level3"), (" Bright ", " Merry ", None), ("Dark", "Gloomy", None)]
"""Has no anger."""


def book(path: Path, rows: list[tuple[str | None, ...]]) -> None:
    made = Workbook()
    for row in rows:
        made.active.append(list(row))
    made.save(path)


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    (tmp_path / "format.csv").write_text(FORMS)
    book(tmp_path / "synonym.xlsx", SYNONYMS)
    for name in WHEELS:
        book(tmp_path / f"{name}.xlsx", FIRST if name == "wheel1" else OTHER)
    return tmp_path


@pytest.fixture
def vocabulary(tables: Path) -> Vocabulary:
    return read(tables, "invented")


def score(gold: list[list[str]], said: list[list[str]], vocabulary: Vocabulary) -> dict[str, float]:
    found: dict[str, Statistic] = statistics(Answers.of(gold, said), vocabulary)
    return {name: round(value(each, len(gold)), 6) for name, each in found.items()}


def test_a_form_becomes_the_cluster_of_the_word_it_is_a_form_of(vocabulary: Vocabulary) -> None:
    assert [vocabulary.cluster("gladly", wheel) for wheel in ("wheel1", "wheel2")] == ["joy", "bright"]
    assert [vocabulary.cluster("cross", wheel) for wheel in ("wheel1", "wheel2")] == ["pain", ""]
    assert [vocabulary.cluster("odd", "wheel1", level) for level in (1, 2)] == ["pain", "angry"]
    assert (vocabulary.cluster("plain", "wheel1"), vocabulary.knows("plain")) == ("", True)
    assert (vocabulary.cluster("unheard", "wheel1"), vocabulary.knows("unheard")) == ("", False)
    assert vocabulary.knows("no words")


def test_a_word_of_level_1_becomes_its_first_child_at_level_2(vocabulary: Vocabulary) -> None:
    assert vocabulary.wheels["wheel1"].clusters[1]["pain"] == "angry"


def test_ew_f1_is_made_of_the_means_over_the_clips_that_a_wheel_keeps(vocabulary: Vocabulary) -> None:
    found = score([["glad", "sad"], ["cross"], ["plain"]], [["Glad "], ["sad", "glad"], ["glad"]], vocabulary)
    # wheel1 keeps two clips: P = (1 + 1/2) / 2, R = (1/2 + 1) / 2. The others keep the first alone: P = 1, R = 1/2.
    assert found["ew_f1.wheel1"] == pytest.approx(0.75)
    assert found["ew_f1.wheel2"] == pytest.approx(2 / 3, abs=1e-6)
    assert found["ew_f1"] == pytest.approx((0.75 + 4 * 2 / 3) / 5, abs=1e-6)
    assert found["ew_precision"] == pytest.approx((0.75 + 4) / 5)
    assert found["ew_f1_2.wheel1"] == pytest.approx(1 / 3, abs=1e-6)  # at level 2 anger is not gloom: P = R = 1/2 · 1 …


def test_a_list_of_everything_has_every_hit_and_pays_in_jaccard_and_mscore(vocabulary: Vocabulary) -> None:
    gold, everything = [["glad"], ["glad"], ["sad"]], [["glad", "sad", "cross", "odd"]] * 3
    found = score(gold, everything, vocabulary)
    assert (found["hit_rate"], found["jaccard"], found["mscore"]) == (1.0, 0.5, 0.5)
    assert score(gold, [["glad"]] * 3, vocabulary)["hit_rate"] == pytest.approx(2 / 3, abs=1e-6)


def test_clips_without_an_answer_count_and_a_reference_without_a_cluster_does_not(vocabulary: Vocabulary) -> None:
    found = score([["glad"], ["glad"], ["plain"]], [["glad"], [], ["glad"]], vocabulary)
    assert (found["ew_precision"], found["ew_recall"]) == (0.5, 0.5)
    assert np.isnan(score([["plain"]], [["glad"]], vocabulary)["ew_f1"])


def test_the_penalised_score_charges_words_without_a_cluster_and_keeps_their_clips(vocabulary: Vocabulary) -> None:
    gold, said = [["glad"], ["plain"]], [["glad", "whatever"], ["plain"]]
    found = score(gold, said, vocabulary)
    assert found["ew_f1"] == 1.0
    # On each wheel P = (1/2 + 1) / 2 and R = 1.
    assert found["ew_f1_all"] == pytest.approx(2 * 0.75 / 1.75, abs=1e-6)


def test_the_best_constant_is_found_and_constants_score_what_saying_them_scores(vocabulary: Vocabulary) -> None:
    answers = Answers.of([["glad"], ["gladly", "plain"], ["sad"]], [[]] * 3)
    assert best_constants(answers, vocabulary) == [("glad",), ("glad", "sad")]
    alone = constant(answers, vocabulary, ("glad",))
    assert alone["ew_f1"] == pytest.approx(
        score([["glad"], ["gladly"], ["sad"]], [["glad"]] * 3, vocabulary)["ew_f1"], abs=1e-6
    )
    assert constant(answers, vocabulary, ("glad", "sad"))["hit_rate"] == 1
    told = floors(answers, vocabulary)
    assert told["best 2: glad, sad"]["ew_f1"] >= told["best 1: glad"]["ew_f1"]


def test_references_of_other_clips_score_far_below_their_own(vocabulary: Vocabulary) -> None:
    lists = [["glad"], ["sad"]] * 20
    found = shuffled(Answers.of(lists, lists), vocabulary, seed=3)
    assert score(lists, lists, vocabulary)["ew_f1"] == 1
    assert 0.3 < found.mean < 0.7
    assert (shuffled(Answers.of(lists, lists), vocabulary, seed=3), found.times) == (found, 20)


def test_coverage_counts_labels_that_the_tables_know(vocabulary: Vocabulary) -> None:
    assert covered([["glad", "whatever"], ["plain", "sad"]], vocabulary) == 0.75


def test_sheets_may_be_csv_and_what_is_missing_or_of_another_form_is_named(tables: Path) -> None:
    (tables / "wheel3.xlsx").unlink()
    with pytest.raises(DataError, match=r"has no wheel3\.csv and no wheel3\.xlsx"):
        read(tables, "x")
    (tables / "wheel3.csv").write_text("level1,level2,level3\nbright,merry,\n")
    assert read(tables, "x").wheels["wheel3"].names(1) == ("bright",)
    (tables / "wheel3.csv").write_text("inner,outer\nbright,merry\n")
    with pytest.raises(DataError, match="wheel3: expected columns level1, level2 and level3"):
        read(tables, "x")
    (tables / "synonym.xlsx").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(DataError, match=r"synonym\.xlsx: is no xlsx file"):
        read(tables, "x")
