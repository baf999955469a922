"""What of a clip a Sample shows: cues that are hidden, cue text that is left out, several looks at a face, a part of a voice.

All of it is chosen by the recipe's seed and the item's or Sample's id, so that it is the same in any process and on any run. What is hidden
from a Sample is hidden from its writer as well: nothing is claimed that the prompt does not give.
"""

from random import Random

from emollm.data_engines.recipe import ShowingSettings
from emollm.samples import MediaItem, Sample, Task
from emollm.types import Box, MediaPart, Message, Missing, Observation, TextPart

_SHIFT, _SCALE, _ROLL = 0.04, 0.06, 4.0
"""How far looks at one face lie apart: shares of its side, share of its size, degrees (standard deviations)."""


def seen(observation: Observation, settings: ShowingSettings, seed: int) -> Observation:
    """What a writer is given of an item: without the kinds of cues that are hidden from it.

    Args:
        observation: What was measured.
        settings: Of the recipe.
        seed: Of the recipe.
    """
    gone = {
        kind
        for kind, share in settings.hidden.items()
        if Random(f"{seed} {kind.value} {observation.id}").random() < share
    }
    cues = tuple(cue for cue in observation.cues if cue.kind not in gone)
    if len(cues) == len(observation.cues):
        return observation
    had = sorted({cue.kind.value for cue in observation.cues if cue.kind in gone})
    gaps = tuple(Missing(stream=kind, reason="left out by the recipe") for kind in had)
    return observation.model_copy(update={"cues": cues, "missing": (*observation.missing, *gaps)})


def shown(sample: Sample, seconds: float | None, settings: ShowingSettings, seed: int) -> Sample:
    """A Sample as its recipe shows it: with looks, spans and without cue text where that is chosen.

    Args:
        sample: As an engine wrote it: the first user turn holds the media, the cue text and the question.
        seconds: Length of the clip, if it is known.
        settings: Of the recipe.
        seed: Of the recipe.
    """
    random = Random(f"{seed} showing {sample.id}")
    bare = bool(sample.media) and sample.task is Task.RECOGNITION and random.random() < settings.bare
    media: list[MediaItem] = []
    for item in sample.media:
        if item.type == "image" and item.box is not None and item.start is None:
            media += _looks(item, 1 + int(random.random() * settings.looks), random)
        elif item.type == "audio" and item.start is None and seconds and bare and settings.spans < 1:
            long = seconds * random.uniform(settings.spans, 1.0)
            start = random.uniform(0.0, seconds - long)
            media.append(item.model_copy(update={"start": round(start, 3), "end": round(start + long, 3)}))
        else:
            media.append(item)
    if not bare and tuple(media) == sample.media:
        return sample
    places = tuple(MediaPart(type=item.type) for item in media)
    first, *rest = sample.messages
    texts = [part for part in first.content if isinstance(part, TextPart)]
    content: tuple[TextPart | MediaPart, ...] = (*places, *(texts[-1:] if bare else texts))
    messages = (Message(role=first.role, content=content), *rest)
    return Sample.model_validate({**dict(sample), "messages": messages, "media": tuple(media)})


def _looks(item: MediaItem, count: int, random: Random) -> list[MediaItem]:
    """A photo as often as it is looked at; the first look is the measured one if it is the only one."""
    if count == 1:
        return [item]
    out = []
    for _ in range(count):
        assert item.box is not None
        box = item.box
        scale = max(0.7, random.gauss(1.0, _SCALE))
        width, height = box.width * scale, box.height * scale
        x = box.x + (box.width - width) / 2 + random.gauss(0.0, _SHIFT) * box.width
        y = box.y + (box.height - height) / 2 + random.gauss(0.0, _SHIFT) * box.height
        moved = Box(x=round(x, 1), y=round(y, 1), width=round(width, 1), height=round(height, 1))
        out.append(item.model_copy(update={"box": moved, "roll": round(item.roll + random.gauss(0.0, _ROLL), 2)}))
    return out
