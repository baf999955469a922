"""The deterministic reasoner as a generator: no language model, the same path as ``emollm explain --reasoner cues``."""

from collections.abc import Iterable, Iterator
from contextlib import closing

from emollm import __version__
from emollm.emotions import DEFAULT, label_set
from emollm.errors import ConfigError
from emollm.eval.generators.base import Opening, Query, Reply
from emollm.eval.generators.perceived import Seen, pinned, seen, told
from emollm.reasoner import ReasonerSettings, reason


class CueAnswers:
    """Answers from what is measured; it abstains where the evidence is unclear. Where labels are free it uses the words of basic8.

    Raises:
        ConfigError: Numbers are asked for, which the reasoner does not give.
    """

    looks = True

    def __init__(self, _: str, opening: Opening) -> None:
        if opening.asks == "numbers":
            raise ConfigError("generator cues: the reasoner gives no valence and arousal; give another generator")
        self._describes = opening.asks == "description"
        self._labels = opening.labels or label_set(DEFAULT)
        self._perception, self._settings = pinned(opening.streams), ReasonerSettings()
        self.name = f"cues@{__version__}"
        self.depends = f"{told(self._perception)} {self._settings.model_dump_json()} {self._labels.id}"

    def replies(self, queries: Iterable[Query]) -> Iterator[tuple[Query, Reply]]:
        """See :class:`emollm.eval.generators.base.Generator`."""
        with closing(seen(queries, self._perception)) as measured:
            for one in measured:
                yield one.query, self._reply(one)

    def _reply(self, one: Seen) -> Reply:
        if one.observation is None:
            return Reply(fault=one.fault)
        answer = reason(one.observation, self._labels, self._settings)
        if self._describes:
            return Reply(answer.text, abstained=answer.label is None, observation=one.observation, track=answer.track)
        if answer.label is None:
            return Reply(abstained=True)
        return Reply(labels=(answer.label,), scores={ranked.label: ranked.score for ranked in answer.labels})
