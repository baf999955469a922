"""Texts in many styles: what follows from the facts is not contradicted, and a planted falsehood is."""

from pathlib import Path

from emollm.eval.checker import Item, judge, read, report
from emollm.types import Verdict

UNITS = ("AU01", "AU02", "AU04", "AU05", "AU06", "AU07", "AU09", "AU10", "AU12", "AU14", "AU15", "AU17", "AU18", "AU20", "AU24", "AU25", "AU26", "AU28", "AU34", "AU43")  # fmt: skip
ANGLES = ("yaw", "pitch", "roll", "gaze_yaw", "gaze_pitch")


def at_rest(item: Item) -> Item:
    """With everything that the facts do not name measured at rest, for everybody who is there."""
    people = sorted({"p1", *(fact["person"] for fact in item.facts if "person" in fact)})
    told = {(fact.get("person", "p1"), fact.get("unit", fact.get("angle"))) for fact in item.facts}
    rest = [{"person": id, "unit": unit, "value": 0.02} for id in people for unit in UNITS if (id, unit) not in told]
    rest += [{"person": id, "angle": name, "value": 1.0} for id in people for name in ANGLES if (id, name) not in told]
    return item.model_copy(update={"facts": (*item.facts, *rest)})


def test_our_own_paraphrases_are_read() -> None:
    rows = list(judge([at_rest(item) for item in read(Path(__file__).parent)]))
    false = [(row.item.id, claim.text, claim.reason) for row in rows if row.corruption is None for claim in row.claims
             if claim.verdict is Verdict.CONTRADICTED]  # fmt: skip
    assert false == []
    found = report(rows)
    assert found["texts"] == 60
    assert found["nothing_supported"]["share"] <= 0.1
    missed = [(row.item.id, row.corruption.text) for row in rows if row.corruption is not None and row.missed]
    assert found["detected"]["share"] >= 0.9, missed
