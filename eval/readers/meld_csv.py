"""MELD: ``train_sent_emo.csv`` and the like, a line an utterance; clips are called after dialogue and utterance."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, field_validator

from emollm.eval.items import Item
from emollm.eval.readers.base import Layout
from emollm.eval.readers.findings import Findings
from emollm.eval.readers.media import clip_of
from emollm.eval.readers.tables import checked_template, folder_of, place, table

_MEDIA = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
"""Parts and their folders, as in MELD.Raw."""


class MeldCsv(Layout):
    """Utterances of dialogues (Poria et al. 2019, MELD.Raw); the dialogue is the cluster, because its utterances share people and mood."""

    files: dict[str, str] = Field(default_factory=lambda: {split: f"{split}_sent_emo.csv" for split in _MEDIA})
    """List of each part; also looked for in the folders of the main folder."""
    media: dict[str, str] = Field(default_factory=lambda: dict(_MEDIA))
    """Folder of each part's clips; also looked for in the folders of the main folder."""
    clip: str = "dia{dialogue}_utt{utterance}.mp4"
    """Name of a clip."""
    label: str = "Emotion"
    """Column of the label: ``Emotion`` or ``Sentiment``."""

    @field_validator("clip")
    @classmethod
    def _is_template(cls, value: str) -> str:
        return checked_template(value, "dialogue", "utterance")

    def splits(self, root: Path) -> tuple[str, ...]:
        """Those whose list is there."""
        return tuple(split for split in self.files if self._list(root, split))

    def missing(self, root: Path) -> Iterator[str]:
        """Lists, and folders of clips: without them utterances have their words only."""
        for split, file in self.files.items():
            if self._list(root, split) is None:
                yield f"no {file} ({split})"
            elif self._folder(root, split) is None:
                yield f"no folder {self.media.get(split)} ({split}): its utterances have their words only"

    def rows(self, root: Path, split: str, found: Findings) -> Iterator[Item]:
        """One a line."""
        file, folder = self._list(root, split), self._folder(root, split)
        assert file is not None
        needs = [(name,) for name in ("Utterance", "Speaker", "Dialogue_ID", "Utterance_ID", self.label)]
        for row in table(file, found, needs):
            cells = row.cells
            dialogue, utterance = cells["Dialogue_ID"], cells["Utterance_ID"]
            if not dialogue.isdecimal() or not utterance.isdecimal():
                found.lack(f"a row of {file.name} without numbers of dialogue and utterance, left out", row.where)
                continue
            id = f"{split}/dia{dialogue}_utt{utterance}"
            path = folder / self.clip.format(dialogue=dialogue, utterance=utterance) if folder else None
            clip = clip_of(id, path, transcript=cells["Utterance"], speaker=cells["Speaker"])
            if clip is None:
                found.lack(f"a row of {file.name} without words and clip, left out", row.where)
                continue
            yield Item(id, clip, self.gold(cells[self.label], found, row.where), split, f"{split}/dia{dialogue}")

    def _list(self, root: Path, split: str) -> Path | None:
        return place(root, self.files[split], f"*/{self.files[split]}")

    def _folder(self, root: Path, split: str) -> Path | None:
        """Of a part's clips, if it is there."""
        name, base = self.media.get(split), folder_of(root)
        if not name:
            return None
        return next((path for path in (base / name, *sorted(base.glob(f"*/{name}"))) if path.is_dir()), None)
