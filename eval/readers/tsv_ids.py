"""GoEmotions: ``train.tsv``, ``dev.tsv`` and ``test.tsv`` with text, label numbers and comment id; ``labels.txt`` names the numbers."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from emollm.emotions import label_set
from emollm.errors import DataError
from emollm.eval.items import Item
from emollm.eval.readers.base import Layout
from emollm.eval.readers.findings import Findings
from emollm.eval.readers.media import clip_of
from emollm.eval.readers.tables import folder_of, place
from emollm.files import opened_text


class TsvIds(Layout):
    """Texts with one or several labels (Demszky et al. 2020, data of the authors' repository)."""

    files: dict[str, str] = Field(default_factory=lambda: {split: f"{split}.tsv" for split in ("train", "dev", "test")})
    """File of each part."""
    folders: tuple[str, ...] = ("",)
    """Where files are looked for, relative to the data set, each with its slash."""
    names: str = "labels.txt"
    """File whose n-th line names label n; where it is not there, numbers are the codes of the label set."""

    def splits(self, root: Path) -> tuple[str, ...]:
        """Those whose file is there."""
        return tuple(split for split, file in self.files.items() if self._place(root, file))

    def missing(self, root: Path) -> Iterator[str]:
        """Files of parts and of names."""
        there = self.splits(root)
        yield from (f"no {file} ({split})" for split, file in self.files.items() if split not in there)
        if there and self._place(folder_of(root), self.names) is None:
            yield f"no {self.names}; numbers are taken for codes of {self.label_set}"

    def rows(self, root: Path, split: str, found: Findings) -> Iterator[Item]:
        """One a line."""
        file = self._place(root, self.files[split])
        assert file is not None
        names = self._names(file.parent, found)
        with opened_text(file, "; expected text, label numbers and id, tab-separated") as lines:
            for number, line in enumerate(lines, 1):
                cells = line.rstrip("\r\n").split("\t")
                where = f"{file.name}:{number}"
                if not line.strip():
                    continue
                if len(cells) != 3 or not cells[2].strip():
                    found.lack(f"a row of {file.name} that is not text, label numbers and id, left out", where)
                    continue
                text, numbers, id = cells
                clip = clip_of(id.strip(), None, transcript=text)
                if clip is None:
                    found.lack(f"a row of {file.name} without text, left out", where)
                    continue
                given = [
                    one for code in numbers.split(",") for one in self._label_of(code.strip(), names, found, where)
                ]
                yield Item(id.strip(), clip, tuple(dict.fromkeys(given)), split)

    def _place(self, root: Path, file: str) -> Path | None:
        return place(root, *(f"{folder}{file}" for folder in self.folders))

    def _label_of(self, code: str, names: list[str], found: Findings, where: str) -> tuple[str, ...]:
        if not names:
            return self.gold(code, found, where)
        if not code.isdecimal() or int(code) >= len(names):
            found.lack(f"label number {code!r}, but {self.names} has {len(names)} names", where)
            return ()
        return self.gold(names[int(code)], found, where)

    def _names(self, folder: Path, found: Findings) -> list[str]:
        """What the numbers stand for; an order that differs from the label set's is told."""
        file = place(folder, self.names)
        if file is None:
            return []
        with opened_text(file) as lines:
            names = [line.strip() for line in lines if line.strip()]
        if not names:
            raise DataError(f"{file}: is empty; expected a label a line")
        if self.label_set is not None:
            wanted = label_set(self.label_set).labels
            if [self.gold(name, Findings(), "") for name in names] != [(label,) for label in wanted]:
                found.lack(
                    f"{self.names} does not list the labels of {self.label_set} in their order; names count", str(file)
                )
        return names
