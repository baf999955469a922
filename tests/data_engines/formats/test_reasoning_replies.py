"""The answer of a reasoning reply is in its last well-formed pair of tags."""

import pytest

from emollm.data_engines.formats.humanomni import last_pair


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("<think>Brows lower.</think>\n<answer>angry</answer>", ("Brows lower.", "angry")),
        ("Use <think> </think> <answer> </answer> tags.<think>a</think><answer>sad</answer>", ("a", "sad")),
        ("<think>a</think><answer>sad</answer> and <think>b</think> <answer>cut", ("a", "sad")),
        ("<think>first <think>second</think><answer>sad</answer>", ("second", "sad")),
        ("<think>a</think> so <answer>sad</answer>", None),
        ("sad", None),
    ],
)
def test_the_last_pair_counts(text: str, pair: tuple[str, str] | None) -> None:
    found = last_pair(text)
    assert (None if found is None else tuple(found)) == pair
