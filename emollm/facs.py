"""Action units of the Facial Action Coding System: names, wordings, blendshape recipe, emotion priors.

Tables are data: ``facs.yaml`` (the units) and ``priors/*.yaml`` (which units which source links with which emotion). FACS
is Ekman & Friesen 1978 and Ekman, Friesen & Hager 2002; wordings are our own and describe movement, never an emotion.
Priors are priors: people differ, context matters, and speech imitates AU20, AU25, AU26 and AU28 (docs/evidence.md).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from emollm.errors import ConfigError, DataError, unknown_name

if TYPE_CHECKING:
    import numpy as np


class Region(StrEnum):
    """Where on the face a unit acts."""

    UPPER = "upper"
    EYES = "eyes"
    LOWER = "lower"
    HEAD = "head"


class Strength(StrEnum):
    """Band of a normalised intensity, for choosing words."""

    ABSENT = "absent"
    SLIGHT = "slight"
    MODERATE = "moderate"
    STRONG = "strong"


@dataclass(frozen=True)
class ActionUnit:
    """One unit and the words for it."""

    code: str
    """``AU`` and the zero-padded number: ``AU01``."""
    number: int
    name: str
    """FACS name in lower case; the wording for a moderate strength and for a probability."""
    slight: str
    strong: str
    muscle: str
    region: Region
    two_sided: bool
    """Whether left and right can differ and are reported apart."""
    speech_weight: float
    """How far its changes tell of an expression while the person speaks: 1 fully, 0 not at all."""
    shapes: tuple[str, ...]
    """ARKit blendshapes it is computed from."""

    @property
    def moved_by_speech(self) -> bool:
        """Whether talking alone moves it (AU10, 12, 14–18, 20, 22–28, and the jaw)."""
        return 0 < self.speech_weight < 1

    def wording(self, value: float) -> str:
        """The phrase for an intensity in [0, 1]; the plain FACS name where it is absent or moderate."""
        return {Strength.SLIGHT: self.slight, Strength.STRONG: self.strong}.get(strength(value), self.name)


class UnitValue(NamedTuple):
    """Intensity of one unit, in [0, 1]; the person's own sides for two-sided units."""

    value: float
    left: float | None = None
    right: float | None = None

    @property
    def asymmetric(self) -> bool:
        """Whether the sides differ enough to be worth saying."""
        return asymmetric(self.left, self.right)


@dataclass(frozen=True)
class Prototype:
    """Units that a source links with one emotion."""

    core: tuple[str, ...]
    variants: tuple[str, ...] = ()
    one_sided: bool = False
    """Whether it counts only as far as left and right differ (contempt in EMFACS)."""

    @property
    def units(self) -> tuple[str, ...]:
        """Core and variants."""
        return (*self.core, *self.variants)


@dataclass(frozen=True)
class Prior:
    """One source's table from emotions to units."""

    id: str
    about: str
    source: str
    """Full reference."""
    cite: str
    """Short name for running text."""
    emotions: Mapping[str, Prototype]


BLENDSHAPES: tuple[str, ...] = (
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight",
    "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight",
    "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight",
    "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose", "mouthDimpleLeft", "mouthDimpleRight",
    "mouthFrownLeft", "mouthFrownRight", "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight",
    "mouthPressLeft", "mouthPressRight", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper",
    "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight",
)  # fmt: skip
"""The 52 outputs of MediaPipe's blendshape model in its order: ``_neutral``, then ARKit's names without ``tongueOut``."""

ABSENT, PRESENT, STRONG = 0.1, 0.3, 0.6
"""Intensity below which a movement counts as absent, from which as present, and from which as strong; a probability below
the first is absent too. Between the first two a movement is slight, between the last two moderate."""
LIKELY = 0.5
"""Probability from which a movement counts as present."""

ASYMMETRY = 0.25
"""Difference of left and right above which a unit is called asymmetric."""

JAW_STRETCH = 0.7
"""``jawOpen`` from which the mouth counts as stretched (AU27)."""

_BANDS = ((ABSENT, Strength.ABSENT), (PRESENT, Strength.SLIGHT), (STRONG, Strength.MODERATE))


def strength(value: float) -> Strength:
    """Band of a normalised intensity: below .1 absent, below .3 slight, below .6 moderate, else strong.

    Only for intensities; a probability has no strength.
    """
    return next((band for bound, band in _BANDS if value < bound), Strength.STRONG)


def asymmetric(left: float | None, right: float | None) -> bool:
    """Whether two sides are known and differ by more than :data:`ASYMMETRY`."""
    return left is not None and right is not None and abs(left - right) > ASYMMETRY


def code(number: int) -> str:
    """``AU`` and the zero-padded number."""
    return f"AU{number:02d}"


def units_from_blendshapes(scores: Mapping[str, float]) -> dict[str, UnitValue]:
    """Intensities of action units from blendshape activations of a still face.

    A two-sided unit is the larger of its sides. AU25 = clip(max(jawOpen − mouthClose, mean mouthLowerDown, mean
    mouthUpperUp)), AU26 = jawOpen, AU27 = jawOpen from :data:`JAW_STRETCH` (AU26 keeps its value then: the jaw is open),
    AU28 = the larger lip roll, AU43 = eye closure (a still cannot tell it from a blink or a wink), AU61–64 = mean over
    both eyes. Blendshapes are a proxy, not FACS coding.

    Args:
        scores: Activations in [0, 1] by ARKit name; rounding errors are clipped. ``_neutral`` and ``tongueOut`` may be
            there or not. A unit whose shapes are not all given is left out: unknown, not zero.

    Returns:
        Units by code, in the order of the numbers.

    Raises:
        DataError: A name is no blendshape, or a value is no number near [0, 1].
    """
    shapes = {name: _activation(name, value) for name, value in scores.items()}
    found: dict[str, UnitValue] = {}
    for unit in UNITS.values():
        if unit.code not in ("AU45", "AU46") and unit.shapes and all(name in shapes for name in unit.shapes):
            found[unit.code] = UnitValue(*_recipe(unit, shapes, max))
    return found


class UnitSeries(NamedTuple):
    """:class:`UnitValue` over time: arrays (T,)."""

    value: "np.ndarray"
    left: "np.ndarray | None" = None
    right: "np.ndarray | None" = None


def unit_series(scores: "Mapping[str, np.ndarray]") -> dict[str, UnitSeries]:
    """:func:`units_from_blendshapes` over time, by the same recipe.

    Args:
        scores: (T,) activations in [0, 1] by ARKit name. A unit whose shapes are not all given is left out.
    """
    import numpy as np

    return {
        unit.code: UnitSeries(*_recipe(unit, scores, np.maximum.reduce))
        for unit in UNITS.values()
        if unit.code not in ("AU45", "AU46") and unit.shapes and all(name in scores for name in unit.shapes)
    }


def _activation(name: str, value: float) -> float:
    if name not in BLENDSHAPES and name != "tongueOut":
        raise DataError(unknown_name("blendshape", name, (*BLENDSHAPES, "tongueOut")))
    if not -0.01 <= value <= 1.01:
        raise DataError(f"blendshape {name}: expected an activation in [0, 1], got {value}")
    return min(max(float(value), 0.0), 1.0)


def _recipe(unit: ActionUnit, shapes: Mapping[str, Any], largest: Callable[[Sequence[Any]], Any]) -> tuple[Any, ...]:
    """Value, and left and right of a two-sided unit, for numbers or for arrays."""
    values = [shapes[name] for name in unit.shapes]
    match unit.code:
        case "AU25":
            jaw, close, lower_left, lower_right, upper_left, upper_right = values
            return (largest([jaw - close, (lower_left + lower_right) / 2, (upper_left + upper_right) / 2]),)
        case "AU27":
            return (values[0] * (values[0] >= JAW_STRETCH),)
        case "AU61" | "AU62" | "AU63" | "AU64":
            return (sum(values) / len(values),)
    return (largest(values), *values) if unit.two_sided else (largest(values),)


@cache
def priors(source: str = "du2014") -> Prior:
    """The table of one source.

    Args:
        source: ``du2014`` (the default), ``du2014_compound``, ``emfacs``, ``facs1978``, ``emotion_llama``, ``merr`` or
            ``mer_factory``; :func:`prior_sources` lists them.

    Raises:
        ConfigError: No such source.
    """
    if source not in prior_sources():
        raise ConfigError(unknown_name("prior", source, prior_sources()))
    values = _read(f"priors/{source}.yaml")
    emotions = {
        emotion: Prototype(
            core=tuple(code(number) for number in row["core"]),
            variants=tuple(code(number) for number in row.get("variants", ())),
            one_sided=row.get("one_sided", False),
        )
        for emotion, row in values["emotions"].items()
    }
    return Prior(source, " ".join(values["about"].split()), values["source"], values["cite"], emotions)


@cache
def prior_sources() -> tuple[str, ...]:
    """Ids of all prior tables."""
    folder = files("emollm").joinpath("priors")
    return tuple(sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml")))


@cache
def undescribed() -> frozenset[str]:
    """Codes that FACS has and this table does not describe."""
    return frozenset(_read("facs.yaml")["undescribed"])


def _read(name: str) -> dict[str, Any]:
    import yaml

    values: dict[str, Any] = yaml.safe_load(files("emollm").joinpath(name).read_text(encoding="utf-8"))
    return values


@cache
def _units() -> dict[str, ActionUnit]:
    return {
        key: ActionUnit(
            code=key,
            number=int(key[2:]),
            name=row["name"],
            slight=row["slight"],
            strong=row["strong"],
            muscle=row["muscle"],
            region=Region(row["region"]),
            two_sided=row["sides"],
            speech_weight=float(row["speech"]),
            shapes=tuple(row["shapes"]),
        )
        for key, row in _read("facs.yaml")["units"].items()
    }


class _Units(Mapping[str, ActionUnit]):
    """The units by code; the file is read at the first look."""

    def __getitem__(self, key: str) -> ActionUnit:
        return _units()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(_units())

    def __len__(self) -> int:
        return len(_units())


UNITS: Mapping[str, ActionUnit] = _Units()
"""All described units by code, in the order of their numbers."""
