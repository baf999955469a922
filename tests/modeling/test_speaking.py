"""Models of our family as generators."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from emollm.generate import PromptTooLong, open_generator
from emollm.modeling.assemble import Built, load, save
from emollm.modeling.speaking import Asked, EmoLLMGenerator
from emollm.modeling.tiny import tiny
from emollm.samples import MediaItem
from emollm.turns import first_turn
from emollm.types import Box, Message, TextPart
from tests.modeling.conversations import picture


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("speaking")
    save(tiny(), folder)
    return folder


@pytest.fixture(scope="module")
def generator(folder: Path) -> EmoLLMGenerator:
    found = open_generator(str(folder))
    assert isinstance(found, EmoLLMGenerator)
    return found


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[Asked]:
    """A face and a voice, words alone, two looks at a face."""
    root = tmp_path_factory.mktemp("media")
    Image.fromarray(picture(1)).save(root / "a.png")
    soundfile.write(root / "a.wav", np.random.default_rng(0).normal(0, 0.1, 16_000), 16_000)
    face = MediaItem(type="image", path=Path("a.png"), box=Box(x=8, y=4, width=30, height=30))
    voice = MediaItem(type="audio", path=Path("a.wav"))
    shown: list[tuple[MediaItem, ...]] = [(face, voice), (), (face, face)]
    cues = ["Movements: AU12 lip corner puller 0.80.", None, None]
    return [
        Asked((first_turn(media, text, "What is it?"),), media, root) for media, text in zip(shown, cues, strict=True)
    ]


def test_alone_in_pieces_and_in_a_batch_the_reply_is_the_same(generator: EmoLLMGenerator, asked: list[Asked]) -> None:
    alone = [generator.generate(one.messages, media=one.media, root=one.root, max_tokens=12) for one in asked]
    pieces = ["".join(generator.stream(one.messages, media=one.media, root=one.root, max_tokens=12)) for one in asked]
    assert pieces == alone
    assert generator.generate_many(asked, max_tokens=12) == alone
    assert len(set(alone)) > 1


def test_scores_of_labels_are_those_of_reading_them_in_full(generator: EmoLLMGenerator, asked: list[Asked]) -> None:
    model, processor = generator._loaded
    labels, before = ("sad", "happy", "x"), "It is "
    found = generator.label_scores(asked[0], labels, before)
    told = []
    for label in labels:
        encoded = generator._encoded(asked[0], 0)
        reply = processor.tokenizer(before + label, add_special_tokens=False)["input_ids"]
        ids = torch.tensor([[*encoded.ids, *reply]])
        with torch.inference_mode():
            scores = model(input_ids=ids, **encoded.media).logits[0].log_softmax(-1)
        start = len(encoded.ids) - 1
        told.append(sum(float(scores[start + place, token]) for place, token in enumerate(reply)))
    assert found == pytest.approx(torch.tensor(told).softmax(0).tolist(), abs=1e-5)


def test_within_a_spoken_reply_labels_are_scored_as_behind_its_text(
    generator: EmoLLMGenerator, asked: list[Asked]
) -> None:
    spoken = generator.speak(asked[0], max_tokens=20)
    before = spoken.text[:6]
    labels = ("sad", "happy")
    expected = pytest.approx(generator.label_scores(asked[0], labels, before), abs=1e-4)
    assert generator.spoken_scores(spoken, before, labels) == expected
    assert generator.spoken_scores(spoken, before, labels) == expected  # the reply's own cache stays whole


def test_labels_of_replies_that_were_spoken_together_are_scored_as_alone(
    generator: EmoLLMGenerator, asked: list[Asked]
) -> None:
    labels = ("sad", "sadness", "happy", "happily", "x")
    ended: list[int] = []
    together = generator.speak_many(asked, ended.append, max_tokens=20)
    alone = [generator.speak(one, max_tokens=20) for one in asked]
    assert [one.tokens for one in together] == [one.tokens for one in alone]
    assert {one.padding for one in together} > {0}, "rows of different lengths"
    for one, other in zip(together, alone, strict=True):
        expected = pytest.approx(generator.spoken_scores(other, other.text[:4], labels), abs=1e-5)
        assert generator.spoken_scores(one, one.text[:4], labels) == expected
    assert ended == sorted(ended)
    assert len(ended) == 1 + max(len(one.tokens) for one in alone)
    assert ended[-1] == len(asked)


def test_replies_that_end_at_once_are_told_and_can_be_scored(folder: Path, asked: list[Asked]) -> None:
    """A model whose every token ends the turn."""
    model, processor = load(folder)
    model.generation_config.eos_token_id = list(range(model.config.get_text_config().vocab_size))
    silent = EmoLLMGenerator("silent", lambda: Built(model, processor))
    ended: list[int] = []
    told = silent.speak_many(asked, ended.append)
    assert [one.tokens for one in told] == [()] * len(asked)
    assert ended[-1] == len(asked)
    assert list(silent.stream(asked[0].messages, media=asked[0].media, root=asked[0].root)) == []
    for one, spoken in zip(asked, told, strict=True):
        expected = pytest.approx(silent.label_scores(one, ("sad", "happy")), abs=1e-5)
        assert silent.spoken_scores(spoken, "", ("sad", "happy")) == expected


def test_what_does_not_fit_the_context_is_refused(generator: EmoLLMGenerator) -> None:
    long = Message(role="user", content=(TextPart(text="word " * 400),))
    with pytest.raises(PromptTooLong):
        generator.generate((long,))
