"""MER2023: ``train-label.csv``, ``test3-label.csv`` … with name, discrete label and valence; videos in folders beside them."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from emollm.eval.items import Item
from emollm.eval.readers.base import Layout
from emollm.eval.readers.findings import Findings
from emollm.eval.readers.media import clip_of, named
from emollm.eval.readers.tables import folder_of, place, table


class MerCsv(Layout):
    """Clips by name with one label and a valence (Lian et al. 2023)."""

    files: dict[str, tuple[str, ...]]
    """Lists of each part, as patterns relative to the folder; the first that is there counts."""
    media: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Folders of each part's videos; the first that is there counts, the whole folder where none is given."""
    name: tuple[str, ...] = ("name", "names")
    """Column of the clip's name, with or without suffix; the first that the list has counts."""
    label: tuple[str, ...] = ("discrete", "emotion")
    """The same for the label."""
    valence: tuple[str, ...] = ("valence",)
    """The same for the valence (−5 to 5 in 2023); may be absent."""
    transcripts: tuple[str, ...] = ("transcription.csv", "*/transcription.csv", "subtitle*.csv")
    """Lists of what is said, by name."""
    sentence: tuple[str, ...] = ("sentence", "subtitle", "chinese")
    """Column of what is said."""

    def splits(self, root: Path) -> tuple[str, ...]:
        """Those whose list is there."""
        return tuple(split for split, files in self.files.items() if place(root, *files))

    def missing(self, root: Path) -> Iterator[str]:
        """Lists of parts."""
        there = self.splits(root)
        yield from (f"no {files[0]} ({split})" for split, files in self.files.items() if split not in there)

    def rows(self, root: Path, split: str, found: Findings) -> Iterator[Item]:
        """One a line."""
        file = place(root, *self.files[split])
        assert file is not None
        base = folder_of(root)
        folders = [base / name for name in self.media.get(split, ())]
        media = named(next((folder for folder in folders if folder.is_dir()), folders[0] if folders else base))
        said = self._said(base, found)
        for row in table(file, found, [self.name, self.label]):
            name = row.of(self.name)
            if not name:
                found.lack(f"a row of {file.name} without a name, left out", row.where)
                continue
            clip = clip_of(name, media.get(name), transcript=said.get(name, ""))
            assert clip is not None
            valence = row.number(self.valence, found)
            numbers = {} if valence is None else {"valence": valence}
            yield Item(name, clip, self.gold(row.of(self.label), found, row.where), split, numbers=numbers)

    def _said(self, base: Path, found: Findings) -> dict[str, str]:
        file = place(base, *self.transcripts) if self.transcripts else None
        if file is None:
            return {}
        return {row.of(self.name): row.of(self.sentence) for row in table(file, found, [self.name, self.sentence])}
