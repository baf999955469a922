"""What of a clip a Sample shows: cues that are hidden, cue text that is left out, several looks at a face, a part of a voice.

All of it is chosen by the recipe's seed and the item's or Sample's id, so that it is the same in any process and on any run. What is hidden
from a Sample is hidden from its writer as well: nothing is claimed that the prompt does not give.
"""

from random import Random

from emollm.data_engines.recipe import ShowingSettings
from emollm.emotions import label_set
from emollm.samples import MediaItem, Sample, Task
from emollm.turns import without
from emollm.types import Box, MediaPart, Message, Observation, TextPart

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
    return without(observation, gone, "left out by the recipe")


def shown(sample: Sample, seconds: float | None, settings: ShowingSettings, seed: int) -> Sample:
    """A Sample as its recipe shows it: with looks, spans and without cue text where that is chosen.

    Args:
        sample: As an engine wrote it: the first user turn holds the media, the cue text and the question.
        seconds: Length of the clip, if it is known.
        settings: Of the recipe.
        seed: Of the recipe.
    """
    random = Random(f"{seed} showing {sample.id}")
    teaches = sample.split in (None, "train")  # what validates is asked alike
    if sample.task is Task.RECOGNITION and settings.lists and teaches and random.random() < settings.lists:
        sample = _listed(sample, settings.sets, random)
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


def _listed(sample: Sample, sets: tuple[str, ...], random: Random) -> Sample:
    """A question and its reply with another list of labels; as it was where the question names none, or no label is given."""
    if sample.label is None or sample.label_set is None:
        return sample
    own = label_set(sample.label_set)
    other = label_set(random.choice((sample.label_set, *sets)))
    mapping = own.map_to(other)
    label = mapping.get(sample.label)
    if label is None:
        other, mapping, label = own, own.map_to(own), sample.label
    wrong = [each for each in other.labels if each != label]
    if random.random() < 0.5:
        wrong = random.sample(wrong, random.randint(min(2, len(wrong)), len(wrong)))
    words = random.sample([label, *wrong], len(wrong) + 1)
    (first, reply, *rest), before = sample.messages, ", ".join(own.labels)
    asked = first.content[-1]
    if not isinstance(asked, TextPart) or before not in asked.text or rest:
        return sample
    question = TextPart(text=asked.text.replace(before, ", ".join(words)))
    messages = (
        Message(role=first.role, content=(*first.content[:-1], question)),
        Message(role=reply.role, content=(TextPart(text=label),)),
    )
    gold = tuple(dict.fromkeys(found for each in sample.gold if (found := mapping.get(each)) is not None))
    return sample.model_copy(update={"messages": messages, "label": label, "label_set": other.id, "gold": gold})


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
