"""The look at other domains, with a tiny model that is never asked: nobody is in the pictures."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from emollm.emotions import label_set
from emollm.errors import DataError
from emollm.eval.emollm_135m_asking import Answers
from emollm.eval.emollm_135m_domains import Look, answered, domains, page
from emollm.eval.emollm_135m_proof import Proof, Sizes
from emollm.eval.emollm_135m_scores import Row
from emollm.modeling.tiny import tiny
from emollm.types import Box, Cue, CueKind, Face, MediaInfo, Observation, Scale, Source, Track

GIVEN = Source(backend="invented", version="1", licence="CC0-1.0")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    made = tiny("smollm", ("face", "speech"))
    made.model.save_pretrained(folder)
    made.processor.save_pretrained(folder)
    return folder


@pytest.fixture
def run(model: Path, tmp_path: Path) -> Callable[..., list[Row]]:
    """Measures pictures of nobody by a table of them; what is to be no picture is none."""
    images = tmp_path / "sfhq" / "img"
    images.mkdir(parents=True)
    for name in "ab":
        Image.new("RGB", (64, 64), "grey").save(images / f"{name}.png")
    (images / "broken.png").write_text("no picture")

    def made(table: str, limit: int | None = None) -> list[Row]:
        (tmp_path / "sfhq" / "labels.csv").write_text(table)
        with Answers(tmp_path / "out") as answers:
            return domains(Proof(tmp_path, tmp_path, str(model), answers, Sizes(limit)))

    return made


def test_a_picture_without_a_face_counts_as_unanswered_and_a_broken_one_is_left_out(
    run: Callable[..., list[Row]], tmp_path: Path
) -> None:
    rows = run("file,query,label7\na.png,very glad,happy\nbroken.png,sad,sad\nb.png,smug,\ngone.png,sad,sad\n")
    accuracy = next(one for one in rows if one.metric == "accuracy")
    assert (accuracy.value, accuracy.n) == (0.0, 1)
    assert all("2 of 4 files cannot be read and are left out" in one.note for one in rows)
    (file,) = (tmp_path / "out").glob("domains-tiny@*.md")
    text = file.read_text()
    assert "| a | very glad | happiness | – | wrong | 0/0/0 |" in text
    assert "| b | smug | – | – |  | 0/0/0 |" in text
    assert "Nothing was measured." in text
    assert all(f"{name}: " in text for name in ("broken.png", "gone.png"))


def test_items_without_a_label_that_counts_give_no_accuracy(
    run: Callable[..., list[Row]], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = run("file,query,label7\nb.png,smug,\na.png,very glad,happy\n", limit=1)
    assert [one.metric for one in rows] == ["supported share"]
    assert "SFHQ faces: none of 1 items has a label that counts" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("file,query\na.png,glad\n", "labels.csv: lacks the column label7"),
        ("file,query,label7\na.png\n", r"labels.csv:2: expected a file, a label or nothing, and a query"),
    ],
)
def test_another_table_is_refused_with_its_place(run: Callable[..., list[Row]], table: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        run(table)


def test_the_page_of_a_domain_says_what_of_an_answer_is_not_so() -> None:
    cue = Cue(
        id="p1.AU12", kind=CueKind.ACTION_UNIT, name="AU12", scale=Scale.INTENSITY, value=0.9, track="p1", source=GIVEN
    )
    face = Face(box=Box(x=4, y=4, width=30, height=30), confidence=0.9)
    track = Track(id="p1", faces=(face,), prominence=1.0)
    seen = Observation(id="a", media=MediaInfo(kind="image"), tracks=(track,), cues=(cue,))
    reply = (
        "**Key Observations:**\nThe lip corners are pulled up (AU12 0.90). The lip corner puller is absent.\n\n"
        "**Overall Emotional Interpretation:**\nBoth cannot be.\n\n**Conclusion:**\nThis is happiness."
    )
    read = answered(label_set("basic8"), Look(Path("a.png"), "happiness", "glad"), seen, reply)
    told = page("Faces", [read])
    assert "| a | glad | happiness | happiness | right | 1/1/0 |" in told
    assert "- not so: “lip corner puller is absent” (AU12 0.90, needs below 0.10)" in told
