"""Speech corpora whose file names hold the speaker and the emotion: EmoDB, RAVDESS, CREMA-D."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import Field, field_validator

from emollm.eval.items import Item
from emollm.eval.readers.base import ALL, Layout
from emollm.eval.readers.findings import Findings
from emollm.eval.readers.media import clip_of, is_media_name
from emollm.eval.readers.tables import checked_pattern, folder_of, place, table


class NameCode(Layout):
    """Files whose stems a regular expression takes apart."""

    pattern: str
    """Matches the whole stem; the group ``label`` is looked up in the label set, ``speaker`` is the cluster, others serve ``only`` and ``texts``."""
    only: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Values of groups of the pattern that are read; other files are left out (RAVDESS: speech, not song)."""
    suffixes: tuple[str, ...] = (".wav", ".flac", ".mp3", ".mp4", ".flv", ".avi")
    """Of the files that are read."""
    groups: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Groups of speakers that the publication declares: name, then value by speaker."""
    people: str = ""
    """A csv with a line a speaker, which declares groups instead (CREMA-D: ``VideoDemographics.csv``)."""
    person: str = "ActorID"
    """Its column of speakers."""
    traits: dict[str, str] = Field(default_factory=dict)
    """Its columns that are read as groups: name, then column."""
    sentence: str = ""
    """The group of the pattern that says which sentence is spoken; its value stands among the item's groups as ``sentence``."""

    @field_validator("pattern")
    @classmethod
    def _is_pattern(cls, value: str) -> str:
        return checked_pattern(value, "label")

    def splits(self, root: Path) -> tuple[str, ...]:
        """One, if there is a file."""
        return (ALL,) if next(self._files(root), None) else ()

    def missing(self, root: Path) -> Iterator[str]:
        """Sounds, and the table of people."""
        if not self.splits(root):
            yield f"no file that ends in {', '.join(self.suffixes)}"
        if self.people and place(folder_of(root), self.people) is None:
            yield f"no {self.people}; speakers are in no group"

    def rows(self, root: Path, split: str, found: Findings) -> Iterator[Item]:
        """One a file, sorted by path."""
        shape = re.compile(self.pattern)
        people = self._people(folder_of(root), found)
        for path in self._files(root):
            match = shape.fullmatch(path.stem)
            if match is None:
                found.lack("a name that is not of the published form, left out", path.name)
                continue
            parts = match.groupdict()
            if any(parts.get(group) not in values for group, values in self.only.items()):
                found.aside("files of other parts of the corpus, left out")
                continue
            speaker = parts.get("speaker") or ""
            own = dict(people.get(speaker, {}))
            if self.sentence and parts.get(self.sentence):
                own["sentence"] = parts[self.sentence]
            clip = clip_of(path.stem, path, speaker=speaker)
            assert clip is not None
            yield Item(path.stem, clip, self.gold(parts["label"] or "", found, path.name), split, speaker, own)

    def _files(self, root: Path) -> Iterator[Path]:
        """Sounds or videos below the folder, sorted; hidden ones are not looked at."""
        if root.is_file():
            return
        for at, folders, files in os.walk(root):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                if not name.startswith(".") and is_media_name(name) and Path(name).suffix.lower() in self.suffixes:
                    yield Path(at, name)

    def _people(self, folder: Path, found: Findings) -> Mapping[str, Mapping[str, str]]:
        """Groups of each speaker."""
        out: dict[str, dict[str, str]] = {}
        for name, values in self.groups.items():
            for speaker, value in values.items():
                out.setdefault(speaker, {})[name] = value
        file = place(folder, self.people) if self.people else None
        if file is not None:
            for row in table(file, found, [(self.person,), *((column,) for column in self.traits.values())]):
                given = {name: row.cells[column] for name, column in self.traits.items() if row.cells[column]}
                out.setdefault(row.cells[self.person], {}).update(given)
        return out
