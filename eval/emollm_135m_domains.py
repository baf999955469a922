"""A look at other domains: made-up faces and English voices, measured here and answered as ``emollm explain`` does; no domain was trained on.

Faces are SFHQ's, which no camera took; their labels come from searching pictures by words, not from people. Voices are seven acted English
sentences of two speakers, named by what was acted. ``OUT/domains-<model>.md`` holds each answer, to be read one by one. A file that cannot be
read is told of and counted, and the others are measured.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emollm.answering import MAX_TOKENS, asked_about
from emollm.clip_files import open_clip
from emollm.emotions import LabelSet
from emollm.errors import DataError, MediaError, one_line
from emollm.eval.emollm_135m_asking import Question, to_stderr
from emollm.eval.emollm_135m_items import person
from emollm.eval.emollm_135m_proof import Proof
from emollm.eval.emollm_135m_scores import Row, Said, noted, of_sums, row
from emollm.evidence import Faithfulness, check
from emollm.files import opened_text, replacing
from emollm.metrics.bootstrap import bootstrap
from emollm.perception import observe
from emollm.rationale_text import split
from emollm.replies import label_in
from emollm.types import Claim, Clip, Observation, Verdict

FACES, VOICES = "sfhq/labels.csv", "clips"
COLUMNS = ("file", "label7", "query")
"""Of the table of faces."""
SPEAKERS = ("Claire", "Mark")


class Look(NamedTuple):
    """One item of another domain."""

    path: Path
    gold: str | None
    """In the words of the set that is asked for; None where the domain's own word has no place in it."""
    told: str
    """The domain's own word."""


class Read(NamedTuple):
    """An item with what was answered."""

    look: Look
    seen: Observation
    """What was measured."""
    reply: str | None
    """None where nothing was measured or it could not be asked."""
    label: str | None
    claims: tuple[Claim, ...]
    """Of the reply as it was written."""


def domains(proof: Proof) -> list[Row]:
    """Accuracy and supported share on faces of SFHQ and English voices, and the page of all answers.

    Raises:
        DataError: The data folder holds neither, or the table of faces is none.
    """
    rows: list[Row] = []
    pages = []
    for name, looks in (("SFHQ faces", list(faces(proof))), ("English voices", list(voices(proof)))):
        taken = looks[: proof.sizes.limit or len(looks)]
        found, unread = _read(proof, taken)
        if found:
            note = f"{len(unread)} of {len(taken)} files cannot be read and are left out" if unread else ""
            rows += noted(_rows(proof, name, found), note)
        if taken:
            pages.append("\n".join([page(name, found), *(f"\n- {line}" for line in unread)]))
    if not pages:
        raise DataError(f"{proof.data}: holds neither {FACES} nor {VOICES}/Claire_*.wav; leave the measure domains out")
    with replacing(proof.answers.folder / f"domains-{proof.model.name}.md", "w") as file:
        file.write("\n\n".join(pages) + "\n")
    return rows


def faces(proof: Proof) -> Iterator[Look]:
    """Those of SFHQ, by their table.

    Raises:
        DataError: It has other columns, or a line has fewer.
    """
    table = proof.data / FACES
    if not table.is_file():
        return
    with opened_text(table) as file:
        lines = csv.DictReader(file)
        if lacking := [name for name in COLUMNS if name not in (lines.fieldnames or ())]:
            raise DataError(f"{table}: lacks the column {lacking[0]}; expected {', '.join(COLUMNS)}")
        for line in lines:
            name, word, told = (line[column] for column in COLUMNS)
            if not name or word is None or told is None:
                raise DataError(f"{table}:{lines.line_num}: expected a file, a label or nothing, and a query")
            yield Look(table.parent / "img" / name, proof.labels.find(word) if word else None, told)


def voices(proof: Proof) -> Iterator[Look]:
    """Claire's and Mark's, by the names of the files."""
    for path in sorted((proof.data / VOICES).glob("*.wav")):
        speaker, _, acted = path.stem.partition("_")
        if speaker in SPEAKERS:
            word = acted.partition("_")[0]
            yield Look(path, proof.labels.find(word), word)


def _read(proof: Proof, looks: Sequence[Look]) -> tuple[list[Read], list[str]]:
    """What was answered about the items that can be read, and a line for each that cannot."""
    if looks:
        to_stderr(f"domains: measuring {len(looks)} items")
    measured: list[tuple[Look, Clip, Observation]] = []
    unread: list[str] = []
    for look in looks:
        try:
            clip = open_clip(look.path).model_copy(update={"id": look.path.stem})  # wherever it lies
            measured.append((look, clip, observe(clip)))
        except (DataError, MediaError) as error:
            unread.append(one_line(str(error)))
            to_stderr(f"domains: left out: {unread[-1]}")
    asked = {
        place: asked_about(clip, seen, proof.labels, person(seen))
        for place, (_, clip, seen) in enumerate(measured)
        if seen.of(person(seen))
    }
    questions = [
        Question(measured[place][1].id, "all that was measured", one, measured[place][0].gold or "")
        for place, one in asked.items()
    ]
    replies = dict(zip(asked, proof.answers.replies("domains", proof.model, questions, MAX_TOKENS), strict=True))
    found = [answered(proof.labels, look, seen, replies.get(place)) for place, (look, _, seen) in enumerate(measured)]
    return found, unread


def answered(labels: LabelSet, look: Look, seen: Observation, reply: str | None) -> Read:
    """What a reply about an item says."""
    rationale = split(reply) if reply is not None else None
    claims = check(rationale, seen, person(seen)) if rationale is not None else ()
    return Read(look, seen, reply, label_in(reply, labels) if reply else None, claims)


def _rows(proof: Proof, name: str, found: Sequence[Read]) -> list[Row]:
    who, measure = proof.model.name, "domains"
    labelled = [one for one in found if one.look.gold is not None]
    rows: list[Row] = []
    if labelled:
        said = Said.of([one.look.gold or "" for one in labelled], [one.label for one in labelled], proof.labels.labels)
        rows += said.rows(measure, name, who, ("war", "uar"))
    else:
        to_stderr(f"domains: {name}: none of {len(found)} items has a label that counts: no accuracy; raise --limit")
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
            f"| {one.look.path.stem} | {one.look.told} | {one.look.gold or '–'} | {one.label or '–'} | {right} | {counts} |"
        )
    for one in found:
        lines += ["", f"## {one.look.path.stem}: {one.look.told}", "", *_answer(one)]
    return "\n".join(lines)


def _answer(one: Read) -> list[str]:
    """The reply, and what the measurements contradict of it."""
    if one.reply is None:
        return ["Nothing was measured."]
    wrong = [claim for claim in one.claims if claim.verdict is Verdict.CONTRADICTED]
    return [one.reply, *(["", *(f"- not so: “{claim.text}” ({claim.reason})" for claim in wrong)] if wrong else [])]
