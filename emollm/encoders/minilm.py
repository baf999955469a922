"""Sentences as vectors: all-MiniLM-L6-v2 (Wang et al. 2020; Reimers & Gurevych 2019), also from embedded tokens.

The asset ``minilm-l6-v2`` holds weights, configuration and tokenizer; transformers' BERT runs them. Two sentences are compared by the
product of their vectors, the cosine. Learnt vectors can be put before the words of a sentence (:mod:`emollm.modeling.context_prompts`),
so words and sentence are two steps: :meth:`MiniLM.words` and :meth:`MiniLM.encode`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from emollm import assets, fetch
from emollm.encoders.text import Words
from emollm.errors import DataError, MissingDependency, ModelError, one_line

ASSET = "minilm-l6-v2"
_WEIGHTS, _CONFIG, _TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"
_LONGEST = 256
"""Tokens the published model was trained to read; what is longer is cut."""


class MiniLM(nn.Module):
    """The sentence encoder, a :class:`~emollm.encoders.text.TextTower`.

    Args:
        bert: A transformers ``BertModel``.
        tokenizer: Of the ``tokenizers`` library; puts [CLS] before a sentence and [SEP] behind.
        name: What the weights are called.
        version: First 12 digits of their SHA-256.
        longest: Tokens of a sentence, at most.
    """

    lead = 1

    def __init__(self, bert: nn.Module, tokenizer: Any, name: str, version: str, longest: int = _LONGEST) -> None:
        super().__init__()
        self.bert = bert
        self.name, self.version = name, version
        self.longest = longest
        self._tokenizer = tokenizer

    @classmethod
    def load(cls, folder: Path | None = None) -> Self:
        """The encoder of the asset, or of a folder of the same files; frozen.

        Raises:
            AssetError: The asset cannot be had.
            ModelError: Files are missing, cannot be read, or do not fit together.
            MissingDependency: transformers is not installed.
        """
        folder = assets.path(ASSET) if folder is None else folder
        bert_config, bert_model, tokenizer_of = _packages()
        try:
            config = bert_config.from_json_file(str(folder / _CONFIG))
            bert = bert_model(config, add_pooling_layer=False)
            tokenizer = tokenizer_of((folder / _TOKENIZER).read_text(encoding="utf-8"))
            tensors = load_file(folder / _WEIGHTS)
            tokenizer.no_padding()  # the published file pads to 128 and cuts there; words() does both itself
            tokenizer.no_truncation()
        except (OSError, ValueError, TypeError, ValidationError, SafetensorError) as error:
            raise ModelError(f"{folder}: cannot be read as a sentence encoder: {one_line(str(error))}") from error
        wanted = set(bert.state_dict())
        if lacking := sorted(wanted - set(tensors)):
            raise ModelError(
                f"{folder / _WEIGHTS}: has no {lacking[0]}; expected the weights of a BERT as {_CONFIG} says"
            )
        try:
            bert.load_state_dict({name: tensors[name] for name in wanted})
        except RuntimeError as error:
            raise ModelError(f"{folder / _WEIGHTS}: does not fit {_CONFIG}: {one_line(str(error))}") from error
        name = ASSET if folder.name == ASSET else folder.name
        longest = min(_LONGEST, int(config.max_position_embeddings))
        return cls(bert.eval().requires_grad_(False), tokenizer, name, fetch.sha256(folder / _WEIGHTS)[:12], longest)

    @property
    def width(self) -> int:
        """W, of an embedded token."""
        return int(self.bert.config.hidden_size)  # type: ignore[union-attr, arg-type]

    @property
    def features(self) -> int:
        """D, of a sentence; here the width of its tokens."""
        return self.width

    @property
    def spread(self) -> float:
        """Standard deviation of the embedded tokens of the vocabulary: how large a learnt one starts."""
        return float(self._embedding.weight.std())

    @property
    def _embedding(self) -> nn.Embedding:
        return self.bert.embeddings.word_embeddings  # type: ignore[union-attr, return-value]

    def words(self, sentences: Sequence[str], room: int = 0) -> Words:
        """Embedded tokens of sentences, cut so that ``room`` further ones fit.

        Raises:
            DataError: A sentence is empty.
        """
        for sentence in sentences:
            if not sentence.strip():
                raise DataError(
                    f"sentence {list(sentences).index(sentence) + 1} of {len(sentences)} is empty; write one"
                )
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch(list(sentences))]
        most = self.longest - room
        rows = [row if len(row) <= most else [*row[: most - 1], row[-1]] for row in rows]  # [SEP] stays
        longest = max(map(len, rows))
        device = self._embedding.weight.device
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=device)  # (n, L)
        sizes = torch.tensor([len(row) for row in rows], device=device)
        mask = torch.arange(longest, device=device) < sizes[:, None]  # (n, L)
        return Words(self._embedding(ids), ids, mask)

    def encode(self, words: Words) -> Tensor:
        """(n, D) of length 1: the mean over the tokens of what the last layer says."""
        states = self.bert(inputs_embeds=words.vectors, attention_mask=words.mask.long()).last_hidden_state  # (n, L, W)
        seen = words.mask[..., None].to(states.dtype)
        return functional.normalize((states * seen).sum(1) / seen.sum(1), dim=-1)

    def forward(self, sentences: Sequence[str]) -> Tensor:
        """(n, D) of length 1 of sentences."""
        return self.encode(self.words(sentences))


def _packages() -> tuple[Any, Any, Any]:
    try:
        from tokenizers import Tokenizer
        from transformers import BertConfig, BertModel
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"the text tower needs the package {error.name!r}; pip install 'emollm[llm]'"
        ) from error
    return BertConfig, BertModel, Tokenizer.from_str
