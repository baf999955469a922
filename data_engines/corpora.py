"""Items of the corpora that the embedded model learns from: FER+ faces, EmoDB voices, GoEmotions words.

Each function streams Items with the annotators' labels and the split they stand in; nothing is measured yet. Faces are written as
pictures, since Samples point to files. Labels and protocols: PROTOCOLS 2 and 3.1 (Barsoum et al. 2016), Burkhardt et al. 2005,
Demszky et al. 2020.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from emollm import ferplus
from emollm.data_engines.base import Gold, Item
from emollm.errors import DataError
from emollm.face_sets.copies import copies, tile_id
from emollm.types import Clip

FACES, VOICES, WORDS = "ferplus", "emodb", "goemotions"
"""Names of the three corpora, as in ``Clip.dataset``."""

HELD_OUT = ("13", "14")
"""Speakers of EmoDB that are kept for validation."""

_EMODB = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}
_LICENCES = {
    FACES: "labels MIT (FER+); images FER2013, collected from the web, research use",
    VOICES: "CC0-1.0",
    WORDS: "Apache-2.0 / CC BY 4.0",
}


def faces(file: Path, split: str, media: Path, limit: int | None = None) -> Iterator[Item]:
    """Tiles of FER+ with a majority label, each written below ``media`` as the picture in which its face is found.

    Training tiles that stand in another split too, pixel by pixel, are left out: what is scored on is not taught.

    Args:
        file: The npz (:func:`emollm.ferplus.read`).
        split: ``train`` or ``valid``.
        media: Folder of the pictures; those that are there already are kept.
        limit: At most so many.

    Raises:
        DataError: Not such a file.
    """
    from PIL import Image

    read = ferplus.read(file, split)
    codes = ferplus.majorities(read.votes)
    shares = ferplus.shares(read.votes)
    folder = media / FACES / split
    folder.mkdir(parents=True, exist_ok=True)
    elsewhere = copies(file, split) if split == "train" else frozenset()
    labelled = [row for row in np.flatnonzero(codes >= 0).tolist() if tile_id(split, row) not in elsewhere]
    for index in labelled[:limit]:
        path = folder / f"{index:06d}.png"
        if not path.exists():
            new = path.with_suffix(".new")
            Image.fromarray(ferplus.enlarged(read.images[index])[..., 0]).save(new, format="PNG")
            new.replace(path)
        label = ferplus.CLASSES[int(codes[index])]
        votes = {
            name: round(float(share), 3)
            for name, share in zip(ferplus.CLASSES, shares[index], strict=True)
            if share > 0
        }
        gold = Gold(labels=(label,), label_set="ferplus", by="annotators", shares=votes)
        yield _item(Clip(id=tile_id(split, index), image=path, dataset=FACES), gold, split)


def voices(folder: Path, limit: int | None = None) -> Iterator[Item]:
    """EmoDB's utterances; those of speakers 13 and 14 are ``valid``. No transcript: everybody reads the same ten sentences.

    Args:
        folder: Files named speaker (2), text (3), emotion (1), version (1).
        limit: At most so many.

    Raises:
        DataError: A name is not of that form, or there is none.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".flac", ".wav"))
    if not paths:
        raise DataError(f"{folder}: no .flac or .wav file; expected EmoDB's utterances, for example 03a01Wa.flac")
    for path in paths[:limit]:
        name = path.stem
        if len(name) != 7 or not name[:2].isdigit() or name[5] not in _EMODB:
            raise DataError(f"{path}: expected a name such as 03a01Wa: speaker, text, emotion, version")
        split = "valid" if name[:2] in HELD_OUT else "train"
        gold = Gold(labels=(_EMODB[name[5]],), label_set="emodb", by="acting")
        clip = Clip(id=f"{VOICES}/{name}", audio=path, speaker=f"{VOICES}/{name[:2]}", dataset=VOICES)
        yield _item(clip, gold, split)


def words(folder: Path, split: str, limit: int | None = None) -> Iterator[Item]:
    """GoEmotions' comments with exactly one label of its Ekman grouping.

    Args:
        folder: ``labels.txt``, ``train.tsv`` and ``dev.tsv``: text, label ids, comment id.
        split: ``train`` or ``valid`` (``dev.tsv``).
        limit: At most so many.

    Raises:
        DataError: A file is missing or a line has another form.
    """
    names = tuple(line.strip() for line in _lines(folder / "labels.txt") if line.strip())
    file = folder / ("dev.tsv" if split == "valid" else f"{split}.tsv")
    given = 0
    for number, row in enumerate(csv.reader(_lines(file), delimiter="\t", quoting=csv.QUOTE_NONE), 1):
        if len(row) != 3 or not all(code.isdigit() and int(code) < len(names) for code in row[1].split(",")):
            raise DataError(f"{file}:{number}: expected text, label ids and comment id, separated by tabs")
        text, codes, comment = row[0].strip(), row[1].split(","), row[2]
        if len(codes) != 1 or not text:
            continue
        if limit is not None and given >= limit:
            return
        given += 1
        gold = Gold(labels=(names[int(codes[0])],), label_set="goemotions-ekman", by="annotators")
        clip = Clip(id=f"{WORDS}/{comment}", transcript=text, dataset=WORDS)
        yield _item(clip, gold, split, group=f"{WORDS}/{comment}")


CORPORA: dict[str, Callable[..., Iterator[Item]]] = {FACES: faces, VOICES: voices, WORDS: words}
"""By name."""


def _item(clip: Clip, gold: Gold, split: str, group: str | None = None) -> Item:
    return Item(clip=clip, gold=gold, split=split, group=group, licence=_LICENCES[clip.dataset or ""])


def _lines(path: Path) -> Sequence[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text: {getattr(error, 'strerror', None) or error}") from error
