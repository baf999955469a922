"""Settings of perception."""

from typing import Annotated

from pydantic import Field

from emollm.config import Settings
from emollm.perception.course.settings import CourseSettings
from emollm.perception.expression import ExpressionSettings
from emollm.perception.faces import FaceSettings
from emollm.perception.scene import SceneSettings
from emollm.perception.tracking import TrackingSettings
from emollm.perception.voice.settings import VoiceSettings


class PerceptionSettings(Settings):
    """How a clip is measured."""

    action_units: str = "auto"
    """Backend of action units in photos: ``face-landmarker`` (the exact bundle), ``mesh-head`` (our distilled head), or ``auto``: the
    bundle where it is at hand or can be fetched, else our head."""
    bearing: str = "mesh"
    """Backend of head pose and gaze."""
    expression: ExpressionSettings = ExpressionSettings()
    """How a face net reads expressions."""
    faces: FaceSettings = FaceSettings()
    """How faces are found."""
    video: TrackingSettings = TrackingSettings()
    """How people are followed and measured in videos."""
    course: CourseSettings = CourseSettings()
    """How the moments that matter are found in what was measured."""
    voice: VoiceSettings = VoiceSettings()
    """How voices are heard."""
    scene: SceneSettings = SceneSettings()
    """How the whole picture is embedded."""
    smallest: Annotated[float, Field(gt=0)] = 24.0
    """Faces narrower than so many pixels are found but not measured."""
    threads: Annotated[int, Field(ge=1)] = 2
    """Faces of a photo, and photos of a folder, that are measured at the same time."""
