"""Why a voice or its words are missing, in one line each."""

from collections.abc import Sequence

import numpy as np

from emollm.perception.voice.activity import Array
from emollm.perception.voice.phrases import Phrase
from emollm.perception.voice.prosody import FLOOR, decibels
from emollm.perception.voice.settings import VoiceSettings
from emollm.perception.voice.summary import CLIPPED
from emollm.perception.voice.words import Transcript

MOST = 10
"""Stretches of speech that are named one by one; the rest are counted."""


def missing_voice(duration: float, levels: Array, spoken: bool, voiced: float, settings: VoiceSettings) -> str | None:
    """Why there is no prosody; None where there is.

    Args:
        duration: Of the sound, in seconds.
        levels: (n,) of its chunks, in dBFS.
        spoken: Whether there is speech.
        voiced: Seconds of voiced sound.
        settings: What is silent, and how much voiced sound is needed.
    """
    if not len(levels):
        return "the sound is empty"
    if spoken and voiced >= settings.voiced:
        return None
    if spoken:
        return f"too little voiced speech ({voiced:.1f} s, needs {settings.voiced:.1f})"
    loudest = float(levels.max())
    if loudest <= FLOOR:
        return f"the sound is silent: no signal at all ({duration:.1f} s)"
    if loudest < settings.speech.silent:
        return f"the sound is silent: {_signed(loudest)} dBFS at its loudest ({duration:.1f} s)"
    mean = float(decibels(np.mean(10 ** (levels.astype(np.float64) / 10))))
    return f"no speech in the sound ({duration:.1f} s, mean level {_signed(mean)} dBFS)"


def missing_usual(phrases: Sequence[Phrase], settings: VoiceSettings) -> str | None:
    """Why no phrase can be compared with the rest; None where it can."""
    voiced = sum(phrase.pitch is not None for phrase in phrases)
    if voiced >= settings.usual.phrases:
        return None
    return f"too few phrases to know what is usual for this voice ({voiced}, needs {settings.usual.phrases})"


def missing_loudness(clipped: float) -> str | None:
    """Why loudness is not to be relied on, by the share of samples at full scale; None where it is."""
    if clipped < CLIPPED:
        return None
    return f"the sound is clipped: {100 * clipped:.2g} % of its samples are at full scale"


def missing_words(transcripts: Sequence[Transcript], wordless: str | None) -> list[str]:
    """Why words are missing where there is speech; empty if all are believed.

    Args:
        transcripts: What was written.
        wordless: Why nothing was, where there is no recogniser.
    """
    if wordless is not None:
        return [wordless]
    doubted = [part for part in transcripts if part.doubt is not None]
    what = "speech, not intelligible English" if all(part.language == "en" for part in doubted) else "speech, unclear"
    if len(doubted) == len(transcripts) == 1:
        return [f"{what} ({doubted[0].doubt})"]
    told = [f"{what} from {part.start:.1f} to {part.end:.1f} s ({part.doubt})" for part in doubted[:MOST]]
    if rest := doubted[MOST:]:
        told.append(f"{what} in {len(rest)} more stretches ({sum(part.end - part.start for part in rest):.0f} s)")
    return told


def _signed(level: float) -> str:
    return f"{level:.0f}".replace("-", "−")
