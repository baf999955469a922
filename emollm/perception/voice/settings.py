"""Settings of the voice: what counts as speech, which words are believed, what differs from a speaker's usual."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from emollm.config import Settings

Probability = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class SpeechSettings(Settings):
    """When sound is speech, and where speech is cut."""

    begins: Probability = 0.5
    """Speech probability at which speech begins."""
    ends: Probability = 0.35
    """Speech probability below which speech may end: lower than ``begins``, so that it does not flicker."""
    shortest: Positive = 0.4
    """Shorter speech is dropped, in seconds."""
    sure: Probability = 0.5
    """Mean probability that some stretch of speech of a turn reaches: music may pass for a syllable, not for a sentence."""
    pause: Positive = 0.3
    """Silence within a turn from which on it is a pause, in seconds."""
    gap: Positive = 2.0
    """Silence that ends a turn, in seconds."""
    longest: Annotated[float, Field(ge=5, le=29)] = 28.0
    """A longer turn is cut at its last pause, in seconds; the recogniser hears 30."""
    silent: float = -60.0
    """Sound without speech that is nowhere louder is called silent, in dBFS."""

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.ends > self.begins:
            raise ValueError("speech cannot end above the probability at which it begins; lower `ends`")
        if self.pause > self.gap:
            raise ValueError("a pause cannot be longer than what ends a turn; lower `pause`")
        return self


class BeliefSettings(Settings):
    """From where the recogniser's words are believed (docs/voice.md)."""

    probability: Probability = 0.7
    """Least mean probability of the words of a turn."""
    long: Annotated[int, Field(ge=1)] = 12
    """Words from which on a turn is long: chance evens out, and less is needed."""
    probability_long: Probability = 0.65
    """Least mean probability of the words of a long turn."""
    log_probability: Annotated[float, Field(le=0)] = -0.9
    """Least mean log-probability of a turn's tokens: below all English that is believed, above most that is not English."""
    compression: Positive = 2.4
    """Text that compresses further than this is looked at for loops: Whisper's own bound."""
    fastest: Positive = 30.0
    """Characters a second above which more is written than can be said."""

    def needed(self, words: int) -> float:
        """Least mean probability of so many words."""
        return self.probability_long if words >= self.long else self.probability


class UsualSettings(Settings):
    """From where a phrase differs from the speaker's own voice in the clip.

    Both must hold: it stands out among the clip's own phrases, and one would hear it.
    """

    z: Positive = 0.7
    """Departure over the spread of all phrases of the clip."""
    semitones: Positive = 1.5
    """Least difference of pitch: enough to change the prominence that listeners hear (Rietveld & Gussenhoven 1985)."""
    decibels: Positive = 3.0
    """Least difference of loudness: ours, a doubling of power; the ear notices about 1 dB in the laboratory."""
    rate: Annotated[float, Field(gt=1)] = 1.15
    """Least ratio of speech rates: three times the 5 % that listeners notice (Quené 2007)."""
    phrases: Annotated[int, Field(ge=2)] = 3
    """A clip with fewer phrases has no usual."""


class VoiceSettings(Settings):
    """How a voice is heard."""

    enabled: bool = True
    """Whether sound is listened to at all."""

    words: str = "whisper-tiny.en"
    """Recogniser of words: an asset, a folder with a Whisper model in CTranslate2's form, or ``none``.

    If it cannot be had, that is an error where it was set; where it was not, words are declared missing.
    """
    threads: Annotated[int, Field(ge=1)] = 2
    """Threads of the recogniser."""
    speech: SpeechSettings = SpeechSettings()
    """When sound is speech."""
    belief: BeliefSettings = BeliefSettings()
    """From where words are believed."""
    usual: UsualSettings = UsualSettings()
    """From where a phrase differs from the rest."""
    voiced: Positive = 0.5
    """With less voiced sound than so many seconds there is no prosody of the clip."""
