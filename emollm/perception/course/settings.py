"""Settings of the analysis over time."""

from typing import Annotated

from pydantic import Field

from emollm.config import Settings


class CourseSettings(Settings):
    """How a face's course over time is read."""

    max_peaks: Annotated[int, Field(ge=1)] = 6
    """Moments kept of a person, the most expressive ones."""
    max_events: Annotated[int, Field(ge=1)] = 8
    """Rises kept of a unit, and turns of an angle, the strongest ones."""
