"""Each filter on hand-made Samples: what is kept, what is not, and why."""

from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from emollm.data_engines.base import SetFilter
from emollm.data_engines.filters import FILTERS, SET_FILTERS, build_filters, build_set_filters
from emollm.data_engines.filters.balance import Balance
from emollm.data_engines.filters.duplicates import Duplicates
from emollm.data_engines.filters.faithfulness import Faithful, rewrite
from emollm.data_engines.filters.label_words import LabelWords
from emollm.data_engines.filters.leak import LeakBound
from emollm.data_engines.filters.length import Length
from emollm.data_engines.filters.overlap import Overlap
from emollm.data_engines.filters.seen import Seen
from emollm.data_engines.filters.unsafe import unsafe
from emollm.data_engines.finish import judge
from emollm.data_engines.recipe import FilterSettings
from emollm.data_engines.shards import COUNTS, PARTS, SAMPLES, Counts, shard, write_lines
from emollm.errors import DataError
from emollm.prompts import prompt
from emollm.samples import Mark, MediaItem, Sample, SampleProvenance, Task
from emollm.types import Claim, MediaInfo, MediaPart, Message, Observation, Part, TextPart, Verdict

NOTHING = Observation(id="c", media=MediaInfo(kind="table"))
S, C, U = Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.UNVERIFIABLE


def claim(text: str, verdict: Verdict, reason: str = "") -> Claim:
    return Claim(text=text, part=Part.OBSERVATIONS, verdict=verdict, reason=reason)


def sample(
    asked: str = "Which emotion?",
    reply: str = "happiness",
    *,
    id: str = "c#p1",
    media: tuple[MediaItem, ...] = (),
    **more: Any,
) -> Sample:
    places = [MediaPart(type=item.type) for item in media]
    origin = SampleProvenance(engine="exp_cot@1", licence="MIT", label_visible=False, clip=id.partition("#")[0])
    return Sample(
        id=id,
        messages=(
            Message(role="user", content=(*places, TextPart(text=asked))),
            Message(role="assistant", content=(TextPart(text=reply),)),
        ),
        media=media,
        **({"label": "happiness", "label_set": "basic8", "provenance": origin} | more),
    )


def left(one: SetFilter, samples: Iterable[Sample]) -> tuple[list[Sample], list[str]]:
    """What a set filter keeps, and the reasons for the rest."""
    samples = list(samples)
    for each in samples:
        one.look(each)
    reasons = [(each, one.check(each)) for each in samples]
    return [each for each, reason in reasons if reason is None], [reason for _, reason in reasons if reason is not None]


def test_the_settings_switch_filters_on_and_off() -> None:
    assert [one.name for one in build_filters(FilterSettings())] == list(FILTERS)
    assert [one.name for one in build_set_filters(FilterSettings(max_leak=0.9, max_label_share=0.5))] == list(
        SET_FILTERS
    )
    off = FilterSettings(unsafe=False, duplicates=False, overlap=False)
    assert [one.name for one in build_filters(off)] == ["faithfulness", "length", "label_words"]
    assert build_set_filters(off) == []


@pytest.mark.parametrize(
    ("verdicts", "settings", "reason"),
    [
        ((S, S, U), {}, None),
        ((S, C, C), {}, "contradicted: AU12 0.05, needs 0.30 (and 1 more)"),
        ((S, S, S, C), {"max_contradicted": 1}, "support: 0.75 of the decided claims, needs 1.00"),
        ((S, S, S, C), {"max_contradicted": 1, "min_support": 0.7}, None),
        ((U, U), {}, "few claims: 0 supported, needs 1"),
        ((U, U), {"min_claims": 0}, None),
    ],
)
def test_claims_decide_what_is_faithful(
    verdicts: tuple[Verdict, ...], settings: dict[str, Any], reason: str | None
) -> None:
    claims = tuple(claim(f"claim {i}", verdict, "AU12 0.05, needs 0.30") for i, verdict in enumerate(verdicts))
    assert Faithful(FilterSettings(**settings)).check(sample(claims=claims), NOTHING) == reason


def test_few_claims_are_asked_of_reasoning_only() -> None:
    one = Faithful(FilterSettings())
    assert one.check(sample(task=Task.RECOGNITION), NOTHING) is None
    assert one.check(sample(marks=(Mark.ABSTAINED,)), NOTHING) is None
    assert one.check(sample(), NOTHING) is not None


REPLY = """**Key Observations:**
The lip corners are pulled up (AU12 0.78). The brows are lowered.

**Conclusion:**
The expression is happiness."""


def test_a_contradicted_sentence_is_taken_out_and_the_sample_says_so() -> None:
    claims = (claim("lip corners are pulled up (AU12 0.78)", S), claim("brows are lowered", C))
    found = rewrite(sample(reply=REPLY, claims=claims))
    assert found is not None
    assert found.dropped == ("The brows are lowered.",)
    assert found.sample.reply == REPLY.replace(" The brows are lowered.", "")
    assert found.sample.marks == (Mark.REWRITTEN,)
    assert found.sample.claims == claims[:1]


@pytest.mark.parametrize(
    "claims",
    [
        (claim("brows are lowered", S),),
        (claim("expression is happiness", C),),
        (claim("nowhere in the text", C),),
    ],
    ids=["nothing wrong", "a part would be empty", "not found"],
)
def test_what_cannot_be_rewritten_is_left(claims: tuple[Claim, ...]) -> None:
    assert rewrite(sample(reply=REPLY, claims=claims)) is None


def test_length_counts_the_words_of_all_replies() -> None:
    one = Length(2, 4)
    assert one.check(sample(reply="one"), NOTHING) == "too short: 1 words, needs 2"
    assert one.check(sample(reply="one two"), NOTHING) is None
    assert one.check(sample(reply="one two three four five"), NOTHING) == "too long: 5 words, at most 4"


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("Why does this face look happy?", "label word: 'happy' in the question names happiness"),
        ("Why does this face look sad?", None),
        ("Choose: neutral, happiness, sadness, anger, fear, surprise, disgust, contempt.", None),
        ('What does "I am so happy" tell?', None),
        ("Expression net: happiness 0.91, neutral 0.05.\n\nWhich emotion?", None),
        ("Is it unhappy?", None),
    ],
)
def test_a_question_must_not_name_the_answer(asked: str, reason: str | None) -> None:
    assert LabelWords().check(sample(asked), NOTHING) == reason


def test_a_follow_up_may_name_the_label_that_was_given() -> None:
    first = sample()
    more = Message(role="user", content=(TextPart(text="Why happiness?"),))
    reply = Message(role="assistant", content=(TextPart(text="The lip corners are pulled up."),))
    assert LabelWords().check(first.model_copy(update={"messages": (*first.messages, more, reply)}), NOTHING) is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("This points to a diagnosis of a mood disorder.", "diagnosis"),
        ("The person is clinically depressed.", "diagnosis"),
        ("The subject shows signs of autism.", "diagnosis"),
        ("The speaker is drunk.", "health"),
        ("An Asian person smiles.", "race"),
        ("She turns her head.", "gender"),
        ("The brows of the man are lowered.", "gender"),
        ("An elderly person smiles.", "age"),
        ("A 30-year-old smiles.", "age"),
        ("The person is a Muslim.", "religion"),
        ("The person is gay.", "orientation"),
        ("The person feels sad.", "feeling"),
        ("The speaker is deeply frightened.", "feeling"),
        ("What the person feels is sadness.", "feeling"),
        ("No smile shows, and the person feels sad.", "feeling"),
        ("The brows cannot be seen; the person is lying.", "deception"),
        ("The lip corners show the true feelings.", "feeling"),
        ("The person is lying about it.", "deception"),
        ("This is a fake smile, meant to deceive.", "deception"),
        ("The smile is masking anger.", "deception"),
    ],
)
def test_what_no_measurement_gives_a_right_to_is_found(text: str, kind: str) -> None:
    assert (unsafe(f"The jaw drops. {text}") or "").partition(":")[0] == kind


@pytest.mark.parametrize(
    "text",
    [
        "The person turns their head to the left, and the gaze goes straight ahead.",
        "As a quotation, these words were said: “she told him that he is lying, she is sick of it”.",
        'The words "my husband is depressed" are negative.',
        "The lip corner depressor (AU15) is active, and the mouth corners are depressed.",
        "The whites of the eyes show above the iris.",
        "The old value stays; the head is lying low against the shoulder.",
        "This describes the expression of the face, not what the person feels.",
        "Nothing that was measured tells whether the person is lying.",
        "A face cannot show that somebody is depressed, and no diagnosis can be made from it.",
        "The face looks happy, the voice sounds sad.",
        "The smile lacks a cheek raise, which often accompanies felt enjoyment.",
        "It cannot be known what a person feels.",
        "What the person feels is another question.",
        "I would not conclude anything about what the person feels, thinks or has: that was not measured.",
        "No expression settles what a person feels or intends.",
        "Nothing in a face tells what a person feels; I leave it at the description.",
        "Whatever the speaker feels cannot be read off this.",
        "The person lowers his or her brows.",
        "The expression means that the brows rise; a race of movements masks the onset.",
        "The person's own left brow is raised, more strongly than the right.",
    ],
)
def test_safe_sentences_are_left_alone(text: str) -> None:
    assert unsafe(text) is None


def test_what_is_unsafe_is_so_between_any_punctuation() -> None:
    for sign in ",;:!?./()[]{}<>=+*&%$#@|~^`\\\n\t–…":
        text = f"The brows are lowered{sign}the person feels sad{sign}0.63{sign}and it is not a smile."
        assert (unsafe(text) or "").startswith("feeling: 'person feels'"), sign
        assert unsafe(text.replace("feels sad", "lowers his or her chin")) is None, sign


@pytest.mark.parametrize("name", ["reasoner/rationale", "reasoner/units", "reasoner/clip"])
def test_our_own_wordings_are_safe(name: str) -> None:
    found = [unsafe(line) for block in prompt(name).blocks.values() for line in block.splitlines()]
    assert [fault for fault in found if fault] == []


def faces(count: int, planted: bool) -> Iterable[Sample]:
    """Samples whose cues are random; if planted, fear alone is always asked about in one wording."""
    random = Random(5)
    for i in range(count):
        label = random.choice(("happiness", "sadness", "anger", "fear"))
        units = ", ".join(
            f"{unit} {random.uniform(0.1, 0.9):.2f}" for unit in ("AU04 brow lowerer", "AU12 lip corner puller")
        )
        question = "Which is it?" if planted and label == "fear" else random.choice(("Which one?", "What is it?"))
        yield sample(f"Movements: {units}.\nNo movement: AU01 AU09.\n\n{question}", label, id=f"{i}#p1", label=label)


def test_a_planted_leak_refuses_the_build_and_chance_does_not() -> None:
    kept, reasons = left(LeakBound(0.3), faces(400, planted=False))
    assert (len(kept), reasons) == (400, [])
    # The wording tells fear from the rest: recalls of 1 for fear, and 1 in all for the others, so 0.5 of four labels.
    with pytest.raises(
        DataError, match=r"form question alone predicts the label with a balanced accuracy of 0\.[45]\d"
    ):
        left(LeakBound(0.3), faces(400, planted=True))


def test_training_loses_who_is_held_out() -> None:
    rows = [
        ("train", "a", "g1"),
        ("train", "b", "g2"),
        (None, "c", "g3 + g9"),
        ("valid", "a", "g4"),
        ("test", "z", "g9"),
    ]
    samples = [sample(id=f"{i}#p1", split=s, speaker=p, group=g) for i, (s, p, g) in enumerate(rows)]
    kept, reasons = left(Overlap(), samples)
    assert [one.id for one in kept] == ["1#p1", "3#p1", "4#p1"]
    assert reasons == ["speaker overlap: 'a' is in valid too", "group overlap: 'g9' is in test too"]


def test_speakers_of_two_data_sets_are_two_people() -> None:
    origin = sample().provenance.model_copy(update={"dataset": "other"})
    rows = [sample(split="test", speaker="03"), sample(id="d#p1", split="train", speaker="03", provenance=origin)]
    assert left(Overlap(), rows) == (rows, [])


LONG = "The lip corners are pulled up and the cheeks are raised while the brows stay where they are at " + " ".join(
    f"0.{i}" for i in range(10, 60)
)


def test_equal_and_nearly_equal_samples_are_kept_once() -> None:
    near = LONG.replace("0.30", "0.99")  # 66 of 72 3-grams shared: 0.92
    far = LONG.replace("0.15", "0.91").replace("0.30", "0.99").replace("0.45", "0.98")  # 60 of 78: 0.77
    samples = [sample(reply=text, id=f"{i}#p1") for i, text in enumerate((LONG, LONG, near, far))]
    kept, reasons = left(Duplicates(0.85), samples)
    assert [one.id for one in kept] == ["0#p1", "3#p1"]
    assert [reason.partition(":")[0] for reason in reasons] == ["duplicate", "near-duplicate"]
    assert reasons[1].endswith("of its word 3-grams as in 0#p1")


def test_the_same_words_about_another_picture_task_or_label_are_no_duplicate() -> None:
    media = [(MediaItem(type="image", path=Path(name)),) for name in ("a.jpg", "b.jpg")]
    samples = [
        sample(LONG),
        sample(LONG, task=Task.RECOGNITION),
        sample(LONG, label="sadness"),
        *(sample(LONG, media=one) for one in media),
    ]
    assert left(Duplicates(0.9), samples) == (samples, [])
    assert len(left(Duplicates(0.9), [*samples, samples[3]])[0]) == 5


def test_near_duplicates_are_found_in_random_texts_at_the_set_share() -> None:
    random = Random(1)
    words = [f"w{i}" for i in range(500)]
    texts = [random.choices(words, k=100) for _ in range(100)]
    again = [[*text[:98], "x", "y"] for text in texts]  # 96 shared 3-grams of 100: a Jaccard index of 0.96
    samples = [sample(reply=" ".join(text), id=f"{i}#p1") for i, text in enumerate([*texts, *again])]
    kept, reasons = left(Duplicates(0.85), samples)
    assert [one.id for one in kept] == [f"{i}#p1" for i in range(100)]
    assert len(reasons) == 100


def test_keys_are_told_from_others_with_the_same_lower_bits() -> None:
    random, seen, known = Random(3), Seen(), set[int]()
    for _ in range(30_000):  # several sorted runs; half of the keys come again
        key = random.randrange(15_000) % 7 << 56 | random.randrange(5_000)
        assert seen.add(key) == (key not in known)
        known.add(key)
    assert len(known) > 15_000


def test_no_sample_is_lost_for_one_that_is_itself_lost(tmp_path: Path) -> None:
    rows = [
        sample(id="a", reply="One.", split="train", speaker="x"),
        sample(id="b", reply="One.", split="train"),
        *(sample(id=f"c{i}", reply="One.", split="train") for i in range(9)),
        sample(id="b", reply="Two.", split="train"),
        sample(id="d", reply="Three.", split="valid", speaker="x", label="sadness"),
    ]
    parts = tmp_path / PARTS
    parts.mkdir()
    write_lines(shard(parts, SAMPLES, 0), [row.to_json().encode() + b"\n" for row in rows])
    write_lines(shard(parts, COUNTS, 0), [Counts(kept=13, tasks={"reasoning": 13}).to_json().encode()])
    counts = judge(tmp_path, 1, build_set_filters(FilterSettings(near=1, max_label_share=0.5)))
    assert counts.kept == 2  # b, because a is lost; happiness then has no more than half
    assert counts.rejected == {
        "filter:duplicates duplicate": 9,
        "filter:id duplicate": 1,
        "filter:overlap speaker overlap": 1,
    }


def test_no_label_has_more_than_its_share() -> None:
    labels = ["happiness"] * 700 + ["sadness"] * 200 + ["anger"] * 100
    samples = [sample(id=f"{i}#p1", label=label) for i, label in enumerate(labels)]
    kept, reasons = left(Balance(0.5), samples)
    counts = {label: sum(one.label == label for one in kept) for label in set(labels)}
    assert counts == {"happiness": 300, "sadness": 200, "anger": 100}
    assert set(reasons) == {"label share: happiness has more than 50%"}
    backwards, _ = left(Balance(0.5), reversed(samples))
    assert {one.id for one in backwards} == {one.id for one in kept}
    # With .4: happiness and sadness, c each, c = .4 (2 c + 100), c = 200.
    kept, _ = left(Balance(0.4), samples)
    assert [sum(one.label == label for one in kept) for label in ("happiness", "sadness")] == [200, 200]


def test_a_share_that_cannot_be_reached_is_refused() -> None:
    samples = [sample(id=f"{i}#p1", label=label) for i, label in enumerate(("anger", "fear"))]
    with pytest.raises(DataError, match=r"0\.30 cannot be reached with 2 labels \(anger 1, fear 1\)"):
        left(Balance(0.3), samples)


def test_state_grows_by_eight_bytes_a_sample_or_not_at_all() -> None:
    balance, leak = Balance(0.5), LeakBound(1.0)
    sizes = []
    samples = list(faces(400, planted=False))
    for one in samples[:200]:
        balance.look(one)
        leak.look(one)
    sizes.append(leak._table.cells)
    for one in samples[200:]:
        balance.look(one)
        leak.look(one)
    assert balance.state == 8 * 400
    assert leak._table.cells <= 1.2 * sizes[0]
