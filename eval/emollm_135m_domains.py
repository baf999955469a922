"""A look at other domains: made-up faces and English voices, measured here and answered as ``emollm explain`` does; no domain was trained on.

Faces are SFHQ's, which no camera took; their labels come from searching pictures by words, not from people. Voices are seven acted English
sentences of two speakers, named by what was acted. ``OUT/domains.md`` holds each answer, to be read one by one.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emollm.answering import MAX_TOKENS, asked_about
from emollm.clip_files import open_clip
from emollm.emotions import LabelSet
from emollm.errors import DataError
from emollm.eval.emollm_135m_asking import Question, to_stderr
from emollm.eval.emollm_135m_items import person
from emollm.eval.emollm_135m_proof import Proof
from emollm.eval.emollm_135m_scores import Row, Said, of_sums, row
from emollm.evidence import Faithfulness, check
from emollm.files import replacing
from emollm.metrics.bootstrap import bootstrap
from emollm.perception import observe
from emollm.rationale_text import split
from emollm.replies import label_in
from emollm.types import Claim, Clip, Observation, Verdict

FACES, VOICES = "sfhq/labels.csv", "clips"
SPEAKERS = ("Claire", "Mark")


class Look(NamedTuple):
    """One item of another domain."""

    clip: Clip
    gold: str | None
    """In the words of the set that is asked for; None where the domain's own word has no place in it."""
    told: str
    """The domain's own word."""


class Read(NamedTuple):
    """An item with what was answered."""

    look: Look
    seen: Observation
    reply: str | None
    """None where nothing was measured or it could not be asked."""
    label: str | None
    claims: tuple[Claim, ...]
    """Of the reply as it was written."""


def domains(proof: Proof) -> list[Row]:
    """Accuracy and supported share on faces of SFHQ and English voices, and the page of all answers.

    Raises:
        DataError: The data folder holds neither.
    """
    rows: list[Row] = []
    pages = []
    for name, looks in (("SFHQ faces", list(faces(proof))), ("English voices", list(voices(proof)))):
        most = proof.sizes.limit or len(looks)
        if found := _read(proof, looks[:most]):
            rows += _rows(proof, name, found)
            pages.append(page(name, found))
    if not rows:
        raise DataError(f"{proof.data}: holds neither {FACES} nor {VOICES}/Claire_*.wav; leave the measure domains out")
    with replacing(proof.answers.folder / "domains.md", "w") as file:
        file.write("\n\n".join(pages) + "\n")
    return rows


def faces(proof: Proof) -> Iterator[Look]:
    """Those of SFHQ, by their table."""
    table = proof.data / FACES
    if not table.is_file():
        return
    with table.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            gold = proof.labels.find(line["label7"]) if line["label7"] else None
            yield Look(_clip(table.parent / "img" / line["file"]), gold, line["query"])


def voices(proof: Proof) -> Iterator[Look]:
    """Claire's and Mark's, by the names of the files."""
    for path in sorted((proof.data / VOICES).glob("*.wav")):
        speaker, _, acted = path.stem.partition("_")
        if speaker in SPEAKERS:
            word = acted.partition("_")[0]
            yield Look(_clip(path), proof.labels.find(word), word)


def _clip(path: Path) -> Clip:
    """A file by its own name, wherever it lies."""
    return open_clip(path).model_copy(update={"id": path.stem})


def _read(proof: Proof, looks: Sequence[Look]) -> list[Read]:
    if looks:
        to_stderr(f"domains: measuring {len(looks)} items")
    seen = [observe(look.clip) for look in looks]
    asked = {
        place: asked_about(look.clip, one, proof.labels, person(one))
        for place, (look, one) in enumerate(zip(looks, seen, strict=True))
        if one.of(person(one))
    }
    questions = [
        Question(looks[place].clip.id, "all that was measured", one, looks[place].gold or "")
        for place, one in asked.items()
    ]
    replies = dict(zip(asked, proof.answers.replies("domains", proof.model, questions, MAX_TOKENS), strict=True))
    return [
        answered(proof.labels, look, one, replies.get(place))
        for place, (look, one) in enumerate(zip(looks, seen, strict=True))
    ]


def answered(labels: LabelSet, look: Look, seen: Observation, reply: str | None) -> Read:
    """What a reply about an item says."""
    rationale = split(reply) if reply is not None else None
    claims = check(rationale, seen, person(seen)) if rationale is not None else ()
    return Read(look, seen, reply, label_in(reply, labels) if reply else None, claims)


def _rows(proof: Proof, name: str, found: Sequence[Read]) -> list[Row]:
    who, measure = proof.model.name, "domains"
    labelled = [one for one in found if one.look.gold is not None]
    said = Said.of([one.look.gold or "" for one in labelled], [one.label for one in labelled], proof.labels.labels)
    rows = said.rows(measure, name, who, ("war", "uar"))
    counts = np.array([Faithfulness.of(one.claims) for one in found], np.float64)
    decided = counts[:, 0] + counts[:, 1]
    support = bootstrap({"support": of_sums(counts[:, 0], decided)}, len(found))["support"]
    rows.append(row(support, len(found), measure, name, who, "supported share", None, f"{decided.sum():.0f} claims"))
    return rows


def page(name: str, found: Sequence[Read]) -> str:
    """A table of labels, and all answers."""
    lines = [f"# {name}", "", "| item | told as | gold | answer | | claims +/−/? |", "|---|---|---|---|---|---|"]
    for one in found:
        right = "" if one.look.gold is None else "right" if one.label == one.look.gold else "wrong"
        counts = "/".join(map(str, Faithfulness.of(one.claims)))
        lines.append(
            f"| {one.look.clip.id} | {one.look.told} | {one.look.gold or '–'} | {one.label or '–'} | {right} | {counts} |"
        )
    for one in found:
        lines += ["", f"## {one.look.clip.id}: {one.look.told}", "", *_answer(one)]
    return "\n".join(lines)


def _answer(one: Read) -> list[str]:
    """The reply, and what the measurements contradict of it."""
    if one.reply is None:
        return ["Nothing was measured."]
    wrong = [claim for claim in one.claims if claim.verdict is Verdict.CONTRADICTED]
    return [one.reply, *(["", *(f"- not so: “{claim.text}” ({claim.reason})" for claim in wrong)] if wrong else [])]
