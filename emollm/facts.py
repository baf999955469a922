"""The measured facts that answer a question, one short sentence each, for a language model to join.

A small model reads a long list of measurements badly and two or three plain sentences well (docs/experiments.md). So the
choice is made here: by the part of the face that the question names, by the emotion it names, else by strength. Wordings
and the words of the topics are the prompt ``ask/evidence``.
"""

import re
from collections.abc import Iterator, Sequence

from emollm.clip_facts import PROMPT, channels_of, of_course, of_tone, of_voice, of_words
from emollm.emotions import label_set
from emollm.errors import ConfigError
from emollm.evidence import FAR, LIKELY, STILL, TURNED, Evidence
from emollm.facs import ABSENT, UNITS, Strength, asymmetric, priors, strength
from emollm.prompts import prompt
from emollm.reasoner.channels import Channels
from emollm.reasoner.quotation import quoted
from emollm.reasoner.weighing import is_present
from emollm.reasoner.wording import seconds
from emollm.types import Answer, Cue, CueKind, Observation, Scale, Side

_EYES_TURN = frozenset({"AU61", "AU62", "AU63", "AU64"})
_GAZE = frozenset({"gaze_yaw", "gaze_pitch"})
_CHANNELS = frozenset({"course", "voice", "words", "tone"})
"""Topics that are no cues."""
_WORD = re.compile(r"[a-z']+")


def facts(question: str, answer: Answer, observation: Observation, most: int = 5) -> tuple[str, ...]:
    """Sentences about the answer's person that bear on the question, the most telling first.

    Args:
        question: The question, in English.
        answer: The answer it is about.
        observation: What was measured.
        most: How many sentences at most.

    Returns:
        Empty if nothing that bears on it was measured.
    """
    channels = channels_of(answer, observation)
    moment = _Moment(channels)
    asked = [name for name in _topics(question) if name not in _CHANNELS or _has(name, channels)]
    if phrases(prompt(PROMPT).render("gaps")).search(question) and observation.missing_for(answer.track):
        found = [*_missing(asked or None, answer, observation)]
    elif asked:
        found = [*_of_topics(asked, moment, channels)] or [*_missing(asked, answer, observation)]
    else:
        found = [*_of_emotion(named_emotion(question, answer), answer, moment)]
        found += [*_of_clip(channels, len(found), most)]
    return tuple(dict.fromkeys(found))[:most]


def canonical(label: str | None, set_id: str | None) -> str | None:
    """The canonical emotion of a label, where its set is known and gives one."""
    if label is None:
        return None
    try:
        return label_set(set_id or "basic8").canonical(label)
    except ConfigError:
        return None


def named_emotion(text: str, answer: Answer) -> str | None:
    """The first canonical emotion that a text names, in the words of the answer's label set or the default one."""
    for word in _WORD.findall(text.casefold()):
        for set_id in (answer.label_set or "basic8", "basic8"):
            try:
                known = label_set(set_id)
            except ConfigError:
                continue
            if (label := known.find(word)) is not None and (found := known.canonical(label)) is not None:
                return found
    return None


def phrases(block: str) -> re.Pattern[str]:
    """A pattern for any of the phrases in a block's lines; ``*`` stands for the rest of a word."""
    forms = (re.escape(" ".join(line.split())).replace(r"\*", r"\w*") for line in block.splitlines() if line.strip())
    return re.compile(rf"(?<!\w)(?:{'|'.join(forms)})(?!\w)".replace(r"\ ", r"\s+"), re.IGNORECASE)


def _topics(question: str) -> tuple[str, ...]:
    """Names of the cues that the question's words ask for."""
    names: list[str] = []
    for line in prompt(PROMPT).render("topics").splitlines():
        words, _, cues = line.partition(":")
        alone = words.startswith("only ")
        if phrases("\n".join(words.removeprefix("only ").split()).replace("_", " ")).search(question):
            if alone:
                return tuple(cues.split())
            names += cues.split()
    return tuple(dict.fromkeys(names))


class _Moment:
    """What was measured of the face in a photo or at the apex of a clip: the cue that counts for each movement and angle."""

    def __init__(self, channels: Channels) -> None:
        evidence = Evidence(channels.moment)
        units = sorted(evidence.units, key=lambda cue: -(cue.value or 0.0))
        turns = (evidence.best(name) for name in ("yaw", "pitch", "roll", "gaze_yaw", "gaze_pitch"))
        cues = (cue for cue in (*units, *turns) if cue is not None and cue.name not in _EYES_TURN)
        self.cues = {cue.name: cue for cue in cues}
        """By name, strongest first."""
        self.time = channels.peak.time if channels.peak is not None else None
        """The apex of a clip."""

    def sentence(self, cue: Cue) -> str | None:
        """The sentence on a cue, with the time in a clip."""
        return sentence(cue, self.time)


def _has(name: str, channels: Channels) -> bool:
    """Whether a clip has such a channel: what a photo cannot have is not asked of it."""
    match name:
        case "course":
            return channels.peak is not None
        case "voice":
            return bool(channels.voice) or channels.is_silent
        case "tone":
            return channels.telling is not None and channels.telling.polarity is not None
    return any(cue.kind is CueKind.WORDS for cue in channels.cues) or channels.is_not_understood


def _of_topics(asked: Sequence[str], moment: _Moment, channels: Channels) -> Iterator[str]:
    """What bears on the topics of a question: the words and the voice first, then the course, then the moment."""
    names = [name for name in asked if name not in _CHANNELS]
    if "tone" in asked:
        yield from of_tone(channels)
    if "words" in asked:
        yield from of_words(channels)
    if "voice" in asked:
        yield from of_voice(channels)
        yield from of_words(channels)
    course = [*of_course(channels, names)] if names or "course" in asked else []
    if "course" not in asked or not course:
        yield from _of_topic(names, moment)
    yield from course


def _of_topic(names: Sequence[str], moment: _Moment) -> Iterator[str]:
    """What is seen of these cues, or else what is not."""
    cues = moment.cues
    shut = is_present(cues.get("AU43"))
    here = [cue for cue in cues.values() if cue.name in names and not (shut and cue.name in _GAZE)]
    seen = [cue for cue in here if _is_seen(cue)]
    absent = [cues[name] for name in names if name in cues and cues[name] in here and cues[name] not in seen][:2]
    if not seen and {cue.name for cue in absent} == _GAZE and all(abs(cue.value or 0.0) < STILL for cue in absent):
        yield prompt(PROMPT).render("straight")
        return
    if shut and not here and _GAZE & {*names}:  # nothing is seen of the gaze of closed eyes
        seen = [cues["AU43"]]
    for cue in seen or absent:
        if (text := moment.sentence(cue)) is not None:
            yield text
        elif not cue.reliable:
            yield prompt(PROMPT).render("unsure", stream=UNITS[cue.name].name if cue.name in UNITS else cue.name)


def _of_emotion(emotion: str | None, answer: Answer, moment: _Moment) -> Iterator[str]:
    """What the face looks like; what is lacking for the emotion asked after; the strongest movements."""
    cues = moment.cues
    if not cues:
        return
    label = canonical(answer.label, answer.label_set) or answer.label
    other = emotion if emotion != label else None
    yield prompt(PROMPT).render("looks", label=label, other=other)
    if other is not None and other in priors().emotions:
        core = [cues[name] for name in priors().emotions[other].core if name in cues]
        lacking = (moment.sentence(cue) for cue in core if not _is_seen(cue))
        yield from [text for text in lacking if text is not None][:1]
    units = [cue for cue in cues.values() if cue.kind is CueKind.ACTION_UNIT]
    seen = [text for cue in units if _is_seen(cue) and (text := moment.sentence(cue)) is not None]
    yield from seen[: 2 if other or moment.time is not None else 4]
    if not seen:
        known = (cues[name] for name in ("AU12", "AU04") if name in cues)
        yield from [text for cue in known if (text := moment.sentence(cue)) is not None]


def _of_clip(channels: Channels, given: int, most: int) -> Iterator[str]:
    """What a clip has beside the face, as far as there is room: one sentence on the voice, one on the words, then the course."""
    heard = [*[*of_voice(channels)][:1], *of_tone(channels)] if channels.voice else []
    yield from heard[: max(most - given, 0)]
    yield from [*of_course(channels)][:2]


def _missing(names: Sequence[str] | None, answer: Answer, observation: Observation) -> Iterator[str]:
    """What of these, or at all, could not be measured."""
    for gap in observation.missing_for(answer.track):
        if names is None or gap.stream in {*names, *(name.partition("_")[0] for name in names)}:
            stream = UNITS[gap.stream].name if gap.stream in UNITS else gap.stream
            yield prompt(PROMPT).render("unmeasured", stream=stream, reason=quoted(gap.reason, 80))


def _is_seen(cue: Cue) -> bool:
    """Whether something can be said to be there: a movement from slight on, a turn from 10 degrees on."""
    value = abs(cue.value or 0.0)
    return value >= {Scale.INTENSITY: ABSENT, Scale.PROBABILITY: LIKELY}.get(cue.scale, TURNED)


def sentence(cue: Cue, time: float | None = None) -> str | None:
    """One sentence on a movement, a turn of the head or the gaze; None where nothing can be said for certain.

    Args:
        cue: What was measured.
        time: When in a clip, in seconds; None in a photo.
    """
    band = _band(cue)
    wording = prompt(PROMPT)
    if band is None or cue.name not in wording.blocks:
        return None
    text = wording.render(cue.name, how=wording.render("how", strength=band), value=cue.value)
    side = None
    if band != Strength.ABSENT and asymmetric(cue.left, cue.right):
        side = Side.LEFT if (cue.left or 0.0) > (cue.right or 0.0) else Side.RIGHT
    return wording.render("sided", sentence=text, side=side, time=seconds(time) if time is not None else "")


def _band(cue: Cue) -> str | None:
    """Strength of a cue in words' terms; None between absent and present, and for an absence that proves nothing."""
    value = abs(cue.value or 0.0)
    if cue.scale is Scale.INTENSITY:
        band: str | None = strength(value).value
    elif cue.scale is Scale.PROBABILITY:
        band = "present" if value >= LIKELY else "absent" if value < ABSENT else None
    else:
        slight, far = FAR[cue.kind]
        bounds = ((STILL, Strength.ABSENT), (TURNED, None), (slight, Strength.SLIGHT), (far, Strength.MODERATE))
        band = next((name for bound, name in bounds if value < bound), Strength.STRONG)
    return None if band == Strength.ABSENT and not cue.reliable else band
