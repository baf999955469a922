"""Settings of the chat."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from emollm.config import Settings
from emollm.explain import ExplainSettings
from emollm.generate import DEFAULT
from emollm.serve.settings import MeasureLimits


class ChatSettings(Settings):
    """All settings of ``emollm chat``."""

    host: str = "127.0.0.1"
    """Address to listen on; any other than this machine's own lets others in, who are not asked for a password."""
    port: Annotated[int, Field(ge=0, le=65535)] = 7860
    """Port to listen on; 0 takes a free one."""
    endpoint: str | None = None
    """Address of ``emollm serve``, which then measures and answers; without it this process does."""
    model: str = DEFAULT
    """Who answers further questions in this process: an asset, a folder, a hub name, or an address."""
    megabytes: Annotated[float, Field(gt=0)] = 100.0
    """Largest file that is taken, in megabytes (10^6 bytes)."""
    at_once: Annotated[int, Field(ge=1)] = 1
    """Questions that are answered at the same time; others wait."""
    feedback: Path | None = None
    """Folder of the opinions that visitors agree to leave; the user's data folder if not given."""
    limits: MeasureLimits = MeasureLimits()
    """What measuring one file may take in this process's own measuring process; a server has limits of its own."""
    explain: ExplainSettings = ExplainSettings()
    """How clips are measured and explained in this process."""
