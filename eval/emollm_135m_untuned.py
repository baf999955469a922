"""The backbone before any training, given the text of a conversation: what it replies, and how likely it finds each word as its reply."""

from collections.abc import Sequence

from emollm.errors import ConfigError
from emollm.generate import PromptTooLong, TransformersGenerator, open_generator
from emollm.modeling.speaking import Asked


class Untuned:
    """A language model that is asked one conversation after the other.

    Args:
        source: Its name or folder.

    Raises:
        ConfigError: It does not run in this process, or is one of our family.
        ModelError: There is no such model.
    """

    def __init__(self, source: str) -> None:
        generator = open_generator(source)
        if not isinstance(generator, TransformersGenerator):
            raise ConfigError(f"--backbone {source}: expected a language model in transformers format, name or folder")
        self.name = generator.name
        self._generator = generator

    def generate_many(self, asked: Sequence[Asked], *, max_tokens: int) -> list[str]:
        """The likeliest replies."""
        return [self._generator.generate(one.messages, max_tokens=max_tokens) for one in asked]

    def label_scores(self, asked: Asked, labels: Sequence[str], before: str = "") -> list[float]:
        """How likely each of several words is as the begin of the reply, or as what follows ``before`` in it; they add up to 1.

        Raises:
            PromptTooLong: Prompt and word do not fit the model's context.
            ModelError: The model cannot be loaded.
        """
        import torch

        model, tokenizer = self._generator.ready()
        prompt = self._generator.tokens(asked.messages)
        rows = [list(tokenizer(before + label, add_special_tokens=False)["input_ids"]) for label in labels]
        longest, limit = max(map(len, rows)), int(model.config.get_text_config().max_position_embeddings)
        if len(prompt) + longest > limit:
            raise PromptTooLong(self.name, len(prompt), longest, limit)
        fed = [[prompt[-1], *row, *[0] * (longest - len(row))] for row in rows]  # what is behind a word is filling
        with torch.inference_mode():
            begin = torch.tensor([prompt[:-1]], device=model.device)
            memory = model(input_ids=begin, use_cache=True, logits_to_keep=1).past_key_values
            memory.batch_repeat_interleave(len(rows))
            told = model(
                input_ids=torch.tensor(fed, device=model.device), past_key_values=memory, use_cache=True
            ).logits
        told = told.float().log_softmax(-1)  # (rows, tokens, V)
        summed = [told[place, range(len(row)), row].sum() for place, row in enumerate(rows)]
        return [float(score) for score in torch.stack(summed).softmax(0)]
