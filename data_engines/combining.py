"""Puts measured items of different sources together: a face with a voice, with words, or with both.

No corpus here has faces, voices and words of the same people. Two items of one split that share an emotion make a consistent
combination (marked ``combined``), two that do not make a deliberate conflict (marked ``conflict``); neither is ever passed off as one
recording of one person.
"""

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

from emollm.data_engines.base import Gold, Item
from emollm.emotions import label_set
from emollm.perception import joined
from emollm.samples import Mark
from emollm.types import Clip, CueKind, MediaInfo, Observation

LABELS = "basic8"
"""The label set of combinations."""

_HEARD = (CueKind.PROSODY, CueKind.WORDS)
_FIELDS = {"face": "image", "voice": "audio", "words": "transcript"}
"""Where a stream stands in a clip."""


def combined(
    streams: Mapping[str, Sequence[Item]], kinds: Sequence[tuple[str, ...]], count: int, conflicts: float, seed: int
) -> Iterator[Item]:
    """Combinations of measured items of one split; equal arguments give equal ones.

    Emotions take turns, so that rare ones are as frequent as common ones; items of one emotion take turns too, in a random order.

    Args:
        streams: Measured items by ``face``, ``voice`` and ``words``; those in which no face was found are left out of the first.
        kinds: Which streams to put together, for example ``("face", "voice")``.
        count: Combinations of each kind.
        conflicts: Share of them whose streams differ in emotion; only those with a face, which the others are held against.
        seed: Of all choices.
    """
    found = {
        **streams,
        "face": [item for item in streams.get("face", ()) if item.observation and item.observation.tracks],
    }
    pools = {stream: _by_emotion(items, Random(f"{seed} {stream}")) for stream, items in found.items()}
    for kind in kinds:
        random = Random(f"{seed} {' '.join(kind)}")
        shared = sorted(set.intersection(*(set(pools[stream]) for stream in kind)))
        if not shared:
            continue
        for number in range(count):
            conflict = "face" in kind and random.random() < conflicts and len(shared) > 1
            emotion = shared[number % len(shared)]
            emotions = dict.fromkeys(kind, emotion)
            if conflict:
                odd = random.choice(kind)
                emotions[odd] = random.choice([other for other in shared if other != emotion])
            parts = {stream: next(pools[stream][emotions[stream]]) for stream in kind}
            yield _joined_item(parts, emotions, conflict, f"{'+'.join(kind)}-{number:06d}")


def emotion_of(item: Item) -> str | None:
    """The canonical emotion of an item's main label; None without one."""
    gold = item.gold
    return label_set(gold.label_set).canonical(gold.labels[0]) if gold and gold.label_set and gold.labels else None


def _by_emotion(items: Sequence[Item], random: Random) -> dict[str, Iterator[Item]]:
    found: dict[str, list[Item]] = {}
    for item in items:
        if item.observation is not None and (emotion := emotion_of(item)) is not None:
            found.setdefault(emotion, []).append(item)
    return {emotion: _rounds(group, Random(f"{random.random()}")) for emotion, group in sorted(found.items())}


def _rounds(items: list[Item], random: Random) -> Iterator[Item]:
    """The items over and over, each round in another order."""
    while True:
        yield from random.sample(items, len(items))


def _joined_item(parts: Mapping[str, Item], emotions: Mapping[str, str], conflict: bool, name: str) -> Item:
    first = next(iter(parts.values()))
    id = f"combined/{first.split}/{name}"
    fields: dict[str, Any] = {_FIELDS[stream]: getattr(item.clip, _FIELDS[stream]) for stream, item in parts.items()}
    speaker = " + ".join(item.clip.speaker for item in parts.values() if item.clip.speaker) or None
    label = emotions["face"] if "face" in emotions else first_emotion(emotions)
    return Item(
        clip=Clip(
            id=id, speaker=speaker, dataset="+".join(item.clip.dataset or "" for item in parts.values()), **fields
        ),
        observation=_observation(id, [item.observation for item in parts.values() if item.observation is not None]),
        gold=Gold(labels=(label,), label_set=LABELS, by="rule" if conflict else "annotators"),
        split=first.split,
        group=" + ".join(item.group for item in parts.values() if item.group) or None,
        licence="; ".join(dict.fromkeys(item.licence for item in parts.values())),
        marks=(Mark.CONFLICT,) if conflict else (Mark.COMBINED,),
        notes={"streams": dict(emotions), "items": {stream: item.clip.id for stream, item in parts.items()}},
    )


def first_emotion(emotions: Mapping[str, str]) -> str:
    """The emotion of the first stream."""
    return next(iter(emotions.values()))


def _observation(id: str, parts: Sequence[Observation]) -> Observation:
    """All that was measured in the parts, as if of one person; what one part lacks and another has is not missing."""
    whole = joined(parts)
    if whole.tracks:
        person = whole.people[0].id
        cues = (cue.model_copy(update={"track": person}) if cue.kind in _HEARD else cue for cue in whole.cues)
        whole = whole.model_copy(update={"cues": tuple(cues)})
    kinds = {cue.kind for cue in whole.cues}
    has = {"face": bool(whole.tracks), "voice": CueKind.PROSODY in kinds, "words": CueKind.WORDS in kinds}
    missing = tuple(gap for gap in whole.missing if not has.get(gap.stream, False))
    media = whole.media
    if media.kind == "image" and media.duration is not None:
        media = MediaInfo(kind="video", duration=media.duration)
    return whole.model_copy(update={"id": id, "media": media, "missing": missing})
