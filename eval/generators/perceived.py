"""Clips measured side by side, ahead of whoever reads the measurements."""

from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from typing import NamedTuple

from emollm import __version__
from emollm.errors import DataError, MediaError, one_line
from emollm.eval.generators.base import Query
from emollm.eval.tasks import Stream
from emollm.perception import observe_all
from emollm.perception.settings import PerceptionSettings
from emollm.types import Clip, Observation


class Seen(NamedTuple):
    """A query and what was measured of its clip."""

    query: Query
    observation: Observation | None
    fault: str = ""
    """Why there is none."""


def pinned(streams: Collection[Stream]) -> PerceptionSettings:
    """The default settings with ``auto`` replaced by what it stands for now, so that answers of two runs are told apart by it.

    Args:
        streams: What the items have; without pictures no backend of faces is chosen.
    """
    settings = PerceptionSettings()
    if not {"image", "video"} & set(streams):
        return settings
    from emollm.perception.photo import choose_meter

    video = settings.video.model_copy(update={"action_units": choose_meter(settings.video.action_units)})
    return settings.model_copy(update={"action_units": choose_meter(settings.action_units), "video": video})


def told(settings: PerceptionSettings) -> str:
    """What measurements depend on, for the key of an answer."""
    return f"emollm {__version__} {settings.model_dump_json()}"


def seen(queries: Iterable[Query], settings: PerceptionSettings) -> Generator[Seen, None, None]:
    """Measurements in the order of the queries, several clips at a time; a clip that cannot be read has a fault."""
    waiting: deque[Query] = deque()

    def clips() -> Iterator[Clip]:
        for query in queries:
            waiting.append(query)
            yield query.clip

    for _, result in observe_all(clips(), settings):
        yield _seen(waiting.popleft(), result)


def _seen(query: Query, result: Callable[[], Observation]) -> Seen:
    try:
        return Seen(query, result())
    except (MediaError, DataError) as error:
        return Seen(query, None, one_line(str(error)))
