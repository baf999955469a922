"""BAH: ``train.txt``, ``val.txt`` and ``test.txt`` of the video level, each line path, label and transcript; no line of names, no quotes."""

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, field_validator

from emollm.eval.items import Item
from emollm.eval.readers.base import Layout
from emollm.eval.readers.findings import Findings
from emollm.eval.readers.media import clip_of
from emollm.eval.readers.tables import checked_pattern, folder_of, place
from emollm.files import opened_text


class BahCsv(Layout):
    """Videos of participants (González-González et al. 2025, public split lists); the participant is the cluster.

    Transcripts hold commas without quotes: a line is split at its first two.
    """

    files: dict[str, str] = Field(default_factory=lambda: {"train": "train.txt", "val": "val.txt", "test": "test.txt"})
    """List of each part."""
    folders: tuple[str, ...] = ("", "video-level/BAH_DB/split-0/", "dataset-splits/video-level/BAH_DB/split-0/")
    """Where lists are looked for, relative to the data set."""
    participant: str = r"^Videos/(?P<participant>[^/]+)/"
    """What in a video's path names the participant."""

    @field_validator("participant")
    @classmethod
    def _is_pattern(cls, value: str) -> str:
        return checked_pattern(value, "participant")

    def splits(self, root: Path) -> tuple[str, ...]:
        """Those whose list is there."""
        return tuple(split for split in self.files if self._list(root, split))

    def missing(self, root: Path) -> Iterator[str]:
        """Lists of parts."""
        there = self.splits(root)
        yield from (f"no {file} ({split})" for split, file in self.files.items() if split not in there)

    def rows(self, root: Path, split: str, found: Findings) -> Iterator[Item]:
        """One a line."""
        file = self._list(root, split)
        assert file is not None
        with opened_text(file, "; expected path, label and transcript") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                path, *rest = line.strip().split(",", 2)
                where = f"{file.name}:{number}"
                if not rest or not path.strip():
                    found.lack(f"a row of {file.name} that is not path, label and transcript, left out", where)
                    continue
                match = re.search(self.participant, path)
                if match is None:
                    found.lack("a path that names no participant", where)
                person = match["participant"] if match else ""
                words = rest[1] if len(rest) == 2 else ""
                clip = clip_of(path.strip(), folder_of(root) / path.strip(), transcript=words, speaker=person)
                assert clip is not None
                yield Item(path.strip(), clip, self.gold(rest[0], found, where), split, person)

    def _list(self, root: Path, split: str) -> Path | None:
        return place(root, *(f"{folder}{self.files[split]}" for folder in self.folders))
