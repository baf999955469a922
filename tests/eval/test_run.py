"""Runs on tiny invented data sets: references stay unseen, answers are kept and found again, floors are reproduced."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emollm.errors import ConfigError, DataError
from emollm.eval.generators import GENERATORS, open_generator
from emollm.eval.generators.base import Opening, Reply
from emollm.eval.items import Item
from emollm.eval.run import Outcome, Plan, run
from emollm.eval.run_items import choose, closed_set, question
from emollm.eval.run_parsing import recorded
from emollm.eval.run_score import row_of
from emollm.eval.scoring import Settings
from emollm.eval.scoring_compare import compare, score
from emollm.eval.tasks import Asks, task
from emollm.ferplus import CLASSES
from tests.eval.serving import goemotions, serving

TEXTS = [
    ("what a day", "joy"),
    ("leave me alone", "anger"),
    ("<script>alert(1)</script> so good", "joy"),
    ("it rained", "neutral"),
    ("oh no, and so good", "joy+surprise"),
]


@pytest.fixture
def words(tmp_path: Path) -> Path:
    return goemotions(tmp_path / "words", TEXTS)


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Twelve grey tiles: six happy, four neutral, one that the protocol discards, one of the part train."""
    votes = np.zeros((12, 10), np.uint8)
    votes[:6, CLASSES.index("happiness")] = 9
    votes[6:10, CLASSES.index("neutral")] = 9
    votes[10, :2] = 5
    votes[11, 0] = 9
    folder = tmp_path / "faces"
    folder.mkdir()
    np.savez(
        folder / "tiny.npz",
        images=np.arange(12 * 48 * 48, dtype=np.uint32).reshape(12, 48, 48).astype(np.uint8),
        votes=votes,
        columns=np.array([*CLASSES, "unknown", "NF"]),
        name=np.array([f"f{k}.png" for k in range(12)]),
        split=np.array(["valid"] * 11 + ["train"]),
    )
    return folder


def ran(data: Path, generator: str, out: Path, id: str = "goemotions-ekman", **options: Any) -> Outcome:
    options.setdefault("split", "dev" if id.startswith("goemotions") else "valid")
    return run(Plan(task(id), data, generator, out, resamples=100, **options))


def rows(out: Path, name: str = "answers.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / name).read_text().splitlines()]


# ---- what is run ----------------------------------------------------------------------------------------------------


def test_the_majority_scores_its_floor_and_everything_is_told(faces: Path, tmp_path: Path) -> None:
    scored = ran(faces, "majority", tmp_path / "out", "ferplus").scored
    assert scored.n == 10
    assert scored.metrics["war"].value == pytest.approx(0.6)
    assert {name: scored.metrics[name].value for name in ("war", "uar", "macro_f1")} == pytest.approx(
        {name: scored.floors["majority"][name] for name in ("war", "uar", "macro_f1")}
    )
    told: dict[str, Any] = scored.provenance
    assert told["items"] == {
        "read": 11, "unlabelled": 1, "twice": 0, "not_chosen": 0, "chosen": 10, "rejected": 0, "limit": None,
    }  # fmt: skip
    assert told["generator"]["name"] == "majority"
    assert told["prompt"]["ref"] == "instructions/recognition@1#1"
    assert (told["task"]["id"], told["task"]["role"]) == ("ferplus@1", "validation")
    assert "contempt" in scored.per_class
    assert "unknown" not in scored.per_class


def test_the_page_shows_mistakes_with_pictures_and_needs_nothing_else(faces: Path, tmp_path: Path) -> None:
    outcome = ran(faces, "majority", tmp_path / "out", "ferplus")
    page = (tmp_path / "out" / "report.html").read_text()
    assert {one.item.id for one in outcome.mistakes} == {f"f{k}.png" for k in range(6, 10)}
    assert page.count('<img src="data:image/webp') == 4
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
    assert "| f6.png | neutral | happiness |" in (tmp_path / "out" / "report.md").read_text()


def test_words_of_a_data_set_are_escaped_in_both_pages(words: Path, tmp_path: Path) -> None:
    ran(words, "constant:fear", tmp_path / "out")
    page, plain = ((tmp_path / "out" / name).read_text() for name in ("report.html", "report.md"))
    assert "<script>" not in page + plain
    assert "&lt;script&gt;alert(1)" in page


def test_a_constant_with_several_labels_is_right_where_all_are(words: Path, tmp_path: Path) -> None:
    scored = ran(words, "constant:joy,surprise", tmp_path / "out").scored
    assert scored.task == "several"
    assert scored.metrics["exact"].value == pytest.approx(1 / 5)
    assert scored.primary == "macro_f1"


def test_floors_need_no_media_and_those_who_look_do(tmp_path: Path) -> None:
    for name, label in (("03a01Wa", "anger"), ("08a01Fa", "happiness"), ("09a01Wb", "anger")):
        (tmp_path / "emodb").mkdir(exist_ok=True)
        (tmp_path / "emodb" / f"{name}.wav").symlink_to(tmp_path / f"nowhere-{label}")
    scored = ran(tmp_path / "emodb", "majority", tmp_path / "floor", "emodb", split="all").scored
    assert scored.metrics["war"].value == pytest.approx(2 / 3)
    assert "gap of war" in scored.more["groups by sex"]
    with pytest.raises(DataError, match=r"none of 3 items could be asked: .*cannot be read"):
        ran(tmp_path / "emodb", "cues", tmp_path / "cues", "emodb", split="all")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("constant:angr", "did you mean 'anger'"),
        ("constant", "expected constant:…"),
        ("majority:joy", "expected majority"),
        ("nobody", "unknown generator 'nobody'"),
        ("http://localhost/v1", "write openai:http://localhost/v1"),
    ],
)
def test_a_generator_that_cannot_be_is_one_line(words: Path, tmp_path: Path, given: str, why: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(why)):
        ran(words, given, tmp_path / "out")


def test_nothing_is_chosen_by_a_test_part(words: Path, tmp_path: Path) -> None:
    goemotions(words, TEXTS, "test")
    with pytest.raises(ConfigError, match="refused to select on the test"):
        ran(words, "majority", tmp_path / "out", split="test", purpose="select")
    assert ran(words, "majority", tmp_path / "out", split="dev", purpose="select").scored.n == 5


def test_a_limit_takes_items_evenly_and_ids_once(tmp_path: Path) -> None:
    data = goemotions(tmp_path / "words", [(f"text {k}", "joy") for k in range(10)])
    lines = (data / "ekman" / "dev.tsv").read_text()
    (data / "ekman" / "dev.tsv").write_text(lines + "again\t0\tc9\n")
    chosen = choose(task("goemotions-ekman"), data, "dev", 5)
    assert [item.id for item in chosen.items] == ["c0", "c2", "c4", "c6", "c8"]
    assert chosen.counts == {"read": 11, "unlabelled": 0, "twice": 1, "not_chosen": 5}


def test_the_wording_is_a_line_of_the_prompt_with_the_labels_that_may_be_answered() -> None:
    asked = question(task("ferplus"), wording=2)
    assert asked.text == f"Choose the emotion that fits best: {', '.join(CLASSES)}."
    assert question(task("ov-merd")).labels is None
    with pytest.raises(ConfigError, match="--wording 99: the prompt instructions/recognition@1 has 1 to"):
        question(task("ferplus"), wording=99)


# ---- what is kept ---------------------------------------------------------------------------------------------------


def test_answers_score_the_same_from_their_file(words: Path, tmp_path: Path) -> None:
    with serving(lambda text: "joy, surprise" if "good" in text else "The answer is anger.") as server:
        outcome = ran(words, server.generator, tmp_path / "out")
    again = score(
        "several", tmp_path / "out" / "answers.jsonl", None, Settings(labels="goemotions-ekman", resamples=100)
    )
    assert again.metrics == outcome.scored.metrics
    assert [row["id"] for row in rows(tmp_path / "out")] == ["c0", "c1", "c2", "c3", "c4"]


def test_items_that_could_not_be_asked_stay_counted_and_are_asked_again(words: Path, tmp_path: Path) -> None:
    def but(refused: str) -> Callable[[str], str | int]:
        return lambda text: 400 if refused in text else "joy"

    outs = tmp_path / "a", tmp_path / "b"
    with serving(but("rained")) as server:
        whole = ran(words, server.generator, outs[0])
        server.answer = but("alone")
        ran(words, server.generator, outs[1])
        assert [row["id"] for row in rows(outs[0])] == ["c0", "c1", "c2", "c3", "c4"]
        lost = rows(outs[0])[3]
        assert (lost["gold"], "label" in lost, "labels" in lost) == (["neutral"], False, False)
        assert "400" in lost["fault"]
        settings = Settings(labels="goemotions-ekman", resamples=100)
        again = score("several", outs[0] / "answers.jsonl", None, settings)
        assert (again.n, again.answers["missing"], again.metrics) == (5, 1, whole.scored.metrics)
        both = compare("several", *(out / "answers.jsonl" for out in outs), None, settings)
        assert (both.n, both.answers["A"]["missing"], both.answers["B"]["missing"]) == (5, 1, 1)
        before, server.answer = len(server.bodies), but("nothing")
        mended = ran(words, server.generator, outs[0])
        assert [text for text in server.asked[before:] if "rained" not in text] == []
        assert len(server.bodies) == before + 1
    assert (mended.rejects, mended.scored.answers["missing"]) == ((), 0)
    assert not any("fault" in row for row in rows(outs[0]))


def test_speakers_and_declared_groups_stand_in_the_answers_and_score_the_same_from_there(tmp_path: Path) -> None:
    (tmp_path / "emodb").mkdir()
    for speaker in ("03", "08", "09", "10"):
        for code, version in (("W", "a"), ("F", "a"), ("W", "b"), ("T", "a")):
            (tmp_path / "emodb" / f"{speaker}a01{code}{version}.wav").touch()
    whole = ran(tmp_path / "emodb", "majority", tmp_path / "out", "emodb", split="all").scored
    first = rows(tmp_path / "out")[0]
    assert (first["id"], first["cluster"], first["sex"]) == ("03a01Fa", "03", "male")
    settings = Settings(labels="emodb", resamples=100, groups=("sex", "sentence"))
    again = score("labels", tmp_path / "out" / "answers.jsonl", None, settings)
    assert (again.metrics, again.more) == (whole.metrics, whole.more)
    assert again.provenance["bootstrap"]["clusters"] == 4  # type: ignore[index, call-overload]


def test_descriptions_are_recorded_with_what_they_are_compared_with(tmp_path: Path) -> None:
    (tmp_path / "EMER.csv").write_text(
        'names,emotions,subtitles,reasons\nclip_9,angry,"Not now.","He stares, and shouts."\n'
    )
    (item,) = task("emer").open().items(tmp_path)
    row = row_of(item.id, recorded(Reply("He is angry."), "description", None), item, key="k")
    assert row == {
        "id": "clip_9", "text": "He is angry.", "gold": ["angry"], "reference": "He stares, and shouts.", "key": "k",
    }  # fmt: skip


def test_what_is_answered_is_not_asked_again_whatever_the_limit(words: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with serving(lambda text: "joy") as server:
        for limit, asked in ((2, 2), (None, 5), (2, 5), (None, 5)):
            outcome = ran(words, server.generator, out, limit=limit)
            assert outcome.scored.n == (limit or 5)
            assert len(rows(out)) == (limit or 5)
            assert len(server.bodies) == asked
        assert len(rows(out, "earlier.jsonl")) == 3


def test_an_item_whose_content_changed_is_asked_again(words: Path, tmp_path: Path) -> None:
    with serving(lambda text: "joy") as server:
        ran(words, server.generator, tmp_path / "out")
        goemotions(words, [*TEXTS[:3], ("it snowed", "neutral"), TEXTS[4]])
        ran(words, server.generator, tmp_path / "out")
    assert len(server.bodies) == 6
    assert '"it snowed"' in server.asked[-1]


def test_references_that_were_mended_count_without_asking_again(words: Path, tmp_path: Path) -> None:
    with serving(lambda text: "joy") as server:
        first = ran(words, server.generator, tmp_path / "out").scored
        goemotions(words, [(text, "joy") for text, _ in TEXTS])
        second = ran(words, server.generator, tmp_path / "out").scored
        assert len(server.bodies) == len(TEXTS)
    assert first.metrics["exact"].value == pytest.approx(2 / 5)
    assert second.metrics["exact"].value == 1
    assert {tuple(row["gold"]) for row in rows(tmp_path / "out")} == {("joy",)}


def test_replies_that_were_cut_off_are_told(words: Path, tmp_path: Path) -> None:
    with serving(lambda text: "Let me think about") as server:
        server.finish = "length"
        outcome = ran(words, server.generator, tmp_path / "out")
    assert outcome.scored.answers["unparsed"] == 5
    assert "5 cut off at their greatest length" in (tmp_path / "out" / "report.md").read_text()


@pytest.mark.parametrize(
    ("change", "why"),
    [({"generator": "constant:joy"}, "holds answers of the model"), ({"wording": 2}, "holds answers of the prompt")],
)
def test_a_folder_holds_the_answers_of_one_model_and_prompt(
    words: Path, tmp_path: Path, change: dict[str, Any], why: str
) -> None:
    ran(words, "majority", tmp_path / "out")
    given = {"generator": "majority"} | change
    with pytest.raises(ConfigError, match=f"{why} .* give another --out, or --fresh"):
        ran(words, out=tmp_path / "out", **given)
    assert ran(words, out=tmp_path / "out", fresh=True, **given).scored.n == 5


def test_a_file_of_something_else_is_refused(words: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "answers.jsonl").write_text('{"mine": 1}\n')
    with pytest.raises(DataError, match=r"answers\.jsonl:1: no answer of this command"):
        ran(words, "majority", tmp_path / "out")


def test_a_change_of_items_is_what_the_generator_sees(words: Path, tmp_path: Path) -> None:
    def muted(item: Item) -> Item:
        return item._replace(clip=item.clip.model_copy(update={"transcript": "mm"}))

    with serving(lambda text: "joy") as server:
        plan = Plan(task("goemotions-ekman"), words, server.generator, tmp_path / "out", split="dev", resamples=100)
        outcome = run(plan, change=muted)
    assert all('quotation: "mm"' in text for text in server.asked)
    assert outcome.scored.n == 5


# ---- what is read ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asks", "text", "fields"),
    [
        ("label", "I would say joy here.", {"label": "joy"}),
        ("label", "Nothing of the sort", {"text": "Nothing of the sort"}),
        ("label", "", {"text": ""}),
        ("label", "No idea", {"label": None}),
        ("label", "<think>joy or anger</think> sadness", {"label": "sadness"}),
        ("label", "<think>joy", {"text": "<think>joy"}),
        ("label", "joy. No wait, anger.", {"text": "joy. No wait, anger."}),
        ("label", "The options are anger, joy and neutral. My answer: neutral", {"label": "neutral"}),
        ("label", "I am an AI; it is not possible to say whether it is joy.", {"label": None}),
        ("labels", "anger and joy, mostly anger", {"labels": ["anger", "joy"]}),
        ("labels", "No anger, fear or joy, but disgust", {"labels": ["disgust"]}),
        ("labels", "nothing", {"text": "nothing"}),
        ("labels", "I cannot tell.", {"labels": None}),
        ("description", "<think>Hm.</think>She smiles.", {"text": "She smiles."}),
        ("description", "I cannot tell.", {"label": None}),
        ("description", "She smiles.", {"text": "She smiles."}),
    ],
)
def test_an_answer_is_read_or_stays_a_text(asks: Asks, text: str, fields: dict[str, Any]) -> None:
    assert recorded(Reply(text), asks, closed_set(task("goemotions-ekman"))) == fields


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("['happy', 'a bit shy']", ["happy", "a bit shy"]),
        ("Happy, relieved.", ["happy", "relieved"]),
        ("She looks happy because she has won, and then sad", None),
        ("<think>sad, angry</think>happy", ["happy"]),
        ("angry and sad", ["angry", "sad"]),
        ("happy, relieved, and sad", ["happy", "relieved", "sad"]),
        ("sick and weary", ["sick and weary"]),
        ("Words: happy", None),
        ("[broken", None),
    ],
)
def test_free_words_are_a_list_or_stay_a_text(text: str, words: list[str] | None) -> None:
    assert recorded(Reply(text), "labels", None) == ({"text": text} if words is None else {"labels": words})


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Valence: −0,4; arousal is 0.25.", {"valence": -0.4, "arousal": 0.25}),
        ("valence (-1 to 1): 0.5", {"valence": 0.5}),
        ("On a scale of -1 to 1: valence [-1, 1] = -0.5, arousal = 1", {"valence": -0.5, "arousal": 1.0}),
        ("valence=.5 arousal 1e-3", {"valence": 0.5, "arousal": 0.001}),
        ('{"valence": 0.5, "arousal": -.1}', {"valence": 0.5, "arousal": -0.1}),
        ("valence -1 to 1", {}),
        ("valence: 5/10, arousal 50 %", {}),
        ("valence - 0.5", {}),
        ("valence and arousal: 0.5, 0.2", {}),
        ("valence 0.5, later valence -0.5", {}),
        ("calm", {}),
    ],
)
def test_a_rating_is_the_one_number_behind_its_name_and_never_an_end_of_the_scale(
    text: str, numbers: dict[str, float]
) -> None:
    assert recorded(Reply(text), "numbers", None) == (numbers or {"text": text})


def test_why_a_reply_is_no_answer_is_told(words: Path, tmp_path: Path) -> None:
    said = iter(["I cannot tell.", "<think>joy", "joy", "What anger?", "joy, or so"])
    with serving(lambda text: next(said)) as server:
        outcome = ran(words, server.generator, tmp_path / "out", workers=1)
    assert outcome.scored.answers == {"answered": 3, "outside": 0, "abstained": 1, "unparsed": 1, "missing": 0}
    assert outcome.scored.coverage == 3 / 5
    told = {note.what for note in outcome.scored.notes}
    assert {"predictions: answers that decline in words", "unparsed: thinking that never ends"} <= told


def test_declining_is_no_label() -> None:
    assert recorded(Reply(abstained=True), "label", None) == {"label": None}


def test_the_reasoner_answers_or_abstains_and_is_read(tmp_path: Path) -> None:
    data = goemotions(
        tmp_path / "words", [("I am so happy, this is wonderful!", "joy"), ("the box is here", "neutral")]
    )
    outcome = ran(data, "cues", tmp_path / "out")
    kinds = outcome.scored.answers
    assert kinds["answered"] + kinds["abstained"] == 2
    assert not outcome.rejects


def test_the_majority_needs_labels() -> None:
    with pytest.raises(ConfigError, match="the references have no labels"):
        open_generator("majority", Opening("description", ("words",), references=((),)))


# ---- changed settings -----------------------------------------------------------------------------------------------


def test_changed_settings_stand_in_the_head_of_the_report_and_in_each_row(words: Path, tmp_path: Path) -> None:
    plan = Plan(
        task("goemotions-ekman", ("without=[fear]",)), words, "majority", tmp_path / "out", split="dev", resamples=100
    )
    told: dict[str, Any] = run(plan).scored.provenance
    assert (told["task"]["id"], told["task"]["overrides"]) == ("goemotions-ekman@1+set", ["without=[fear]"])
    assert {(row["task"], row["settings"]) for row in rows(tmp_path / "out")} == {
        ("goemotions-ekman@1+set", "without=[fear]")
    }
    for name in ("report.md", "report.html"):
        assert "by --set: without=[fear]" in (tmp_path / "out" / name).read_text()


def test_a_folder_of_other_settings_is_refused(words: Path, tmp_path: Path) -> None:
    def plan(*overrides: str) -> Plan:
        own = task("goemotions-ekman", overrides)
        return Plan(own, words, "majority", tmp_path / "out", split="dev", resamples=100)

    run(plan("without=[fear]"))
    for other in ((), ("without=[disgust]",)):
        with pytest.raises(ConfigError, match=r"holds answers of the (task|settings) .*give another --out, or --fresh"):
            run(plan(*other))
    assert run(plan("without=[fear]")).scored.n == 5


def test_the_majority_counts_only_labels_of_the_set(words: Path, tmp_path: Path) -> None:
    """Three of the five references are joy, which may not be answered here."""
    own = task("goemotions-ekman", ("without=[joy]",))
    outcome = run(Plan(own, words, "majority", tmp_path / "out", split="dev", resamples=100))
    told: dict[str, Any] = outcome.scored.provenance
    assert told["generator"]["depends"] == "always anger"
    none = task("goemotions-ekman", ("without=[joy, anger, neutral, surprise]",))
    with pytest.raises(ConfigError, match="no reference has a label of the set"):
        run(Plan(none, words, "majority", tmp_path / "none", split="dev", resamples=100))


def test_a_limit_that_changes_the_commonest_label_is_no_other_generator(tmp_path: Path) -> None:
    data = goemotions(tmp_path / "words", [("a", "anger"), ("b", "joy"), ("c", "joy")])
    for limit, label in ((1, "anger"), (None, "joy"), (1, "anger")):
        outcome = ran(data, "majority", tmp_path / "out", limit=limit)
        assert outcome.scored.provenance["generator"]["depends"] == f"always {label}"  # type: ignore[index, call-overload]
        assert {tuple(row["labels"]) for row in rows(tmp_path / "out")} == {(label,)}


def test_who_looks_at_nothing_has_only_its_mistakes_unpacked(faces: Path, tmp_path: Path) -> None:
    ran(faces, "majority", tmp_path / "out", "ferplus")
    assert len(list((tmp_path / "out" / "pictures").iterdir())) == 4  # of ten items
    assert "media were not looked at" in (tmp_path / "out" / "report.md").read_text()


def test_tables_of_wheels_are_looked_for_before_anything_is_asked(words: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--vocabulary 2025: goemotions-ekman asks for no free words"):
        ran(words, "majority", tmp_path / "out", vocabulary="2025")
    with pytest.raises(ConfigError, match="--vocabulary 2025: expected 2026, or a folder"):
        run(Plan(task("ov-merd"), words, "constant:happy", tmp_path / "out", vocabulary="2025"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", GENERATORS)
def test_each_generator_of_the_table_is_there(name: str) -> None:
    assert callable(GENERATORS[name])
