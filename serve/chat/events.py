"""What happens while a clip is explained or a question is answered, step by step, and who makes it happen."""

from collections.abc import Callable, Iterator
from queue import SimpleQueue
from threading import Event as Flag
from threading import Thread
from typing import NamedTuple, Protocol, TypeVar

from emollm.types import Answer, Clip, FollowUp, Observation

T = TypeVar("T")


class Progress(NamedTuple):
    """So much of a recording is measured."""

    done: float
    """Seconds."""
    of: float | None
    """Its length in seconds, where that is known."""


class Observed(NamedTuple):
    """The clip is measured."""

    observation: Observation


class Token(NamedTuple):
    """A piece of the reply as the model writes it, before it is checked."""

    text: str


class Answered(NamedTuple):
    """The answer, checked."""

    answer: Answer
    observation: Observation


class Replied(NamedTuple):
    """The reply to a further question, checked."""

    follow_up: FollowUp


Event = Progress | Observed | Token | Answered | Replied


class Explainer(Protocol):
    """Explains clips and answers what is asked afterwards; the events end as soon as their reader closes them."""

    @property
    def place(self) -> str | None:
        """The server that clips are sent to; None where they stay in this process."""
        ...

    def explain(self, clip: Clip, labels: str) -> Iterator[Event]:
        """Measures a clip and answers for everybody in it; the last event is :class:`Answered`.

        Args:
            clip: A photo, a video or a sound.
            labels: Name of the label set.

        Raises:
            EmollmError: What is wrong, in one line.
        """
        ...

    def ask(self, question: str, answer: Answer, observation: Observation) -> Iterator[Event]:
        """Answers a further question; the last event is :class:`Replied`.

        Args:
            question: In English.
            answer: Of the person it is about.
            observation: What the answer was made from.

        Raises:
            EmollmError: What is wrong, in one line.
        """
        ...


class _Unheard(BaseException):
    """Nobody listens any more: ends the work that tells."""


def told(work: Callable[[Callable[[T], None]], None], name: str) -> Iterator[T]:
    """What a piece of work tells while it runs in a thread of its own.

    When the iterator is closed, the next thing that is told ends the work.

    Args:
        work: Called with a function to tell things by; what it raises is raised here.
        name: Of the thread.
    """
    things: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()
    closed = Flag()

    def tell(thing: T) -> None:
        if closed.is_set():
            raise _Unheard
        things.put((thing, None))

    def run() -> None:
        ended: BaseException = StopIteration()
        try:
            work(tell)
        except BaseException as error:  # handed over, whatever it is: nobody else waits for this thread
            ended = error
        things.put((None, ended))

    Thread(target=run, name=name, daemon=True).start()
    try:
        while True:
            thing, error = things.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield thing  # type: ignore[misc]
    finally:
        closed.set()
