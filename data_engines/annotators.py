"""Language models behind an endpoint that word Samples, and are held to what was measured.

Between an engine's ``write`` and the verification, an :class:`Annotator` words the assistant's turns anew, in one of three roles: the
*describer* writes the key observations from the cues, the *merger* makes one description of cues and draft, the *rewriter*
says the draft in other words. Three rules: the model is not shown a label unless the recipe says ``label_guided`` (emotion words
travel as ``EMOTION_1`` …); material is quoted, never an instruction; each sentence that comes back is checked, asked for again
once, and dropped if it still does not hold.
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from emollm.cue_text import cue_text
from emollm.data_engines.annotator_pool import Asker, Ledger, Spent, Usage
from emollm.data_engines.annotator_text import Given, Mask, barred, emotion_words, faults, tidy, without
from emollm.data_engines.base import Rejected
from emollm.data_engines.recipe import BuildSettings
from emollm.emotions import DEFAULT, label_set
from emollm.endpoint import EndpointError, Fault, Reply
from emollm.errors import ConfigError, one_line
from emollm.evidence import check_text
from emollm.prompts import prompt
from emollm.rationale_text import HEADINGS, join, split
from emollm.reply_cache import Replies
from emollm.samples import Mark, Sample
from emollm.types import Message, Observation, Part, Rationale, TextPart, Verdict

STAGE = "annotate"
"""Of what is rejected here."""

FRAME = "annotators/frame"

FEWEST_WORDS = 5
"""A shorter turn, the label alone, is left as it is."""

AHEAD = 4
"""Drafts under way for each request at a time, so that a slow one does not hold up the others."""

_LATER = ("budget", "endpoint")

Draft = tuple[Sample, Observation, str | None]
"""A Sample as the engine wrote it, what was measured, and the person it is about."""


def is_for_later(rejected: Rejected) -> bool:
    """Whether a later run would give this Sample another chance: the budget was spent, or the server did not answer."""
    return rejected.stage == STAGE and rejected.reason.partition(":")[0] in _LATER


class _Unusable(Exception):
    """A draft that is rejected; the message is the reason."""


class _Worded(NamedTuple):
    """A turn in its new words."""

    text: str
    rewritten: bool
    """Whether a sentence had to be written again or dropped."""


class Annotator:
    """Words drafts by the model of a recipe. Nothing is sent before the first draft comes.

    Args:
        settings: The recipe; ``settings.annotator.model`` is an address with the model's name.
        cache: Folder of replies; processes and builds may share it.
        ledger: File that counts the tokens of one run over several processes, new for each run; None counts in this process.

    Raises:
        ConfigError: The address is none, or does not name the model; the label set is unknown.
    """

    def __init__(self, settings: BuildSettings, cache: Path, ledger: Path | None = None) -> None:
        if settings.annotator.model is None:
            raise ConfigError(
                "annotator.model is not set; give http://host:port/v1#model, or use the deterministic writer"
            )
        self._settings = settings.annotator
        self._guided = settings.label_guided
        self._sets = tuple(label_set(name) for name in dict.fromkeys((settings.labels, DEFAULT)))
        self._asker = Asker(
            settings.annotator, settings.seed, Replies(cache), Ledger(settings.annotator.budget, ledger)
        )
        self._refs = tuple(prompt(name).ref for name in (f"annotators/{settings.annotator.role}", FRAME))

    @property
    def usage(self) -> Usage:
        """Requests, replies from the cache and tokens so far."""
        return self._asker.usage

    def revise(self, drafts: Sequence[Draft]) -> Iterator[Sample | Rejected]:
        """The drafts in the model's words, in their order; a Sample without a turn for this role comes back as it was.

        Args:
            drafts: Written and not yet verified Samples.

        Yields:
            The new Sample, without claims, or why there is none. :func:`is_for_later` tells what a later run should try again.

        Raises:
            EndpointError: No request will succeed: no server, refused key, wrong address or model, or too many failures in a row.
            EmollmError: The cache cannot be read or written.
        """
        waiting: deque[Future[Sample | Rejected]] = deque()
        workers = self._settings.workers
        pool = ThreadPoolExecutor(workers, thread_name_prefix="annotator")
        self._asker.stop.clear()
        try:
            for draft in drafts:
                waiting.append(pool.submit(self._revised, *draft))
                if len(waiting) >= workers * AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            self._asker.stop.set()
            pool.shutdown(cancel_futures=True)

    def _revised(self, sample: Sample, observation: Observation, track: str | None) -> Sample | Rejected:
        """One draft in new words."""
        try:
            return self._reworded(sample, observation, track)
        except _Unusable as error:
            reason = str(error)
        except Spent as error:
            reason = f"budget: {error}"
        except EndpointError as error:
            if error.fault not in (Fault.PASSING, Fault.REQUEST):
                raise
            reason = f"{'endpoint' if error.fault is Fault.PASSING else 'request'}: {error}"
        return Rejected(sample.id, STAGE, one_line(reason, 300), sample)

    def _reworded(self, sample: Sample, observation: Observation, track: str | None) -> Sample:
        messages, touched, rewritten = [], False, False
        guided = self._guided and bool(sample.gold or sample.label)
        for message in sample.messages:
            text = "".join(part.text for part in message.content if isinstance(part, TextPart))
            if message.role == "assistant" and self._is_for_me(text):
                worded = _Turn(self._asker, self._settings.role, self._refs, self._words(sample), sample, guided).word(
                    text, observation, track
                )
                message = Message(role="assistant", content=(TextPart(text=worded.text),))
                touched, rewritten = True, rewritten or worded.rewritten
            messages.append(message)
        if not touched:
            return sample
        marks = (Mark.LABEL_GUIDED,) * guided + (Mark.REWRITTEN,) * rewritten
        provenance = sample.provenance.model_copy(
            update={
                "annotator": self._asker.model,
                "prompt": " ".join(dict.fromkeys((*(sample.provenance.prompt or "").split(), *self._refs))),
                "label_visible": sample.provenance.label_visible or guided,
            }
        )
        return sample.model_copy(
            update={
                "messages": tuple(messages),
                "marks": tuple(dict.fromkeys((*sample.marks, *marks))),
                "claims": (),
                "provenance": provenance,
            }
        )

    def _is_for_me(self, text: str) -> bool:
        """Whether a turn has something to word: the describer writes observations, the others any sentence."""
        if self._settings.role == "describer":
            found = split(text)
            return found is not None and bool(found.observations)
        return len(text.split()) >= FEWEST_WORDS

    def _words(self, sample: Sample) -> re.Pattern[str]:
        """The emotion words that the label sets and this Sample know."""
        sets = self._sets
        if sample.label_set is not None and sample.label_set not in {one.id for one in sets}:
            sets = (*sets, label_set(sample.label_set))
        return emotion_words(sets, (*sample.gold, *((sample.label,) if sample.label else ())))


class _Turn:
    """One turn's way to the model and back."""

    def __init__(
        self, asker: Asker, role: str, refs: Sequence[str], words: re.Pattern[str], sample: Sample, guided: bool
    ) -> None:
        self._asker, self._role, self._refs, self._words = asker, role, refs, words
        self._gold = (", ".join(sample.gold) or sample.label) if guided else None
        self._label = sample.label if role != "describer" else None  # the draft's own conclusion stays
        self._mask = Mask(None if guided else words)

    def word(self, text: str, observation: Observation, track: str | None) -> _Worded:
        """The turn in new words.

        Raises:
            _Unusable: What came back does not hold, even the second time.
        """
        whole = split(text)
        draft = {part: getattr(whole, part.value) for part in Part} if whole else {Part.OBSERVATIONS: text}
        draft = {part: words for part, words in draft.items() if words}
        wanted = {Part.OBSERVATIONS: draft[Part.OBSERVATIONS]} if self._role == "describer" else draft
        facts = cue_text(observation, track) if self._role != "rewriter" else ""
        shown = text if self._role != "describer" else ""
        given = Given.of((facts, shown, self._gold or ""), draft, observation, track, self._words)
        messages = self._messages(facts, shown, wanted, bool(whole))
        found, rewritten = self._held(messages, wanted, given)
        _refuse_loss(wanted, found, given)
        if whole is None:
            return _Worded(found[Part.OBSERVATIONS], rewritten)
        parts = {part.value: found.get(part, draft.get(part, "")) for part in Part}
        return _Worded(join(Rationale(**parts)), rewritten)

    def _messages(self, facts: str, text: str, wanted: Mapping[Part, str], parted: bool) -> list[Message]:
        """The request: rules, material, task."""
        frame, own = prompt(FRAME), prompt(f"annotators/{self._role}")
        blocks = [frame.render("facts", facts=barred(self._mask.hide(facts)))] if facts else []
        if text:
            blocks.append(frame.render("text", text=barred(self._mask.hide(text))))
        if self._gold is not None:
            blocks.append(frame.render("guided", label=self._gold))
        blocks.append(own.render("user"))
        many = parted and self._role != "describer"
        blocks.append(
            frame.render("parts", headings=[HEADINGS[part] for part in wanted]) if many else frame.render("paragraph")
        )
        system = f"{own.render('system')}\n\n{frame.render('rules')}"
        return [_message("system", system), _message("user", "\n\n".join(blocks))]

    def _held(self, messages: list[Message], wanted: Mapping[Part, str], given: Given) -> tuple[dict[Part, str], bool]:
        """What came back and holds, asked for a second time where needed; whether a sentence did not hold at first."""
        reply = self._asked(messages)
        found, wrong = self._read(reply, wanted), dict[str, str]()
        general = self._general(found, wanted)
        if found is not None:
            wrong = _wrong(found, given)
        if not general and not wrong:
            return found or {}, False
        rewritten = bool(wrong)
        messages = [*messages, _message("assistant", reply.text), _message("user", self._again(general, wrong, wanted))]
        found = self._read(self._asked(messages), wanted)
        if found is not None and (left := _wrong(found, given)):
            rewritten = True
            found = {part: without(words, left) for part, words in found.items()}
            if not all(found.values()):
                raise _Unusable(next(iter(left.values())))
            if left := _wrong(found, given):
                raise _Unusable(next(iter(left.values())))
        if found is None or (general := self._general(found, wanted)):
            kind = (general or ["form"])[0]
            raise _Unusable(f"{kind}: {self._said(kind, wanted)}")
        return found, rewritten

    def _asked(self, messages: Sequence[Message]) -> Reply:
        reply = self._asker.ask(messages, self._refs)
        if not reply.whole:
            raise _Unusable("length: the reply was cut off; raise annotator.max_tokens")
        return reply

    def _read(self, reply: Reply, wanted: Mapping[Part, str]) -> dict[Part, str] | None:
        """The reply by parts, hidden words shown; None where it does not have the form that was asked for."""
        shown = self._mask.show(tidy(reply.text))
        if not shown:
            return None
        if len(wanted) == 1 and Part.OBSERVATIONS in wanted:
            return {Part.OBSERVATIONS: " ".join(shown.split())} if split(shown) is None else None
        found = split(shown)
        parts = {part: getattr(found, part.value) for part in wanted} if found is not None else {}
        return parts if parts and all(parts.values()) else None

    def _general(self, found: Mapping[Part, str] | None, wanted: Mapping[Part, str]) -> list[str]:
        """Faults of a reply as a whole: its form, or that the answer's label is lost."""
        if found is None:
            return ["form"]
        return ["label"] if self._named(wanted) and not self._named(found) else []

    def _named(self, texts: Mapping[Part, str]) -> bool:
        """Whether the last part names the answer's label, where it has to."""
        return bool(self._label) and str(self._label).casefold() in [*texts.values()][-1].casefold()

    def _said(self, kind: str, wanted: Mapping[Part, str]) -> str:
        """A fault of the whole in words, for the model (masked by the caller) and for the reader."""
        if kind == "label":
            return prompt(FRAME).render("fault_label", label=self._label)
        return prompt(FRAME).render("fault_parts" if len(wanted) > 1 else "fault_empty")

    def _again(self, general: Sequence[str], wrong: Mapping[str, str], wanted: Mapping[Part, str]) -> str:
        """The second request: what cannot stay, and why."""
        lines = [self._said(kind, wanted) for kind in general]
        lines += [prompt(FRAME).render("fault_sentence", text=sentence, faults=why) for sentence, why in wrong.items()]
        return prompt(FRAME).render("again", faults=[self._mask.hide(" ".join(line.split())) for line in lines])


def _wrong(found: Mapping[Part, str], given: Given) -> dict[str, str]:
    """Sentences of all parts that cannot stay."""
    return {sentence: why for part, text in found.items() for sentence, why in faults(text, part, given).items()}


def _refuse_loss(wanted: Mapping[Part, str], found: Mapping[Part, str], given: Given) -> None:
    """Raises _Unusable where the draft had claims that hold and nothing of them is left."""
    before, after = (
        sum(
            claim.verdict is Verdict.SUPPORTED
            for part, text in texts.items()
            for claim in check_text(text, part, given.observation, given.track)
        )
        for texts in (wanted, found)
    )
    if before and not after:
        raise _Unusable(f"lost: none of the draft's {before} supported claims is left")


def _message(role: str, text: str) -> Message:
    return Message.model_validate({"role": role, "content": (TextPart(text=text),)})
