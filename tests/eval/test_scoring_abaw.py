"""The numbers of ABAW from files, by hand."""

from pathlib import Path

import numpy as np
import pytest

from emollm.errors import DataError
from emollm.eval.scoring import Settings
from emollm.eval.scoring_compare import compare, score
from emollm.metrics.scored import Scored


def scored(folder: Path, gold: str, said: str, labels: str = "") -> Scored:
    for name, rows in (("gold", gold), ("said", said)):
        (folder / f"{name}.csv").write_text(rows)
    return score("abaw", folder / "said.csv", folder / "gold.csv", Settings(labels=labels, resamples=100))


def test_expressions_as_published_by_words_or_numbers(tmp_path: Path) -> None:
    """Of four labelled frames three are right: F1 .8 and .667, accuracy .75; the frame of -1 does not count."""
    gold = "id,label\n0,happy\n1,happy\n2,sad\n3,sad\n4,-1\n"
    found = scored(tmp_path, gold, "id,label\n0,happy\n1,happy\n2,happy\n3,sad\n4,sad\n", "happy,sad")
    macro = (4 / 5 + 2 / 3) / 2
    assert found.metrics["expr"].value == pytest.approx(macro)
    assert found.metrics["expr_2020"].value == pytest.approx(0.67 * macro + 0.33 * 0.75)
    assert found.metrics["expr"].floor == pytest.approx(1 / 2)
    assert (found.n, found.primary) == (4, "expr")
    numbers = scored(tmp_path, "id,label\n0,4\n1,1\n", "id,label\n0,4\n1,happiness\n", "affwild2-expr")
    assert numbers.answers["answered"] == 2


def test_ratings_of_minus_five_are_no_ratings(tmp_path: Path) -> None:
    gold = "id,valence,arousal\n0,0.5,0.1\n1,-0.5,0.2\n2,-5,-5\n"
    found = scored(tmp_path, gold, "id,valence,arousal\n0,0.5,0.1\n1,-0.5,0.2\n2,0,0\n")
    assert (found.n, found.metrics["va"].value) == (2, pytest.approx(1.0))
    assert "references left out: rated −5, which ABAW leaves out" in {note.what for note in found.notes}


def test_units_are_decisions_and_unlabelled_ones_do_not_count(tmp_path: Path) -> None:
    gold = "id,p_AU1,p_AU2\n0,1,0\n1,1,-1\n2,0,1\n"
    found = scored(tmp_path, gold, "id,p_AU1,p_AU2\n0,1,0\n1,0,1\n2,0,1\n")
    assert found.metrics["au"].value == pytest.approx((2 / 3 + 1) / 2)
    assert found.metrics["au_2020"].value == pytest.approx(0.5 * (2 / 3 + 1) / 2 + 0.5 * 4 / 5)
    missing = scored(tmp_path, gold, "id,p_AU1,p_AU2\n0,1,0\n2,0.4,0.8\n")
    assert missing.answers == {"answered": 1, "outside": 0, "abstained": 0, "unparsed": 1, "missing": 1}
    assert missing.metrics["au"].value == pytest.approx((1 / 2 + 0) / 2)


def test_intensities_are_correlated_column_by_column(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    wanted, given = rng.random((9, 2)), rng.random((9, 2))
    heads = "id,p_Joy,p_Fear\n"

    def rows(table: np.ndarray) -> str:
        return heads + "".join(f"{k},{one[0]},{one[1]}\n" for k, one in enumerate(table))

    expected = np.mean([np.corrcoef(wanted[:, k], given[:, k])[0, 1] for k in (0, 1)])
    assert scored(tmp_path, rows(wanted), rows(given)).metrics["emi"].value == pytest.approx(expected)
    part = scored(tmp_path, rows(wanted), rows(given[:5]))
    assert part.metrics["emi"].value is None
    assert part.metrics["emi_lenient"].value is not None
    with pytest.raises(DataError, match="nothing to compare: emi is not defined of both files"):
        compare("abaw", tmp_path / "said.csv", tmp_path / "said.csv", tmp_path / "gold.csv", Settings(resamples=100))


@pytest.mark.parametrize(
    ("gold", "why"),
    [
        ("id,label,p_AU1\n0,happy,1\n", "one challenge, got expr and au"),
        ("id,valence\n0,0.1\n", "one challenge, got none"),
        ("id,valence,arousal\n0,-5,-5\n", "nothing to score"),
    ],
)
def test_references_are_of_one_challenge(tmp_path: Path, gold: str, why: str) -> None:
    with pytest.raises(DataError, match=why):
        scored(tmp_path, gold, gold)
