"""Where face, voice and words of one person agree, and where they do not.

A face has a side (pleasant, unpleasant, neutral) by its label, words have one by their polarity, and a voice is more or
less activated; the tables are in ``assumptions.yaml``. Only a voice that is known to be the person's is compared. What is
said is that two channels differ, with the cues of both: what that means cannot be told from a recording.
"""

from typing import Literal, NamedTuple

from emollm.emotions import LabelSet
from emollm.reasoner.assumptions import activation_of, valence_of
from emollm.reasoner.channels import Channels, Level
from emollm.types import Cue

POLAR = 0.05
"""Polarity up or down from which words count as positive or negative (Hutto & Gilbert 2014, who made the measure)."""


class Comparison(NamedTuple):
    """The face beside another channel."""

    with_: Literal["words", "voice"]
    agree: bool
    polarity: Cue | None = None
    """Of the words."""
    level: Level = Level.ORDINARY
    """Of the voice."""


def compare(label: str, labels: LabelSet, channels: Channels) -> list[Comparison]:
    """The face of a label held against the words and the voice, where both say something clear.

    Args:
        label: What the face was found to show.
        labels: The set of the label.
        channels: The voice and the words.
    """
    if not channels.is_own_voice:
        return []
    face = valence(label, labels)
    out = []
    said = channels.telling
    polarity = said.polarity if said is not None else None
    if polarity is not None and abs(polarity.value or 0.0) >= channels.settings.clear_polarity:
        side = "positive" if (polarity.value or 0.0) > 0 else "negative"
        if face in ("positive", "negative"):
            out.append(Comparison("words", face == side, polarity))
    heard = channels.activation
    if heard is not None and heard.level is not Level.ORDINARY:
        usual = activation(label, labels)
        if face == "neutral" and heard.level is Level.HIGH:
            out.append(Comparison("voice", False, level=heard.level))
        elif face == "neutral":
            out.append(Comparison("voice", True, level=heard.level))
        elif usual is not None:
            out.append(Comparison("voice", usual == heard.level, level=heard.level))
    return out


def valence(label: str, labels: LabelSet) -> str | None:
    """``positive``, ``negative`` or ``neutral`` side of a label; None where it has none or two.

    By its canonical emotion, by those of its components, or by the groups of that name that its set defines.
    """
    sides = {side for emotion in _emotions(label, labels) if (side := valence_of().get(emotion)) is not None}
    if not sides:
        sides = {group for group in ("positive", "negative", "neutral") if label in labels.groups.get(group, ())}
    return sides.pop() if len(sides) == 1 else None


def activation(label: str, labels: LabelSet) -> str | None:
    """``high`` where all emotions of a label usually have a highly activated voice; None where nothing is assumed."""
    emotions = _emotions(label, labels)
    levels = {activation_of().get(emotion) for emotion in emotions}
    return levels.pop() if len(levels) == 1 else None


def _emotions(label: str, labels: LabelSet) -> tuple[str, ...]:
    entry = labels.entry(label)
    return entry.components or ((entry.canonical,) if entry.canonical is not None else ())


def tone(polarity: Cue) -> str:
    """``positive``, ``negative`` or ``neutral``, by the polarity of words."""
    value = polarity.value or 0.0
    return "positive" if value >= POLAR else "negative" if value <= -POLAR else "neutral"
