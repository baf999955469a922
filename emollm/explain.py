"""From a clip to an answer with its evidence: observe, reason, verify."""

from collections.abc import Callable
from functools import lru_cache
from importlib import resources
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from emollm.config import Settings
from emollm.emotions import DEFAULT, label_set
from emollm.errors import ModelError
from emollm.generate import EMBEDDED, open_generator
from emollm.perception import observe
from emollm.perception.settings import PerceptionSettings
from emollm.reasoner import ReasonerSettings, reason
from emollm.report.settings import ReportSettings
from emollm.types import Answer, Clip, Observation

if TYPE_CHECKING:
    from emollm.modeling.speaking import EmoLLMGenerator

CUES, AUTO = "cues", "auto"


class ExplainSettings(Settings):
    """All settings of ``emollm explain``."""

    labels: str = DEFAULT
    """Label set: a name of ``docs/label-sets.md``, or a YAML file of your own."""
    by: str = AUTO
    """Who answers: ``emollm-135m``, the embedded model; a folder with a model of our family; ``cues``, the deterministic reasoner. ``auto``
    takes the embedded model where torch and transformers are installed, else the reasoner."""
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
        settings: Backends, label set, thresholds, who answers; the defaults if not given.
        track: The person to answer for; the most prominent one if not given. The others stand in ``people``.
        progress: Told now and then how many seconds of a recording are done, and its length where that is known; what it
            raises ends the work.

    Raises:
        MediaError: The clip cannot be read.
        DataError: Its table cannot be read, or it has no such track.
        ConfigError: Unknown label set or backend.
        AssetError: A model that is needed cannot be had.
        ModelError: The model that is to answer cannot be had, or takes no pictures.
    """
    settings = settings or ExplainSettings()
    labels = label_set(settings.labels)
    model = answerer(settings.by)
    observation = observe(clip, settings.perception, progress)
    if model is None:
        return Explanation(observation, reason(observation, labels, settings.reasoner, track=track))
    from emollm.answering import answer

    return Explanation(observation, answer(clip, observation, labels, model, settings.reasoner, track))


@lru_cache(maxsize=2)
def answerer(name: str) -> "EmoLLMGenerator | None":
    """The model of that name (see :class:`ExplainSettings`), opened once in a process and loaded at its first answer; None for the reasoner.

    Raises:
        ModelError: There is no such model, or it takes text alone.
    """
    if name == AUTO:
        here = (resources.files("emollm") / "pretrained" / EMBEDDED).is_dir()
        name = EMBEDDED if here and find_spec("torch") and find_spec("transformers") else CUES
    if name == CUES:
        return None
    if "://" in name:
        raise ModelError(f"{name}: an endpoint cannot answer yet; give {EMBEDDED!r}, {CUES!r} or a folder")
    model = open_generator(name)
    from emollm.modeling.speaking import EmoLLMGenerator

    if not isinstance(model, EmoLLMGenerator):
        raise ModelError(
            f"{name}: takes text alone; give {EMBEDDED!r}, {CUES!r} or a folder with a model of this family"
        )
    return model
