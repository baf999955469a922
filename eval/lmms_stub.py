"""A model for lmms-eval whose replies follow from the very pixels, samples and words that it is given; run by :mod:`emollm.eval.lmms_check`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from lmms_eval.api.model import lmms
from lmms_eval.models.registry_v2 import ModelManifest

from emollm.eval.lmms_check import STUB, reply, samples_of


class Stub(lmms):
    """Is given a text, and a function that gives the media."""

    def __init__(self, **_: Any) -> None:
        super().__init__()

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """The replies."""
        return [self._reply(request.args) for request in requests]

    def _reply(self, request: tuple[Any, ...]) -> str:
        text, _, visuals, doc, task, split = request
        shown = visuals(self.task_dict[task][split][doc])
        return reply(text, [one["array"] if isinstance(one, dict) else np.asarray(one) for one in shown])

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
        """Our tasks have one round."""
        raise NotImplementedError

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """Our tasks want replies."""
        raise NotImplementedError


class ChatStub(Stub):
    """Is given a function that gives messages."""

    is_simple = False

    def _reply(self, request: tuple[Any, ...]) -> str:
        _, messages, _, doc, task, split = request
        (message,) = messages(self.task_dict[task][split][doc])
        *media, words = message["content"]
        shown = [samples_of(one["url"]) if one["type"] == "audio" else np.asarray(one["url"]) for one in media]
        return reply(words["text"], shown)


def manifest() -> ModelManifest:
    """What lmms-eval finds under its group of entry points."""
    return ModelManifest(
        model_id=STUB,
        simple_class_path=f"{__name__}.{Stub.__name__}",
        chat_class_path=f"{__name__}.{ChatStub.__name__}",
    )
