"""The training set of the embedded model: faces of FER+, voices of EmoDB, words of GoEmotions, and combinations of them.

    python -m emollm.data_engines.embedded data_engines/recipes/sets/embedded.yaml --data DATA --out OUT

Everything is measured once (``OUT/items``), then each part of the recipe is a build of its own (``OUT/<part>/samples-*.jsonl``) that resumes
as any build does. At the end ``OUT/acceptance.json`` says, by split and class, how many items were there and how many gave Samples.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from emollm import config
from emollm.config import Settings
from emollm.data_engines import corpora
from emollm.data_engines.base import Item
from emollm.data_engines.combining import combined, emotion_of
from emollm.data_engines.measuring import measure, read_items
from emollm.data_engines.recipe import BuildSettings
from emollm.data_engines.run import build
from emollm.data_engines.shards import SAMPLES, read_samples, shards
from emollm.errors import ConfigError, DataError, EmollmError, unknown_name
from emollm.files import replacing
from emollm.perception.settings import PerceptionSettings
from emollm.perception.voice.settings import VoiceSettings
from emollm.samples import Mark

SPLITS = ("valid", "train")
_FACES, _VOICES, _WORDS = "face", "voice", "words"
_COMBINED, _HEARD, _CONFLICT = "combined", "heard", "conflict"
_READ = (_FACES, _VOICES, _WORDS, _COMBINED, _HEARD, _CONFLICT)
"""Items that parts may read."""


class CombinationSettings(Settings):
    """What is put together."""

    kinds: tuple[tuple[str, ...], ...] = (
        ("face", "voice"),
        ("face", "words"),
        ("voice", "words"),
        ("face", "voice", "words"),
    )
    """Which streams, first the one whose label counts."""
    train: int = Field(default=2500, ge=0)
    """Combinations of each kind for training."""
    valid: int = Field(default=300, ge=0)
    """The same for validation."""
    conflicts: float = Field(default=0.35, ge=0, le=1)
    """Share whose streams differ in emotion on purpose."""


class EmbeddedSettings(Settings):
    """A recipe of the embedded model's training set."""

    faces: str = "ferplus/ferplus_train_valid.npz"
    """FER+, below the data folder."""
    voices: str = "emodb"
    """EmoDB."""
    words: str = "goemotions/ekman"
    """GoEmotions by Ekman's groups."""
    limit: int | None = Field(default=None, ge=1)
    """At most so many faces and words of each split, and so many voices, to try things out."""
    words_limit: int | None = Field(default=12000, ge=1)
    """At most so many comments of a split."""
    combinations: CombinationSettings = CombinationSettings()
    """Combinations of measured items."""
    seed: int = 0
    """Of all choices."""
    parts: dict[str, BuildSettings] = Field(default_factory=dict)
    """Builds by name: ``face``, ``voice``, ``words``, ``combined`` (with a face), ``heard`` (without) and ``conflict`` read the items of that
    name; so does ``face-ANYTHING`` those of ``face``."""
    perception: PerceptionSettings = PerceptionSettings(voice=VoiceSettings(words="none"))
    """How faces and voices are measured; words are not recognised: EmoDB is German, and everybody reads the same sentences."""


def make(settings: EmbeddedSettings, data: Path, out: Path, workers: int = 1) -> dict[str, Any]:
    """Measures, combines and builds what is not there yet.

    Args:
        settings: The recipe.
        data: Folder of the corpora.
        out: Folder of the result.
        workers: Processes.

    Returns:
        The acceptance by part, split and class, as written to ``acceptance.json``.

    Raises:
        EmollmError: A corpus cannot be read, the recipe is wrong, a file cannot be written.
    """
    if unknown := [part for part in settings.parts if _items_of(part) not in _READ]:
        raise ConfigError(f"parts: {unknown_name('part', unknown[0], _READ)}")
    for name in (settings.faces, settings.voices, settings.words):
        if not (data / name).exists():
            raise DataError(f"{data / name}: no such file or folder; give the folder of the corpora")
    items = {part: list(paths) for part, paths in _measured(settings, data, out, workers).items()}
    items |= _combined(settings, items, out)
    report: dict[str, Any] = {}
    for part, recipe in settings.parts.items():
        _say(f"{part}: writing")
        scale = recipe.scale.model_copy(update={"workers": workers})
        own = items[_items_of(part)]
        build(recipe.model_copy(update={"scale": scale}), [str(path) for path in own], out / part, note=_say)
        report[part] = acceptance(read_items(own), out / part)
    with replacing(out / "acceptance.json", "w") as file:
        json.dump(report, file, indent=1)
    return report


def acceptance(items: Iterable[Item], folder: Path) -> dict[str, dict[str, dict[str, int]]]:
    """By split and class: ``items``, those that gave a Sample (``accepted``), ``samples``, and how many are marked unsupported.

    Args:
        items: What a build read.
        folder: The build.
    """
    place: dict[str, tuple[str, str]] = {}
    counts: dict[tuple[str, str], Counter[str]] = {}
    for item in items:
        key = place[item.clip.id] = (item.split or "", emotion_of(item) or "none")
        counts.setdefault(key, Counter())["items"] += 1
    seen: set[str] = set()
    for path in shards(folder, SAMPLES):
        for sample in read_samples(path):
            clip = sample.provenance.clip
            count = counts[place[clip]]
            count["samples"] += 1
            count["unsupported"] += Mark.UNSUPPORTED in sample.marks
            count["accepted"] += clip not in seen
            seen.add(clip)
    out: dict[str, dict[str, dict[str, int]]] = {}
    for (split, label), count in sorted(counts.items()):
        out.setdefault(split, {})[label] = {
            name: count[name] for name in ("items", "accepted", "samples", "unsupported")
        }
    return out


def table(report: dict[str, Any]) -> str:
    """The acceptance as text: a line a part, split and class."""
    lines = [
        f"{'part':9} {'split':6} {'class':11} {'items':>7} {'accepted':>9} {'share':>6} {'samples':>8} {'unsupported':>12}"
    ]
    for part, splits in report.items():
        for split, classes in splits.items():
            for label, n in classes.items():
                share = n["accepted"] / n["items"] if n["items"] else 0.0
                lines.append(
                    f"{part:9} {split:6} {label:11} {n['items']:7} {n['accepted']:9} {share:6.2f} {n['samples']:8} {n['unsupported']:12}"
                )
    return "\n".join(lines)


def _items_of(part: str) -> str:
    """The items that a part reads, by its name."""
    return part.partition("-")[0]


# ---- items ----------------------------------------------------------------------------------------------------------


def _measured(settings: EmbeddedSettings, data: Path, out: Path, workers: int) -> dict[str, Sequence[Path]]:
    folder, limit = out / "items", settings.limit
    few = min((one for one in (limit, settings.words_limit) if one is not None), default=None)

    def run(source: Iterator[Item], name: str) -> list[Path]:
        return measure(
            source, folder, name, settings.perception, workers, lambda done, of: _say(f"{name}: {done}/{of}")
        )

    npz, words = data / settings.faces, data / settings.words
    return {
        _VOICES: run(corpora.voices(data / settings.voices, limit), corpora.VOICES),
        _WORDS: [p for s in SPLITS for p in run(corpora.words(words, s, few), f"{corpora.WORDS}-{s}")],
        _FACES: [p for s in SPLITS for p in run(corpora.faces(npz, s, out / "media", limit), f"{corpora.FACES}-{s}")],
    }


def _combined(settings: EmbeddedSettings, items: dict[str, list[Path]], out: Path) -> dict[str, list[Path]]:
    """Files of combinations with a face, without one, and of conflicting ones, written anew: they follow from the measured items."""
    paths: dict[str, list[Path]] = {_COMBINED: [], _HEARD: [], _CONFLICT: []}
    chosen = settings.combinations
    for split in SPLITS:
        streams = {name: [item for item in read_items(items[name]) if item.split == split] for name in items}
        found = list(combined(streams, chosen.kinds, getattr(chosen, split), chosen.conflicts, settings.seed))
        for name in paths:
            some = [item for item in found if _kind(item) == name]
            path = out / "items" / f"{name}-{split}.jsonl"
            with replacing(path, "w") as file:
                file.writelines(f"{item.to_json()}\n" for item in some)
            paths[name].append(path)
    return paths


def _kind(item: Item) -> str:
    """The part that writes about a combination: with a face, without one, or one whose streams differ."""
    return _CONFLICT if Mark.CONFLICT in item.marks else _COMBINED if item.clip.image is not None else _HEARD


def _say(text: str) -> None:
    print(f"emollm: {text}", file=sys.stderr, flush=True)


def _processes(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {text}")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the recipe; 0 done, 2 nothing done, 130 stopped."""
    parser = argparse.ArgumentParser(prog="python -m emollm.data_engines.embedded", description=__doc__.split("\n")[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpora")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the result; the same command goes on with it"
    )
    parser.add_argument("--workers", type=_processes, default=1, help="processes")
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="NAME=VALUE", help="one setting"
    )
    given = parser.parse_args(arguments)
    try:
        settings = config.load(EmbeddedSettings, given.recipe, given.overrides)
        print(table(make(settings, given.data.resolve(), given.out.resolve(), given.workers)))
    except EmollmError as error:
        _say(str(error))
        return 2
    except KeyboardInterrupt:
        _say("stopped; the same command goes on")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
