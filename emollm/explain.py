"""From a clip to an answer with its evidence: observe, reason, verify."""

from collections.abc import Callable
from functools import lru_cache
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from emollm.config import Settings
from emollm.emotions import DEFAULT, LabelSet, label_set
from emollm.errors import ModelError, unknown_name
from emollm.generate import DEFAULT as TEXT_MODEL
from emollm.generate import EMBEDDED, open_generator
from emollm.perception import observe
from emollm.perception.settings import PerceptionSettings
from emollm.reasoner import ReasonerSettings, reason
from emollm.replies import unreached
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
    takes the embedded model where torch and transformers are installed and it has learnt each label of the set, else the reasoner."""
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
    answered: Callable[[int, int], None] | None = None,
) -> Explanation:
    """Which emotion a clip shows, how strongly, and why; each claim with its verdict.

    Args:
        clip: A photo, a video, a sound recording, or a table of measurements.
        settings: Backends, label set, thresholds, who answers; the defaults if not given.
        track: The person to answer for; the most prominent one if not given. The others stand in ``people``.
        progress: Told now and then how many seconds of a recording are done, and its length where that is known; what it
            raises ends the work.
        answered: Told now and then, where a model answers, for how many people it has, and how many there are; what it raises
            ends the work.

    Raises:
        MediaError: The clip cannot be read.
        DataError: Its table cannot be read, or it has no such track.
        ConfigError: Unknown label set or backend.
        AssetError: A model that is needed cannot be had.
        ModelError: There is nobody of that name to answer, or the model cannot be had or takes no pictures.
    """
    settings = settings or ExplainSettings()
    labels = label_set(settings.labels)
    model = answerer(chosen(settings.by, labels))
    observation = observe(clip, settings.perception, progress)
    if model is None:
        return Explanation(observation, reason(observation, labels, settings.reasoner, track=track))
    from emollm.answering import answer

    return Explanation(observation, answer(clip, observation, labels, model, settings.reasoner, track, answered))


def chosen(by: str, labels: LabelSet) -> str:
    """Who answers in a label set: what ``auto`` stands for, else the name that was given."""
    if by != AUTO:
        return by
    return EMBEDDED if _installed() and not unreached(labels) else CUES


def fallen_back(by: str, labels: LabelSet) -> str | None:
    """Why ``auto`` does not take the embedded model, in one line, where that is for the label set; else None."""
    if by != AUTO or not _installed() or not (unknown := unreached(labels)):
        return None
    told = ", ".join(unknown[:3]) + (f" and {len(unknown) - 3} more" if unknown[3:] else "")
    return f"{labels.id}: {EMBEDDED} has not learnt {told}; the cues reasoner answers (--reasoner {EMBEDDED} asks the model)"


def _installed() -> bool:
    """Whether the embedded model and what it runs in are here."""
    here = (resources.files("emollm") / "pretrained" / EMBEDDED).is_dir()
    return here and find_spec("torch") is not None and find_spec("transformers") is not None


@lru_cache(maxsize=2)
def answerer(name: str) -> "EmoLLMGenerator | None":
    """The model of a name that :func:`chosen` gave, opened once in a process and loaded at its first answer; None for the reasoner.

    Raises:
        ModelError: There is no such model, or it takes text alone.
    """
    if name == CUES:
        return None
    if "://" in name:
        raise ModelError(f"{name}: an endpoint cannot answer yet; give {EMBEDDED!r}, {CUES!r} or a folder")
    if name not in (EMBEDDED, TEXT_MODEL) and not Path(name).expanduser().is_dir():
        raise ModelError(unknown_name("reasoner", name, (EMBEDDED, CUES, AUTO, "a folder")))
    model = open_generator(name)
    from emollm.modeling.speaking import EmoLLMGenerator

    if not isinstance(model, EmoLLMGenerator):
        raise ModelError(
            f"{name}: takes text alone; give {EMBEDDED!r}, {CUES!r} or a folder with a model of this family"
        )
    return model
