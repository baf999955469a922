"""Context prompts: learnable vectors before the words that describe a class (CLIP-CAER, Zhao et al. 2025; CoOp, Zhou et al. 2022).

Each class has a fixed sentence, and M vectors of its own (or all classes the same M) stand before its embedded tokens. The text tower is
frozen; gradients go through it to the vectors. Without vectors (M = 0) the sentences alone are the prompts.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emollm.encoders.text import TextTower, Words, put_before
from emollm.errors import ConfigError


class ContextPrompts(nn.Module):
    """The texts of classes as vectors, with what is learnt of them.

    The tower is used, not owned: ``state_dict`` holds the learnt vectors alone.

    Args:
        tower: A frozen text tower.
        sentences: One a class, in the order of the classes.
        contexts: M, learnt vectors a class; 0 for none.
        shared: Whether all classes have the same ones; only then does a text that was not learnt have them too.

    Raises:
        ConfigError: No sentence.
        DataError: A sentence is empty.
    """

    def __init__(self, tower: TextTower, sentences: Sequence[str], contexts: int = 8, *, shared: bool = False) -> None:
        super().__init__()
        if not sentences:
            raise ConfigError("context prompts need a sentence for each class; none is given")
        self.sentences = tuple(sentences)
        self.shared = shared
        self._tower = (tower,)  # in a tuple, so that it is no child: neither saved nor counted nor trained
        rows = 1 if shared else len(sentences)
        self.contexts = nn.Parameter(torch.empty(rows, contexts, tower.width)) if contexts else None  # (C or 1, M, W)
        if self.contexts is not None:
            nn.init.normal_(self.contexts, std=min(tower.spread, 0.02))  # 0.02 as in CoOp, or as small as the words
        self._kept: Words | None = None
        self._fixed: Tensor | None = None
        self._words()  # an empty sentence is refused at once

    @property
    def tower(self) -> TextTower:
        """The frozen text tower."""
        return self._tower[0]

    @property
    def count(self) -> int:
        """M."""
        return 0 if self.contexts is None else self.contexts.shape[1]

    def forward(self) -> Tensor:
        """(C, D) of length 1, of the classes."""
        if self.contexts is None:
            if self._fixed is None:
                with torch.no_grad():
                    self._fixed = self.tower.encode(self._words())
            return self._fixed
        return self.tower.encode(self._with_contexts(self._words(), self.contexts))

    def of(self, texts: Sequence[str]) -> Tensor:
        """(n, D) of length 1, of other texts: with the learnt vectors where all classes share them, else without.

        Raises:
            DataError: A text is empty.
        """
        words = self.tower.words(texts, self.count)
        if self.contexts is not None and self.shared:
            words = self._with_contexts(words, self.contexts)
        return self.tower.encode(words)

    def _words(self) -> Words:
        if self._kept is None or self._kept.vectors.device != self._device():
            with torch.no_grad():
                self._kept = self.tower.words(self.sentences, self.count)
            self._fixed = None
        return self._kept

    def _device(self) -> torch.device:
        return next(self.tower.parameters()).device  # type: ignore[attr-defined]

    def _with_contexts(self, words: Words, contexts: Tensor) -> Words:
        return put_before(words, contexts.expand(len(words.ids), -1, -1), self.tower.lead)
