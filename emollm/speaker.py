"""A model that is shown a clip and replies, wherever it runs: what is asked of it, what comes back, and the protocol of both.

:class:`emollm.modeling.speaking.EmoLLMGenerator` runs it in process, :mod:`emollm.serve.speaking` through vLLM.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, TypedDict, TypeVar, Unpack

from emollm.samples import MediaItem
from emollm.types import Message


class Asked(NamedTuple):
    """A conversation that ends where the model is to reply."""

    messages: tuple[Message, ...]
    media: tuple[MediaItem, ...] = ()
    """One item for each place in the messages, in order."""
    root: Path = Path()
    """What relative paths of media are relative to."""


class Draw(TypedDict, total=False):
    """How the tokens of a reply are drawn."""

    max_tokens: int
    """The reply ends after so many tokens, 256 if not given."""
    temperature: float
    """0, which is the default, takes the likeliest token each time; above, tokens are drawn."""
    seed: int
    """Of the draw."""
    least: int
    """Before so many tokens the turn does not end; for measuring."""


class Reply(Protocol):
    """A reply, with whatever its speaker needs to go on from a place of it."""

    @property
    def text(self) -> str:
        """What was said."""
        ...


R = TypeVar("R", bound=Reply)


class Speaker(Protocol[R]):
    """A model that takes pictures and voices, and tells how likely a label was in a place of what it said."""

    @property
    def name(self) -> str:
        """``name@version`` of the weights, for provenance."""
        ...

    def speak_many(
        self, asked: Sequence[Asked], told: Callable[[int], None] | None = None, **draw: Unpack[Draw]
    ) -> Sequence[R]:
        """The replies to several conversations.

        Args:
            asked: The conversations.
            told: Told now and then how many replies have ended, and at last that all have; what it raises ends the work.
            **draw: See :class:`Draw`.

        Raises:
            DataError: Media that do not match their places.
            MediaError: Media cannot be read.
            ModelError: The model cannot be had or run, or a prompt is too long for it.
        """
        ...

    def speak_aloud(self, asked: Asked, **draw: Unpack[Draw]) -> Iterator[str | R]:
        """The text of one reply piece by piece as it is made, and at last the reply; raises as :meth:`speak_many`."""
        ...

    def spoken_scores(self, spoken: R, before: str, labels: Sequence[str]) -> list[float]:
        """How likely each label is as what follows the beginning ``before`` of a reply; they add up to 1."""
        ...
