"""Times in English: which words are read as one, and which numbers are none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emollm.evidence.times import LOOSE, Moment, When, masked, moments


def read(text: str) -> list[Moment]:
    return [one for one in moments(text, 0, len(text)) if one.when is not When.NONE]


@pytest.mark.parametrize(
    ("text", "when", "first", "last"),
    [
        ("at 3.4 s", When.AT, 3.4, 3.4),
        ("at .5 s", When.AT, 0.5, 0.5),
        ("at 340 ms", When.AT, 0.34, 0.34),
        ("at 2 minutes", When.AT, 120, 120),
        ("at three seconds", When.AT, 3, 3),
        ("at the 3-second mark", When.AT, 3, 3),
        ("at 0:03.5", When.AT, 3.5, 3.5),
        ("3 seconds into the clip", When.AT, 3, 3),
        ("from 2.1 to 5.0 s", When.SPAN, 2.1, 5),
        ("from 2.1 s until 5.0 s", When.SPAN, 2.1, 5),
        ("From second 2 to second 5", When.SPAN, 2, 5),
        ("(2.1–5.0 s)", When.SPAN, 2.1, 5),
        ("2.1–5.0 s:", When.DURING, 2.1, 5),
        ("between 2 and 4 seconds", When.DURING, 2, 4),
        ("in the first 2 seconds", When.DURING, 0, 2),
        ("in the third second", When.DURING, 2, 3),
        ("before 2 s", When.BEFORE, 0, 2),
        ("until 2 s", When.BEFORE, 0, 2),
        ("most at 3.4 s", When.APEX, 3.4, 3.4),
        ("is strongest at 3.4 s", When.APEX, 3.4, 3.4),
        ("peaks at 3.4 s", When.APEX, 3.4, 3.4),
        ("reaches its peak at 3.4 s", When.APEX, 3.4, 3.4),
        ("for 0.8 s", When.DURATION, 0.8, 0.8),
        ("lasts 0.8 seconds", When.DURATION, 0.8, 0.8),
        ("for half a second", When.DURATION, 0.5, 0.5),
        ("a 2-second pause", When.DURATION, 2, 2),
        ("(0.8 s)", When.BARE, 0.8, 0.8),
    ],
)
def test_seconds_are_read(text: str, when: When, first: float, last: float) -> None:
    (moment,) = read(text)
    assert (moment.when, moment.first, moment.last) == (when, pytest.approx(first), pytest.approx(last))


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("after 3 s", (3, 10)),
        ("since 3 s", (3, 10)),
        ("from 3 s onwards", (3, 10)),
        ("in the first half", (0, 5)),
        ("in the second half of the clip", (5, 10)),
        ("in the last third", (20 / 3, 10)),
        ("at the beginning", (0, 2)),
        ("at the start of the video", (0, 2)),
        ("initially", (0, 2)),
        ("at the end", (8, 10)),
        ("at the end of the recording", (8, 10)),
        ("towards the end of the recording", (7, 10)),
        ("in the last 2 seconds", (8, 10)),
        ("around second 3", (3 - LOOSE, 3 + LOOSE)),
        ("at about 3 s", (3 - LOOSE, 3 + LOOSE)),
        ("at 0:03", (3, 3.99)),
    ],
)
def test_a_part_of_a_clip_of_ten_seconds(text: str, window: tuple[float, float]) -> None:
    (moment,) = read(text)
    assert moment.window(10.0) == pytest.approx(window)


@pytest.mark.parametrize(("text", "count"), [("twice", 2), ("three times", 3), ("blinks once.", 1), ("5 times", 5)])
def test_how_often_is_read(text: str, count: int) -> None:
    (moment,) = read(text)
    assert (moment.when, moment.first, moment.least) == (When.COUNT, count, False)


@pytest.mark.parametrize("text", ["several times", "repeatedly", "many times"])
def test_a_vague_number_of_times_is_at_least_two(text: str) -> None:
    (moment,) = read(text)
    assert (moment.first, moment.least) == (2, True)


@pytest.mark.parametrize("text", ["throughout", "the whole time", "constantly", "throughout the clip", "all the time"])
def test_all_the_time_is_read(text: str) -> None:
    assert [one.when for one in read(text)] == [When.ALWAYS]


def test_several_times_of_one_list_are_all_read() -> None:
    assert [one.first for one in read("at 1.0, 2.5 and 4.2 s")] == [1, 2.5, 4.2]


@pytest.mark.parametrize(
    "text",
    [
        "at a distance of 1.2 m",
        "in 30 % of the frames",
        "in 30% of the time",
        "AU12 and AU6 are strong",
        "the AU12s are strong",
        "AU12 at 0.62",
        "from AU2 to AU5",
        "between 0.2 and 0.4",
        "from 30 to 40 degrees",
        "at 45°",
        "in his 30s",
        "in the 1990s",
        "at 24 frames a second",
        "1.3 times the usual rate",
        "twice the usual rate",
        "0.3 times a second",
        "4.1 syllables a second",
        "+3.1 semitones",
        "at 210 Hz",
        "at the end of the nose",
        "at the beginning of the brow",
        "on the second face",
        "once again",
        "at once",
        "more than once",
        "the other times",
        "then",
        "0.5 s later",
        "a ratio of 3:10",
    ],
)
def test_what_is_no_time_is_not_read_as_one(text: str) -> None:
    assert read(text) == []


def test_seconds_that_say_nothing_are_still_no_values() -> None:
    (moment,) = moments("0.5 s later", 0, 11)
    assert moment.when is When.NONE
    assert masked("0.5 s later", [(moment.start, moment.end)]) == "      later"


def test_what_needs_the_length_of_the_clip_is_open_without_it() -> None:
    assert [
        one.window(None) for text in ("in the first half", "after 3 s", "in the last 2 s") for one in read(text)
    ] == [
        None,
        None,
        None,
    ]


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from(list("0123456789.:,-–() stoandfrmalwicehu\n")), max_size=120))
def test_times_lie_in_the_text_in_order(text: str) -> None:
    reached = 0
    for moment in moments(text, 0, len(text)):
        assert moment.start >= reached or moment.start == moment.start <= moment.end <= len(text)
        assert moment.end <= len(text)
        reached = moment.start
