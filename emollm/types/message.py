"""What a conversation is made of."""

from typing import Annotated, Literal

from pydantic import Field

from emollm.types.record import Record


class TextPart(Record):
    """Words of a message."""

    type: Literal["text"] = "text"
    text: str


class MediaPart(Record):
    """A place in a message where the next item of the sample's media of that type stands."""

    type: Literal["image", "audio", "video"]


class Message(Record):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: tuple[Annotated[TextPart | MediaPart, Field(discriminator="type")], ...]
