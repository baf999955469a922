"""``emollm eval score`` and ``emollm eval compare`` as a user calls them: what cannot be used is told, never guessed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import wheel_tables
from tests.eval.serving import serving

FAST = ("--resamples", "100")
GOLD = "id,label,sex\na,happy,f\nb,sad,m\nc,angry,f\nd,happy,m\n"


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    (tmp_path / "gold.csv").write_text(GOLD)
    return tmp_path / "gold.csv"


def test_json_alone_stands_on_standard_output_and_the_same_in_a_file(say: Callable, gold: Path, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,label\na,happy\nb,sad\nc,sad\nd,happy\n")
    out = tmp_path / "report.json"
    done = say(
        "eval",
        "score",
        "labels",
        "--pred",
        tmp_path / "p.csv",
        "--gold",
        gold,
        "--groups",
        "sex",
        "--out",
        out,
        "--json",
        *FAST,
    )
    assert (done.code, done.err) == (0, "")
    report = json.loads(done.out)
    assert report == json.loads(out.read_text())
    assert report["metrics"]["war"]["value"] == 0.75
    assert set(report["more"]["groups by sex"]) >= {"war of f (n = 2)", "gap of war"}
    assert report["confusion"]["rows"] == ["angry", "happy", "sad"]
    assert report["provenance"]["bootstrap"]["seed"] == 0


def test_missing_extra_doubled_and_strange_answers_are_told_and_the_others_scored(
    say: Callable, gold: Path, tmp_path: Path
) -> None:
    rows = [
        {"id": "a", "label": "happy"},
        {"id": "b", "label": "sad"},
        {"id": "b", "label": "angry"},
        {"id": "c", "text": "Er ist zornig. " * 80_000},
        {"id": "x", "label": "sad"},
        {"label": "sad"},
    ]
    (tmp_path / "p.jsonl").write_text("\n".join([*map(json.dumps, rows), "not json"]))
    done = say("eval", "score", "labels", "--pred", tmp_path / "p.jsonl", "--gold", gold, *FAST)
    assert done.code == 1
    assert "4 rows could not be used" in done.err
    for line in (
        "answered: 1; outside: 0; abstained: 0; unparsed: 2; missing: 1",
        "- predictions: ids that stand twice with different answers: 1 (b)",
        "- predictions: rows without an id: 1 (line 6)",
        "- predictions: rows that are not of the stated form: 1 (line 7)",
        "- predictions whose id no reference has: 1 (x)",
        "- unparsed: an answer of more than 100,000 characters: 1 (c)",
        "- references without a prediction: 1 (d)",
    ):
        assert line in done.out


@pytest.mark.parametrize(
    ("kind", "pred", "gold", "options", "said"),
    [
        ("labels", "id,label\na,sad\n", "id,label\na,\n", (), "0 labels, expected two or more"),
        (
            "labels",
            "id,label\na,sad\n",
            "id,label\na,sad\nb,sad\n",
            (),
            "1 label, expected two or more; name the closed set",
        ),
        (
            "labels",
            "id,label\na,sad\n",
            "id,label\na,odd\n",
            ("--labels", "happy,sad"),
            "1 left out: of a label outside given",
        ),
        ("labels", "id,label\nz,sad\n", "id,label\na,sad\nb,happy\n", (), "none of its 1 ids is in"),
        ("labels", "id,label\na,sad\n", "id,label\na,sad\na,happy\n", ("--labels", "happy,sad"), "mend the references"),
        ("labels", "id,label\na,sad\n", "id,label\na,sad\nb,happy\n", ("--groups", "sex"), "no column 'sex'"),
        (
            "labels",
            "id,label\na,sad\n",
            "id,label\na,sad\nb,happy\n",
            ("--range", "0", "1"),
            "--range is for va, not for labels",
        ),
        (
            "labels",
            "id,label\na,sad\n",
            "id,label\na,sad\nb,happy\n",
            ("--labels", "basic9"),
            "unknown label set 'basic9'",
        ),
        ("labels", "name;label\n", "id,label\na,sad\n", (), "expected a column id or name"),
        ("va", "id,valence\na,nan\n", "id,valence\na,0\n", (), "nothing to score: no answer has valence"),
        ("va", "id,valence\na,0\n", "id,valence\na,nan\n", (), "nothing to score"),
        (
            "ov",
            "id,labels\na,sad\n",
            "id,labels\na,sad\n",
            ("--vocabulary", "2031"),
            "--vocabulary 2031: expected 2026, or a folder",
        ),
    ],
)
def test_where_nothing_can_be_scored_one_line_says_why(
    say: Callable, tmp_path: Path, kind: str, pred: str, gold: str, options: tuple[str, ...], said: str
) -> None:
    (tmp_path / "p.csv").write_text(pred)
    (tmp_path / "g.csv").write_text(gold)
    done = say("eval", "score", kind, "--pred", tmp_path / "p.csv", "--gold", tmp_path / "g.csv", *options)
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert said in done.err


def test_a_file_that_is_not_there_or_would_be_overwritten(say: Callable, gold: Path, tmp_path: Path) -> None:
    for arguments, said in (
        (("--pred", tmp_path / "no.csv", "--gold", gold), "No such file"),
        (("--pred", gold, "--gold", gold, "--out", gold), "is read by this very command"),
        (("--pred", gold), "holds no references"),
    ):
        done = say("eval", "score", "labels", *arguments)
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert said in done.err
    assert gold.read_text() == GOLD


def test_open_vocabulary_in_the_files_of_other_projects(say: Callable, tmp_path: Path) -> None:
    tables = wheel_tables.write(tmp_path / "wheels")
    (tmp_path / "p.csv").write_text("name,openset\nx,\"['anger', 'glad']\"\ny,\"[]\"\nz,\"['高兴']\"\n")
    (tmp_path / "g.csv").write_text("name,openset\nx,\"['angry']\"\ny,\"['sad', 'worried']\"\nz,\"['happy']\"\n")
    done = say(
        "eval", "score", "ov", "--pred", tmp_path / "p.csv", "--gold", tmp_path / "g.csv", "--vocabulary", tables, *FAST
    )
    assert (done.code, done.err) == (0, "")
    assert "answered: 2; abstained: 0; unparsed: 1; missing: 0" in done.out
    assert "- unparsed: an empty list: 1 (y)" in done.out
    assert "in another script: 1 (z: 高兴)" in done.out
    assert "| angry, sad, worried, happy" in done.out


def test_a_judge_is_asked_beside_the_overlap_and_its_prose_is_no_rating(
    say: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "cache"))
    tables = wheel_tables.write(tmp_path / "wheels")
    (tmp_path / "g.csv").write_text("id,text\na,He is angry.\nb,She is sad.\nc,He is happy.\n")
    (tmp_path / "p.csv").write_text("id,text\na,He seems angry.\nb,She may be glad.\nc,He is happy.\n")

    def reply(asked: str) -> str:
        return "I would rather not say." if "glad" in asked else "8"

    with serving(reply) as server:
        address = server.generator.removeprefix("openai:")
        done = say(
            "eval", "score", "emer", "--pred", tmp_path / "p.csv", "--gold", tmp_path / "g.csv", "--vocabulary", tables,
            "--no-clues", "--judge", address, "--json", *FAST,
        )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    report = json.loads(done.out)
    assert report["metrics"]["clue_judge"]["value"] == 8
    assert report["metrics"]["clue_judge_failed"]["value"] == pytest.approx(1 / 3)
    assert report["provenance"]["judge"].startswith("judge tiny")
    assert [note["count"] for note in report["notes"] if note["what"].startswith("judge, clue")] == [1]


def test_two_files_are_compared(say: Callable, gold: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,label\na,happy\nb,sad\nc,angry\nd,happy\n")
    (tmp_path / "b.csv").write_text("id,label\na,sad\nb,sad\nc,angry\n")
    files = (tmp_path / "a.csv", tmp_path / "b.csv")
    done = say("eval", "compare", *files, "--gold", gold, *FAST)
    assert (done.code, done.err) == (0, "")
    assert "McNemar: only A right 2, only B right 0" in done.out
    assert "- B: answered: 3; outside: 0; abstained: 0; unparsed: 0; missing: 1" in done.out
    refused = say("eval", "compare", *files, *FAST)
    assert (refused.code, refused.err.count("\n")) == (2, 1)


def test_a_comparison_of_files_with_rows_that_cannot_be_used_says_so_by_its_exit_code(
    say: Callable, gold: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("id,label\na,happy\nb,sad\nc,angry\nd,happy\n")
    (tmp_path / "b.csv").write_text("id,label\na,sad\nb,sad\nb,happy\n,sad\nx,sad\n")
    done = say("eval", "compare", tmp_path / "a.csv", tmp_path / "b.csv", "--gold", gold, "--json", *FAST)
    assert done.code == 1
    assert done.err == (
        f"emollm: {tmp_path / 'b.csv'}: 3 rows could not be used (no id, no form, two answers or an unknown id); the others are scored\n"
    )
    assert json.loads(done.out)["rejected"] == {"A": 0, "B": 3}


def test_what_is_compared_is_what_the_task_of_the_answers_asks_for(say: Callable, tmp_path: Path) -> None:
    def files(task: str) -> list[Path]:
        found = []
        for name, answers in (("a", [["joy", "fear"], ["anger"]]), ("b", [["joy"], ["anger"]])):
            rows = [
                {"id": str(k), "labels": one, "gold": gold} | ({"task": task} if task else {})
                for k, (one, gold) in enumerate(zip(answers, [["joy", "fear"], ["anger"]], strict=True))
            ]
            found.append(tmp_path / f"{name}.jsonl")
            found[-1].write_text("\n".join(map(json.dumps, rows)))
        return found

    done = say("eval", "compare", *files("goemotions-ekman@1"), *FAST)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("several: 2 items that both are scored on; primary metric: macro_f1")
    assert "| exact       | 1.0000 | 0.5000 | 0.5000 |" in done.out
    for task in ("", "one-of-mine@3"):
        refused = say("eval", "compare", *files(task), *FAST)
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
        assert "say --kind several (of a closed set) or --kind ov (free words)" in refused.err
    assert say("eval", "compare", *files(""), "--kind", "several", *FAST).code == 0
