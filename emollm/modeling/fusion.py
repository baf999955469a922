"""The question-driven gate: how much each visual stream counts for the question at hand (HumanOmni, Zhao et al. 2025).

HumanOmni mixes several projectors of the same frames by softmax weights of a BERT encoding of the question. Here the streams keep their
own tokens, each scaled by its weight times the number of streams, so that equal weights change nothing; the question is read through
the language model's own word vectors. The question travels with each picture as token ids: vLLM encodes and caches pictures without
seeing the prompt around them (see docs/model.md).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from emollm.modeling.configuration import GateSettings

PADDING = -1
"""Id that fills a question up."""


class QuestionGate(nn.Module):
    """Weights of S streams for a question.

    Args:
        settings: Width of the hidden layer.
        width: D of the word vectors.
        streams: S.
    """

    def __init__(self, settings: GateSettings, width: int, streams: int) -> None:
        super().__init__()
        self.before = nn.LayerNorm(width)
        self.hidden = nn.Linear(width, settings.width)
        self.out = nn.Linear(settings.width, streams)

    def forward(self, words: Tensor, asked: Tensor) -> Tensor:
        """Weights (I, S) that add up to 1; equal ones where there is no question.

        Args:
            words: (I, L, D) word vectors.
            asked: (I, L) true where there is a word.
        """
        there = asked.unsqueeze(-1).to(words.dtype)
        mean = (words * there).sum(1) / there.sum(1).clamp(min=1)  # (I, D)
        logits = self.out(functional.gelu(self.hidden(self.before(mean))))
        return torch.softmax(logits.float() * asked.any(1, keepdim=True), dim=-1)
