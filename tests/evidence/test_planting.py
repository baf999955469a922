"""What is planted into a faithful text is false, and is found."""

from collections import Counter
from random import Random

from emollm.emotions import label_set
from emollm.evidence import check_text
from emollm.evidence.planting import kinds, plant
from emollm.reasoner import reason
from emollm.types import (
    Box,
    Cue,
    CueKind,
    Extent,
    Face,
    MediaInfo,
    Missing,
    Observation,
    Part,
    Peak,
    Scale,
    Source,
    Track,
    Verdict,
    Word,
)

SOURCE = Source(backend="mesh-head", version="1", licence="Apache-2.0")
CODES = ("AU01", "AU02", "AU04", "AU12", "AU15", "AU17", "AU20", "AU24", "AU26")
SIDED = ("AU02", "AU12", "AU15")
PAIRS = (("loudness", Scale.DECIBELS, 5.0), ("pitch", Scale.SEMITONES, 3.0))


def unit(track: str, code: str, random: Random) -> Cue:
    value = round(random.choice((0.02, 0.2, 0.45, random.uniform(0.7, 1.0))), 2)
    sides = {}
    if code in SIDED:
        low = 0.03 if value > 0.4 and random.random() < 0.5 else value
        left, right = random.sample((value, low), 2)
        sides = {"left": left, "right": right}
    return Cue(id=f"{track}.{code}", kind=CueKind.ACTION_UNIT, name=code, scale=Scale.INTENSITY, value=value, track=track, source=SOURCE,
               start=2.0, end=2.0, **sides)  # fmt: skip


def made(seed: int) -> Observation:
    """One or two people in a photo or in a clip of six seconds, in which somebody speaks or nobody."""
    random = Random(seed)
    people = ["p1", "p2"][: random.choice((1, 2))]
    cues = [unit(track, code, random) for track in people for code in CODES]
    kind, words, missing = random.choice(("image", "video", "video")), (), ()
    if kind == "video" and random.random() < 0.5:
        missing = (Missing(stream="voice", reason="no speech in the sound"),)
    elif kind == "video":
        words = tuple(Word(text=word, start=i * 0.5, end=i * 0.5 + 0.4, confidence=0.9) for i, word in enumerate(["I", "did", "not", "expect", "you", "so", "soon"]))  # fmt: skip
        cues.append(Cue(id="words.1", kind=CueKind.WORDS, name="said", scale=Scale.TEXT, text="I did not expect you so soon", end=3.5,
                        extent=Extent.EVENT, confidence=0.9, source=SOURCE))  # fmt: skip
        cues.append(Cue(id="voice.speech.1", kind=CueKind.PROSODY, name="speech", scale=Scale.SECONDS, value=3.5, end=3.5,
                        extent=Extent.EVENT, source=SOURCE))  # fmt: skip
        for name, scale, value in (("f0_median", Scale.HERTZ, 180.0), ("energy", Scale.DECIBELS, -24.0)):
            cues.append(Cue(id=f"voice.{name}", kind=CueKind.PROSODY, name=name, scale=scale, value=value, end=3.5,
                            extent=Extent.WHOLE, source=SOURCE))  # fmt: skip
        name, scale, value = random.choice(PAIRS)
        cues.append(Cue(id=f"voice.{name}.1", kind=CueKind.PROSODY, name=name, scale=scale, value=random.choice((-1, 1)) * value,
                        start=0.5, end=1.5, extent=Extent.EVENT, source=SOURCE))  # fmt: skip
    face = Face(time=2.0, box=Box(x=0.0, y=0.0, width=200.0, height=200.0), confidence=0.95)
    peaks = (Peak(time=2.0, start=1.5, end=2.5, score=1.0),) if kind == "video" else ()
    tracks = tuple(
        Track(id=id, faces=(face,), prominence=1 / n, peaks=peaks, end=6.0) for n, id in enumerate(people, 1)
    )
    media = MediaInfo(kind=kind, duration=6.0 if kind == "video" else None)
    return Observation(id=str(seed), media=media, tracks=tracks, cues=tuple(cues), words=words, missing=missing)


def is_contradicted(text: str, observation: Observation) -> bool:
    claims = check_text(text, Part.OBSERVATIONS, observation, "p1")
    return any(claim.verdict is Verdict.CONTRADICTED for claim in claims)


def test_planted_falsehoods_are_found_and_the_originals_are_clean() -> None:
    planted, found = Counter[str](), Counter[str]()
    for seed in range(150):
        observation = made(seed)
        text = reason(observation, label_set("basic8")).text
        assert not is_contradicted(text, observation), (seed, text)
        for one in plant(text, observation, "p1", Random(seed)):
            planted[one.kind] += 1
            found[one.kind] += is_contradicted(one.text, observation)
    assert {*planted} == {*kinds()}
    assert all(found[kind] >= 0.95 * planted[kind] for kind in planted), (planted, found)


def test_one_seed_plants_the_same() -> None:
    observation = made(1)
    text = reason(observation, label_set("basic8")).text
    assert plant(text, observation, "p1", Random(7)) == plant(text, observation, "p1", Random(7))
    assert plant(text, observation, "p1", Random(7)) != plant(text, observation, "p1", Random(8))


def test_nothing_is_planted_where_nothing_was_measured() -> None:
    empty = Observation(id="none", media=MediaInfo(kind="image"))
    assert plant("Nothing was seen.", empty, None, Random(0)) == []
