"""What is said to whom: plain words for anyone, numbers for a researcher, no verdict on anybody for a teacher.

The model's reasoning is the same for all; a teacher does not get it, since nothing is said of single people to teachers.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from emollm.evidence import check_text
from emollm.facs import ABSENT, strength
from emollm.prompts import prompt
from emollm.reasoner.quotation import quoted
from emollm.reasoner.wording import listed, lowered
from emollm.report.page import WORDS
from emollm.types import Answer, Cue, CueKind, Extent, Observation, Part, Scale, Verdict

Reader = Literal["everyone", "researcher", "teacher"]
READERS: tuple[Reader, ...] = ("everyone", "researcher", "teacher")
MOST_MOVES = 3
_LONGEST_QUOTE = 160


class Said(NamedTuple):
    """A sentence, and the cues that it is made from."""

    text: str
    cues: tuple[str, ...] = ()


def plain(answer: Answer, observation: Observation) -> tuple[Said, ...]:
    """What was measured of the answer's person, in words without codes and numbers.

    A sentence that the measurements do not bear out, as it stands, is not said.
    """
    said = [*_moves(answer, observation), *_words(answer, observation)]
    return tuple(one for one in said if _holds(one.text, answer, observation))


def verdict(answer: Answer) -> str:
    """The label in a sentence; empty where nothing was answered at all."""
    if answer.label is not None:
        how = ""
        if answer.intensity is not None and answer.label != "neutral":
            how = WORDS[strength(answer.intensity).name.lower()]
        return _say("best", label=answer.label, how=how)
    return _say("unclear") if answer.labels else ""


def caveat(answer: Answer) -> str:
    """What none of it means; empty where the reasoner has said so itself, or nothing was answered."""
    return "" if answer.provenance.model.startswith("reasoner@") or answer.status != "answered" else _say("caveat")


def weights(answer: Answer) -> str:
    """How the labels share the weight, and who answered; empty without labels."""
    if not answer.labels:
        return ""
    first, *rest = answer.labels
    following = listed([f"{one.label} with {one.score:.0%}" for one in rest[:2]]) if rest else ""
    return _say(
        "weights", share=f"{first.score:.0%}"[:-1], label=first.label, next=following, model=answer.provenance.model
    )


def for_teacher(observation: Observation) -> tuple[Said, ...]:
    """How many are in view, and what must not be read from it."""
    faces = len(observation.tracks)
    seen = _say("class_none") if not faces else _say("class_one") if faces == 1 else _say("class_some", faces=faces)
    return tuple(Said(text) for text in (seen, _say("class_limits"), _say("class_law"), _say("class_next")))


def _moves(answer: Answer, observation: Observation) -> Iterator[Said]:
    """The strongest movements of the face; of a clip at the main peak."""
    track = next((one for one in observation.tracks if one.id == answer.track), None)
    if track is None:
        return
    best: dict[str, Cue] = {}
    for cue in sorted(observation.of(track.id, CueKind.ACTION_UNIT), key=lambda cue: -(cue.value or 0.0)):
        measured = cue.extent is Extent.MOMENT and cue.scale is Scale.INTENSITY and cue.track == track.id
        if measured and f"{cue.name}.{strength(cue.value or 0.0)}" in prompt("reasoner/units").blocks:
            best.setdefault(cue.name, cue)
    moving = [cue for cue in best.values() if (cue.value or 0.0) >= ABSENT]
    held = [cue for cue in moving if _holds(f"{_clause(cue)}.", answer, observation)][:MOST_MOVES]
    if held:
        block = "moves_clip" if track.peaks else "moves"
        yield Said(_say(block, clauses=listed([lowered(_clause(cue)) for cue in held])), tuple(cue.id for cue in held))
    elif best and not moving:
        yield Said(_say("still"), tuple(cue.id for cue in best.values()))


def _words(answer: Answer, observation: Observation) -> Iterator[Said]:
    """The first words that were said, where they can be told."""
    said = sorted((cue for cue in observation.of(answer.track, CueKind.WORDS) if cue.text), key=lambda cue: cue.start)
    if said and said[0].text is not None:
        block = "says" if len(said) == 1 else "begins"
        yield Said(_say(block, words=quoted(said[0].text, _LONGEST_QUOTE)), (said[0].id,))


def _clause(cue: Cue) -> str:
    """A movement in the first, plainest wording of its strength."""
    return prompt("reasoner/units").render(f"{cue.name}.{strength(cue.value or 0.0)}").splitlines()[0]


def _holds(text: str, answer: Answer, observation: Observation) -> bool:
    claims = check_text(text, Part.OBSERVATIONS, observation, answer.track)
    return all(claim.verdict is not Verdict.CONTRADICTED for claim in claims)


def _say(block: str, **values: object) -> str:
    return prompt("chat/reader").render(block, **values)
