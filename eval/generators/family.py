"""Models of our own family as generators: measured, shown and asked as ``emollm explain`` does, several clips in a batch."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing

from emollm.answering import asked_about, ranked
from emollm.emotions import DEFAULT, label_set
from emollm.errors import ConfigError, DataError, MediaError, one_line
from emollm.eval.generators.base import Opening, Query, Reply
from emollm.eval.generators.perceived import Seen, pinned, seen, told
from emollm.eval.generators.wording import without_cue_text
from emollm.explain import answerer
from emollm.generate import EMBEDDED, PromptTooLong
from emollm.modeling.speaking import Asked, Draw, EmoLLMGenerator, Spoken
from emollm.prompts import prompt
from emollm.replies import named_in

AT_ONCE = 8
"""Clips that are asked about in one batch: about 30 MB of keys and values each."""
_CUES = "model/cues"


class FamilyAnswers:
    """A model that is shown the most prominent person of a clip with the measured cues. Where nothing was measured it abstains, as in use.

    Args:
        model: Loaded at the first reply.
        opening: What is asked for.
        cues: Whether it is told the measured cues as text, beside what it is shown.
    """

    looks = True

    def __init__(self, model: EmoLLMGenerator, opening: Opening, cues: bool = True) -> None:
        self._model, self._opening, self._cues = model, opening, cues
        self._perception = pinned(opening.streams)
        self.name = model.name if cues else f"{model.name}+uncued"
        self._draw: Draw = {"max_tokens": opening.max_tokens, "temperature": opening.temperature, "seed": opening.seed}
        self.depends = f"{told(self._perception)} {prompt(_CUES).ref} {self._draw}"

    def replies(self, queries: Iterable[Query]) -> Iterator[tuple[Query, Reply]]:
        """See :class:`emollm.eval.generators.base.Generator`."""
        batch: list[Seen] = []
        with closing(seen(queries, self._perception)) as measured:
            for one in measured:
                if one.observation is None:
                    yield one.query, Reply(fault=one.fault)
                elif not one.observation.of(_track(one)):
                    yield one.query, Reply(abstained=True)
                else:
                    batch.append(one)
                if len(batch) == AT_ONCE:
                    yield from self._answered(batch)
                    batch = []
        yield from self._answered(batch)

    def _answered(self, batch: Sequence[Seen]) -> Iterator[tuple[Query, Reply]]:
        """Replies to a batch; where it fails its items are asked apart."""
        if not batch:
            return
        try:
            spoken = self._model.speak_many([self._asked(one) for one in batch], **self._draw)
        except (DataError, MediaError, PromptTooLong) as error:
            if len(batch) == 1:
                yield batch[0].query, Reply(fault=one_line(str(error)))
            for one in batch if len(batch) > 1 else ():
                yield from self._answered([one])
            return
        for one, said in zip(batch, spoken, strict=True):
            yield one.query, self._reply(one, said)

    def _asked(self, one: Seen) -> Asked:
        assert one.observation is not None
        labels = self._opening.labels or label_set(DEFAULT)
        asked = asked_about(one.query.clip, one.observation, labels, _track(one), one.query.asked)
        return asked if self._cues else asked._replace(messages=tuple(map(without_cue_text, asked.messages)))

    def _reply(self, one: Seen, said: Spoken) -> Reply:
        """The text; with how likely each label was where one was named, and what a description can be held against."""
        labels = self._opening.labels
        named = named_in(said.text, labels) if labels is not None and self._opening.asks == "label" else None
        cut = len(said.tokens) >= self._opening.max_tokens
        if self._opening.asks == "description":
            return Reply(said.text, cut=cut, observation=one.observation, track=_track(one))
        if labels is None or named is None:
            return Reply(said.text, cut=cut)
        scores = {one.label: one.score for one in ranked(self._model, said, labels, named)}
        return Reply(said.text, scores=scores, cut=cut)


def family(given: str, opening: Opening, cues: bool = True) -> FamilyAnswers:
    """The embedded model, or the one in a folder.

    Raises:
        ConfigError: Numbers are asked for, which no model of the family has learnt.
        ModelError: There is no such model.
    """
    if opening.asks == "numbers":
        raise ConfigError(
            f"generator {given or EMBEDDED}: it has not learnt valence and arousal; give another generator"
        )
    model = answerer(given or EMBEDDED)
    assert model is not None  # only the reasoner has none
    return FamilyAnswers(model, opening, cues)


def uncued(given: str, opening: Opening) -> FamilyAnswers:
    """The same without the text of the measured cues; see :func:`family`."""
    return family(given, opening, cues=False)


def _track(one: Seen) -> str | None:
    """The most prominent person; None for cues without a place."""
    assert one.observation is not None
    people = one.observation.people
    return people[0].id if people else None
