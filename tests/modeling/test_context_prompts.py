"""Context prompts over every kind of text tower."""

import open_clip
import pytest
import torch

from emollm.encoders.text import TextTower
from emollm.errors import ConfigError, DataError, ModelError
from emollm.modeling.clip_s_towers import OpenClipText, Towers
from emollm.modeling.context_prompts import ContextPrompts

SENTENCES = ("a smile", "brows down", "eyes wide open")


@pytest.fixture
def tower(towers: Towers) -> TextTower:
    return towers.text


def test_without_contexts_the_sentences_alone_are_the_prompts(tower: TextTower) -> None:
    prompts = ContextPrompts(tower, SENTENCES, contexts=0)
    torch.testing.assert_close(prompts(), tower.encode(tower.words(SENTENCES)), atol=0, rtol=0)
    assert list(prompts.parameters()) == []


def test_prompts_have_length_one_and_depend_on_their_contexts(tower: TextTower) -> None:
    prompts = ContextPrompts(tower, SENTENCES, contexts=4)
    before = prompts()
    assert before.shape == (3, tower.features)
    torch.testing.assert_close(before.norm(dim=-1), torch.ones(3))
    with torch.no_grad():
        prompts.contexts[1] += torch.randn(prompts.contexts[1].shape)  # type: ignore[index]
    changed = (prompts() - before).abs().amax(-1)
    assert changed[1] > 1e-3
    assert changed[[0, 2]].max() < 1e-6


def test_gradients_reach_the_contexts_and_not_the_tower(tower: TextTower) -> None:
    prompts = ContextPrompts(tower, SENTENCES, contexts=4)
    prompts()[:, 0].sum().backward()
    assert prompts.contexts is not None
    assert prompts.contexts.grad is not None
    assert (prompts.contexts.grad.abs().sum((1, 2)) > 0).all()
    assert all(parameter.grad is None for parameter in tower.parameters())  # type: ignore[attr-defined]


def test_only_the_contexts_are_saved(tower: TextTower) -> None:
    assert list(ContextPrompts(tower, SENTENCES, contexts=4).state_dict()) == ["contexts"]


def test_classes_in_another_order_give_the_same_prompts_in_that_order(tower: TextTower) -> None:
    order = [2, 0, 1]
    straight = ContextPrompts(tower, SENTENCES, contexts=4)
    turned = ContextPrompts(tower, [SENTENCES[k] for k in order], contexts=4)
    with torch.no_grad():
        turned.contexts.copy_(straight.contexts[order])  # type: ignore[index, union-attr]
    torch.testing.assert_close(turned(), straight()[order], atol=1e-6, rtol=1e-5)


def test_shared_contexts_stand_before_unlearnt_texts_too(tower: TextTower) -> None:
    shared = ContextPrompts(tower, SENTENCES, contexts=4, shared=True)
    own = ContextPrompts(tower, SENTENCES, contexts=4)
    torch.testing.assert_close(shared.of(SENTENCES), shared(), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(own.of(["tears"]), tower.encode(tower.words(["tears"])), atol=1e-6, rtol=1e-5)


def test_a_long_sentence_leaves_room_for_the_contexts(tower: TextTower) -> None:
    prompts = ContextPrompts(tower, ["brows " * 60, "a smile"], contexts=4)
    assert prompts().isfinite().all()


def test_no_sentence_and_an_empty_one_are_refused(tower: TextTower) -> None:
    with pytest.raises(ConfigError, match="need a sentence for each class"):
        ContextPrompts(tower, [])
    with pytest.raises(DataError, match="sentence 2 of 2 is empty"):
        ContextPrompts(tower, ["a", ""])


@pytest.mark.parametrize(
    "text",
    [
        {},
        {"no_causal_mask": True, "pool_type": "last", "proj_bias": True},
        {"pool_type": "eos", "eos_id": 49407},
        {"pool_type": "first"},
        {"proj_type": "none", "width": 24},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [open_clip.CLIP, open_clip.CustomTextCLIP])
def test_an_open_clip_tower_gives_what_encode_text_gives(kind: type, text: dict[str, object]) -> None:
    torch.manual_seed(0)
    config = {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2} | text
    vision = {"image_size": 32, "patch_size": 16, "layers": 1, "width": 32, "head_width": 16}
    model, tokenizer = kind(24, vision, config).eval(), open_clip.SimpleTokenizer()
    tower = OpenClipText(model, tokenizer, "tiny", "0")
    with torch.no_grad():
        theirs = model.encode_text(tokenizer(list(SENTENCES), context_length=12), normalize=True)
    torch.testing.assert_close(tower.encode(tower.words(SENTENCES)), theirs, atol=1e-6, rtol=1e-5)
    assert tower.features == theirs.shape[-1]


def test_an_open_clip_tower_without_room_for_words_is_refused(clip_towers: Towers) -> None:
    with pytest.raises(DataError, match="reads 16 tokens: 14 learnt ones leave no room"):
        ContextPrompts(clip_towers.text, SENTENCES, contexts=14)


def test_a_tower_that_appends_a_class_token_is_refused() -> None:
    config = {"context_length": 12, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1, "embed_cls": True}
    vision = {"image_size": 32, "patch_size": 16, "layers": 1, "width": 32, "head_width": 16}
    with pytest.raises(ModelError, match="appends a class token"):
        OpenClipText(open_clip.CustomTextCLIP(24, vision, config), open_clip.SimpleTokenizer(), "coca", "0")
