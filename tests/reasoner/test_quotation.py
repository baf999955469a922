"""Foreign words in our sentences."""

import pytest

from emollm.reasoner.quotation import excerpt, quoted
from emollm.types import Cue, CueKind, Extent, Scale, Source, Word

SOURCE = Source(backend="made", version="1", licence="MIT")


def said(text: str, start: float = 2.0, end: float = 6.0) -> Cue:
    return Cue(
        id="words.1", kind=CueKind.WORDS, name="said", scale=Scale.TEXT, text=text, start=start, end=end,
        extent=Extent.EVENT, source=SOURCE,
    )  # fmt: skip


def timed(text: str, start: float = 2.0, step: float = 0.1) -> list[Word]:
    pieces = enumerate(text.split())
    return [Word(text=word, start=start + k * step, end=start + (k + 1) * step, confidence=0.9) for k, word in pieces]


@pytest.mark.parametrize("text", ['a "b" c', "a “b” c", "a «b» c", "a „b” c", "a ＂b＂ c"])
def test_a_quotation_has_no_quotation_marks_of_its_own(text: str) -> None:
    assert quoted(text) == "a 'b' c"


def test_a_quotation_stays_on_one_line_and_shows_nothing_hidden() -> None:
    assert quoted("a\n\n b\u202e\u200b\tc\x00") == "a b c"


def test_a_quotation_is_cut() -> None:
    assert quoted("word " * 1000).endswith("…")
    assert len(quoted("word " * 1000, 50)) == 50


def test_few_words_are_told_whole_with_the_time_of_their_cue() -> None:
    assert excerpt(said("I am glad."), (), 20) == ("I am glad", 2.0, 6.0)


def test_many_words_are_cut_behind() -> None:
    found = excerpt(said("one two three four five"), (), 3)
    assert found == ("one two three …", 2.0, 6.0)


def test_many_words_are_cut_around_a_time() -> None:
    text = "one two three four five six seven"
    found = excerpt(said(text), timed(text), 3, around=2.35)
    assert found is not None
    assert found.text == "… three four five …"
    assert (round(found.start, 2), round(found.end, 2)) == (2.2, 2.5)


def test_words_at_the_edge_are_cut_on_one_side_only() -> None:
    text = "one two three four five"
    first, last = (excerpt(said(text), timed(text), 2, around=time) for time in (2.0, 9.0))
    assert first is not None
    assert last is not None
    assert (first.text, last.text) == ("one two …", "… four five")


@pytest.mark.parametrize("text", ["", "  \n", "…", '"', "?!"])
def test_nothing_readable_is_no_quotation(text: str) -> None:
    assert excerpt(said(text), (), 20) is None


def test_one_endless_word_is_cut_too() -> None:
    found = excerpt(said("a" * 5000), (), 20)
    assert found is not None
    assert len(found.text) <= 300
