"""The data report: its numbers by hand, its page in a browser, and files that are no build."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from emollm.cli.data_report import report
from emollm.errors import ConfigError, DataError
from emollm.report.data import render, view
from emollm.report.data_counts import count, cue_name
from emollm.report.data_distinct import OTHERS, Distinct, Tally
from emollm.report.data_reading import find
from emollm.report.data_texts import Draw, variety
from emollm.samples import Mark, MediaItem, Sample, SampleProvenance, Task
from emollm.types import Claim, MediaPart, Message, Part, TextPart, Verdict

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REPLY = """**Key Observations:**
The lip corners are pulled up (AU12 0.78). The brows may be lowered.

**Conclusion:**
The expression is best described as happiness."""
CLAIMS = (
    Claim(
        text="lip corners are pulled up (AU12 0.78)",
        part=Part.OBSERVATIONS,
        verdict=Verdict.SUPPORTED,
        cues=("p1.AU12",),
        reason="AU12 0.78, needs 0.30",
    ),
    Claim(text="brows may be lowered", part=Part.OBSERVATIONS, verdict=Verdict.UNVERIFIABLE, cues=("p1.AU04",)),
)
HOSTILE = '<script>alert(1)</script> </style> <img src=x onerror="alert(2)"> "quoted" {{ 7 * 7 }}'


def sample(
    i: int, *, asked: str = "Which emotion?", reply: str = REPLY, label: str = "happiness", **more: Any
) -> Sample:
    origin = SampleProvenance(
        engine="exp_cot@1",
        prompt="writer/moment@1 instructions/reasoning@1",
        cues=("mesh-head@1",),
        licence="MIT",
        label_visible=False,
        clip=f"face {i}",
        dataset="faces",
    )
    return Sample(
        id=f"face {i}#p1.reasoning.0",
        messages=(
            Message(role="user", content=(MediaPart(type="image"), TextPart(text=asked))),
            Message(role="assistant", content=(TextPart(text=reply),)),
        ),
        media=(MediaItem(type="image", path=Path(f"{i}.png")),),
        label=label,
        label_set="basic8",
        **({"gold": (label,), "claims": CLAIMS, "provenance": origin, "split": "train", "speaker": f"s{i % 7}"} | more),
    )


def written(folder: Path, kept: list[Sample], rejects: list[tuple[str, str, Sample | None]] = [], **build: Any) -> Path:  # noqa: B006
    """A build's folder, in two shards."""
    folder.mkdir(exist_ok=True)
    for index, part in enumerate((kept[: len(kept) // 2], kept[len(kept) // 2 :])):
        (folder / f"samples-{index:05d}.jsonl").write_text("".join(one.to_json() + "\n" for one in part))
    lines = [
        {
            "id": one.id if one else "face x",
            "stage": stage,
            "reason": reason,
            "sample": one and one.model_dump(mode="json"),
        }
        for stage, reason, one in rejects
    ]
    (folder / "rejects-00000.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if build:
        (folder / "build.json").write_text(json.dumps(build))
    return folder


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """Eight happy and two sad Samples, one of them in the test split and marked; three rejects."""
    kept = [sample(i) for i in range(8)]
    kept += [sample(8, label="sadness", claims=(), marks=(Mark.UNSUPPORTED,)), sample(9, label="sadness", split="test")]
    kept.append(sample(7, task=Task.RECOGNITION, reply="happiness", claims=()).model_copy(update={"id": "face 7#2"}))
    rejects = [
        ("observe", "unreadable: not a picture", None),
        ("filter:unsafe", "gender: 'she' in \"She smiles.\"", sample(20, label="sadness")),
        ("filter:unsafe", "gender: 'he' in \"He smiles.\"", sample(9, label="sadness")),
    ]
    return written(tmp_path / "out", kept, rejects, counts={"items": 12}, versions={"emollm": "0.1.0"})


def test_the_numbers_are_those_of_the_files(build: Path) -> None:
    found = count(find(build))
    assert (found.items, found.written, found.kept, found.rejected) == (12, 13, 11, 3)
    assert [(stage.name, stage.left, stage.lost) for stage in found.stages] == [
        ("written", 13, 0),
        ("filter:unsafe", 11, 2),
        ("kept", 11, 0),
    ]
    assert [(one.stage, one.kind, one.count) for one in found.reasons] == [
        ("filter:unsafe", "gender", 2),
        ("observe", "unreadable", 1),
    ]
    assert [example.id for example in found.reasons[0].examples] == ["face 20#p1.reasoning.0", "face 9#p1.reasoning.0"]
    happy, sad = found.classes
    assert (happy.given, happy.gold, happy.clips, happy.kept_clips) == (9, 9, 8, 8)
    # Of three sad faces one was kept in spite of a rejected Sample, one was not.
    assert (sad.gold, sad.rejected, sad.clips, sad.kept_clips, sad.unsupported) == (2, 2, 3, 2, 1)
    assert (found.tasks, found.marks) == ({"reasoning": 10, "recognition": 1}, {"unsupported": 1})
    assert (found.verdicts.supported, found.verdicts.unverifiable, found.verdicts.claimed) == (9, 9, 9)
    assert (found.verdicts.support, found.verdicts.coverage) == (1.0, 0.5)
    assert found.words.median == found.words.most == len(REPLY.split())
    assert found.origins["prompt"] == {"instructions/reasoning@1": 11, "writer/moment@1": 11}
    units = {row.name: row for row in found.cues}
    assert (units["AU12"].samples, units["AU12"].present, units["AU04"].present) == (9, 9, 0)
    assert units["AU12"].by_label == {"happiness": 1.0, "sadness": 1.0}
    assert [(row.split, row.samples, row.clips) for row in found.splits] == [("train", 10, 9), ("test", 1, 1)]
    # s2 is the speaker of faces 2 and 9.
    assert [(row.kind, row.count) for row in found.overlaps] == [("clip", 0), ("speaker", 1), ("group", 0)]


def test_a_form_that_gives_the_label_away_is_pointed_out(tmp_path: Path) -> None:
    asked = {"happiness": "Look closely: which one?", "sadness": "Which one is it?"}
    kept = [
        sample(i, label=label, asked=asked[label]) for i in range(60) for label in ("happiness", "sadness")[i % 2 :][:1]
    ]
    found = count(find(written(tmp_path / "leaky", kept)))
    (form,) = [row for row in found.leaks if row.name == "question"]
    assert (form.kind, form.balanced_accuracy, form.tells) == ("form", 1.0, True)
    assert "question</strong> does" in render(found)
    assert [row.name for row in found.leaks if row.name == "media" and row.tells] == []


def test_distinct_grams_and_common_sentences_by_hand() -> None:
    texts = ["**Heading:**\nThe brows rise to 0.5 here. Short one.", "The brows rise to 0.7 here.", "a b c d e."]
    found = variety(texts, 40)
    assert (found.texts, found.of) == (3, 40)
    # Masked: "the brows rise to # here" twice, "short one", "a b c d e": 13 words of 19 are different.
    assert found.masked[0] == pytest.approx(13 / 19)
    # 3-grams: over the sentence's end too: 4 + 2 of the first text, 4 of the second, 3: 9 different of 13.
    assert found.masked[2] == pytest.approx(9 / 13)
    assert found.distinct[2] > found.masked[2]
    assert [(one.text, one.count) for one in found.sentences] == [("The brows rise to # here.", 2), ("a b c d e.", 1)]


def test_drawing_is_even_and_the_same_for_a_seed() -> None:
    def drawn(seed: int) -> list[int]:
        draw: Draw[int] = Draw(100, seed)
        for i in range(2000):
            draw.add(f"id {i}", i)
        return draw.drawn()

    assert drawn(1) == drawn(1) != drawn(2)
    assert len(drawn(1)) == 100
    assert 700 < sum(drawn(1)) / 100 < 1300


def test_memory_is_bounded() -> None:
    tally, distinct = Tally(), Distinct()
    for i in range(70_000):
        tally.add(f"name {i}")
        distinct.add("a", f"clip {i % 50_000}")
    assert len(tally.ordered()) == 501
    assert tally[OTHERS] == 69_500
    assert len(distinct) == 50_000
    assert distinct._known.nbytes + len(distinct._new) * 8 == 8 * 50_000


@pytest.mark.parametrize(
    ("id", "name"),
    [
        ("p1.AU12", "AU12"),
        ("p2.AU12.3", "AU12"),
        ("voice.pitch.1", "voice.pitch"),
        ("words.polarity.2", "words.polarity"),
    ],
)
def test_a_cue_has_one_name_whosever_it_is(id: str, name: str) -> None:
    assert cue_name(id) == name


def test_what_people_said_is_never_markup(tmp_path: Path) -> None:
    hostile = sample(1, asked=HOSTILE, reply=HOSTILE).model_copy(update={"id": HOSTILE, "split": HOSTILE})
    folder = written(
        tmp_path / "out", [hostile], [("write", HOSTILE, None)], counts={"items": 1}, recipe={"engine": HOSTILE}
    )
    page = render(count(find(folder)))
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("</style>") == 1
    assert "{{ 7 * 7 }}" in page


def test_claims_are_marked_where_they_stand() -> None:
    shown = view(sample(1, asked="Movements: AU12 lip corner puller 0.78.\n\nWhich?"))
    user, reply = shown.turns
    assert (user.media, user.cues, user.text) == (("image 1.png",), "Movements: AU12 lip corner puller 0.78.", "Which?")
    assert "".join(piece.text for piece in reply.pieces) == REPLY
    assert [piece.claim for piece in reply.pieces if piece.claim] == list(CLAIMS)


def run(*args: object) -> Any:
    return CliRunner().invoke(report, [str(arg) for arg in args], standalone_mode=False)


def test_the_command_writes_the_page_and_prints_the_same_numbers(build: Path, tmp_path: Path) -> None:
    assert run(build).output.strip() == str(build / "report.html")
    assert "<title>emollm – data report: out</title>" in (build / "report.html").read_text()
    (build / "report.html").unlink()
    numbers = json.loads(run(build, "--json").output)
    assert numbers["kept"] == 11
    assert not (build / "report.html").exists()
    assert run(build / "samples-00000.jsonl", "--out", tmp_path / "one.html").exit_code == 0
    assert (tmp_path / "one.html").exists()


def test_input_is_never_replaced(build: Path) -> None:
    shard = build / "samples-00000.jsonl"
    before = shard.read_bytes()
    assert isinstance(run(build, "--out", shard).exception, ConfigError)
    assert shard.read_bytes() == before


def test_files_that_are_no_build_are_refused_in_one_line(tmp_path: Path, build: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such folder; give the output folder"):
        find(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"expected samples-\*\.jsonl, found none: not a build"):
        find(tmp_path / "empty")
    (tmp_path / "empty" / "parts").mkdir()
    (tmp_path / "empty" / "parts" / "samples-00000.jsonl").touch()
    with pytest.raises(DataError, match=r"the build is not finished; give its command again"):
        find(tmp_path / "empty")
    shard = build / "samples-00001.jsonl"
    shard.write_bytes(shard.read_bytes()[:-300])
    with pytest.raises(DataError, match=r"samples-00001\.jsonl:6: not a valid Sample"):
        count(find(build))
    (build / "build.json").write_text("{")
    with pytest.raises(DataError, match=r"build\.json: not valid JSON"):
        find(build)


def test_a_build_of_which_nothing_was_kept_still_has_a_page(tmp_path: Path) -> None:
    found = count(find(written(tmp_path / "none", [], [("write", "unclear: no label", None)])))
    assert found.kept == 0
    assert "No Sample was kept." in render(found)


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_the_screen_and_asks_for_nothing(build: Path, browser: "Browser", width: int) -> None:
    assert run(build).exit_code == 0
    page = browser.new_page(viewport={"width": width, "height": 900})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: said.append(request.url) if not request.url.startswith("file:") else None)
    page.goto((build / "report.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = (
        "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1).length"
    )
    assert page.evaluate(outside) == 0
    assert page.locator("article.example").count() == 11
    assert said == []
    page.close()
