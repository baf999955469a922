"""Reading anyone's answers: what is of no known form is unread, and counted."""

import json
from pathlib import Path

import pytest

from emollm.errors import DataError
from emollm.eval.predictions import LONGEST, Unread, listed, read


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("['a', \"b's\"]", ("a", "b's")),
        ('["a", "b\\u00e9"]', ("a", "bé")),
        ("[a, b c]", ("a", "b c")),
        ("a, b", ("a", "b")),
        ("[]", ()),
        ("__import__('os').system('true')", ("__import__('os').system('true')",)),
    ],
)
def test_lists_are_read_in_every_form_and_never_evaluated(cell: str, words: tuple[str, ...]) -> None:
    assert listed(cell) == words


@pytest.mark.parametrize("cell", ["['a'", "[['a']]", "[1, 2]", '["a", null]', "[" * 5000 + "]" * 5000, "a," * 9000])
def test_what_is_no_list_of_words_is_unread(cell: str) -> None:
    with pytest.raises(Unread):
        listed(cell)


def test_faults_stay_with_their_part_and_rows_without_form_are_counted(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "label": "happy", "text": "", "valence": float("nan")},
        {"id": "2", "label": "sad"},
        {"id": "2", "label": "angry"},
        {"id": "3", "label": None},
        {"id": "4", "text": "x" * (LONGEST + 1)},
        {"id": "5"},
        {"id": "6", "label": "sad"},
        {"id": "6", "label": "sad"},
        {"id": "7", "labels": ["half \ud800"]},
        {"label": "sad"},
    ]
    path = tmp_path / "p.jsonl"
    path.write_text("\n".join([*map(json.dumps, rows), "{not json", "[1]"]))
    found = read(path)
    assert found.rows["1"].labels == ("happy",)
    assert (found.rows["1"].fault("labels"), found.rows["1"].fault("numbers")) == ("", "valence is not a finite number")
    assert found.rows["2"].fault() == "ids that stand twice with different answers"
    assert found.rows["3"].abstained
    assert found.rows["4"].fault("text") == "an answer of more than 100,000 characters"
    assert found.rows["5"].fault() == "an empty answer"
    assert found.rows["7"].fault("labels") == "a word with half a character"
    counted = {note.what: (note.count, note.examples) for note in found.notes.records()}
    assert counted["rows without an id"] == (1, ("line 10",))
    assert counted["rows that are not of the stated form"] == (2, ("line 11", "line 12"))
    assert (counted["ids that stand twice with the same answer"][0], found.rejected) == (1, 4)


def test_csv_of_other_projects_json_lists_and_recorded_references(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\ufeffname,openset,sex\nx,\"['a', 'b']\",f\ny,,m\nz,too,many,cells\n")
    found = read(tmp_path / "a.csv")
    assert (found.rows["x"].labels, found.rows["x"].fields) == (("a", "b"), {"sex": "f"})
    assert (found.rows["y"].fault(), found.rejected) == ("an empty answer", 1)
    (tmp_path / "b.json").write_text('[{"id": "x", "label": "a", "gold": ["b"], "scores": {"a": 0.5}}]')
    row = read(tmp_path / "b.json").rows["x"]
    assert (row.reference, row.scores) == (("b",), {"a": 0.5})
    (tmp_path / "c.csv").write_text("id,p_a,p_b\nx,0.25,0.75\n")
    assert read(tmp_path / "c.csv").rows["x"].scores == {"a": 0.25, "b": 0.75}


def test_declining_in_words_is_abstaining_and_told(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"id": "a", "text": "I cannot tell."},
        {"id": "b", "text": "Abstain"},
        {"id": "c", "label": None, "reply": "No idea, sorry."},
        {"id": "d", "text": None},
        {"id": "e", "valence": None, "arousal": None},
        {"id": "f", "text": "I cannot tell, but she is happy."},
        {"id": "g", "text": "I cannot tell.", "labels": ["sad"]},
        {"id": True, "label": "sad"},
    ]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = read(tmp_path / "p.jsonl")
    assert [id for id, row in found.rows.items() if row.abstained] == ["a", "b", "c", "d", "e"]
    counted = {note.what: note.count for note in found.notes.records()}
    assert counted == {"answers that decline in words": 3, "rows without an id": 1}
    for head in ("label", "openset", "text", "valence"):
        (tmp_path / "p.csv").write_text(f"id,{head},sex\na,null,null\n")
        row = read(tmp_path / "p.csv").rows["a"]
        assert (row.abstained, row.fault(), row.fields) == (True, "", {"sex": "null"})


def test_what_is_thought_aloud_is_no_part_of_a_text(tmp_path: Path) -> None:
    rows = {"a": "<think>sad?</think>\nhappy", "b": "<think>sad", "c": "<think>sad</think>"}
    (tmp_path / "p.jsonl").write_text("\n".join(json.dumps({"id": id, "text": text}) for id, text in rows.items()))
    found = read(tmp_path / "p.jsonl").rows
    assert found["a"].text == "happy"
    assert found["b"].fault("text") == "thinking that never ends"
    assert found["c"].fault() == "an empty answer"


def test_columns_of_the_same_name_are_told(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,label,note,note\na,sad,x,y\n")
    notes = [(note.what, note.examples) for note in read(tmp_path / "p.csv").notes.records()]
    assert notes == [("columns that stand twice, of which the last counts", ("note",))]
    (tmp_path / "p.csv").write_text("id,label,label\na,sad,happy\n")
    with pytest.raises(DataError, match=r"p\.csv: two columns are called 'label'; rename one"):
        read(tmp_path / "p.csv")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "clip,label\nx,y\n", "expected a column id or name or names, got the columns: clip, label"),
        ("a.csv", "", "got the columns: none"),
        ("a.jsonl", "nothing\n", "no row with an id"),
        ("a.json", "[{", "expected a JSON list of rows"),
    ],
)
def test_a_file_without_rows_is_one_line(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=said):
        read(tmp_path / name)
