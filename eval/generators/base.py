"""What a generator is asked and what it answers. A reference is never shown to one, except to ``majority``, which says so."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Generator as Running
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from types import MappingProxyType
from typing import NamedTuple, Protocol, TypeVar

from emollm.emotions import LabelSet
from emollm.eval.tasks import Asks, Stream
from emollm.types import Clip, Observation

T = TypeVar("T")
R = TypeVar("R")

NO_SCORES: Mapping[str, float] = MappingProxyType({})
_PATIENCE = 0.2
"""Seconds after which a wait looks up, so that Ctrl-C is seen."""
_GRACE = 1.0
"""Seconds for which work whose result nobody wants is waited for."""


class Query(NamedTuple):
    """One item as a generator sees it."""

    id: str
    clip: Clip
    """Its media and words, without labels."""
    asked: str
    """The question in one wording; the labels to choose from stand in it."""
    key: str = ""
    """Of the item's content, the question and the generator."""


class Reply(NamedTuple):
    """What a generator answers to one query."""

    text: str = ""
    """What it wrote, for the parser."""
    labels: tuple[str, ...] | None = None
    """Words of the set that it gives without writing a text; the parser takes them as they are."""
    scores: Mapping[str, float] = NO_SCORES
    """Probability of each label of the set, where it has any; they add up to 1."""
    confidence: float | None = None
    """Probability of what it wrote, where it is known and ``scores`` are not."""
    abstained: bool = False
    """It declines to answer."""
    cut: bool = False
    """What it wrote was cut off at its greatest length."""
    observation: Observation | None = None
    """What it measured of the item, where its text is a description that can be held against it."""
    track: str | None = None
    """Of whom in the observation the text speaks; the whole clip if None."""
    fault: str = ""
    """Why it could not be asked about this item, in one line; nothing else counts then."""


class Opening(NamedTuple):
    """What a generator has to know of a run."""

    asks: Asks
    streams: tuple[Stream, ...]
    labels: LabelSet | None = None
    """The closed set; None for open vocabulary."""
    references: tuple[tuple[str, ...], ...] = ()
    """The labels of all items of the run, for ``majority`` alone; empty for all others."""
    max_tokens: int = 256
    temperature: float = 0.0
    seed: int = 0
    workers: int = 8
    """Requests that are sent to a server at the same time."""


class Generator(Protocol):
    """Something that answers."""

    name: str
    """``name@version``, which stands in answers and reports."""
    depends: str
    """What else its answers depend on: versions, settings, the draw."""
    looks: bool
    """Whether it needs an item's media or words; those who do not also answer where they are missing."""

    def replies(self, queries: Iterable[Query]) -> Iterator[tuple[Query, Reply]]:
        """Each query with its reply as soon as there is one, in any order; queries are drawn as work gets room.

        Raises:
            EmollmError: Nothing can be answered any more: no model, no server.
        """
        ...


def as_done(work: Callable[[T], R], items: Iterable[T], workers: int) -> Running[tuple[T, Callable[[], R]], None, None]:
    """Each item with a function that gives its result, or raises what the work raised; whichever is done first.

    Args:
        work: Called with one item, from several threads.
        items: Drawn in the calling thread, at most twice as many as there are threads ahead.
        workers: Threads.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="asking")
    begun: dict[Future[R], T] = {}
    source = iter(items)
    try:
        while True:
            for item in islice(source, 2 * workers - len(begun)):
                begun[pool.submit(work, item)] = item
            if not begun:
                return
            done, _ = wait(begun, timeout=_PATIENCE, return_when=FIRST_COMPLETED)
            for future in done:
                yield begun.pop(future), future.result
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        wait([future for future in begun if not future.done()], timeout=_GRACE)
