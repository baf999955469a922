"""Streams taken out of items, and streams swapped for those of another item of another label: what an answer rests on.

Where a stream is taken out and nothing else is left to be shown, a grey picture or silence stands for it. A swap needs a second stream,
else the item would simply be another one. Cue text is what a model of our family is told of the measurements, whatever it is shown.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from emollm.errors import DataError
from emollm.eval.items import Item
from emollm.eval.sweeping.base import (
    Facts,
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
from emollm.eval.sweeping.boxes import GREY
from emollm.eval.sweeping.media import heard, muted, png, wav

Stream = Literal["face", "audio", "words"]
STREAMS: tuple[Stream, ...] = ("face", "audio", "words")
REMOVED, SWAPPED, NO_CUES = "removed", "swapped", "cue text removed"


def streams(shown: Shown, cues: bool) -> Iterator[Variant]:
    """Each stream that items have removed, and each swapped.

    Args:
        shown: The items.
        cues: Whether the model is told cue text, which can be left out.
    """
    have = {id(item): _streams(item) for item in shown.items}
    for stream in STREAMS:
        if any(stream in own for own in have.values()):
            tally = Tally()
            change = partial(_without, shown, stream, tally)
            yield Variant(f"{stream} {REMOVED}", REMOVED, None, "", change, partial(_told, tally))
    if cues:
        yield Variant(NO_CUES, REMOVED, cues=False)
    for stream in STREAMS:
        several = [item for item in shown.items if stream in have[id(item)] and len(have[id(item)]) > 1]
        donors = swaps(several, stream, shown.seed)
        if donors:
            tally = Tally()
            change = partial(_swapped, shown, stream, donors, tally)
            yield Variant(f"{stream} {SWAPPED}", SWAPPED, None, "", change, partial(_told, tally), donors=donors)


def swaps(items: Sequence[Item], stream: Stream, seed: int) -> dict[str, Item]:
    """For each item the one whose stream it gets; none for an item that no other can give one.

    A photo is swapped for a photo and a video for a video.
    """
    found: dict[str, Item] = {}
    for video in (False, True) if stream == "face" else (None,):
        own = [item for item in items if item.gold and (video is None or video == (item.clip.video is not None))]
        golds = [frozenset(label.casefold() for label in item.gold) for item in own]
        for item, donor in zip(own, deranged(golds, draw(seed, SWAPPED, stream, str(video))), strict=True):
            if donor is not None:
                found[item.id] = own[donor]
    return found


def deranged(golds: Sequence[frozenset[str]], rng: np.random.Generator) -> list[int | None]:
    """For each item another one with which it shares no label; each is used once where that is possible.

    Items are put in the order of their labels and turned by the size of the commonest one; who then meets a shared label draws another.

    Args:
        golds: Labels of each item, at least one.
        rng: Chooses among equals.
    """
    n = len(golds)
    names = [" ".join(sorted(gold)) for gold in golds]
    order = sorted(rng.permutation(n).tolist(), key=lambda k: names[k])
    turn = max(Counter(names).values(), default=0)
    out: list[int | None] = [None] * n
    for at, k in enumerate(order):
        out[k] = order[(at + turn) % n]
    for k in range(n):
        donor = out[k]
        if donor is not None and golds[k] & golds[donor]:
            others = [other for other in range(n) if not golds[k] & golds[other]]
            out[k] = others[int(rng.integers(len(others)))] if others else None
    return out


def _streams(item: Item) -> frozenset[Stream]:
    """What an item has; of files those that are there."""
    clip = item.clip
    own: dict[Stream, bool] = {
        "face": clip.table is not None or any(path is not None and path.is_file() for path in (clip.image, clip.video)),
        "audio": has_sound(item),
        "words": clip.transcript is not None,
    }
    return frozenset(stream for stream, there in own.items() if there)


# ---- taking out -----------------------------------------------------------------------------------------------------


def _without(shown: Shown, stream: Stream, tally: Tally, item: Item) -> Item:
    """The item without a stream; one that does not have it is as it was."""
    have = _streams(item)
    if stream not in have:
        return item
    parts = _parts(shown, stream, item)
    blank = not have - {stream}
    if blank:
        parts |= _blank(shown, stream, item)
    changed = replaced(item, **parts)
    tally.add({"blanks": float(blank)})
    return changed


def _parts(shown: Shown, stream: Stream, item: Item) -> dict[str, Any]:
    """What a clip is without a stream."""
    clip = item.clip
    if stream == "words":
        return {"transcript": None}
    sound = sound_of(clip)
    if stream == "face":
        return {"image": None, "video": None, "table": None, "audio": sound}
    return {"audio": None, "video": _muted(shown, clip.video)}


def _blank(shown: Shown, stream: Stream, item: Item) -> dict[str, Path]:
    """What stands for the only stream of an item.

    Raises:
        DataError: It is words, or a table, for which nothing can stand.
    """
    clip = item.clip
    if stream == "audio" and (sound := sound_of(clip)) is not None:
        made = once(
            shown.folder, ("silence", content_of(sound)), ".wav", lambda: (wav(np.zeros_like(heard(sound))), {})
        )
        return {"audio": made[0]}
    pictures = clip.image or clip.video
    if stream == "face" and pictures is not None:
        made = once(
            shown.folder, ("grey", content_of(pictures)), ".png", lambda: (_grey(pictures, bool(clip.video)), {})
        )
        return {"image": made[0]}
    raise DataError(f"{item.id}: nothing is left without its {stream}, and nothing can stand for it")


def _grey(path: Path, video: bool) -> bytes:
    """A grey picture of the same size."""
    from emollm.media.images import read_image
    from emollm.media.video import frame_at

    pixels = frame_at(path, 0.0).pixels if video else read_image(path).pixels
    return png(np.full_like(pixels, GREY))


def _muted(shown: Shown, video: Path | None) -> Path | None:
    """The video without its sound, if it has any."""
    from emollm.media.video import open_video

    if video is None or not open_video(video).has_sound:
        return video
    return once(shown.folder, ("muted", content_of(video)), ".mkv", lambda: (muted(video), {}))[0]


# ---- swapping -------------------------------------------------------------------------------------------------------


def _swapped(shown: Shown, stream: Stream, donors: Mapping[str, Item], tally: Tally, item: Item) -> Item:
    """The item with a stream of its donor; one without a donor is as it was."""
    donor = donors.get(item.id)
    if donor is None:
        return item
    clip, given = item.clip, donor.clip
    if stream == "words":
        parts: dict[str, Any] = {"transcript": given.transcript}
    elif stream == "audio":
        parts = {"audio": sound_of(given)}
    else:
        sound = sound_of(clip)
        video = given.video if sound is not None else _muted(shown, given.video)
        parts = {"image": given.image, "video": video, "table": given.table, "audio": sound}
    tally.add({})
    return replaced(item, **parts)


def _told(tally: Tally) -> Facts:
    facts: Facts = {"items changed": tally.changed}
    if tally.sums.get("blanks"):
        facts["of them with nothing left, shown grey or silent"] = tally.sums["blanks"]
    return facts
