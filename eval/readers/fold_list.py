"""DFEW: five folds, each a list of training clips and one of test clips (video name and label)."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import field_validator

from emollm.eval.items import Item
from emollm.eval.readers.base import Layout
from emollm.eval.readers.findings import Findings
from emollm.eval.readers.media import clip_of, named, plain
from emollm.eval.readers.tables import Separator, checked_template, folder_of, place, table

TEST = "test"
"""The part that is the test clips of all folds: each clip once, ``split`` of an item says of which fold."""


class FoldList(Layout):
    """Clips by name in folds (Jiang et al. 2020). Parts are ``test``, then ``test1``, ``train1`` … of each fold."""

    folds: int = 5
    """How many."""
    test: tuple[str, ...]
    """Patterns of a fold's test list, with ``{fold}``; the first that is there counts."""
    train: tuple[str, ...] = ()
    """The same of its training list."""
    separator: Separator = ","
    """Between cells."""
    header: tuple[str, ...] = ()
    """Columns, where the lists do not begin with their names."""
    name: tuple[str, ...] = ("video_name",)
    """Column of the clip's name or path."""
    label: tuple[str, ...] = ("label", "emotion")
    """Column of the label."""
    media: tuple[str, ...] = ()
    """Folders of clips, below which they are found by name; the first that is there counts."""
    suffix: str = ".mp4"
    """Of clips, where the list does not give it."""

    @field_validator("test", "train")
    @classmethod
    def _are_templates(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(checked_template(one, "fold") for one in value)

    def splits(self, root: Path) -> tuple[str, ...]:
        """Those whose lists are there; ``test`` only if all folds are."""
        tests = [f"test{fold}" for fold in self._folds if self._list(root, "test", fold)]
        trains = [f"train{fold}" for fold in self._folds if self._list(root, "train", fold)]
        return (*([TEST] if len(tests) == self.folds else []), *tests, *trains)

    def missing(self, root: Path) -> Iterator[str]:
        """Lists of folds, and folders of clips."""
        for fold in self._folds:
            for kind, patterns in (("test", self.test), ("train", self.train)):
                if patterns and self._list(root, kind, fold) is None:
                    yield f"no {patterns[0].format(fold=fold)} ({kind}{fold})"
        if not any((folder_of(root) / folder).is_dir() for folder in self.media):
            yield f"no folder of clips: {' or '.join(self.media) or 'none named'}"

    def items(self, root: Path, split: str | None = None) -> Iterator[Item]:
        """Of all parts: the test clips of all folds, because each training clip is a test clip of another fold."""
        return super().items(root, TEST if split is None else split)

    def rows(self, root: Path, split: str, found: Findings) -> Iterator[Item]:
        """One a line; of ``test`` those of all folds."""
        folds = self._folds if split == TEST else [int(split.removeprefix("test").removeprefix("train"))]
        kind = "train" if split.startswith("train") else "test"
        base = folder_of(root)
        folders = [base / name for name in self.media]
        media = named(next((folder for folder in folders if folder.is_dir()), folders[0] if folders else base))
        for fold in folds:
            file = self._list(root, kind, fold)
            assert file is not None
            for row in table(file, found, [self.name, self.label], self.separator, self.header):
                name = row.of(self.name)
                if not name:
                    found.lack(f"a row of {file.name} without a name, left out", row.where)
                    continue
                id = plain(name)
                clip = clip_of(id, media.get(name, self.suffix))
                assert clip is not None
                yield Item(id, clip, self.gold(row.of(self.label), found, row.where), f"{kind}{fold}")

    def surveyed(self, root: Path) -> tuple[str, ...]:
        """All but ``test``, which is those of the folds."""
        return tuple(split for split in self.splits(root) if split != TEST)

    def apart(self, one: str, other: str) -> bool:
        """Test clips of two folds, and both lists of one fold; all else overlaps by design."""
        both_test = one.startswith("test") and other.startswith("test")
        return both_test or one.removeprefix("test").removeprefix("train") == other.removeprefix("test").removeprefix(
            "train"
        )

    @property
    def _folds(self) -> range:
        return range(1, self.folds + 1)

    def _list(self, root: Path, kind: str, fold: int) -> Path | None:
        return place(root, *(one.format(fold=fold) for one in (self.test if kind == "test" else self.train)))
