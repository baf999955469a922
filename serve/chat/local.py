"""Explains in the process of the chat itself, by the code of ``emollm explain``; files are measured in a limited process beside it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from emollm.emotions import label_set
from emollm.explain import ExplainSettings, answerer, chosen
from emollm.generate import DEFAULT, Generator, open_generator
from emollm.serve.chat.events import Answered, Event, Observed, Progress, Replied, Token, told
from emollm.serve.measurers_apart import Apart
from emollm.serve.settings import MeasureLimits
from emollm.types import Answer, Clip, Message, Observation


class Local:
    """Explains in process; models are opened when they are first needed.

    Args:
        settings: How clips are measured and who answers; the defaults if not given.
        model: Who answers further questions: an asset, a folder, a hub name, or an address.
        limits: What measuring one file may take.

    Raises:
        ModelError: There is no such model.
        ConfigError: The model's address is malformed.
    """

    place: str | None = None

    def __init__(
        self, settings: ExplainSettings | None = None, model: str = DEFAULT, limits: MeasureLimits | None = None
    ) -> None:
        self._settings = settings or ExplainSettings()
        self._measuring = Apart(self._settings.perception, limits or MeasureLimits())
        self._replies: Generator = open_generator(model)
        answerer(chosen(self._settings.by, label_set(self._settings.labels)))  # refused before anybody asks

    def warm(self) -> None:
        """Starts the process that measures and loads the model that explains, so that the first question need not wait for them.

        Raises:
            EmollmError: It cannot be had; the first question will say so.
        """
        self._measuring.begin()
        model = answerer(chosen(self._settings.by, label_set(self._settings.labels)))
        if model is not None:
            model.ready()

    def close(self) -> None:
        """Ends the process that measures."""
        self._measuring.close()

    def explain(self, clip: Clip, labels: str) -> Iterator[Event]:
        """See :meth:`emollm.serve.chat.events.Explainer.explain`."""

        def work(tell: Callable[[Event], None]) -> None:
            from emollm.reasoner import reason

            words = label_set(labels)
            model = answerer(chosen(self._settings.by, words))
            observation = self._measuring.observe(clip, lambda done, of: tell(Progress(done, of)))
            tell(Observed(observation))
            if model is None:
                tell(Answered(reason(observation, words, self._settings.reasoner), observation))
                return
            from emollm.answering import answer_aloud

            def heard(done: int, of: int) -> None:
                tell(Token(""))  # ends the work where nobody listens

            for piece in answer_aloud(clip, observation, words, model, self._settings.reasoner, answered=heard):
                tell(Token(piece) if isinstance(piece, str) else Answered(piece, observation))

        return told(work, "explain")

    def ask(self, question: str, answer: Answer, observation: Observation) -> Iterator[Event]:
        """See :meth:`emollm.serve.chat.events.Explainer.ask`."""

        def work(tell: Callable[[Event], None]) -> None:
            from emollm.ask import ask

            spoken = _Aloud(self._replies, lambda piece: tell(Token(piece)))
            tell(Replied(ask(question, answer, observation, spoken)))

        return told(work, "ask")


class _Aloud:
    """A generator whose replies are told while they are made."""

    def __init__(self, generator: Generator, tell: Callable[[str], None]) -> None:
        self._generator = generator
        self._tell = tell

    @property
    def name(self) -> str:
        return self._generator.name

    def generate(self, messages: Sequence[Message], **draw: Any) -> str:
        return "".join(self.stream(messages, **draw))

    def stream(self, messages: Sequence[Message], **draw: Any) -> Iterator[str]:
        for piece in self._generator.stream(messages, **draw):
            self._tell(piece)
            yield piece
