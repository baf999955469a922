"""Whether the installed lmms-eval gives our numbers: invented pictures, sounds and words, answered by a stub there and here.

    python -m emollm.eval.lmms_check [FOLDER]

lmms-eval gets an environment of its own in FOLDER (``build/lmms-eval``), which sees the packages of this one, so that nothing large is installed
twice. Tasks are written as `emollm eval lmms` writes them, and run by ``--include_path`` once for models that take messages and once for those that
take a text with media. The same replies are scored by `emollm eval run`; the exit code is 1 where a number differs.
"""

import json
import math
import os
import subprocess
import sys
import sysconfig
import wave
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emollm.errors import EmollmError, one_line
from emollm.eval.environments import environment
from emollm.eval.generators import GENERATORS
from emollm.eval.generators.base import Generator, Opening, Query, Reply
from emollm.eval.generators.media import pictures
from emollm.eval.generators.wording import question
from emollm.eval.lmms import COVERAGE, FLOOR
from emollm.eval.lmms_folder import Written, write
from emollm.eval.run import Plan, run
from emollm.eval.tasks import task

LMMS_EVAL = "lmms-eval==0.7.3"
BESIDE = (
    "chardet==7.7.0", "colorama==0.4.6", "DataProperty==1.1.1", "evaluate==0.4.6", "jsonlines==4.0.0", "lxml==6.1.3", "mbstrdecoder==1.1.5",
    "pathvalidate==3.3.1", "portalocker==4.4.2", "pytablewriter==1.2.1", "sacrebleu==2.6.0", "tabledata==1.3.5",
    "tabulate==0.10.0", "tcolorpy==0.1.7", "tenacity==9.2.1", "typepy==2.0.0", "wandb==0.25.0",
)  # fmt: skip
"""What lmms-eval imports at its start and emollm's own environment lacks; its other requirements are those of single models and tasks."""
STUB = "emollm_stub"
"""The model of :mod:`emollm.eval.lmms_stub`, and the generator that replies the same."""
_FOLDER = Path("build/lmms-eval")
_SAYS = ("The person looks {}.", "{}", "I would say: {}, or nearly so.", "{} and sadness", "That I cannot tell.", "")
_WORDS = ("happiness", "sadness", "anger", "surprise", "fear", "disgust", "neutral", "banana")
_CLASSES = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
_CODES = range(1, 9)
"""Of RAVDESS's emotions."""


class Compared(NamedTuple):
    """One number from both."""

    task: str
    metric: str
    theirs: float
    ours: float

    @property
    def same(self) -> bool:
        """Whether they are equal but for rounding."""
        return math.isclose(self.theirs, self.ours, abs_tol=1e-12)


def reply(text: str, shown: Sequence[NDArray[Any]]) -> str:
    """What the stub replies: a word in a sentence, or nothing of use, by a sum over all that it is given."""
    key = zlib.crc32(text.encode())
    for one in shown:
        key = zlib.crc32(np.ascontiguousarray(one).tobytes(), key)
    return _SAYS[key % len(_SAYS)].format(_WORDS[key // len(_SAYS) % len(_WORDS)])


def samples_of(path: str | Path) -> NDArray[np.float32]:
    """The sound of a file as the stub hears it."""
    from emollm.media.audio import read_sound

    return read_sound(Path(path))[1]


class _Stub:
    """The same replies from `emollm eval run`."""

    name: str = STUB
    depends: str = ""
    looks: bool = True

    def replies(self, queries: Iterable[Query]) -> Iterator[tuple[Query, Reply]]:
        """See :class:`emollm.eval.generators.base.Generator`."""
        for query in queries:
            shown = [*pictures(query.clip)]
            sound = [samples_of(query.clip.audio)] if query.clip.audio else []
            yield query, Reply(reply(question(query), [*shown, *sound]))


def _stub(given: str, opening: Opening) -> Generator:
    return _Stub()


# ---- invented data --------------------------------------------------------------------------------------------------


def invent(root: Path) -> dict[str, Path]:
    """Three tiny data sets; by task, which may be a file, the folder of its data."""
    rng = np.random.default_rng(0)
    return {
        str(_pictures(root, rng)): root / "faces",
        "ravdess": _sounds(root / "sounds", rng),
        "goemotions-ekman": _texts(root / "words"),
    }


def _pictures(root: Path, rng: np.random.Generator) -> Path:
    """A folder of pictures in folders of classes, and a task of one's own that reads it."""
    import yaml
    from PIL import Image

    for k, label in enumerate(_CLASSES):
        folder = root / "faces" / "test" / label
        folder.mkdir(parents=True)
        for n in range(8 + k % 3):
            Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(folder / f"{n}.png")
    own = task("rafdb").model_dump(mode="json") | {"id": "faces", "reader": {"layout": "image_folder"}}
    path = root / "faces.yaml"
    path.write_text(yaml.safe_dump(own, sort_keys=False), encoding="utf-8")
    return path


def _sounds(root: Path, rng: np.random.Generator) -> Path:
    """RAVDESS's names over half a second of noise."""
    for actor in range(1, 9):
        folder = root / f"Actor_{actor:02}"
        folder.mkdir(parents=True)
        for emotion in _CODES:
            with wave.open(str(folder / f"03-01-{emotion:02}-01-01-01-{actor:02}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(16_000)
                file.writeframes(rng.integers(-9000, 9000, 8000, np.int16).tobytes())
    return root


def _texts(root: Path) -> Path:
    """GoEmotions' tables; some comments carry two labels."""
    labels = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
    folder = root / "ekman"
    folder.mkdir(parents=True)
    (folder / "labels.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")
    rows = [f"comment {k} of nobody\t{k % 7}{f',{(k + 2) % 7}' if k % 4 == 0 else ''}\tid{k}" for k in range(70)]
    for part in ("train", "dev", "test"):
        (folder / f"{part}.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root


# ---- both sides -----------------------------------------------------------------------------------------------------


def tool(folder: Path) -> Path:
    """The Python of lmms-eval's environment."""
    python = environment(folder, LMMS_EVAL, ("--no-deps", *BESIDE))
    site = next(folder.glob("lib/python*/site-packages"))
    here = sysconfig.get_path("purelib")
    (site / "emollm.pth").write_text(f"import site; site.addsitedir({here!r})\n", encoding="utf-8")
    return python


def theirs(
    python: Path, tasks: Sequence[Written], included: Path, work: Path, *options: str
) -> dict[str, dict[str, float]]:
    """What lmms-eval prints of the stub, by task and metric.

    Raises:
        EmollmError: It fails.
    """
    plugin = work / f"{STUB}-0.dist-info"
    plugin.mkdir(parents=True)
    (plugin / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {STUB}\nVersion: 0\n", encoding="utf-8")
    (plugin / "entry_points.txt").write_text(
        f"[lmms_eval.models]\n{STUB} = emollm.eval.lmms_stub:manifest\n", encoding="utf-8"
    )
    names = ",".join(one.name for one in tasks)
    line = ["-m", "lmms_eval", "--model", STUB, "--include_path", str(included), "--tasks", names, "--batch_size", "1"]
    done = subprocess.run(
        [str(python), *line, "--output_path", str(work / "out"), "--log_samples", *options],
        env=os.environ | {"PYTHONPATH": str(work), "HF_HUB_OFFLINE": "1", "HF_HOME": str(work / "hf")},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    found = sorted((work / "out").rglob("*_results.json"))
    if done.returncode or not found:
        log = python.parents[1] / "lmms-eval.log"
        log.write_text(f"{done.stdout}\n{done.stderr}", encoding="utf-8")
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise EmollmError(f"lmms-eval ended with {done.returncode}: {one_line(last)}; all that it said is in {log}")
    print("\n".join(line for line in done.stdout.splitlines() if line.startswith("|")))
    numbers = json.loads(found[-1].read_text(encoding="utf-8"))["results"]
    return {
        task: {key.removesuffix(",none"): one for key, one in own.items() if isinstance(one, float)}
        for task, own in numbers.items()
    }


def ours(name: str, data: Path, out: Path) -> dict[str, float]:
    """What `emollm eval run` reports of the stub."""
    of = task(name)
    scored = run(Plan(of, data, STUB, out, resamples=100)).scored
    found = {key: one.value for key, one in scored.metrics.items() if one.value is not None}
    floor = scored.metrics[of.primary].floor
    return found | {COVERAGE: scored.coverage, FLOOR: math.nan if floor is None else floor}


def compare(python: Path, work: Path) -> list[Compared]:
    """All numbers of all tasks, from both."""
    GENERATORS.register(STUB)(_stub)
    sets = invent(work / "data")
    written = [one for name, data in sets.items() for one in write(work / "tasks", [name], data=data)]
    here = [ours(name, data, work / f"run{k}") for k, (name, data) in enumerate(sets.items())]
    found = []
    for kind, options in (("chat", ()), ("simple", ("--force_simple",))):
        there = theirs(python, written, work / "tasks", work / kind, *options)
        for one, own in zip(written, here, strict=True):
            for metric in (*one.metrics, COVERAGE, FLOOR):
                found.append(Compared(f"{one.name} ({kind})", metric, there[one.name][metric], own[metric]))
    return found


def main() -> int:
    """Prints both numbers of each metric."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else _FOLDER
    try:
        with TemporaryDirectory(prefix="emollm-lmms-") as work:
            found = compare(tool(folder.resolve()), Path(work))
    except EmollmError as error:
        print(error, file=sys.stderr)
        return 2
    for one in found:
        print(
            f"{one.task:<34}{one.metric:<12}{one.theirs:<22.15g}{one.ours:<22.15g}{'same' if one.same else 'DIFFERENT'}"
        )
    return int(not all(one.same for one in found))


if __name__ == "__main__":
    sys.exit(main())
