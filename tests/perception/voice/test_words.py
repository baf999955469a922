from pathlib import Path

import pytest

from emollm.errors import ConfigError, ModelError
from emollm.perception.voice.polarity import polarity
from emollm.perception.voice.settings import BeliefSettings
from emollm.perception.voice.wording import SCALES, describe
from emollm.perception.voice.words import open_recogniser, plain, repeats_itself, said_first, sentences
from emollm.types import Word


def said(text: str, start: float, gap: float = 0.0) -> list[Word]:
    """One word each half second."""
    return [
        Word(text=word, start=start + index / 2, end=start + index / 2 + 0.5 - gap, confidence=0.9)
        for index, word in enumerate(text.split())
    ]


def texts(*segments: list[Word], spans: tuple[tuple[float, float], ...] = ((0.0, 60.0),)) -> list[str]:
    return [sentence.text for sentence in sentences(segments, spans)]


def test_sentences_end_at_full_stops_whatever_the_segments_are() -> None:
    assert texts(said("I went. I came", 0), said("back! Why?", 2)) == ["I went.", "I came back!", "Why?"]


def test_a_segment_ends_a_sentence_where_there_is_a_pause() -> None:
    parts = said("ask not", 0), said("ask what", 2)
    assert texts(*parts, spans=((0.0, 1.0), (1.6, 3.0))) == ["ask not", "ask what"]


def test_a_long_silence_ends_a_sentence() -> None:
    assert texts([*said("and", 0), *said("then", 2.0)]) == ["and", "then"]


def test_control_characters_are_taken_out_of_words() -> None:
    assert plain(" a\x1b[31mb\u202ec\n\td\ue000 ") == "a [31mb c d"
    assert plain("\u200b\x00") == ""


def test_loops_of_the_recogniser_are_told_from_people_who_say_a_thing_twice() -> None:
    assert repeats_itself(["Thank", "you", "very", "much,"] * 5)
    assert repeats_itself(["well", *["no,"] * 12])
    assert repeats_itself(["ha" * 30])
    assert not repeats_itself(["no", "no", "no", "no", "I", "said", "no"])
    assert not repeats_itself(["ask", "what", "you", "can", "do", "for", "your", "country"] * 3)


def test_what_is_written_again_is_known_from_what_is_written_first() -> None:
    text = "they're not weak. They're not, weak. This is a myth. That is a myth, too."
    expected = "they're not weak. This is a myth. That too."
    words = text.split()
    assert [word for word, first in zip(words, said_first(words), strict=True) if first] == expected.split()


def test_what_is_no_repetition_counts() -> None:
    for text in ("", "no", "no, no, no, no!", "ask not what your country can do for you"):
        assert all(said_first(text.split()))


def test_long_turns_need_less() -> None:
    belief = BeliefSettings()
    assert belief.needed(belief.long - 1) > belief.needed(belief.long)


@pytest.mark.parametrize(
    ("text", "sign"),
    [("I hate this terrible day.", -1), ("What a wonderful surprise!", 1), ("The table is there.", None)],
)
def test_polarity_is_of_words_that_have_one(text: str, sign: int | None) -> None:
    found = polarity(text)
    assert found is None if sign is None else found is not None and found * sign > 0.3


def test_values_in_the_middle_have_no_word() -> None:
    assert [describe("speech_rate", value) for value in (2.0, 4.2, 7.0)] == ["slow", None, "fast"]
    assert [describe("f0_sd", value) for value in (1.0, 2.5, 5.0)] == ["monotonous", None, "lively"]
    assert [describe("pause_share", value) for value in (0.0, 0.5)] == [None, "halting"]
    assert describe("f0_median", 100.0) is None
    assert all(bounds.low < bounds.high for bounds in SCALES.values())


def test_an_unknown_recogniser_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown recogniser 'whisper-tiny'.*whisper-tiny\.en.*or give a folder"):
        open_recogniser("whisper-tiny", 1)
    with pytest.raises(ModelError, match=r"has no model\.bin"):
        open_recogniser(str(tmp_path), 1)
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ModelError, match="cannot be opened as a Whisper model"):
        open_recogniser(str(tmp_path), 1)


def test_none_is_no_recogniser() -> None:
    assert open_recogniser("none", 1) is None
