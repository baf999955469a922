"""Language models behind one protocol: in process through transformers, or an OpenAI-compatible endpoint.

``open_generator("smollm2-135m-instruct")`` is the embedded default; a folder or a hub id in transformers format, and
``http://host:port/v1#model``, work as well. Weights are safetensors only and no code of a model repository is ever run.
"""

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from emollm.errors import MissingDependency, ModelError, one_line
from emollm.types import Message, TextPart

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DEFAULT = "smollm2-135m-instruct"
"""The embedded language model: an asset, converted once into the cache."""

EMBEDDED = "emollm-135m"
"""The embedded multimodal model: it comes with the package, its parts are assets."""

MAX_TOKENS = 256
"""Length of a reply in tokens where the caller does not say."""

CONTROL = re.compile(r"<(?=[|/]?[A-Za-z_][\w ./|-]{0,40}>)|\[(?=/?[A-Z_]{2,20}\])")
"""Start of anything shaped like a control token: ``<|im_start|>``, ``</s>``, ``<start_of_turn>``, ``[INST]``."""


class Generator(Protocol):
    """A language model that continues a conversation."""

    @property
    def name(self) -> str:
        """``name@version`` of the weights, for provenance."""
        ...

    def generate(
        self, messages: Sequence[Message], *, max_tokens: int = MAX_TOKENS, temperature: float = 0.0, seed: int = 0
    ) -> str:
        """The reply to a conversation.

        Args:
            messages: Text messages, oldest first.
            max_tokens: The reply ends after so many tokens.
            temperature: 0 takes the likeliest token each time; above, tokens are drawn.
            seed: Of the draw. Equal arguments give an equal reply from a model in process.

        Raises:
            PromptTooLong: Prompt and reply do not fit the model's context.
            ModelError: The model cannot be loaded, reached or run, or a message holds media.
        """
        ...

    def stream(
        self, messages: Sequence[Message], *, max_tokens: int = MAX_TOKENS, temperature: float = 0.0, seed: int = 0
    ) -> Iterator[str]:
        """The same reply piece by piece."""
        ...


class PromptTooLong(ModelError):
    """The prompt and the reply asked for do not fit the model's context."""

    def __init__(self, name: str, prompt: int | None, reply: int | None, limit: int) -> None:
        more = "which are fewer than prompt and reply take"
        if prompt is not None and reply is not None:
            over = prompt + reply - limit
            more = f"but the prompt has {prompt} and the reply may take {reply}: {over} too many"
        super().__init__(f"{name} reads {limit} tokens, {more}; shorten the prompt or the reply")


def open_generator(name: str = DEFAULT) -> Generator:
    """The generator of that name; weights are loaded, or the server is asked, at the first reply.

    Args:
        name: The asset ``smollm2-135m-instruct``, a folder or hub id in transformers format, or an endpoint's address
            ``http://host:port/v1#model`` (key from ``EMOLLM_API_KEY``; without ``#model`` the first one it serves).

    Raises:
        ConfigError: The address is malformed.
        ModelError: The folder holds no model, or the hub does not know the id or cannot be reached.
    """
    if "://" in name:
        from emollm.endpoint import EndpointGenerator

        return EndpointGenerator(name)
    if name == DEFAULT:
        from emollm import assets
        from emollm.converted import converted

        return TransformersGenerator(f"{name}@{assets.asset(name).files[0].sha256[:12]}", lambda: converted(name))
    if name == EMBEDDED:
        from emollm.modeling.shipped import open_shipped, version_of
        from emollm.modeling.speaking import EmoLLMGenerator

        return EmoLLMGenerator(f"{name}@{version_of(name)}", lambda: open_shipped(name))
    folder = Path(name).expanduser()
    if folder.exists() or name.startswith((".", "/", "~")) or name.count("/") != 1:
        _refuse_no_model(folder)
        if _is_our_family(folder):
            from emollm.modeling.assemble import load
            from emollm.modeling.speaking import EmoLLMGenerator

            return EmoLLMGenerator(f"{folder.resolve().name}@{content_hash(folder)}", lambda: load(folder))
        return TransformersGenerator(f"{folder.resolve().name}@{content_hash(folder)}", lambda: folder)
    folder = _from_hub(name)
    return TransformersGenerator(f"{name}@{folder.name[:12]}", lambda: folder)


def neutral(text: str, tokens: Iterable[str] = ()) -> str:
    """The text with every control token broken up by a space, so that a tokenizer reads it as plain words.

    ``<|im_start|>`` in a transcript or a question would otherwise start a turn of its own, here or on a server.

    Args:
        text: Any text.
        tokens: Control tokens of the tokenizer at hand, beside those that look like one.
    """
    text = CONTROL.sub(lambda match: match.group() + " ", text)
    longer = [token for token in tokens if len(token) > 1]
    while found := [token for token in longer if token in text]:
        for token in found:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


def plain_messages(messages: Sequence[Message], name: str, tokens: Iterable[str] = ()) -> list[dict[str, str]]:
    """Role and text of each message, control tokens broken up.

    Args:
        messages: Text messages.
        name: Of the model, for the error message.
        tokens: Control tokens of its tokenizer, where it is known.

    Raises:
        ModelError: A message holds media.
    """
    known = tuple(tokens)
    conversation = []
    for message in messages:
        for part in message.content:
            if not isinstance(part, TextPart):
                raise ModelError(f"{name} takes text only, got a message with {part.type}; leave the {part.type} out")
        text = "".join(part.text for part in message.content if isinstance(part, TextPart))
        conversation.append({"role": message.role, "content": neutral(text, known)})
    return conversation


# ---- in process -----------------------------------------------------------------------------------------------------


class TransformersGenerator:
    """A causal language model with a chat template, run in process on the GPU if there is one.

    Args:
        name: ``name@version`` for provenance.
        folder: Gives the folder with the model in transformers format, when it is first needed.
    """

    def __init__(self, name: str, folder: Callable[[], Path]) -> None:
        self.name = name
        self._folder = folder
        self._lock = threading.Lock()

    def generate(
        self, messages: Sequence[Message], *, max_tokens: int = MAX_TOKENS, temperature: float = 0.0, seed: int = 0
    ) -> str:
        """See :meth:`Generator.generate`."""
        return "".join(self.stream(messages, max_tokens=max_tokens, temperature=temperature, seed=seed))

    def stream(
        self, messages: Sequence[Message], *, max_tokens: int = MAX_TOKENS, temperature: float = 0.0, seed: int = 0
    ) -> Iterator[str]:
        """See :meth:`Generator.stream`."""
        prompt = self.tokens(messages)
        if len(prompt) + max_tokens > self._limit:
            raise PromptTooLong(self.name, len(prompt), max_tokens, self._limit)
        tokenizer = self._loaded[1]
        reply: list[int] = []
        shown = ""
        for token in self._continue(prompt, max_tokens, temperature, seed):
            reply.append(token)
            text = str(tokenizer.decode(reply, skip_special_tokens=True))
            if text.startswith(shown) and not text.endswith("\ufffd") and text != shown:  # half a character: wait
                yield text[len(shown) :]
                shown = text
        rest = str(tokenizer.decode(reply, skip_special_tokens=True)).removeprefix(shown)
        if rest:
            yield rest

    def tokens(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of the prompt, ending where the reply begins.

        Raises:
            ModelError: A message holds media, or the model's template refuses the order of roles.
        """
        from jinja2 import TemplateError

        tokenizer = self._loaded[1]
        conversation = plain_messages(messages, self.name, self._control)
        try:
            text = tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)
        except TemplateError as error:
            raise ModelError(
                f"{self.name}: its chat template refuses the messages ({one_line(str(error))}); use another model"
            ) from error
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    def _continue(self, prompt: list[int], max_tokens: int, temperature: float, seed: int) -> Iterator[int]:
        """Draws token after token, up to but without the one that ends the turn."""
        import torch

        model, _ = self._loaded
        ends = _as_set(model.generation_config.eos_token_id) | _as_set(self._loaded[1].eos_token_id)
        draw = torch.Generator().manual_seed(seed)
        ids = torch.tensor([prompt], device=model.device)  # (1, N)
        past = None
        for _ in range(max_tokens):
            with torch.inference_mode():
                output = model(input_ids=ids, past_key_values=past, use_cache=True, logits_to_keep=1)
            past = output.past_key_values
            token = _choose(output.logits[0, -1].float().cpu(), temperature, draw)
            if token in ends:
                return
            yield token
            ids = torch.tensor([[token]], device=model.device)  # (1, 1)

    def ready(self) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
        """Model and tokenizer, loaded."""
        return self._loaded

    @property
    def _loaded(self) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
        with self._lock:
            return self._model_and_tokenizer

    @cached_property
    def _model_and_tokenizer(self) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
        return _load(self._folder())

    @cached_property
    def _control(self) -> frozenset[str]:
        """Tokens that steer the model and that no text may contain."""
        tokenizer = self._loaded[1]
        added = tokenizer.added_tokens_decoder.values()
        return frozenset(token.content for token in added if token.special or CONTROL.match(token.content)) | frozenset(
            tokenizer.all_special_tokens
        )

    @cached_property
    def _limit(self) -> int:
        """Most tokens that prompt and reply may have together."""
        return int(self._loaded[0].config.get_text_config().max_position_embeddings)


def _choose(logits: "torch.Tensor", temperature: float, draw: "torch.Generator") -> int:
    """One token from logits (V,)."""
    import torch

    if temperature <= 0:
        return int(logits.argmax())
    return int(torch.multinomial((logits / temperature).softmax(-1), 1, generator=draw))


def _load(folder: Path) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    """Model and tokenizer from a folder in transformers format; nothing is unpickled and no code of it is run."""
    transformers = import_transformers()
    import torch
    from safetensors import SafetensorError

    here: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        with quiet():
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **here)
            model, info = transformers.AutoModelForCausalLM.from_pretrained(
                folder, use_safetensors=True, dtype="auto", output_loading_info=True, **here
            )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise ModelError(f"{folder}: not a language model that can be loaded: {one_line(str(error))}") from error
    if missing := sorted(info["missing_keys"]):  # transformers would go on with random numbers there
        raise ModelError(f"{folder}: {len(missing)} weights are missing, {missing[0]} first; get the model again")
    if not tokenizer.chat_template:
        raise ModelError(f"{folder}: the tokenizer has no chat template; give an instruction-tuned model")
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval(), tokenizer


def import_transformers() -> Any:
    """The package ``transformers``, whose import takes seconds.

    Raises:
        MissingDependency: It, or torch, is not installed.
    """
    try:
        import torch  # noqa: F401
        import transformers
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"a language model in process needs the package {error.name!r}; pip install 'emollm[llm]'"
        ) from error
    return transformers


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps transformers' progress bars and advice off the terminal; its errors still show."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _as_set(ids: int | list[int] | None) -> set[int]:
    """One id, several or none, as a set."""
    return set() if ids is None else {ids} if isinstance(ids, int) else set(ids)


def _refuse_no_model(folder: Path) -> None:
    """Raises ModelError where the folder lacks what a model in transformers format has."""
    if not folder.is_dir():
        raise ModelError(
            f"{folder}: no such model folder; give {DEFAULT!r}, a folder or hub id in transformers format, or "
            "http://host:port/v1#model"
        )
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder}: no config.json; give a folder that transformers' save_pretrained wrote")
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{folder}: no safetensors weights, and nothing else is read; convert the model to safetensors"
        )


def _is_our_family(folder: Path) -> bool:
    """Whether the folder holds a model that takes pictures and voices as ours do."""
    try:
        return json.loads((folder / "config.json").read_text("utf-8")).get("model_type") == "emollm"
    except (OSError, ValueError, AttributeError):
        return False


def content_hash(folder: Path) -> str:
    """First 12 hex digits of the SHA-256 over configuration and weights."""
    total = hashlib.sha256()
    for file in sorted([folder / "config.json", *folder.glob("*.safetensors")]):
        with file.open("rb") as opened:
            total.update(hashlib.file_digest(opened, "sha256").digest())
    return total.hexdigest()[:12]


def _from_hub(name: str) -> Path:
    """Folder of a hub model's snapshot, named by its commit; safetensors and text files only."""
    from huggingface_hub import snapshot_download

    from emollm import assets

    try:
        folder = Path(
            snapshot_download(
                name,
                allow_patterns=["*.safetensors", "*.json", "*.jinja", "*.txt", "tokenizer.model"],
                ignore_patterns=["*/*"],
                local_files_only=assets.offline() is not None,
            )
        )
    except (OSError, ValueError) as error:
        raise ModelError(
            f"model {name!r} is no folder here and cannot be had from the hub: {one_line(str(error))}"
        ) from error
    _refuse_no_model(folder)
    return folder
