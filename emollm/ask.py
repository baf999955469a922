"""Answers a question about an answer, from what was measured, and checks the reply against it.

Three steps keep a language model to the evidence: a guard refuses what is not measured at all (who, how old, ill or not,
what next) before any model is asked; the model is given only the measured facts that bear on the question; and each
statement of its reply is checked, so that a sentence that the measurements contradict is dropped. Where nothing that is
measured remains, the facts themselves are the reply. docs/responsible-use.md says why the guard is there.
"""

import re
import unicodedata
from collections.abc import Collection, Sequence

from pydantic import Field

from emollm.config import Settings
from emollm.emotions import label_set
from emollm.errors import DataError
from emollm.evidence import check_text
from emollm.evidence.lexicon import lexicon, marks, sentences
from emollm.facts import PROMPT, canonical, facts, phrases
from emollm.generate import Generator, PromptTooLong
from emollm.prompts import prompt
from emollm.reasoner.quotation import quoted
from emollm.types import Answer, Claim, CueKind, FollowUp, Message, Observation, Part, TextPart, Verdict

GUARD = "ask/guard"

GATED = {
    "scene": {CueKind.SCENE},
    "body": {CueKind.MOTION},
    "voice": {CueKind.PROSODY, CueKind.WORDS},
    "physiology": {CueKind.PHYSIOLOGY},
}
"""Topics that the guard refuses only while there is no cue of these kinds."""

_OF_THE_FACE = frozenset({"parts", "features", "moves", "noun", "name", "code", "number", "unmeasured"})
"""Marks of :mod:`emollm.evidence.lexicon` that speak of a movement or of a value."""
_WORD = re.compile(r"\w+(?:['’]\w+)?")
_ENDS = re.compile(r"[.!?][\"')\]]*$")


class AskSettings(Settings):
    """How a follow-up question is answered."""

    max_question: int = Field(default=1000, gt=0)
    """Longest question in characters."""
    max_facts: int = Field(default=5, gt=0)
    """Most facts that are given to the model."""
    max_tokens: int = Field(default=80, gt=0)
    """Longest reply in tokens."""
    guard: bool = True
    """Refuse questions about what is not measured, without asking the model."""
    filter: bool = True
    """Drop what the measurements contradict; where nothing supported remains, reply with the facts."""


def ask(
    question: str,
    answer: Answer,
    observation: Observation,
    generator: Generator,
    settings: AskSettings | None = None,
) -> FollowUp:
    """The reply to a question about an answer, its statements checked against the observation.

    Args:
        question: In English.
        answer: The answer it is about; the reply speaks of the answer's track.
        observation: What the answer was made from.
        generator: The language model; not asked where the guard replies.
        settings: Lengths, guard and filter.

    Returns:
        The reply. ``model`` is the generator's name, with ``+filtered`` where sentences were dropped or replaced, or
        ``guard@version`` where no model was asked.

    Raises:
        DataError: The question is empty or too long.
        ModelError: The model cannot be loaded, reached or run.
    """
    settings = settings or AskSettings()
    question = readable(question, settings)
    found = facts(question, answer, observation, settings.max_facts)
    if (refusal := refused(question, answer, observation, found, settings.guard)) is not None:
        return FollowUp(
            question=question, text=refusal, model=f"guard@{prompt(GUARD).version}", prompt=prompt(GUARD).ref
        )
    said = _tidy(_reply(question, found, generator, settings))
    text = _backed(said, question, found, answer, observation) if settings.filter else said
    return FollowUp(
        question=question,
        text=text,
        claims=claims(text, answer, observation),
        model=generator.name + ("" if text == said else "+filtered"),
        prompt=prompt(PROMPT).ref,
    )


def refused(
    question: str, answer: Answer, observation: Observation, found: Sequence[str] = (), topics: bool = True
) -> str | None:
    """What the guard replies, or None where the question can be answered from what was measured.

    Args:
        question: The question.
        answer: The answer it is about.
        observation: What was measured.
        found: Facts that bear on the question.
        topics: Whether to refuse by topic; without, only where there is no fact.
    """
    guard = prompt(GUARD)
    here = {cue.kind for cue in observation.of(answer.track)}
    if topics:
        for topic in (name for name in guard.blocks if f"{name}.reply" in guard.blocks and name != "scope"):
            if not here & GATED.get(topic, set()) and phrases(guard.render(topic)).search(question):
                return guard.render(f"{topic}.reply", measured=_measured(here))
        if not phrases(guard.render("scope")).search(question):
            return guard.render("scope.reply")
    if not found and here:
        return guard.render("missing.reply")
    if not found:
        gaps = [f"{gap.stream}: {quoted(gap.reason, 80)}" for gap in observation.missing_for(answer.track)]
        return guard.render("nothing.reply", reasons=gaps[:3])
    return None


def _measured(kinds: Collection[CueKind]) -> str:
    """What was measured instead of what is asked for: the face, the voice, the words."""
    guard = prompt(GUARD)
    heard = {"voice": CueKind.PROSODY, "words": CueKind.WORDS}
    channels = [guard.render(f"measured.{name}") for name, kind in heard.items() if kind in kinds]
    if not channels or {*kinds} - {*heard.values()}:
        channels.insert(0, guard.render("measured.face"))
    return guard.render("measured", channels=channels)


def claims(text: str, answer: Answer, observation: Observation) -> tuple[Claim, ...]:
    """Statements of a text with verdicts: movements against the observation, the emotion it names against the answer."""
    measured = check_text(text, Part.OBSERVATIONS, observation, answer.track)
    return (*measured, *_of_other_emotions(text, answer))


def messages(question: str, found: Sequence[str]) -> tuple[Message, ...]:
    """The conversation that is sent to the model: instruction, worked examples, question with its facts."""
    wording = prompt(PROMPT)
    turns = [("system", wording.render("system"))]
    for example in ("example1", "example2", "example3", "example4"):
        turns += [(role, wording.render(f"{example}.{role}")) for role in ("user", "assistant")]
    turns.append(("user", wording.render("user", question=" ".join(question.split()), facts=list(found))))
    return tuple(Message.model_validate({"role": role, "content": (TextPart(text=text),)}) for role, text in turns)


def readable(question: str, settings: AskSettings | None = None) -> str:
    """The question without invisible characters and surrounding space.

    Raises:
        DataError: It is empty or too long.
    """
    most = (settings or AskSettings()).max_question
    shown = unicodedata.normalize("NFKC", question)
    shown = "".join(sign for sign in shown if unicodedata.category(sign) not in ("Cf", "Cc", "Cs") or sign.isspace())
    shown = shown.strip()
    if not shown:
        raise DataError("the question is empty; ask for example: Why does the person look happy?")
    if len(shown) > most:
        raise DataError(f"the question has {len(shown)} characters, at most {most} are read; shorten it")
    return shown


def _reply(question: str, found: Sequence[str], generator: Generator, settings: AskSettings) -> str:
    """What the model says; with fewer facts where all of them do not fit its context."""
    while True:
        try:
            return generator.generate(messages(question, found), max_tokens=settings.max_tokens)
        except PromptTooLong:
            if len(found) < 2:
                raise
            found = found[: len(found) // 2]


def _tidy(text: str) -> str:
    """The reply in one paragraph, without sentences said twice and without a last one that was cut off."""
    parts = list(dict.fromkeys(" ".join(text[start:end].split()) for start, end in sentences(text)))
    if len(parts) > 1 and not _ENDS.search(parts[-1]):
        parts.pop()
    return " ".join(parts)


def _backed(text: str, question: str, found: Sequence[str], answer: Answer, observation: Observation) -> str:
    """The sentences of the reply that are supported or only repeat what was given; the facts where none is supported.

    The first fact is the answer proper, so it takes the place of a first sentence that is dropped.
    """
    parts = [text[start:end] for start, end in sentences(text)]
    kept = []
    unread = lexicon()["reasons"]["unread"]
    for part in parts:
        stated = claims(part, answer, observation)
        verdicts = {claim.verdict for claim in stated}
        backed = Verdict.SUPPORTED in verdicts and all(claim.reason != unread for claim in stated)
        if Verdict.CONTRADICTED not in verdicts and (backed or _repeats(part, question, found, answer)):
            kept.append(part)
    left = " ".join(kept if not kept or kept[0] == parts[0] or found[0] in kept else [found[0], *kept])
    held = {claim.verdict for claim in claims(left, answer, observation)}
    if Verdict.SUPPORTED in held and Verdict.CONTRADICTED not in held:
        return left
    return prompt(PROMPT).render("measured", facts=list(found))


def _repeats(part: str, question: str, found: Sequence[str], answer: Answer) -> bool:
    """Whether a sentence that was not read as a claim says nothing new: all its words are those that were given.

    A sentence on a part of the face must repeat one fact, as words of two facts join to a new one; any other may take its
    words from the facts, the answer, and beside them the question.
    """
    said = _content(part)
    if any(mark.kind in _OF_THE_FACE for mark in marks(part, 0, len(part)) if _content(part[mark.start : mark.end])):
        deny = set(prompt(PROMPT).render("negations").split())
        return any(said <= (given := _content(fact)) and said & deny == given & deny for fact in found)
    conclusion = answer.rationale.conclusion if answer.rationale is not None else ""
    known = _content(" ".join((*found, answer.label or "", conclusion)))
    return bool(said & known) and said <= known | _content(question)


def _content(text: str) -> set[str]:
    """The words of a text that say something, without articles, auxiliaries and the like."""
    return {*_WORD.findall(text.casefold())} - {*prompt(PROMPT).render("function_words").split()}


def _of_other_emotions(text: str, answer: Answer) -> list[Claim]:
    """Claims that the face looks like an emotion that the answer does not name, or not like the one it names."""
    basic = label_set("basic8")
    forms = {form: entry.label for entry in basic.entries for form in (entry.label, *entry.synonyms)}
    said = re.compile(
        rf"(?P<before>\b(?:not|never)\s+|n't\s+)?\b(?:looks?|seems?|appears?|feels?|is|are)\s+(?:to\s+be\s+)?"
        rf"(?P<after>not\s+)?(?:\w+ly\s+|very\s+|indeed\s+)?(?P<word>{'|'.join(map(re.escape, forms))})\b",
        re.IGNORECASE,
    )
    own = canonical(answer.label, answer.label_set)
    if answer.label is not None and own is None:
        return []
    reason = prompt(PROMPT).render("disagrees", label=answer.label)
    return [
        Claim(text=match.group(), part=Part.OBSERVATIONS, verdict=Verdict.CONTRADICTED, reason=reason)
        for match in said.finditer(text)
        if bool(match["before"] or match["after"]) == (forms[match["word"].casefold()] == own)
    ]
