"""Any OpenAI-compatible endpoint as a generator: requests side by side, pictures as data URLs, sound where the server takes it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Any

from emollm.endpoint import EndpointError, EndpointGenerator, Fault
from emollm.endpoint import Reply as Said
from emollm.errors import DataError, MediaError, one_line
from emollm.eval.generators.base import Opening, Query, Reply, as_done
from emollm.eval.generators.media import LONGEST_SIDE, MOST_FRAMES, has_sound, picture_url, pictures, wave
from emollm.eval.generators.wording import SAID, question
from emollm.patience import Patience
from emollm.prompts import prompt

Part = dict[str, Any]


class EndpointAnswers:
    """A model behind ``http://HOST/v1#MODEL``; without ``#MODEL`` the first that the server lists. The key comes from ``EMOLLM_API_KEY``.

    What may heal (429, 5xx, silence, half a reply) is asked again with growing waits; an item that fails for good has a fault, and
    a server that is not there ends the run. Where a server refuses sound, the item is asked without it if it has anything else.

    Raises:
        ConfigError: The address is none.
        EndpointError: The address names no model and the server cannot be asked for one.
    """

    looks = True

    def __init__(self, address: str, opening: Opening) -> None:
        self._endpoint, self._workers = EndpointGenerator(address), opening.workers
        self._draw: dict[str, Any] = {
            "max_tokens": opening.max_tokens,
            "temperature": opening.temperature,
            "seed": opening.seed,
        }
        self._patience = Patience(workers=opening.workers)
        self._deaf = False
        self.name = self._endpoint.name
        self.depends = f"{self._draw} {prompt(SAID).ref} {MOST_FRAMES} frames of {LONGEST_SIDE}"

    def replies(self, queries: Iterable[Query]) -> Iterator[tuple[Query, Reply]]:
        """See :class:`emollm.eval.generators.base.Generator`."""
        self._patience.stop.clear()
        try:
            with closing(as_done(self._asked, queries, self._workers)) as done:
                for query, result in done:
                    yield query, _reply(result)
        finally:
            self._patience.stop.set()

    def _asked(self, query: Query) -> Said:
        shown = [{"type": "image_url", "image_url": {"url": picture_url(one)}} for one in pictures(query.clip)]
        text = {"type": "text", "text": question(query)}
        without = bool(shown or query.clip.transcript)
        if not has_sound(query.clip) or (self._deaf and without):
            return self._sent([*shown, text])
        heard = {"type": "input_audio", "input_audio": {"data": wave(query.clip), "format": "wav"}}
        try:
            return self._sent([*shown, heard, text])
        except EndpointError as error:
            if error.fault is not Fault.REQUEST or not without:
                raise
        said = self._sent([*shown, text])
        self._deaf = True  # it was the sound that it refused
        return said

    def _sent(self, parts: list[Part]) -> Said:
        content: Any = parts if len(parts) > 1 else parts[0]["text"]
        conversation = [{"role": "user", "content": content}]
        return self._patience.ask(lambda: self._endpoint.converse(conversation, **self._draw))


def _reply(result: Callable[[], Said]) -> Reply:
    """The reply, or the fault of one item; what ends the run is raised."""
    try:
        said = result()
        return Reply(said.text, cut=not said.whole)
    except (MediaError, DataError) as error:
        return Reply(fault=one_line(str(error)))
    except EndpointError as error:
        if error.fault not in (Fault.PASSING, Fault.REQUEST):
            raise
        return Reply(fault=one_line(str(error)))
