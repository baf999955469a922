"""A build with an engine of a few lines, also as a program of its own: a test can kill it.

python tiny_build.py OUT WORKERS SECONDS INPUT…      (so many seconds for each item)
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from emollm.data_engines.base import Item, Rejected
from emollm.data_engines.composing import compose, question
from emollm.data_engines.engines import ENGINES
from emollm.data_engines.recipe import BuildSettings
from emollm.data_engines.run import build
from emollm.facs import UNITS, strength
from emollm.samples import Sample, Task
from emollm.types import CueKind, Observation


class Tiny:
    """Says of the first unit how strong it is."""

    name = "tiny"
    version = 1

    def __init__(self, settings: BuildSettings) -> None:
        self._labels = settings.labels
        self._seconds = float(settings.options.get("seconds", 0.0))
        self._wrong = bool(settings.options.get("wrong", False))

    def write(self, item: Item, observation: Observation, random: Random) -> Iterator[Sample | Rejected]:
        time.sleep(self._seconds)
        cues = [cue for cue in observation.cues if cue.kind is CueKind.ACTION_UNIT and cue.value is not None]
        if not cues:
            yield Rejected(item.clip.id, "write", "no units: nothing to say")
            return
        cue = cues[0]
        absent = strength(cue.value or 0.0) == "absent" and not self._wrong
        text = f"The {UNITS[cue.name].name} is {'absent' if absent else 'strongly present'}."
        asked = question(Task.REASONING, random, ["neutral", "happiness"])
        yield compose(
            item,
            observation,
            cue.track,
            Task.REASONING,
            [(asked, text)],
            label=None,
            label_set=self._labels,
            engine="tiny@1",
        )


if "tiny" not in ENGINES:
    ENGINES.register("tiny")(Tiny)


if __name__ == "__main__":
    recipe = {
        "engine": "tiny",
        "rows": True,
        "options": {"seconds": float(sys.argv[3])},
        "filters": {"duplicates": False, "min_claims": 0, "min_support": 0, "max_contradicted": 9},
        "scale": {"block": 5, "workers": int(sys.argv[2])},
    }
    build(
        BuildSettings.model_validate(recipe),
        sys.argv[4:],
        Path(sys.argv[1]),
        progress=lambda done, total, _: print(done, total, flush=True),
    )
