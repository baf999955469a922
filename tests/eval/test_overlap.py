"""Clue and label overlap on descriptions and wheels that were invented for these tests."""

import re
import zlib
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from emollm.eval.overlap import Descriptions, Overlap, minilm, overlap
from emollm.eval.overlap_claims import ClauseReader
from emollm.eval.overlap_labels import Likeness
from emollm.eval.scoring_words import Finder
from emollm.metrics.bootstrap import value
from emollm.metrics.report import measured
from emollm.metrics.wheels import WHEELS, Vocabulary, read

WHEEL = """level1,level2,level3
angry,annoyed,irritated
,furious,
happy,joyful,excited
,proud,content
sad,disappointed,sorrowful
,lonely,
,guilty,desperate
scared,nervous,worried
,afraid,anxious
surprised,astonished,
disgusted,repelled,contemptuous
,contempt,
"""
HALF = "level1,level2,level3\nangry,furious,irritated\nhappy,joyful,excited\n"
"""Knows few words, and none of fear."""
_WORD = re.compile(r"[a-z]+")
_SMALL = re.compile(r"a|an|and|are|as|at|can|he|her|him|his|in|is|it|of|on|one|she|that|the|there|they|to|with")
PAIRS = (
    (
        'In the video the man lowers his brows and presses his lips together. His voice is loud and his speech is fast. He says "I told you twice already", which shows that he has lost patience. He is angry and annoyed.',
        'His eyebrows are pulled down and his lips are pressed tightly. He speaks loudly and quickly. The words "I told you twice already" suggest that his patience is at an end, so he feels irritated.',
    ),
    (
        "The woman smiles broadly and her cheeks are raised. She laughs while she hugs the dog. Her voice is high and lively. She is happy and excited.",
        "A wide smile with raised cheeks can be seen. She holds the dog in her arms and laughs. The pitch of her voice is high. The emotion is joy.",
    ),
    (
        'The boy looks down and the corners of his mouth are pulled down. He speaks softly and slowly with long pauses. The subtitle says "Nobody came to the party". He feels sad and lonely.',
        'The corners of the boy\'s mouth turn down and his gaze is lowered. He talks slowly in a low voice and pauses often. From "Nobody came to the party" one can tell that he is disappointed and sorrowful.',
    ),
    (
        'Her eyes are wide open and her jaw drops. She raises her brows. She shouts "You sold the house?", and her pitch rises at the end. She is surprised.',
        'She opens her eyes wide, her eyebrows go up and her mouth falls open. With a rising tone she asks "You sold the house?". She is astonished.',
    ),
    (
        "The man stares into the dark corridor with his eyes wide open, and his lips are stretched. His voice trembles. He steps back from the door. He is afraid.",
        "He moves away from the door. His eyes are widened and his lips are stretched sideways. There is a tremor in his voice. He seems scared and nervous.",
    ),
    (
        'He wrinkles his nose and raises his upper lip as he opens the fridge. He turns his head away. "This smells rotten", he says. He is disgusted.',
        "On opening the refrigerator his nose is wrinkled and the upper lip is lifted. He turns his head to the side. He is repelled by the smell.",
    ),
    (
        "The girl taps her foot and bites her lip in the waiting room. She speaks fast and hesitates. She asks how long the exam takes. She is worried and nervous.",
        "In a waiting room a girl chews her lip. Her speech is quick with hesitations. She wants to know how long the exam will take, and she is anxious.",
    ),
    (
        "The old man nods slowly and smiles slightly. His tone is calm and his speech is slow. He tells his son that he has done well. He is proud and content.",
        "There is a slight smile. He speaks slowly and calmly, nodding at his son. He praises what his son has done. He feels proud.",
    ),
    (
        'She rolls her eyes and one corner of her mouth is raised. She says "Of course you did" in a flat voice. She is contemptuous of her colleague.',
        'One mouth corner goes up while she rolls her eyes. Her voice is monotonous when she says "Of course you did". She looks down on her colleague with contempt.',
    ),
    (
        "The player covers his face with both hands after the match and his shoulders drop. He sobs. He says that he let the team down. He feels guilty and desperate.",
        "After the game his shoulders sink and he hides his face in his hands. He is crying. He blames himself for losing. The emotions are guilt and despair.",
    ),
)
"""Reference and answer that says the same in other words."""


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    folder = tmp_path_factory.mktemp("wheels")
    words = sorted(set(_WORD.findall(WHEEL)) - {"level"})
    (folder / "format.csv").write_text("name,format\nangry,angrily\n" + "".join(f"{one},{one}\n" for one in words))
    (folder / "synonym.csv").write_text("word,synonym\n" + "".join(f"{one},\n" for one in words))
    for name in WHEELS:
        (folder / f"{name}.csv").write_text(HALF if name == "wheel5" else WHEEL)
    return read(folder, "invented")


def by_words(sentences: Sequence[str]) -> NDArray[np.floating]:
    """Sentences are alike by the beginnings of words that they share."""
    out = np.zeros((len(sentences), 4096))
    for row, sentence in zip(out, sentences, strict=True):
        for word in _WORD.findall(sentence.lower()):
            row[zlib.crc32(word[:5].encode()) % 4096] += _SMALL.fullmatch(word) is None
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)


def numbers(found: Overlap) -> dict[str, float]:
    return {name: value(one.statistic, len(found.clues.gold)) for name, one in found.measures().items()}


def of_one(gold: str, said: str, vocabulary: Vocabulary) -> dict[str, float]:
    return numbers(overlap([Descriptions(gold, said)], by_words, vocabulary))


# ---- words ----------------------------------------------------------------------------------------------------------


def test_words_are_alike_by_meaning_and_else_by_the_rings_of_the_wheels(vocabulary: Vocabulary) -> None:
    likeness = Likeness(vocabulary)
    assert likeness.of("joy", "happiness") == likeness.of("angrily", "angry") == 1
    # On four wheels both rings are the same; the fifth has only one of the two, in no cluster of the other.
    assert likeness.of("annoyed", "irritated") == pytest.approx(4 / 5)
    assert likeness.of("worried", "anxious") == 0.5  # the inner ring on all four that have them
    assert likeness.of("lonely", "excited") == likeness.of("unheard", "angry") == 0


def test_each_word_is_paired_once(vocabulary: Vocabulary) -> None:
    assert Likeness(vocabulary).shared(("worried", "anxious"), ("worried", "worried")) == pytest.approx(1.5)
    pairs = [Descriptions("", "", ("angry", "lonely"), ("angrily",)), Descriptions("", "", ("lonely",), ())]
    found = numbers(overlap(pairs, by_words, vocabulary))
    assert (found["label_precision"], found["label_recall"]) == (0.5, 0.25)
    assert found["label_f1"] == pytest.approx((2 / 3 + 0) / 2)
    assert found["label_score"] == pytest.approx(1 + 9 / 3)


# ---- claims ---------------------------------------------------------------------------------------------------------


def test_a_description_is_taken_apart_and_its_quotations_are_not(vocabulary: Vocabulary) -> None:
    text = 'The man lowers his brows and presses his lips. He shouts "Stop, now; because I said so!", which suggests that he is angry.'
    found = ClauseReader(Finder(vocabulary)).read(text)
    assert [clause.text for clause in found] == [
        "The man lowers his brows",
        "presses his lips",
        'He shouts "Stop, now; because I said so!"',
        "he is angry",
    ]
    assert [sorted(clause.kinds) for clause in found] == [["face"], ["face"], ["voice", "words"], ["emotion"]]
    assert found[3].feelings == ("angry",)


def test_what_is_read_counts_and_not_the_words(vocabulary: Vocabulary) -> None:
    gold = "The corners of his mouth are raised."
    same = of_one(gold, "He smiles.", vocabulary)
    other = of_one(gold, "The corners of his mouth are lowered.", vocabulary)
    denied = of_one(gold, "The corners of his mouth are not raised.", vocabulary)
    assert (same["clue_f1"], other["clue_f1"], denied["clue_f1"]) == (1, 0, 0)
    assert of_one("He is angry.", "He is happy.", vocabulary)["clue_f1"] == 0
    assert of_one("He is angry.", "He is not angry.", vocabulary)["clue_f1"] == 0
    assert of_one("She is not angry.", "She isn't irritated.", vocabulary)["clue_f1"] == 1


def test_headings_are_no_claims(vocabulary: Vocabulary) -> None:
    text = "He is angry.\n\n**Key Observations:**\nHe smiles.\n\n**Conclusion:** He is happy."
    found = ClauseReader(Finder(vocabulary)).read(text)
    assert [clause.text for clause in found] == ["He is angry", "He smiles", "He is happy"]


def test_claims_that_say_too_much_cost_precision_and_those_left_out_recall(vocabulary: Vocabulary) -> None:
    gold = "The brows are lowered. The lips are pressed together."
    more = of_one(gold, gold + " The eyes are wide open. The nose is wrinkled.", vocabulary)
    assert (more["clue_precision"], more["clue_recall"]) == (0.5, 1)
    less = of_one(gold, "The brows are lowered. The brows are pulled down. The brow is lowered.", vocabulary)
    assert (less["clue_precision"], less["clue_recall"]) == (pytest.approx(1 / 3), 0.5)
    assert less["clue_f1"] == pytest.approx(0.4)


def test_an_answer_that_cannot_be_read_shares_nothing_and_such_a_reference_is_left_out(vocabulary: Vocabulary) -> None:
    pairs = [
        Descriptions("He smiles. He is happy.", ""),
        Descriptions("He smiles. He is happy.", "他微笑着，看起来很高兴。"),
        Descriptions("他微笑着，看起来很高兴。", "He smiles. He is happy."),
        Descriptions("He smiles. He is happy.", "He smiles. He is happy."),
    ]
    found = numbers(overlap(pairs, by_words, vocabulary))
    assert found["clue_f1"] == found["label_f1"] == pytest.approx(1 / 3)


# ---- whole descriptions ---------------------------------------------------------------------------------------------


def test_references_of_other_clips_score_far_lower(vocabulary: Vocabulary) -> None:
    found = overlap([Descriptions(*pair) for pair in PAIRS], by_words, vocabulary)
    right = numbers(found)
    shifted = [Descriptions(gold, PAIRS[k - 3][1]) for k, (gold, _) in enumerate(PAIRS)]
    wrong = numbers(overlap(shifted, by_words, vocabulary))
    assert right["clue_f1"] > 0.5 > 0.15 > wrong["clue_f1"]
    assert right["label_f1"] > 0.5 > 0.15 > wrong["label_f1"]
    for name in ("clue_f1", "label_f1"):
        floor = found.measures()[name].floor
        assert floor is not None
        assert floor < right[name] / 4
    assert 1 <= wrong["clue_score"] < right["clue_score"] <= 10


def test_the_more_of_an_answer_is_right_the_higher_it_scores(vocabulary: Vocabulary) -> None:
    def mixed(k: int, right: float) -> str:
        own, other = (re.split(r"(?<=\.) ", PAIRS[j][1]) for j in (k, k - 3))
        kept = round(len(own) * right)
        return " ".join([*own[:kept], *other[kept:]])

    scores = [
        [
            one.clues.scores[0]
            for one in (overlap([Descriptions(gold, mixed(k, share))], by_words, vocabulary) for share in (1, 0.5, 0))
        ]
        for k, (gold, _) in enumerate(PAIRS)
    ]
    means = np.array(scores, np.float64).mean(0)
    assert means[0] > means[1] + 1 > means[2] + 2


def test_the_same_words_for_every_clip_do_not_win(vocabulary: Vocabulary) -> None:
    blind = "The man is angry, sad, happy and worried. He frowns and smiles. His voice is loud. He looks down."
    constant = numbers(overlap([Descriptions(gold, blind) for gold, _ in PAIRS], by_words, vocabulary))
    right = numbers(overlap([Descriptions(*pair) for pair in PAIRS], by_words, vocabulary))
    assert constant["clue_f1"] < right["clue_f1"] / 2
    assert constant["label_f1"] < right["label_f1"] / 1.5


def test_a_report_gives_clues_with_intervals(vocabulary: Vocabulary) -> None:
    measures = overlap([Descriptions(*pair) for pair in PAIRS], by_words, vocabulary).measures()
    assert {name for name in measures if name.startswith("clue")} == {
        "clue_f1",
        "clue_precision",
        "clue_recall",
        "clue_score",
    }
    found = measured(measures, len(PAIRS), resamples=100)["clue_score"]
    assert found.value is not None
    assert found.ci is not None
    assert found.floor is not None
    assert 1 < found.floor < found.ci[0] < found.value < found.ci[1] <= 10


@pytest.mark.slow
def test_with_the_real_sentence_encoder_other_references_score_far_lower(vocabulary: Vocabulary) -> None:
    embed, name = minilm()
    assert name.startswith("minilm-l6-v2@")
    found = overlap([Descriptions(*pair) for pair in PAIRS], embed, vocabulary)
    right, floor = numbers(found)["clue_f1"], found.measures()["clue_f1"].floor
    assert floor is not None
    assert right > 0.6 > 0.15 > floor
