"""How far the reasoner carries, by measured units and cited priors alone or with the face net: its labels against FER+'s votes.

Each 48 × 48 tile is padded, enlarged and observed as any photo, the reasoner answers in FER+'s eight classes, and the answer is
compared with the majority label (Barsoum et al. 2016; PROTOCOLS: votes of one are dropped, the top class needs more than half of
the rest). An abstention is no label: it counts as wrong in ``strict`` and is left out of ``covered``. Images without a majority
are left out; tiles without a found face abstain.

    python -m emollm.eval.priors FERPLUS.npz --split valid [--limit N] [--set perception.action_units=mesh-head]
        [--set perception.expression.net=null] [--set reasoner.expression_weight=0.5]

With ``perception.expression.net=null`` units and priors are by themselves; ``reasoner.expression_weight=1`` is the net by itself.
"""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from emollm import config, ferplus
from emollm.emotions import label_set
from emollm.explain import ExplainSettings
from emollm.media.images import Picture
from emollm.perception.photo import open_photo_perception
from emollm.reasoner import reason
from emollm.types import MediaInfo


class Scored(NamedTuple):
    """One tile."""

    gold: str
    answer: str | None
    """None: abstained."""
    first: str | None
    """Best-ranked label even where the answer is an abstention; None without a face."""


def score(file: Path, split: str, settings: ExplainSettings, limit: int | None = None) -> list[Scored]:
    """Answers for the tiles of a split that have a majority label.

    Raises:
        DataError: The file lacks an expected array.
    """
    images, votes = ferplus.read(file, split)
    perceive = open_photo_perception(settings.perception)
    labels = label_set(settings.labels)
    out: list[Scored] = []
    for image, vote in tqdm(list(zip(images, votes, strict=True))[:limit], desc=split, mininterval=5):
        gold = ferplus.majority(vote)
        if gold is not None:
            answer = reason(perceive(_photo(image), "tile"), labels, settings.reasoner)
            out.append(Scored(gold, answer.label, answer.labels[0].label if answer.labels else None))
    return out


def summary(rows: Sequence[Scored]) -> dict[str, object]:
    """Accuracy strict and covered, of the best-ranked label, recall by class, and the floor of always saying one class."""
    gold = Counter(row.gold for row in rows)
    hits = Counter(row.gold for row in rows if row.first == row.gold)
    covered = [row for row in rows if row.answer is not None]
    right = sum(row.answer == row.gold for row in covered)
    recall = {name: round(hits[name] / gold[name], 3) for name in ferplus.CLASSES if gold[name]}
    return {
        "n": len(rows),
        "coverage": round(len(covered) / len(rows), 3),
        "strict": round(right / len(rows), 3),
        "covered": round(right / max(len(covered), 1), 3),
        "best_ranked": round(sum(hits.values()) / len(rows), 3),
        "uar_best_ranked": round(sum(recall.values()) / len(recall), 3),
        "majority_floor": round(max(gold.values()) / len(rows), 3),
        "recall_best_ranked": recall,
        "support": {name: gold[name] for name in ferplus.CLASSES if gold[name]},
        "answers": dict(Counter(row.answer or "abstained" for row in rows)),
    }


def _photo(tile: NDArray[np.uint8]) -> Picture:
    pixels = ferplus.enlarged(tile)
    return Picture(pixels, MediaInfo(kind="image", width=pixels.shape[1], height=pixels.shape[0]), 1.0)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--split", default="valid", help="Which rows.")
@click.option("--limit", type=int, help="Only the first so many rows.")
@click.option("--set", "overrides", multiple=True, help="Settings of emollm explain.")
def main(file: Path, split: str, limit: int | None, overrides: tuple[str, ...]) -> None:
    """Print the summary as JSON."""
    settings = config.load(ExplainSettings, None, ["labels=ferplus", *overrides])
    json.dump(summary(score(file, split, settings, limit)), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
