"""A judge of descriptions: rates how far answer and reference say the same of feelings, 1 to 10 (after Lian et al. 2023, EMER).

*Clues*: one request a pair; despite the name it is statements on the emotional state that are compared, as published. *Labels*: each text is reduced to
emotion words by a request of its own, then the two lists are rated. The published judge is retired and its prompts were Chinese on Chinese
descriptions; ours are worded anew in both languages, so that no number of ours is the published one. Descriptions are material: each of their lines
is sent behind a bar, and control tokens are broken up, so that nothing in them is an instruction.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field

from emollm.config import Settings
from emollm.endpoint import READ_SECONDS
from emollm.eval.judging.asking import Asking, Heard, Parameters
from emollm.eval.judging.ratings import LOWEST, Judged, Outcome, Pin, Rating
from emollm.eval.judging.replies import rating_in, words_in
from emollm.metrics.report import Measure
from emollm.prompts import prompt

Texts = tuple[str, str]
"""A reference and an answer, which is empty where there is none."""
_KEPT = 200
_From = TypeVar("_From")
_To = TypeVar("_To")


class JudgeSettings(Settings):
    """Which model judges, and how it is asked."""

    model: str
    """``http://host:port/v1#model`` of an OpenAI-compatible server; the key, if one is needed, is in ``EMOLLM_API_KEY``."""
    language: Literal["en", "zh"] = "en"
    """Of the prompts: that of the descriptions."""
    seed: int = 0
    """Sent with each request; servers may ignore it."""
    temperature: float = Field(default=0.0, ge=0.0)
    """0: the likeliest token each time."""
    max_tokens: int = Field(default=256, ge=1)
    """A reply ends after so many tokens; one that is cut off there is a failure."""
    timeout: float = Field(default=READ_SECONDS, gt=0)
    """Seconds that the server may stay silent."""
    retries: int = Field(default=4, ge=0)
    """Further tries where the moment is to blame: silence, 429, 5xx, a lost connection."""
    workers: int = Field(default=8, ge=1, le=256)
    """Requests at the same time."""


class Judge:
    """Rates pairs of descriptions. Nothing is sent before the first is asked for.

    Args:
        settings: The model and how it is asked.
        cache: Folder of replies; what is in it is not asked again.

    Raises:
        ConfigError: The address is none, or names no model.
    """

    def __init__(self, settings: JudgeSettings, cache: Path) -> None:
        self._settings = settings
        parameters = Parameters(settings.max_tokens, settings.temperature, settings.seed)
        self._asking = Asking(settings.model, cache, parameters, settings.timeout, settings.retries, settings.workers)

    def clues(self, pairs: Sequence[Texts]) -> Judged:
        """How far each answer says the same of the emotional state as its reference.

        Raises:
            EndpointError: No request will succeed until server, key or model are mended; replies so far are kept.
            EmollmError: The cache cannot be read or written.
        """
        id = self._id("clues")
        ratings = self._each(lambda pair: self._clue(id, *pair), pairs)
        return Judged(task="clue", pin=self.pin(id), ratings=tuple(ratings))

    def labels(self, pairs: Sequence[Texts]) -> Judged:
        """How far the emotion words that each answer comes down to mean the same as those of its reference; raises as :meth:`clues`."""
        reducing, rating = self._id("words"), self._id("labels")
        texts = [text for text in dict.fromkeys(text for pair in pairs for text in pair) if text.strip()]
        heard = self._each(lambda text: self._asking.ask(reducing, text=text.splitlines()), texts)
        words = {text: one.fault or words_in(one.text) for text, one in zip(texts, heard, strict=True)}
        replies = {text: one.text for text, one in zip(texts, heard, strict=True)}

        def rate(pair: Texts) -> Rating:
            found = [words.get(text, ()) for text in pair]
            for text, own in zip(pair, found, strict=True):
                if isinstance(own, Outcome):
                    return _failure(own, replies[text])
            return self._rate(rating, *(list(own) for own in found if not isinstance(own, Outcome)))

        ratings = self._each(rate, pairs)
        return Judged(task="label", pin=self.pin(reducing, rating), ratings=tuple(ratings))

    def pin(self, *ids: str) -> Pin:
        """What the ratings by these prompts depend on."""
        own = self._settings
        return Pin(
            model=self._asking.model,
            server=self._asking.server,
            prompts=tuple(prompt(id).ref for id in ids),
            language=own.language,
            seed=own.seed,
            temperature=own.temperature,
            max_tokens=own.max_tokens,
        )

    def _id(self, name: str) -> str:
        return f"judge/{name}_{self._settings.language}"

    def _clue(self, id: str, reference: str, answer: str) -> Rating:
        return self._rate(id, reference.strip().splitlines(), answer.strip().splitlines())

    def _rate(self, id: str, reference: list[str], answer: list[str]) -> Rating:
        """The rating of two lists of lines; where one is empty there is nothing to ask."""
        if not reference:
            return Rating(outcome=Outcome.NO_REFERENCE)
        if not answer:
            return Rating(outcome=Outcome.MISSING, value=float(LOWEST))
        heard: Heard = self._asking.ask(id, reference=reference, answer=answer)
        found = heard.fault or rating_in(heard.text)
        if isinstance(found, Outcome):
            return _failure(found, heard.text)
        return Rating(outcome=Outcome.RATED, value=found, reply=heard.text[:_KEPT])

    def _each(self, work: Callable[[_From], _To], items: Sequence[_From]) -> list[_To]:
        """The work on each item, in their order; an error ends the others."""
        self._asking.stop.clear()
        pool = ThreadPoolExecutor(self._settings.workers, thread_name_prefix="judge")
        try:
            return list(pool.map(work, items))
        finally:
            self._asking.stop.set()
            pool.shutdown(cancel_futures=True)


class JudgedOverlap:
    """Compares clues and labels by a judge, for a report.

    Args:
        judge: Whom to ask.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        ids = tuple(judge.pin(judge._id(name)).prompts[0] for name in ("clues", "words", "labels"))
        self.name = f"judge {judge.pin().model}, {', '.join(ids)}, seed {judge.pin().seed}, scale 1–10"
        self.judged: tuple[Judged, ...] = ()
        """Of the last call: every rating with its reply."""

    def measures(self, gold: Sequence[str], said: Sequence[str]) -> Mapping[str, Measure]:
        """``clue_judge…`` and ``label_judge…`` (:meth:`Judged.measures`) of n references and n answers."""
        pairs = list(zip(gold, said, strict=True))
        self.judged = (self._judge.clues(pairs), self._judge.labels(pairs))
        return {name: one for judged in self.judged for name, one in judged.measures().items()}


def _failure(outcome: Outcome, reply: str) -> Rating:
    return Rating(outcome=outcome, reply=reply[:_KEPT])
