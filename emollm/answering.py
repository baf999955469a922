"""From a measured clip to an answer by a model of our family: ask as in training, read the reply, check each claim.

The model is shown what it was trained on: crops of the person, the voice, the measured cues as text (:mod:`emollm.turns`). What it says is
judged by the same code as any text (:mod:`emollm.evidence`), and sentences of observations and interpretation that the measurements
contradict are left out of the rationale, as :mod:`emollm.ask` leaves them out of replies; the conclusion stays, and ``text`` keeps what
the model wrote. A reply that cannot be read stays as it is, ``unparsed``.
Where nothing was measured no model is asked: the reasoner says why there is no answer.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from emollm.emotions import LabelSet
from emollm.errors import DataError, unknown_name
from emollm.evidence import check, check_text
from emollm.evidence.lexicon import sentences
from emollm.prompts import prompt
from emollm.rationale_text import parts, split
from emollm.reasoner import ReasonerSettings, reason
from emollm.replies import Named, forms, named_in, strength_in
from emollm.speaker import Asked, R, Speaker
from emollm.turns import turn_about
from emollm.types import (
    Answer,
    AnswerProvenance,
    Clip,
    CueKind,
    Observation,
    Part,
    RankedLabel,
    Rationale,
    Verdict,
)

QUESTION = "instructions/reasoning"
"""Its first wording is asked; training asked with all of them."""
UNBACKED = "model/unbacked"
CONSTRAINED = "model/constrained"
MAX_TOKENS = 320
AT_ONCE = 8
"""People of a clip that are asked about in one batch: about 30 MB of keys and values each."""


def answer(
    clip: Clip,
    observation: Observation,
    labels: LabelSet,
    model: Speaker[R],
    settings: ReasonerSettings | None = None,
    track: str | None = None,
    answered: Callable[[int, int], None] | None = None,
) -> Answer:
    """The answer of a model about one clip.

    Args:
        clip: Where its media are.
        observation: What was measured of it.
        labels: The closed set to choose from.
        model: Asked about each person, several in one batch.
        settings: Of the reasoner, which answers where nothing was measured.
        track: The person to answer for; the most prominent one if not given.
        answered: Told after each token for how many people there is a reply, and how many there are; what it raises ends the work.

    Returns:
        The answer for that person, the others in ``people``; ``+filtered`` behind the model's name where sentences were left out.
        ``labels`` ranks all labels by how likely the model found each where it named one; ``intensity`` is the strength that its text
        gives. ``valence`` and ``arousal`` are None: the model has not learnt them.

    Raises:
        DataError: The observation has no such track.
        MediaError: Media cannot be read again.
        ModelError: The model cannot be had or run.
    """
    people = _people(observation, track)
    if not people:
        return reason(observation, labels, settings, track=track)
    found = _about_many(clip, observation, labels, model, people, answered)
    return found[0].model_copy(update={"people": tuple(found[1:])})


def answer_aloud(
    clip: Clip,
    observation: Observation,
    labels: LabelSet,
    model: Speaker[R],
    settings: ReasonerSettings | None = None,
    track: str | None = None,
    answered: Callable[[int, int], None] | None = None,
    constrain: bool = False,
) -> Iterator[str | Answer]:
    """What the model says of the person, piece by piece as it says it, and at last the same as :func:`answer` gives.

    Arguments and errors are those of :func:`answer`; with ``constrain`` a conclusion that names no label of the set is replaced by the
    likeliest one (``+constrained`` behind the model's name) instead of being left unparsed. The others are asked about when that person's reply has ended; ``answered`` is told
    of them. Where nothing was measured there is the Answer alone.
    """
    people = _people(observation, track)
    if not people:
        yield reason(observation, labels, settings, track=track)
        return
    spoken: R | None = None
    for piece in model.speak_aloud(asked_about(clip, observation, labels, people[0]), max_tokens=MAX_TOKENS):
        if isinstance(piece, str):
            yield piece
        else:
            spoken = piece
    assert spoken is not None, "a reply ends with itself"
    first = _about(observation, labels, model, people[0], spoken, constrain)
    rest = _about_many(clip, observation, labels, model, people[1:], answered, before=1, constrain=constrain)
    yield first.model_copy(update={"people": tuple(rest)})


def _people(observation: Observation, track: str | None) -> list[str | None]:
    """Whom to ask about, the person meant first; nobody where nothing was measured of that person."""
    ids = [person.id for person in observation.people]
    if track is not None and track not in ids:
        raise DataError(f"{observation.id}: {unknown_name('track', track, ids)}")
    chosen = track or (ids[0] if ids else None)
    if not observation.of(chosen):
        return []
    return [chosen, *(id for id in ids if id != chosen)]


def _about_many(
    clip: Clip,
    observation: Observation,
    labels: LabelSet,
    model: Speaker[R],
    people: Sequence[str | None],
    answered: Callable[[int, int], None] | None,
    before: int = 0,
    constrain: bool = False,
) -> list[Answer]:
    """The answers about several people, of whom ``before`` have theirs already."""
    found: list[Answer] = []

    def ended(replies: int) -> None:
        if answered is not None:
            answered(before + len(found) + replies, before + len(people))

    for start in range(0, len(people), AT_ONCE):
        own = people[start : start + AT_ONCE]
        asked = [asked_about(clip, observation, labels, id) for id in own]
        spoken = model.speak_many(asked, ended, max_tokens=MAX_TOKENS)
        found += [_about(observation, labels, model, id, one, constrain) for id, one in zip(own, spoken, strict=True)]
    return found


def _about(
    observation: Observation,
    labels: LabelSet,
    model: Speaker[R],
    track: str | None,
    spoken: R,
    constrain: bool = False,
) -> Answer:
    """The answer about one person, from the reply."""
    text, name = spoken.text, model.name
    if constrain and (put := constrained(model, spoken, labels)) is not None:
        text, name = put, f"{name}+constrained"
    found: dict[str, Any] = {
        "id": observation.id,
        "track": track,
        "label_set": labels.id,
        "missing": observation.missing_for(track),
        "text": text,
        "provenance": _provenance(observation, track, name),
    }
    said, named = split(text), named_in(text, labels)
    if said is None or named is None:
        return Answer(status="unparsed", **found)
    rationale = backed(said, observation, track)
    if rationale != said:
        found["provenance"] = _provenance(observation, track, f"{name}+filtered")
    return Answer(
        status="answered",
        label=named.label,
        labels=ranked(model, spoken, labels, named, text),
        intensity=strength_in(text),
        rationale=rationale,
        claims=check(rationale, observation, track),
        **found,
    )


def constrained(model: Speaker[R], spoken: R, labels: LabelSet) -> str | None:
    """A reply in three parts whose conclusion names no label of the set, with one that names the likeliest; None for any other reply.

    Args:
        model: Tells how likely each word of the set is there.
        spoken: Its reply.
        labels: The set.
    """
    if split(spoken.text) is None or named_in(spoken.text, labels) is not None:
        return None
    start = next(part.start for part in parts(spoken.text) if part.part is Part.CONCLUSION)
    before = f"{spoken.text[:start]}{prompt(CONSTRAINED).render()} "
    words = [word for own in forms(labels).values() for word in own]
    scores = model.spoken_scores(spoken, before, words)
    return f"{before}{words[scores.index(max(scores))]}."


def backed(rationale: Rationale, observation: Observation, track: str | None) -> Rationale:
    """The rationale without the sentences of observations and interpretation that the measurements contradict.

    A part of which nothing is left says so; the conclusion stays as it is.
    """
    kept = {}
    for part in (Part.OBSERVATIONS, Part.INTERPRETATION):
        text = getattr(rationale, part.value)
        parts = [text[start:end].strip() for start, end in sentences(text)]
        backed = [
            one
            for one in parts
            if all(claim.verdict is not Verdict.CONTRADICTED for claim in check_text(one, part, observation, track))
        ]
        kept[part.value] = prompt(UNBACKED).render() if parts and not backed else " ".join(backed)
    return rationale.model_copy(update=kept)


def asked_about(
    clip: Clip, observation: Observation, labels: LabelSet, track: str | None, question: str | None = None
) -> Asked:
    """What the model is asked about a person of a clip, with the media that it takes: pictures, and a voice that speaks.

    Args:
        clip: Where its media are.
        observation: What was measured of it.
        labels: The closed set to choose from.
        track: The person.
        question: Asked instead of the first wording of :data:`QUESTION`.
    """
    asked = question or prompt(QUESTION).render(labels=", ".join(labels.labels)).splitlines()[0]
    return shown(clip, observation, track, asked)


def shown(clip: Clip, observation: Observation, track: str | None, asked: str) -> Asked:
    """A question about a person of a clip with the media that a model of our family takes; see :func:`asked_about`."""
    message, media = turn_about(clip, observation, track, asked)
    speaks = any(cue.kind is CueKind.PROSODY for cue in observation.cues)
    taken = [item.type == "image" or (item.type == "audio" and speaks) for item in media]
    places = iter(taken)
    content = tuple(part for part in message.content if part.type == "text" or next(places))
    kept = tuple(item for item, good in zip(media, taken, strict=True) if good)
    return Asked((message.model_copy(update={"content": content}),), kept)


def ranked(
    model: Speaker[R], spoken: R, labels: LabelSet, named: Named, text: str | None = None
) -> tuple[RankedLabel, ...]:
    """All labels by how likely each was in the place where one was named; the scores add up to 1.

    A label is as likely as the likeliest of its :func:`emollm.replies.forms`, the word that was written among them, so that no label gains or
    loses by the word that its set calls it by, or by having many.
    """
    words = [(label, _cased(form, named.written)) for label, own in forms(labels).items() for form in own]
    words.append((named.label, named.written))
    scores = model.spoken_scores(spoken, (text or spoken.text)[: named.start], [word for _, word in words])
    best = dict.fromkeys(labels.labels, 0.0)
    for (label, _), score in zip(words, scores, strict=True):
        best[label] = max(best[label], score)
    total = sum(best.values())
    found = [RankedLabel(label=label, score=score / total) for label, score in best.items()]
    return tuple(sorted(found, key=lambda one: -one.score))


def _cased(word: str, written: str) -> str:
    """A word with a capital where another one that was written has one."""
    return word.capitalize() if written[:1].isupper() else word


def _provenance(observation: Observation, track: str | None, model: str) -> AnswerProvenance:
    cues = observation.of(track) if track is not None else observation.cues
    return AnswerProvenance(
        model=model,
        prompt=prompt(QUESTION).ref,
        cues=tuple(sorted({str(cue.source) for cue in cues})),
        versions=observation.versions,
    )
