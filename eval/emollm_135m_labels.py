"""Measures of the proof that end in a label: faces, swapped pictures, voices, and streams removed."""

from collections.abc import Callable, Sequence
from random import Random

from emollm.eval.emollm_135m_asking import Question
from emollm.eval.emollm_135m_items import MEDIA, Case, ask, drawn
from emollm.eval.emollm_135m_probe import TONE, probe, toned
from emollm.eval.emollm_135m_proof import Proof, left_out
from emollm.eval.emollm_135m_scores import Row, Said, noted, share
from emollm.modeling.speaking import Asked
from emollm.turns import without
from emollm.types import CueKind, Observation

PAIRS = 400
"""Pairs of faces that are swapped."""
ABLATED_FACES = 1000
"""Faces of which streams are removed."""

_FACE = ("war", "uar")
_VOICE = ("uar", "war")
_KINDS = {
    "face": {CueKind.ACTION_UNIT, CueKind.HEAD_POSE, CueKind.GAZE, CueKind.EXPRESSION},
    "voice": {CueKind.PROSODY},
    "words": {CueKind.WORDS},
}
"""Cues of each stream."""
_MEDIUM = {"face": "image", "voice": "audio", "words": "text"}

Cues = Callable[[Case], Observation]


def _all(case: Case) -> Observation:
    return case.seen


def _hidden(case: Case) -> Observation:
    return without(case.seen, {CueKind.EXPRESSION})


# ---- faces ----------------------------------------------------------------------------------------------------------


def face(proof: Proof) -> list[Row]:
    """Faces by the picture alone, beside the face encoder's own answers."""
    return _faces(proof, "face", "picture", None)


def face_cues(proof: Proof) -> list[Row]:
    """Faces by the picture and everything measured, beside encoder, cues reasoner and untuned backbone."""
    return _faces(proof, "face_cues", "picture and cues", _all)


def face_cues_hidden(proof: Proof) -> list[Row]:
    """The same without the line of the expression net."""
    return _faces(proof, "face_cues_hidden", "picture, cues but the expression net's", _hidden)


def _faces(proof: Proof, measure: str, shown: str, cues: Cues | None) -> list[Row]:
    taken = proof.cases("face", None if cues is None else proof.sizes.cued)
    cases = proof.fresh(taken)
    if not cases:
        return []
    seen = _found(cases)
    named = {
        case.id: label for case, label in zip(seen, proof.told(measure, shown, seen, _asking(proof, cues)), strict=True)
    }
    said = proof.said(cases, [named.get(case.id) for case in cases])
    own = proof.said(cases, [expression(case) for case in cases])
    sources = sorted({str(cue.source) for case in cases for cue in case.seen.cues if cue.kind is CueKind.EXPRESSION})
    note, who = "highest expression cue of the measured item", ", ".join(sources) or "face encoder"
    unseen = len(cases) - len(seen)
    none = f"{unseen} of {len(cases)} faces are not found and count as unanswered" if unseen else ""
    rows = noted(
        [*said.rows(measure, shown, proof.model.name, _FACE), *own.rows(measure, "picture", who, _FACE, note)], none
    )
    rows.append(said.over(own, measure, shown, f"{proof.model.name} − {who}", "war"))
    found = [place for place, case in enumerate(cases) if expression(case) is not None]
    if 0 < len(found) < len(cases):
        ours, theirs = _some(said, found), _some(own, found)
        only = "faces that perception measures"
        rows += ours.rows(measure, f"{shown}; {only}", proof.model.name, ("war",))
        rows += theirs.rows(measure, f"picture; {only}", who, ("war",), note)
        rows.append(ours.over(theirs, measure, f"{shown}; {only}", f"{proof.model.name} − {who}", "war"))
    if cues is not None:
        rows += proof.beside(measure, taken, cues, _FACE)
    return noted(rows, left_out(len(taken) - len(cases)))


def _asking(proof: Proof, cues: Cues | None, media: Sequence[str] = MEDIA) -> Callable[[Case], Asked]:
    return lambda case: ask(case, proof.folder, media=media, cues=cues(case) if cues is not None else None)


def _some(said: Said, places: Sequence[int]) -> Said:
    return Said(said.gold[list(places)], said.answer[list(places)], said.words)


def expression(case: Case) -> str | None:
    """The expression net's answer about the person of a case as it was measured: its likeliest class; None where no face was measured."""
    nets = [cue for cue in case.seen.cues if cue.kind is CueKind.EXPRESSION and cue.track == case.track]
    return max(nets, key=lambda cue: cue.value or 0.0).name if nets else None


# ---- another picture ------------------------------------------------------------------------------------------------


def swap(proof: Proof) -> list[Row]:
    """Pairs of faces of different label: whether the answer goes with the picture, and with what it goes where picture and cues differ.

    Only faces that perception finds are paired. An answer without a label counts as one that has not changed.
    """
    model, all_pairs = proof.model.name, pairs(_found(proof.cases("face")), PAIRS, proof.sizes.seed)
    taken = drawn(all_pairs, proof.sizes.limit, proof.sizes.seed)
    chosen = [(a, b) for a, b in taken if not proof.is_copy(a) and not proof.is_copy(b)]
    if not chosen:
        return []
    first = proof.told("swap", "picture A", [a for a, _ in chosen], _asking(proof, None))
    second = proof.told("swap", "picture B", [b for _, b in chosen], _asking(proof, None))
    moved = [one is not None and two is not None and one != two for one, two in zip(first, second, strict=True)]
    rows = [share(moved, "swap", "picture A, then picture B", model, "label changes")]
    for name, cues in (("cues of B", _all), ("cues of B but the expression net's", _hidden)):
        questions = [
            Question(f"{a.id}>{b.id}", f"picture of A, {name}", ask(a, proof.folder, cues=cues(b)), a.gold)
            for a, b in chosen
        ]
        told = proof.named("swap", questions)
        shown = f"picture of A, {name}"
        follows = [(one == a.gold, one == b.gold) for one, (a, b) in zip(told, chosen, strict=True)]
        rows.append(share([one for one, _ in follows], "swap", shown, model, "label of A (picture)"))
        rows.append(share([two for _, two in follows], "swap", shown, model, "label of B (cues)"))
        rows.append(share([not one and not two for one, two in follows], "swap", shown, model, "neither"))
    return noted(rows, left_out(len(taken) - len(chosen), "pairs "))


def pairs(cases: Sequence[Case], most: int, seed: int) -> list[tuple[Case, Case]]:
    """Pairs of cases of different label, each case in at most one as A and in at most one as B."""
    random = Random(seed)
    first, second = random.sample(cases, len(cases)), random.sample(cases, len(cases))
    found = [(a, b) for a, b in zip(first, second, strict=True) if a.gold != b.gold]
    return found[:most]


def _found(cases: Sequence[Case]) -> list[Case]:
    return [case for case in cases if case.track is not None]


# ---- voices ---------------------------------------------------------------------------------------------------------


def voice(proof: Proof) -> list[Row]:
    """Voices of speakers that nothing was trained on, beside a linear probe of the Whisper encoder on the same training speakers.

    A model with a tone head stands beside that head's own answers too. The intervals are over utterances, because two speakers are too few to
    resample.
    """
    cases, model = proof.cases("voice"), proof.model.name
    probed, heads = probe(proof, cases), toned(proof, cases)
    rows = []
    for shown, cues in (("sound", None), ("sound and cues", _all)):
        said = proof.said(cases, proof.told("voice", shown, cases, _asking(proof, cues)))
        rows += said.rows("voice", shown, model, _VOICE)
        rows.append(said.over(probed.said, "voice", shown, f"{model} − linear probe", "uar"))
        if heads is not None:
            rows.append(said.over(heads.said, "voice", shown, f"{model} − {TONE}", "uar"))
    rows += probed.said.rows("voice", "sound", "linear probe", _VOICE, probed.note)
    if heads is not None:
        rows += heads.said.rows("voice", "sound", TONE, _VOICE, heads.note)
    return [*rows, *proof.beside("voice", cases, _all, _VOICE)]


# ---- streams removed ------------------------------------------------------------------------------------------------


def ablations(proof: Proof) -> list[Row]:
    """Accuracy with media removed, cue text removed, and each stream of a combination removed with its media and cues."""
    faces = min(ABLATED_FACES, proof.sizes.cued or ABLATED_FACES)
    groups = {"faces": _found(proof.cases("face", faces)), "voices": proof.cases("voice")}
    for case in proof.cases("combined", proof.sizes.cued):
        groups.setdefault(f"combined: {' + '.join(case.streams)}", []).append(case)
    rows = []
    for name, taken in groups.items():
        cases = proof.fresh(taken)
        if not cases:
            continue
        note = left_out(len(taken) - len(cases))
        for what, asking in _ways(proof, cases[0].streams):
            said = proof.said(cases, proof.told("ablations", f"{name}: {what}", cases, asking))
            rows += said.rows("ablations", f"{name}: {what}", proof.model.name, ("war",), note)
    return rows


def _ways(proof: Proof, streams: Sequence[str]) -> list[tuple[str, Callable[[Case], Asked]]]:
    ways = [("all", _asking(proof, _all)), ("media removed", _asking(proof, _all, ()))]
    if set(streams) != {"words"}:
        ways.append(("cue text removed", _asking(proof, None)))
    for stream in streams if len(streams) > 1 else ():
        rest = [medium for medium in MEDIA if medium != _MEDIUM[stream]]
        ways.append((f"{stream} removed", _asking(proof, _less(stream), rest)))
    return ways


def _less(stream: str) -> Cues:
    return lambda case: without(case.seen, _KINDS[stream])
