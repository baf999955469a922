"""What can be set of a server: sizes, times, rates, the engine."""

from typing import Annotated

from pydantic import Field

from emollm.config import Settings
from emollm.perception.settings import PerceptionSettings

_Seconds = Annotated[float, Field(gt=0)]
_Count = Annotated[int, Field(ge=1)]


class MeasureLimits(Settings):
    """What decoding and measuring one file may take."""

    clip_seconds: _Seconds = 600.0
    """Longest video or sound recording."""
    measure_seconds: _Seconds = 300.0
    """How long measuring one file may take."""
    memory_mb: _Count = 3000
    """Memory beside the loaded models, in MiB."""


class LimitSettings(MeasureLimits):
    """What one client may ask for."""

    upload_mb: Annotated[float, Field(gt=0)] = 100.0
    """Largest file, in millions of bytes."""
    body_mb: Annotated[float, Field(gt=0)] = 200.0
    """Largest request with all its files; base64 takes a third more than the file."""
    bodies_mb: Annotated[float, Field(gt=0)] = 1000.0
    """All requests that arrive at the same time, together; more are told to come again."""
    body_seconds: _Seconds = 60.0
    """How long a request may take to arrive, and how long a client may take nothing of its reply."""
    head_seconds: _Seconds = 10.0
    """How long the head of a request may take to arrive."""
    media: _Count = 16
    """Pictures, sounds and videos of one conversation."""
    turns: _Count = 512
    """Messages of one conversation."""
    tokens: _Count = 2048
    """Longest reply in tokens, and its length where the request does not say."""
    request_seconds: _Seconds = 900.0
    """How long a whole request may take."""
    rate: Annotated[float, Field(ge=0)] = 20.0
    """Requests a second of one client, by its key or address; 0 for any number."""
    burst: _Count = 400
    """So many may come at once."""
    at_once: _Count = 128
    """Requests that are worked on at the same time; more are told to come again."""
    at_once_each: Annotated[int, Field(ge=0)] = 0
    """So many of them of one client, by its key or address; 0 for half of them."""
    connections: _Count = 512
    """Connections that are open at the same time; more are told to come again."""


class EngineSettings(Settings):
    """How vLLM is run."""

    context: Annotated[int, Field(ge=0)] = 0
    """Longest conversation in tokens; 0 for what the model was made for."""
    sequences: _Count = 32
    """Conversations that are continued at the same time."""
    kv_gib: Annotated[int, Field(ge=1)] = 2
    """Memory for keys and values on a CPU, in GiB."""
    memory_share: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the machine's (CPU) or the device's memory that vLLM may take; by default 0.4 on a CPU, else vLLM's own."""
    threads: Annotated[int, Field(ge=0)] = 0
    """Threads of vLLM on a CPU; 0 for one a core. On cores that other work shares one is much faster than several."""
    start_seconds: _Seconds = 600.0
    """How long a start may take."""
    options: tuple[str, ...] = ()
    """Further options of ``vllm serve``."""


class ServeSettings(Settings):
    """All settings of ``emollm serve``."""

    labels: str = "basic8"
    """Label set of answers where a request names none."""
    limits: LimitSettings = LimitSettings()
    """What one client may ask for."""
    engine: EngineSettings = EngineSettings()
    """How vLLM is run."""
    measurers: _Count = 2
    """Processes that decode and measure; each holds the perception models (about 0.7 GB)."""
    kept_seconds: Annotated[float, Field(ge=0)] = 600.0
    """For how long what was measured of a file is kept in memory, for the next turn of a conversation; 0 keeps nothing."""
    kept: _Count = 64
    """Files of which it is kept."""
    perception: PerceptionSettings = PerceptionSettings()
    """How clips are measured."""
