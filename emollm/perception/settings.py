"""Settings of perception."""

from typing import Annotated

from pydantic import Field

from emollm.config import Settings
from emollm.perception.faces import FaceSettings


class PerceptionSettings(Settings):
    """How a clip is measured."""

    action_units: str = "auto"
    """Backend of action units: ``face-landmarker`` (the exact bundle), ``mesh-head`` (our distilled head), or ``auto``: the
    bundle where it is at hand or can be fetched, else our head."""
    bearing: str = "mesh"
    """Backend of head pose and gaze."""
    faces: FaceSettings = FaceSettings()
    """How faces are found."""
    smallest: Annotated[float, Field(gt=0)] = 24.0
    """Faces narrower than so many pixels are found but not measured."""
    threads: Annotated[int, Field(ge=1)] = 2
    """Faces of a photo, and photos of a folder, that are measured at the same time."""
