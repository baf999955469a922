"""Of which statement of a sentence a time speaks."""

import pytest

from emollm.evidence.assertions import Heard
from emollm.evidence.reading_time import course
from emollm.evidence.times import When


def times(text: str) -> list[tuple[str, list[float]]]:
    """The first word of what each statement is about, and its times."""
    return [
        (
            item.names[0] if item.names and not isinstance(item, Heard) else item.kind.value,
            [one.first for one in item.moments],
        )
        for item in course(text)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("At 3.4 s the cheeks are raised.", [("AU06", [3.4])]),
        ("The cheeks are raised at 3.4 s.", [("AU06", [3.4])]),
        ("The cheeks are, at 3.4 s, raised.", [("AU06", [3.4])]),
        ("At 2 s the cheeks are raised and the jaw drops.", [("AU06", [2]), ("AU26", [2])]),
        ("At 2 s the cheeks are raised, at 5 s the jaw drops.", [("AU06", [2]), ("AU26", [5])]),
        ("The cheeks are raised at 2 s and the jaw drops at 5 s.", [("AU06", [2]), ("AU26", [5])]),
        ("The cheeks are raised and the jaw drops at 5 s.", [("AU06", [5]), ("AU26", [5])]),
        ("The cheeks are raised, and at 5 s the jaw drops.", [("AU06", []), ("AU26", [5])]),
        ("At 2 s the cheeks are raised, then the jaw drops.", [("AU06", [2]), ("AU26", [])]),
        ("First the cheeks are raised (2.1–5.0 s), then the jaw drops.", [("AU06", [2.1]), ("AU26", [])]),
        ("From 2.1 to 5.0 s the cheeks are raised, most at 3.4 s.", [("AU06", [2.1, 3.4])]),
        ("At 1.0 and 4.2 s the eyes blink.", [("AU45", [1, 4.2])]),
        ("The cheeks are raised at 2 s while the voice is higher.", [("AU06", [2]), ("prosody", [])]),
        ("At 2 s the cheeks are raised while the voice is higher.", [("AU06", [2]), ("prosody", [2])]),
        ("The voice is soft, then louder at 3 s.", [("prosody", []), ("prosody", [3])]),
        ("The voice is louder at 3 s and mellows at 5 s.", [("prosody", [3])]),
        ("The eyes blink at 1.0 s and at 4.2 s.", [("AU45", [1, 4.2])]),
    ],
)
def test_a_time_belongs_to_what_it_stands_with(text: str, expected: list[tuple[str, list[float]]]) -> None:
    assert times(text) == expected


def test_a_claim_grows_over_its_time() -> None:
    text = "From 2.1 to 5.0 s the cheeks are raised, most at 3.4 s (AU06 0.55)."
    (item,) = course(text)
    assert text[item.start : item.end] == "From 2.1 to 5.0 s the cheeks are raised, most at 3.4 s (AU06 0.55)"


def test_only_the_first_of_several_is_said_to_begin_and_end_there() -> None:
    first, second = course("From 2.1 to 5.0 s the cheeks are raised and the jaw drops.")
    assert [one.when for one in (*first.moments, *second.moments)] == [When.SPAN, When.DURING]


def test_two_changes_are_two_statements() -> None:
    first, second = course("A smile appears at 2.1 s and fades after 4.5 s.")
    assert [(item.change, [one.first for one in item.moments]) for item in (first, second)] == [(1, [2.1]), (-1, [4.5])]


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("The smile appears.", 1),
        ("The smile grows slowly.", 1),
        ("The smile fades.", -1),
        ("She stops smiling.", -1),
        ("He begins to smile.", 1),
        ("The mouth corners begin to rise.", 1),
        ("The brows appear slightly raised.", 0),
        ("The smile appears strong.", 0),
        ("The brows are raised.", 0),
    ],
)
def test_what_begins_and_what_ends(text: str, change: int) -> None:
    assert [item.change for item in course(text)][:1] == [change]
