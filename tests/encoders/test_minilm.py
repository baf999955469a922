"""The sentence encoder: a tiny BERT with random weights, and the real one where that is asked for."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel

from emollm import assets
from emollm.encoders.minilm import MiniLM
from emollm.encoders.text import put_before
from emollm.errors import DataError, ModelError

SENTENCES = ("a smile", "the brows are pulled up and together", "tears")


def by_tokens(folder: Path, sentence: str) -> torch.Tensor:
    """What transformers makes of the tokens of one sentence: mean of the last layer, length 1."""
    bert = BertModel(BertConfig.from_json_file(folder / "config.json"), add_pooling_layer=False).eval()
    bert.load_state_dict({k: v for k, v in load_file(folder / "model.safetensors").items() if k in bert.state_dict()})
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    with torch.no_grad():
        states = bert(torch.tensor([tokenizer.encode(sentence).ids])).last_hidden_state[0]
    return torch.nn.functional.normalize(states.mean(0), dim=0)


def test_sentences_of_a_batch_are_those_of_transformers_one_by_one(tiny_sentences: Path) -> None:
    together = MiniLM.load(tiny_sentences)(SENTENCES)
    alone = torch.stack([by_tokens(tiny_sentences, sentence) for sentence in SENTENCES])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_a_long_sentence_keeps_its_end_and_leaves_room(tiny_sentences: Path) -> None:
    words = MiniLM.load(tiny_sentences).words(["a" * 100], room=8)
    assert words.ids.shape == (1, 32)
    assert words.ids[0, -1] == 3


def test_learnt_vectors_stand_behind_the_first_token(tiny_sentences: Path) -> None:
    tower = MiniLM.load(tiny_sentences)
    words = tower.words(["ab", "abc"])
    longer = put_before(words, torch.ones(2, 3, tower.width), tower.lead)
    assert longer.ids.tolist() == [[2, -1, -1, -1, 4, 5, 3, 0], [2, -1, -1, -1, 4, 5, 6, 3]]
    assert longer.mask.sum(-1).tolist() == [7, 8]
    assert (longer.vectors[:, 1:4] == 1).all()
    torch.testing.assert_close(longer.vectors[:, 4:], words.vectors[:, 1:])


def test_an_empty_sentence_is_refused_by_its_number(tiny_sentences: Path) -> None:
    with pytest.raises(DataError, match=r"sentence 2 of 2 is empty"):
        MiniLM.load(tiny_sentences)(["a", "  "])


def test_a_folder_without_weights_is_refused_in_one_line(tiny_sentences: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_sentences, tmp_path / "x", ignore=shutil.ignore_patterns("*.safetensors"))
    with pytest.raises(ModelError, match=r"cannot be read as a sentence encoder") as caught:
        MiniLM.load(tmp_path / "x")
    assert "\n" not in str(caught.value)


def test_weights_of_another_width_are_refused_in_one_line(tiny_sentences: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_sentences, tmp_path / "x")
    told = json.loads((tmp_path / "x" / "config.json").read_text())
    (tmp_path / "x" / "config.json").write_text(json.dumps(told | {"hidden_size": 24}))
    with pytest.raises(ModelError, match=r"does not fit config.json") as caught:
        MiniLM.load(tmp_path / "x")
    assert "\n" not in str(caught.value)


def test_weights_without_a_layer_are_refused_by_its_name(tiny_sentences: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_sentences, tmp_path / "x")
    tensors = load_file(tmp_path / "x" / "model.safetensors")
    save_file(
        {k: v for k, v in tensors.items() if not k.startswith("encoder.layer.1.")}, tmp_path / "x" / "model.safetensors"
    )
    with pytest.raises(ModelError, match=r"has no encoder\.layer\.1\."):
        MiniLM.load(tmp_path / "x")


@pytest.mark.slow
def test_the_real_encoder_gives_the_published_numbers() -> None:
    """First numbers of the model card's example sentence; two sentences whose meanings are near are nearer than a third."""
    tower = MiniLM.load()
    found = tower(
        ["This is an example sentence", "A man laughs.", "Someone is amused.", "The bridge is made of steel."]
    )
    assert found[0, :4].tolist() == pytest.approx([0.067657, 0.063496, 0.048713, 0.079305], abs=1e-5)
    assert found[1] @ found[2] > found[1] @ found[3] + 0.2
    alone = by_tokens(assets.path("minilm-l6-v2"), "A man laughs.")[None]
    torch.testing.assert_close(found[1:2], alone, atol=1e-5, rtol=0)
