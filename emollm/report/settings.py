"""Settings of the pages."""

from typing import Annotated

from pydantic import Field

from emollm.config import Settings


class ReportSettings(Settings):
    """What a page holds."""

    embed: Annotated[float, Field(ge=0)] = 12.0
    """Largest clip that is embedded in its page, in megabytes (10^6 bytes); 0: none."""
    copy_up_to: Annotated[float, Field(ge=0)] = 120.0
    """Longest clip of which a smaller copy is made where browsers do not play it or it is too large, in seconds; 0: none."""
