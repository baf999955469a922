"""Speakers and groups that stand in two splits: a test on people or sentences that were trained on measures memory."""

from collections.abc import Iterator
from hashlib import blake2b

from emollm.data_engines.recipe import FilterSettings
from emollm.samples import Sample


class Overlap:
    """Rejects training Samples that share a speaker or group with a held-out split; held-out splits keep theirs.

    Training is every split whose name begins with ``train``, and Samples without a split. Speakers and groups are told apart by data set.
    A group may be several, separated by `` + ``: of a Sample that was put together of several sources. State: 8-byte keys of the speakers
    and groups of held-out splits.
    """

    name = "overlap"
    looks = True

    def __init__(self) -> None:
        self._held: dict[int, str] = {}

    def look(self, sample: Sample) -> None:
        """Remembers the speakers and groups of held-out splits."""
        if not is_training(sample.split):
            for _, _, key in keys(sample):
                self._held.setdefault(key, str(sample.split))

    def check(self, sample: Sample) -> str | None:
        """``speaker overlap: …`` or ``group overlap: …``."""
        if self._held and is_training(sample.split):
            for kind, name, key in keys(sample):
                if key in self._held:
                    return f"{kind} overlap: {name!r} is in {self._held[key]} too"
        return None


def is_training(split: str | None) -> bool:
    """Whether Samples of that split are trained on."""
    return split is None or split.lower().startswith("train")


def keys(sample: Sample) -> Iterator[tuple[str, str, int]]:
    """Kind (``speaker``, ``group``), name and key of what must not stand in two splits."""
    for kind, value in (("speaker", sample.speaker), ("group", sample.group)):
        for name in (value or "").split(" + "):
            if name:
                text = "\0".join((kind, sample.provenance.dataset or "", name))
                yield kind, name, int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def build(settings: FilterSettings) -> Overlap | None:
    """The filter; None if ``overlap`` is off."""
    return Overlap() if settings.overlap else None
