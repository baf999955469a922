"""The wordings of prompts/writer: each is read as what it is meant to say, and as nothing else."""

from random import Random

import pytest

from emollm.data_engines.writing.face import listed, telling
from emollm.data_engines.writing.grammar import fill, upper, wordings
from emollm.data_engines.writing.naming import agreed
from emollm.data_engines.writing.segments import VALUE, Segments, templates
from emollm.evidence import check_text
from emollm.prompts import PromptError, prompt
from emollm.types import Cue, CueKind, MediaInfo, Observation, Part, Scale, Source, Verdict

PRESENT = {"slight": 0.2, "moderate": 0.4, "strong": 0.8, "likely": 0.8}
DENIED = {"absent": 0.03, "unlikely": 0.03, "unclear": 0.2, "unsure": 0.3}
PROBABLE = ("likely", "unlikely", "unsure")
SLOTS = {
    "label": "happiness", "second": "fear", "gold": "anger", "other": "disgust", "cite": "Du et al. 2014", "score": "0.51",
    "second_score": "0.22", "support": "0.31", "value": "0.44", "strength": "moderate", "word": "joyful", "count": "3",
    "words": '"joyful" and "afraid"', "name": "cheek raiser",
}  # fmt: skip


def face(values: dict[str, float], probable: bool = False) -> Observation:
    scale = Scale.PROBABILITY if probable else Scale.INTENSITY
    source = Source(backend="test", version="0", licence="none")
    cues = tuple(
        Cue(id=code, kind=CueKind.ACTION_UNIT, name=code, scale=scale, value=value, source=source)
        for code, value in values.items()
    )
    return Observation(id="face", media=MediaInfo(kind="table"), cues=cues)


def every_template() -> list[tuple[str, str, str, str]]:
    kinds = (*PRESENT, *DENIED)
    found = [
        (code, kind, form, text)
        for code in telling()
        for kind in kinds
        for form in (
            "clause",
            "marked",
            *(("mention",) if kind in PRESENT else ()),
            *(("phrase", "bare") if kind not in ("unclear", "unsure") else ()),
        )
        for text in templates(code, kind, form)
    ]
    return found + [
        (code, "unmeasured", "clause", text) for code in telling() for text in templates(code, "unmeasured", "clause")
    ]


def prove(chosen: list[tuple[str, str, str, str]]) -> None:
    """Each wording that is used is supported by a face that shows it and contradicted by one that does not."""
    segments, thrown = Segments(), []
    for code, kind, _form, text in chosen:
        segment = segments.read(code, kind, text)
        if segment is None:
            thrown.append(text)
            continue
        value = PRESENT.get(kind, DENIED.get(kind, 0.0))
        said = upper(segment.text.replace(VALUE, f"{value:.2f}")) + "."
        true = face({} if kind == "unmeasured" else {code: value}, kind in PROBABLE)
        claims = check_text(said, Part.OBSERVATIONS, true, None)
        assert claims, said
        assert {claim.verdict for claim in claims} == {Verdict.SUPPORTED}, (said, claims)
        other = 0.01 if kind in PRESENT else 0.9
        false = check_text(said, Part.OBSERVATIONS, face({code: other}, kind in PROBABLE), None)
        assert any(claim.verdict is Verdict.CONTRADICTED for claim in false), (said, false)
    assert len(thrown) <= 0.02 * len(chosen), thrown[:10]


def test_each_wording_is_read_as_it_is_meant() -> None:
    prove(every_template()[::29])


@pytest.mark.slow
def test_each_wording_is_read_as_it_is_meant_all_of_them() -> None:
    prove(every_template())


def read_frame(
    frame: str, units: list[tuple[str, str, float | None]], form: str, segments: Segments, random: Random
) -> None:
    """A frame adds no claim to those of its segments and changes none of them."""
    slot = "<C>" if "<C>" in frame else "<U>"
    texts, wanted, values, plural = [], [], {}, len(units) > 1
    for index, (code, kind, value) in enumerate(units):
        segment = segments.draw(code, kind, form, random)
        plural = plural or segment.plural
        shown = f"{value:.2f}" if value is not None else ""
        values |= {code: value} if value is not None else {}
        texts.append(segment.text.replace(VALUE, shown))
        claims = segment.first if frame.startswith(slot) and not index else segment.claims
        wanted += [(one.text.replace(VALUE, shown), one.cues, one.reason.replace(VALUE, shown)) for one in claims]
    said = upper(agreed(frame, plural).replace(slot, listed(texts)) if texts else frame) + "."
    found = check_text(said, Part.OBSERVATIONS, face(values, any(kind in PROBABLE for _, kind, _ in units)), None)
    assert [(one.text, one.cues, one.reason) for one in found] == wanted, said
    assert all(one.verdict is Verdict.SUPPORTED for one in found), said


STILL = ("phrases.still", "rest.still", "open.absent")
"""Frames of units that do not move."""
MENTIONED = ("support", "runner", "against", "open.one", "other.for")
"""Frames of an interpretation or a reply."""


def fillings(block: str, frame: str) -> list[list[tuple[str, str, float | None]]]:
    if "<U>" in frame and block in STILL:
        return [[("AU12", "absent", 0.03)], [("AU06", "absent", 0.02), ("AU04", "absent", 0.01)]]
    if "<U>" in frame:
        return [
            [("AU12", "moderate", 0.44)],
            [("AU06", "likely", 0.8)],
            [("AU25", "slight", 0.2)],
            [("AU04", "strong", 0.8)],
            [("AU12", "moderate", 0.44), ("AU06", "slight", 0.2)],
            [("AU06", "likely", 0.8), ("AU25", "likely", 0.7)],
            [("AU04", "strong", 0.8), ("AU25", "slight", 0.2), ("AU15", "moderate", 0.4)],
        ]
    if "<C>" in frame and block.endswith("unmeasured"):
        return [[("AU12", "unmeasured", None)], [("AU04", "unmeasured", None)]]
    if "<C>" in frame:
        return [
            [("AU12", "absent", 0.03)],
            [("AU04", "unclear", 0.2)],
            [("AU25", "unlikely", 0.03)],
            [("AU06", "unsure", 0.3)],
        ]
    return [[]]


def every_frame() -> list[tuple[str, str]]:
    found = []
    inside = ("mark", "mention", "joiner", "strength", "phrase.", "missing", "acting", "bare", "and.")
    for file in ("sentences", "conclusions", "replies"):
        for block in prompt(f"writer/{file}").blocks:
            if not block.startswith(inside):
                behind = ", <C>" if block in ("prefix", "contrast") else ""
                found += [(block, text + behind) for text in wordings(f"writer/{file}", block)]
    return found


def form_of(block: str, frame: str, units: list[tuple[str, str, float | None]], random: Random) -> str:
    if "<U>" in frame:
        return "bare" if block == "rest" else "mention" if block in MENTIONED else "phrase"
    unmeasured = bool(units) and units[0][1] == "unmeasured"
    return "clause" if unmeasured else random.choice(("clause", "marked"))


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_frames_assert_nothing(step: int) -> None:
    segments, random = Segments(), Random(0)
    slots = {"U": "[U]", "C": "[C]", "s": "[s]", "es": "[es]", "is": "[is]", "ies": "[ies]"}
    for block, frame in every_frame()[::step]:
        frame = fill(frame, **slots, **SLOTS).replace("[", "<").replace("]", ">")
        for units in fillings(block, frame):
            read_frame(frame, units, form_of(block, frame, units, random), segments, random)


def test_alternatives_are_spread_over_all_places() -> None:
    for id in ("writer/units", "writer/sentences", "writer/conclusions", "writer/replies"):
        for block in prompt(id).blocks:
            found = wordings(id, block)
            assert found
            assert len(set(found)) == len(found)
            assert not any(sign in text for text in found for sign in "{}|"), block


def test_an_open_slot_is_refused() -> None:
    with pytest.raises(PromptError, match="nothing is given for <label>"):
        fill("the label <label>", second="fear")
