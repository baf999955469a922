"""What happens while a clip is explained or a question is answered, step by step, and who makes it happen."""

from collections.abc import Callable, Generator, Iterator
from queue import Empty, SimpleQueue
from threading import Event as Flag
from threading import Thread
from typing import NamedTuple, Protocol

from emollm.types import Answer, Clip, FollowUp, Observation

BEAT = 0.25
"""Seconds of silence after which the reader of events is woken, to see whether it still wants them."""


class Waiting(NamedTuple):
    """Nothing has happened for a while."""


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


Event = Waiting | Progress | Observed | Token | Answered | Replied


class Explainer(Protocol):
    """Explains clips and answers what is asked afterwards.

    A reader closes the events that it no longer wants; their work ends then. Between those that say something there may be any number
    of :class:`Waiting`.
    """

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


def told(
    work: Callable[[Callable[[Event], None]], None], name: str, ended: Callable[[], None] = lambda: None
) -> Iterator[Event]:
    """What a piece of work tells while it runs in a thread of its own, and :class:`Waiting` while it is silent.

    The work begins at once. When the iterator is closed, the next thing that is told ends the work.

    Args:
        work: Called with a function to tell things by; what it raises is raised here.
        name: Of the thread.
        ended: Called once nobody listens any more, to end work that waits for something else.
    """
    heard = _heard(work, name, ended)
    next(heard)
    return heard


def _heard(
    work: Callable[[Callable[[Event], None]], None], name: str, ended: Callable[[], None]
) -> Generator[Event, None, None]:
    things: SimpleQueue[Event | BaseException] = SimpleQueue()
    closed = Flag()

    def tell(thing: Event) -> None:
        if closed.is_set():
            raise _Unheard
        things.put(thing)

    def run() -> None:
        error: BaseException = StopIteration()
        try:
            work(tell)
        except BaseException as raised:  # handed over, whatever it is: nobody else waits for this thread
            error = raised
        things.put(error)

    Thread(target=run, name=name, daemon=True).start()
    try:
        yield Waiting()  # taken by told()
        while True:
            try:
                thing = things.get(timeout=BEAT)
            except Empty:
                thing = Waiting()
            if isinstance(thing, StopIteration):
                return
            if isinstance(thing, BaseException):
                raise thing
            yield thing
    finally:
        closed.set()
        ended()
