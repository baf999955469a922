"""EMER and OV-MERD: a csv with a line a clip, its emotion words as a list or its description, and what is said."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from emollm.eval.items import Item
from emollm.eval.readers.base import ALL, Layout
from emollm.eval.readers.findings import Findings
from emollm.eval.readers.media import clip_of, named
from emollm.eval.readers.tables import folder_of, place, table
from emollm.word_lists import split_list

_FILES: dict[str, tuple[str, ...]] = {ALL: ("*.csv",)}


class OpensetCsv(Layout):
    """Clips by name with open-vocabulary labels, a reference description, or both (Lian et al. 2023, 2024)."""

    files: dict[str, tuple[str, ...]] = Field(default_factory=lambda: dict(_FILES))
    """Lists of each part, as patterns; the first that is there counts."""
    name: tuple[str, ...] = ("name", "names")
    """Column of the clip's name; the first that the list has counts. The same for those below."""
    openset: tuple[str, ...] = ("openset",)
    """Emotion words, as a list that Python prints; may be absent."""
    label: tuple[str, ...] = ("emotions", "discrete")
    """One emotion word, which counts where there is no list; may be absent."""
    description: tuple[str, ...] = ("reasons", "reason")
    """Reference description; may be absent."""
    said: tuple[str, ...] = ("subtitles",)
    """What is said; may be absent."""
    subtitles: tuple[str, ...] = ()
    """Lists of what is said, by name, where the main list does not give it; patterns."""
    language: tuple[str, ...] = ("english", "chinese")
    """Column of those lists."""
    media: tuple[str, ...] = ("video", "videos")
    """Folders of videos; the first that is there counts."""

    def splits(self, root: Path) -> tuple[str, ...]:
        """Those whose list is there."""
        return tuple(split for split, files in self.files.items() if place(root, *files))

    def missing(self, root: Path) -> Iterator[str]:
        """Lists, subtitles and the folder of videos."""
        there, base = self.splits(root), folder_of(root)
        yield from (f"no {files[0]} ({split})" for split, files in self.files.items() if split not in there)
        if self.subtitles and place(base, *self.subtitles) is None:
            yield f"no {self.subtitles[0]}: what is said is not known"
        if not any((base / folder).is_dir() for folder in self.media):
            yield f"no folder {' or '.join(self.media)} of videos"

    def rows(self, root: Path, split: str, found: Findings) -> Iterator[Item]:
        """One a line."""
        file, base = place(root, *self.files[split]), folder_of(root)
        assert file is not None
        folders = [base / name for name in self.media]
        media = named(next((folder for folder in folders if folder.is_dir()), folders[0] if folders else base))
        said = self._said(base, found)
        for row in table(file, found, [self.name, (*self.openset, *self.label, *self.description)]):
            name = row.of(self.name)
            if not name:
                found.lack(f"a row of {file.name} without a name, left out", row.where)
                continue
            words, text = (
                self._words(row.of(self.openset), row.of(self.label), found, row.where),
                row.of(self.description),
            )
            if not words and not text:
                found.lack(f"a row of {file.name} without labels and description", row.where)
            clip = clip_of(name, media.get(name), transcript=row.of(self.said) or said.get(name, ""))
            assert clip is not None
            yield Item(name, clip, words, split, text=text)

    def _words(self, listed: str, single: str, found: Findings, where: str) -> tuple[str, ...]:
        """The list, or the one label where there is none."""
        if listed:
            given = [label for word in split_list(listed) for label in self.gold(word, found, where)]
            return tuple(dict.fromkeys(given))
        return self.gold(single, found, where) if single else ()

    def _said(self, base: Path, found: Findings) -> dict[str, str]:
        file = place(base, *self.subtitles) if self.subtitles else None
        if file is None:
            return {}
        return {row.of(self.name): row.of(self.language) for row in table(file, found, [self.name, self.language])}
