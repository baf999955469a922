"""Words for the values of a whole clip: "monotonous", "fast". Documented bounds, one place for reasoner and checker."""

from typing import NamedTuple


class Bounds(NamedTuple):
    """Below ``low`` a value is called ``below``, from ``high`` on ``above``, between them nothing."""

    low: float
    below: str
    high: float
    above: str


SCALES = {
    "f0_sd": Bounds(1.5, "monotonous", 4.0, "lively"),
    "speech_rate": Bounds(3.5, "slow", 6.5, "fast"),
    "pause_share": Bounds(0.0, "", 0.35, "halting"),
}
"""By name of the cue. The bounds are ours, set so that about a tenth of acted utterances lie beyond each (docs/voice.md).

``f0_sd``: semitones. ``speech_rate``: syllables a second as counted here, pauses left out. ``pause_share``: pauses over speech
and pauses. Pitch itself has no words, being first of all a matter of who speaks; nor have loudness and tilt, a matter of
the microphone, and jitter, which is no clinical one.
"""


def describe(name: str, value: float) -> str | None:
    """The word for a value of a cue of the whole clip; None where it is ordinary or the quantity has no words."""
    bounds = SCALES.get(name)
    if bounds is None:
        return None
    return bounds.below if value < bounds.low else bounds.above if value >= bounds.high else None
