"""From a clip to an answer with its evidence: observe, reason, verify."""

from collections.abc import Callable
from typing import NamedTuple

from emollm.config import Settings
from emollm.emotions import DEFAULT, label_set
from emollm.perception import observe
from emollm.perception.settings import PerceptionSettings
from emollm.reasoner import ReasonerSettings, reason
from emollm.report.settings import ReportSettings
from emollm.types import Answer, Clip, Observation


class ExplainSettings(Settings):
    """All settings of ``emollm explain``."""

    labels: str = DEFAULT
    """Label set: a name of ``docs/label-sets.md``, or a YAML file of your own."""
    perception: PerceptionSettings = PerceptionSettings()
    """How the clip is measured."""
    reasoner: ReasonerSettings = ReasonerSettings()
    """How the measured cues are weighed and worded."""
    report: ReportSettings = ReportSettings()
    """What the pages hold."""


class Explanation(NamedTuple):
    """What was measured, and what follows from it."""

    observation: Observation
    answer: Answer


def explain(
    clip: Clip,
    settings: ExplainSettings | None = None,
    track: str | None = None,
    progress: Callable[[float, float | None], None] | None = None,
) -> Explanation:
    """Which emotion a clip shows, how strongly, and why; each claim with its verdict.

    Args:
        clip: A photo, a video, a sound recording, or a table of measurements.
        settings: Backends, label set, thresholds; the defaults if not given.
        track: The person to answer for; the most prominent one if not given. The others stand in ``people``.
        progress: Told now and then how many seconds of a recording are done, and its length where that is known; what it
            raises ends the work.

    Raises:
        MediaError: The clip cannot be read.
        DataError: Its table cannot be read, or it has no such track.
        ConfigError: Unknown label set or backend.
        AssetError: A model that is needed cannot be had.
    """
    settings = settings or ExplainSettings()
    labels = label_set(settings.labels)
    observation = observe(clip, settings.perception, progress)
    return Explanation(observation, reason(observation, labels, settings.reasoner, track=track))
