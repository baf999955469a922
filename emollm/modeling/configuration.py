"""Configuration of the model family: a causal language model, the streams it listens to, and how questions weigh them."""

from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import Field, ValidationError
from transformers import CONFIG_MAPPING, AutoConfig, PreTrainedConfig

from emollm.config import Settings
from emollm.errors import ConfigError

STREAMS = ("scene", "face", "speech")
"""All streams there are, in the order in which an item's rows stand: the whole picture, each face, a voice."""
VISUAL = ("scene", "face")
"""Streams of pictures."""

S = TypeVar("S", bound=Settings)

FRAMES = 3000
"""Frames of 10 ms in the 30 s that a speech tower hears at a time."""


class ConnectorSettings(Settings):
    """How the features of a tower become tokens of the language model."""

    kind: Literal["linear", "mlp", "resampler"] = "mlp"
    """``linear`` and ``mlp`` (two layers, GELU) average neighbouring features down to ``tokens`` and map each; ``resampler`` has so
    many learnt queries that look at all features (Perceiver, Jaegle et al. 2021; the Q-Former without its text)."""
    tokens: Annotated[int, Field(ge=1, le=1500)] = 16
    """Tokens a row, that of a summary not counted; of speech: tokens for 30 s, of which a shorter voice gets its share."""
    layers: Annotated[int, Field(ge=1, le=12)] = 2
    """Layers of a resampler."""
    heads: Annotated[int, Field(ge=1)] = 8
    """Attention heads of a resampler."""


class StreamSettings(Settings):
    """One stream: an encoder and its connector."""

    tower: str
    """Name in the table of towers."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the tower; an architecture, never weights."""
    connector: ConnectorSettings = ConnectorSettings()


class GateSettings(Settings):
    """How a question weighs the visual streams (after HumanOmni, Zhao et al. 2025)."""

    width: Annotated[int, Field(ge=1)] = 64
    """Units of the hidden layer."""
    tokens: Annotated[int, Field(ge=1, le=512)] = 48
    """Most tokens of a question that are read."""


class EmoLLMConfig(PreTrainedConfig):
    """Everything but the weights of an :class:`emollm.modeling.modeling.EmoLLMForConditionalGeneration`.

    Args:
        text_config: Of the language model: any causal one that ``AutoModelForCausalLM`` builds, as a configuration or its mapping.
        streams: Stream name -> :class:`StreamSettings`, or their mapping; a stream that is absent places no tokens.
        gate: :class:`GateSettings`, their mapping, or None for no gate.
        image_token_id: Token that stands for one vector of a picture.
        audio_token_id: Token that stands for one vector of a voice.
        max_faces: Most faces of one picture that are looked at.

    Raises:
        ConfigError: Unknown stream, or settings that are not a stream's.
    """

    model_type = "emollm"
    sub_configs: ClassVar = {"text_config": AutoConfig}  # type: ignore[dict-item]  # as transformers' own models have it

    def __init__(
        self,
        text_config: PreTrainedConfig | dict[str, Any] | None = None,
        streams: dict[str, Any] | None = None,
        gate: dict[str, Any] | GateSettings | None = None,
        image_token_id: int = 0,
        audio_token_id: int = 0,
        max_faces: int = 4,
        **kwargs: Any,
    ) -> None:
        if text_config is None:
            text_config = CONFIG_MAPPING["llama"]()
        if isinstance(text_config, dict):
            known = {key: value for key, value in text_config.items() if key != "model_type"}
            text_config = CONFIG_MAPPING[text_config.get("model_type", "llama")](**known)
        self.text_config = text_config
        self.streams = {
            name: _checked(StreamSettings, each, f"stream {name}").model_dump()
            for name, each in sorted((streams or {}).items(), key=lambda pair: _place(pair[0]))
        }
        self.gate = None if gate is None else _checked(GateSettings, gate, "gate").model_dump()
        self.image_token_id, self.audio_token_id = image_token_id, audio_token_id
        self.max_faces = max_faces
        # `generate` and vLLM look at the outer flag: it has to say what the language model's says.
        kwargs["tie_word_embeddings"] = bool(getattr(text_config, "tie_word_embeddings", False))
        super().__init__(**kwargs)

    def stream(self, name: str) -> StreamSettings:
        """Settings of a stream.

        Raises:
            ConfigError: The model has no such stream.
        """
        if name not in self.streams:
            raise ConfigError(
                f"this model has no stream {name!r}, only {', '.join(self.streams) or 'none'}; leave its media out "
                "or build a model with it"
            )
        return StreamSettings.model_validate(self.streams[name])

    @property
    def visual(self) -> tuple[str, ...]:
        """The streams of pictures that this model has, in their order."""
        return tuple(name for name in VISUAL if name in self.streams)

    @property
    def max_source_positions(self) -> int:
        """Most tokens of one voice; vLLM asks for it by this name."""
        return self.stream("speech").connector.tokens + self.voice_summary if "speech" in self.streams else 0

    @property
    def voice_summary(self) -> int:
        """Tokens of a voice that come first, however long it is: 1 where its tower has a tone head, else 0."""
        return int("speech" in self.streams and bool(self.stream("speech").settings.get("tone")))

    def voice_tokens(self, frames: int) -> int:
        """Tokens of a voice of so many frames of 10 ms."""
        return voice_tokens(frames, self.max_source_positions, self.voice_summary)


def voice_tokens(frames: int, most: int, summary: int) -> int:
    """Tokens of a voice of so many frames of 10 ms.

    Args:
        frames: Of the voice itself.
        most: Tokens of 3,000 frames, the summary's included.
        summary: How many of them each voice has; of the others it has its share, at least one.
    """
    shared = most - summary
    return summary + max(1, min(shared, -(-frames * shared // FRAMES)))


def _place(name: str) -> int:
    """Where a stream stands among all.

    Raises:
        ConfigError: There is no such stream.
    """
    if name not in STREAMS:
        raise ConfigError(f"unknown stream {name!r}; known: {', '.join(STREAMS)}")
    return STREAMS.index(name)


def _checked(kind: type[S], values: object, what: str) -> S:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigError(f"{what}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
