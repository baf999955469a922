"""Noise in the sound of items, at a stated ratio of speech to noise where there is speech: white noise, and babble of other items' voices.

The ratio is that of mean powers over the samples of active speech, both of speech and of noise, so that pauses do not make a recording
noisier. What is active is found by level, after ITU-T P.56 (2011): within 15.9 dB of the level of what is active, with 0.2 s of hangover.
Where speech with noise would exceed full scale both are made quieter together. Noise of one item is the same at all levels.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emollm.errors import ConfigError, DataError, MediaError
from emollm.eval.items import Item
from emollm.eval.sweeping.base import (
    Facts,
    Levels,
    Shown,
    Tally,
    Variant,
    content_of,
    draw,
    has_sound,
    once,
    replaced,
    sound_of,
)
from emollm.eval.sweeping.media import FULL, Samples, heard, sixteen_bits, wav

RATE = 16_000
_FRAME = RATE // 50
_MARGIN = 10**-1.59
"""15.9 dB as a ratio of powers."""
_HANGOVER = 10
"""Frames of 20 ms."""
_SILENT = 1e-9
"""Mean power below which there is nothing to hear: -90 dB of full scale."""
_ROUNDS = 50
_POOL = 48
"""Recordings of which voices for babble are taken."""
_LONGEST = 30 * RATE
"""Samples of a voice in babble; a longer item hears it again."""

Noise = Callable[[Item, int], NDArray[np.float64]]
"""(n,) noise for an item, of so many samples; its power does not matter."""


class Mixed(NamedTuple):
    """Speech with noise."""

    samples: NDArray[np.float64]
    """(n,), within full scale."""
    gain: float
    """By how much speech was made quieter, 1 or less."""
    snr: float
    """dB, measured after rounding to 16 bits."""


def active(samples: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which samples (n,) are of active speech; none of silence."""
    count = -(-len(samples) // _FRAME)
    padded = np.zeros(count * _FRAME)
    padded[: len(samples)] = samples
    power = (padded.reshape(count, _FRAME) ** 2).mean(-1)  # (frames,)
    on = power > _SILENT
    for _ in range(_ROUNDS):
        if not on.any():
            break
        loud = power > max(power[on].mean() * _MARGIN, _SILENT)
        now = _with_hangover(loud)
        if (now == on).all():
            break
        on = now
    return np.repeat(on, _FRAME)[: len(samples)]


def _with_hangover(on: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Frames that are on, and those shortly after one that is."""
    last = np.where(on, np.arange(len(on)), -_HANGOVER - 1)
    return np.arange(len(on)) - np.maximum.accumulate(last) <= _HANGOVER


def mixed(speech: NDArray[np.floating], noise: NDArray[np.floating], snr: float) -> Mixed:
    """Speech with noise at a ratio.

    Args:
        speech: (n,).
        noise: (n,).
        snr: dB where there is speech.

    Raises:
        MediaError: No speech, or no noise where there is speech: no ratio exists.
    """
    on = active(speech)
    level, other = (float((one[on].astype(np.float64) ** 2).mean()) if on.any() else 0.0 for one in (speech, noise))
    if level <= _SILENT or other <= 0:
        raise MediaError("no sound above -90 dB of full scale, so that no ratio of speech to noise exists")
    sum_ = speech + noise * math.sqrt(level / other / 10 ** (snr / 10))
    gain = min(1.0, FULL / float(np.abs(sum_).max()))
    samples = sum_ * gain
    left = sixteen_bits(samples) / 32768 - speech * gain
    found = 10 * math.log10(level * gain**2 / float((left[on] ** 2).mean()))
    return Mixed(samples, gain, found)


def white(seed: int, item: Item, count: int) -> NDArray[np.float64]:
    """(count,) of equal power at all frequencies."""
    return draw(seed, "white", item.id).standard_normal(count)


class Babble:
    """The voices of other items, summed, each as loud as the others.

    Args:
        shown: Whose voices.

    Raises:
        ConfigError: Too few items have sound.
    """

    def __init__(self, shown: Shown) -> None:
        speaking = [item for item in shown.items if has_sound(item)]
        least = shown.settings.voices + 1
        if len(speaking) < least:
            raise ConfigError(
                f"babble sums {shown.settings.voices} voices: expected {least} items with sound, got {len(speaking)}"
            )
        order = draw(shown.seed, "voices").permutation(len(speaking))
        self._pool = [speaking[k] for k in order[:_POOL]]
        self._known: dict[str, Samples | None] = {}
        self._seed, self._voices = shown.seed, shown.settings.voices

    @property
    def content(self) -> str:
        """Of the recordings that voices are taken of."""
        return " ".join(f"{item.id} {content_of(path)}" for item in self._pool if (path := sound_of(item.clip)))

    def __call__(self, item: Item, count: int) -> NDArray[np.float64]:
        """(count,) of other items, and of other speakers where speakers are known.

        Raises:
            DataError: Fewer voices than three can be heard.
        """
        rng = draw(self._seed, "babble", item.id)
        out, used = np.zeros(count), 0
        for k in rng.permutation(len(self._pool)):
            other = self._pool[k]
            same = other.id == item.id or (bool(item.cluster) and other.cluster == item.cluster)
            voice = None if same else self._voice(other)
            if voice is None:
                continue
            out += np.resize(np.roll(voice, -int(rng.integers(len(voice)))), count)
            used += 1
            if used == self._voices:
                return out
        if used < 3:
            raise DataError(f"{item.id}: babble wants at least 3 voices of others, {used} can be heard")
        return out

    def _voice(self, item: Item) -> Samples | None:
        """Its speech without pauses, with a mean power of 1; None where nothing is heard."""
        if item.id not in self._known:
            self._known[item.id] = None
            path = sound_of(item.clip)
            try:
                samples = heard(path)[:_LONGEST] if path is not None else np.zeros(0, np.float32)
            except MediaError:  # told where the item itself is shown
                samples = np.zeros(0, np.float32)
            if (on := active(samples)).any():
                speech = samples[on]
                self._known[item.id] = speech / np.sqrt((speech**2).mean())
        return self._known[item.id]


def noises(shown: Shown) -> Iterator[Variant]:
    """Each kind of noise at each level; nothing where no item has sound.

    Raises:
        ConfigError: Too few voices for babble.
    """
    if not any(map(has_sound, shown.items)):
        return
    yield from _levels(shown, "white noise", shown.settings.white, partial(white, shown.seed), "")
    babble = Babble(shown)
    yield from _levels(shown, "babble", shown.settings.babble, babble, babble.content)


def _levels(shown: Shown, kind: str, levels: Levels, noise: Noise, of: str) -> Iterator[Variant]:
    for level in levels.levels:
        tally = Tally()
        change = partial(_noisy, shown, kind, noise, of, level, tally)
        yield Variant(f"{kind} {level:g} dB", kind, level, levels.unit, change, partial(_told, tally))


def _noisy(shown: Shown, kind: str, noise: Noise, of: str, level: float, tally: Tally, item: Item) -> Item:
    """The item with noise in its sound; one without sound is as it was."""
    path = sound_of(item.clip)
    if path is None:
        return item

    def make() -> tuple[bytes, Facts]:
        speech = heard(path)
        try:
            found = mixed(speech, noise(item, len(speech)), level)
        except MediaError as error:
            raise MediaError(f"{path}: {error}") from error
        return wav(found.samples), {"snr": found.snr, "gain": found.gain}

    names = (kind, f"{level:g}", of, content_of(path), str(shown.seed), item.id)
    changed, facts = once(shown.folder, names, ".wav", make)
    tally.add(facts)
    return replaced(item, audio=changed)


def _told(tally: Tally) -> Facts:
    if not tally.changed:
        return {"items changed": 0}
    return {
        "items changed": tally.changed,
        "measured SNR (dB)": tally.sums["snr"] / tally.changed,
        "mean gain": tally.sums["gain"] / tally.changed,
    }
