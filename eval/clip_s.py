"""Compares ways of prompting a context classifier: plain head, fixed texts, learnt contexts; and what each says to words it never learnt.

Faces are prepared and seen by the vision tower once; every run then only multiplies matrices. Prints Markdown, or JSON.

    python -m emollm.eval.clip_s FOLDER… --data FER.npz [--split valid] [--vision face-mt] [--json]

A FOLDER is a run of ``emollm.train.clip_s`` or holds several.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from tqdm import tqdm

from emollm.encoders import load as load_net
from emollm.encoders.checkpoint import read_metadata
from emollm.encoders.minilm import MiniLM
from emollm.encoders.predict import predict
from emollm.encoders.weights import CONFIG, WEIGHTS, Trained
from emollm.errors import DataError, EmollmError, ModelError, one_line
from emollm.eval.clip_s_scores import Run, Seen, closed, compounds, goemotions, held_out, new_words
from emollm.eval.clip_s_table import markdown
from emollm.face_sets import CropSettings, FaceSet, FaceSource, prepare
from emollm.modeling.class_texts import descriptions
from emollm.modeling.clip_s_files import load
from emollm.modeling.clip_s_towers import FaceTower, Towers

_BATCH = 256


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--data", required=True, type=click.Path(path_type=Path), help="npz with images, votes and split, as FER+."
)
@click.option("--split", default="valid", show_default=True, help="Part of the data.")
@click.option("--vision", default="face-mt", show_default=True, help="Face net the runs were made with.")
@click.option(
    "--text", default=None, type=click.Path(path_type=Path), help="Folder of the text tower, if not the asset."
)
@click.option("--descriptions", "texts", default="ferplus", show_default=True, help="Texts of the classes held out.")
@click.option("--work", default=Path("runs/face-sets"), show_default=True, type=click.Path(path_type=Path))
@click.option("--workers", default=2, show_default=True, help="Processes that find and cut the faces, once.")
@click.option("--measure", default="auto", show_default=True, help="Backend the faces were prepared with in training.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of Markdown.")
def main(
    folders: tuple[Path, ...],
    data: Path,
    split: str,
    vision: str,
    text: Path | None,
    texts: str,
    work: Path,
    workers: int,
    measure: str,
    as_json: bool,
) -> None:
    """Compare trained context classifiers on labelled faces."""
    try:
        net = load_net(vision)
        cut = CropSettings(size=net.net.size, margin=net.config.net.margin, backend=measure)
        source = FaceSource(path=data, split=split)
        face_set = prepare(source, cut, work, workers)
        towers = Towers(FaceTower(net), MiniLM.load(text))
        found = [one for folder in folders for one in runs(folder, towers)]
        report = evaluate(found, seen(net, face_set), texts)
    except EmollmError as error:
        raise click.UsageError(str(error)) from error
    print(json.dumps(report, indent=1, ensure_ascii=False) if as_json else markdown(report))


def evaluate(found: Sequence[Run], faces: Seen, texts: str = "ferplus") -> dict[str, Any]:
    """All tables as JSON.

    Args:
        found: Trained classifiers.
        faces: With labels, as the vision tower saw them.
        texts: Descriptions of the classes held out.

    Raises:
        ConfigError: No such descriptions, or another version than runs were trained with.
        DataError: Faces of other classes than those that were learnt.
    """
    whole = [run for run in found if not run.held]
    for run in found:
        if known := sorted({*run.model.config.labels, *run.held} ^ set(faces.labels)):
            raise DataError(f"{run.folder}: learnt other classes than the data has; they differ in {', '.join(known)}")
    return {
        "faces": int((faces.label >= 0).sum()),
        "vision": f"{found[0].model.eye.name} {found[0].model.eye.version}",
        "text": f"{found[0].model.config.text.name} {found[0].model.config.text.version}",
        "closed": closed(whole, faces),
        "held_out": held_out([run for run in found if run.held], faces, descriptions(texts)),
        "words": new_words(whole, faces),
        "goemotions": goemotions(whole, faces),
        "compounds": compounds(whole, faces),
    }


def runs(folder: Path, towers: Towers) -> Iterator[Run]:
    """The classifiers in a folder: itself, its ``best``, or those of its folders, by name.

    Raises:
        ModelError: There is none, or one cannot be read or was made for other towers.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such folder; give one that emollm.train.clip_s wrote")
    places = [place.parent for depth in ("", "best/", "*/best/") for place in sorted(folder.glob(f"{depth}{CONFIG}"))]
    if not places:
        raise ModelError(f"{folder}: holds no trained classifier; run emollm.train.clip_s first")
    for place in places:
        told = _recipe(place / WEIGHTS)
        name = told.get("row") or (place.parent.name if place.name == "best" else place.name)
        yield Run(name, tuple(told.get("hold_out", ())), place, load(place, towers))


def _recipe(file: Path) -> dict[str, Any]:
    """What a classifier was trained by, as training wrote it into the header of the weights; empty where it says nothing."""
    try:
        told = json.loads(read_metadata(file).get("recipe", "{}"))
    except ValueError as error:
        raise ModelError(
            f"{file}: the recipe in its header is not JSON: {one_line(str(error))}; train it anew"
        ) from error
    if not isinstance(told, dict):
        raise ModelError(
            f"{file}: the recipe in its header is not an object but a {type(told).__name__}; train it anew"
        )
    return told


def seen(net: Trained, face_set: FaceSet) -> Seen:
    """What a face net sees in all faces: its features, and its own head's probabilities."""
    features, chances = [], []
    for start in tqdm(range(0, len(face_set), _BATCH), desc="faces", mininterval=5):
        answers = predict(net, face_set.rows(slice(start, start + _BATCH)).crops)
        features.append(torch.from_numpy(answers.pooled))
        chances.append(answers.expression.astype(np.float64))
    plain = np.concatenate(chances)
    return Seen(
        features=torch.cat(features),
        plain=plain / plain.sum(-1, keepdims=True),
        label=np.asarray(face_set.label),
        shares=np.asarray(face_set.shares),
        labels=face_set.labels,
        label_set=face_set.record.label_set,
    )


if __name__ == "__main__":
    main()
