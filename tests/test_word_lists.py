"""Lists in a cell, by whomever they were written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emollm.word_lists import join_list, split_list


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("['annoyed', 'tired', 'let down']", ["annoyed", "tired", "let down"]),
        ("[\"don't care\", 'sad']", ["don't care", "sad"]),
        ("['don't care', 'sad']", ["don't care", "sad"]),
        ("[annoyed, tired]", ["annoyed", "tired"]),
        ("annoyed，tired；sad", ["annoyed", "tired", "sad"]),
        ("['happy, but tired', 'happy, but tired']", ["happy, but tired"]),
        ("['cut off, 'sad", ["cut off", "sad"]),
        ("[]", []),
        ("  ", []),
        ("[__import__('os').system('true')]", ["__import__('os').system('true')"]),
    ],
)
def test_words_of_a_cell(cell: str, words: list[str]) -> None:
    assert split_list(cell) == words


@settings(max_examples=40, deadline=None)
@given(st.lists(st.from_regex(r"[a-z][a-z' -]{0,12}[a-z]", fullmatch=True), unique=True, max_size=5))
def test_a_printed_list_is_read_back(words: list[str]) -> None:
    assert split_list(join_list(words)) == words
