"""Conversations to tensors: which turns are read, and which refused."""

from pathlib import Path

import pytest
from PIL import Image

from emollm.errors import DataError
from emollm.modeling.conversation import encode
from emollm.modeling.processing import EmoLLMProcessor
from emollm.modeling.tiny import tiny
from emollm.samples import MediaItem
from emollm.types import MediaPart, Message, TextPart
from tests.modeling.conversations import picture

SHOWN = MediaItem(type="image", path=Path("a.png"))


@pytest.fixture(scope="module")
def processor() -> EmoLLMProcessor:
    """Of a model that looks at whole frames."""
    return tiny(streams=("scene",)).processor


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a picture."""
    Image.fromarray(picture(1)).save(tmp_path / SHOWN.path)
    return tmp_path


def turn(role: str, text: str, pictures: int = 0) -> Message:
    return Message(role=role, content=(*[MediaPart(type="image")] * pictures, TextPart(text=text)))  # type: ignore[arg-type]


def test_what_follows_the_last_reply_is_left_out_with_its_media(processor: EmoLLMProcessor, root: Path) -> None:
    turns = [turn("user", "Who?", 1), turn("assistant", "Joy.")]
    wanted = encode(processor, turns, [SHOWN], root=root)
    found = encode(processor, [*turns, turn("user", "And they?", 2)], [SHOWN] * 3, root=root)
    assert (found.ids, found.labels) == (wanted.ids, wanted.labels)
    assert len(found.media["pixel_values"]) == 1


def test_media_in_a_reply_are_refused(processor: EmoLLMProcessor, root: Path) -> None:
    with pytest.raises(DataError, match=r"^image in a reply, which can only be text; put it into the turn before$"):
        encode(processor, [turn("user", "Who?"), turn("assistant", "She.", 1)], [SHOWN], root=root)
