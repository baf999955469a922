"""What single clues tell of the label: hand-worked scores, and chance that is not called a leak."""

from random import Random

import pytest

from emollm.metrics.leak import LeakTable


def test_a_clue_that_is_the_label_scores_one_and_another_the_floor() -> None:
    table = LeakTable()
    for i in range(200):
        label = "ab"[i % 2]
        table.add(label, f"clip {i}", [("copy", label), ("constant", "same")])
    copy, constant = table.leaks()
    assert (copy.clue, copy.balanced_accuracy, copy.tells) == ("copy", 1.0, True)
    assert (constant.balanced_accuracy, constant.floor, constant.tells) == (0.5, 0.5, False)
    assert copy.rules == (("a", "a", 100), ("b", "b", 100))


def test_a_rare_label_counts_as_much_as_a_frequent_one() -> None:
    table = LeakTable()
    for i in range(1000):
        rare = i % 20 == 0
        table.add("rare" if rare else "often", f"clip {i}", [("sign", "yes")] if rare or i % 5 == 1 else [])
    (leak,) = table.leaks()
    # The sign is on all 50 rare ones and on 200 of the 950 others, which are said to be rare: recalls of 1 and 750/950.
    assert leak.balanced_accuracy == pytest.approx((1 + 750 / 950) / 2)
    assert {value: label for value, label, _ in leak.rules} == {"yes": "rare", "(not given)": "often"}


def test_a_clue_with_many_values_is_not_a_leak_by_chance() -> None:
    random = Random(3)
    table = LeakTable()
    for i in range(300):
        clues = [(f"clue {j}", str(random.randrange(60))) for j in range(20)]
        table.add(random.choice("abcd"), f"clip {i}", clues)
    leaks = table.leaks()
    assert len(leaks) == 20
    assert [leak.clue for leak in leaks if leak.tells] == []


def test_samples_of_one_clip_do_not_count_as_many() -> None:
    wide, narrow = LeakTable(), LeakTable()
    random = Random(4)
    for i in range(100):
        label, value = random.choice("ab"), random.choice("xy")
        for _ in range(4):
            wide.add(label, f"clip {i}", [("clue", value)])
        narrow.add(label, f"clip {i}", [("clue", value)])
    assert wide.leaks()[0].low == pytest.approx(narrow.leaks()[0].low, abs=0.03)
