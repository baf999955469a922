"""FER2013 and FER+: ``fer2013.csv`` with pixels, ``fer2013new.csv`` with the votes of ten annotators, or both in one npz.

The majority protocol (Barsoum et al. 2016; :mod:`emollm.ferplus`) gives FER+'s labels; an image that it discards comes without label, and
the survey says how many there are and why.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from emollm import ferplus
from emollm.errors import DataError, one_line
from emollm.eval.items import Item
from emollm.eval.readers.base import Layout
from emollm.eval.readers.cutting import Pixels, picture_at, written
from emollm.eval.readers.findings import Findings
from emollm.eval.readers.tables import Row, folder_of, place, table
from emollm.face_sets.classes import Classes
from emollm.face_sets.npz import NpzReader
from emollm.face_sets.source import FaceSource
from emollm.types import Clip

_VOTES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
"""Columns of ``fer2013new.csv``; an npz names its own."""
_NAME = "Image name"
"""Its column of ids. Its rows are those of FER2013's table, line by line."""


class _Votes(NamedTuple):
    """Rows of an npz or of the csv of votes."""

    ids: tuple[str, ...]
    splits: tuple[str, ...]
    votes: NDArray[np.int64]
    """(n, V), in the order of the classes, then what else is voted for."""


class FerCsv(Layout):
    """Grey faces of 48 × 48 pixels in a table. Pictures are written by ``unpack``, padded and three times as large, as faces are looked for."""

    pixels: str = "fer2013.csv"
    """Table with ``emotion``, ``pixels`` and ``Usage``; also looked for in folders."""
    votes: str | None = None
    """Table of votes, whose rows are those of the table of pixels; null where ``emotion`` is the label."""
    npz: str | None = None
    """Arrays ``images``, ``votes``, ``columns``, ``name`` and ``split``, as a pattern; where such a file is there it is read instead."""
    usage: dict[str, str] = Field(
        default_factory=lambda: {"Training": "train", "PublicTest": "valid", "PrivateTest": "test"}
    )
    """Parts by what ``Usage`` says."""

    def splits(self, root: Path) -> tuple[str, ...]:
        """Those that rows belong to."""
        file = self._npz(root)
        if file is not None:
            there = set(self._arrays(file).splits)
        elif (table_of := self._table(root)) is not None:
            there = {self.usage.get(row.of(["Usage"]), "") for row in table(table_of, Findings(), [("Usage",)])}
        else:
            return ()
        return tuple(
            split for split in dict.fromkeys([*self.usage.values(), *sorted(there)]) if split in there and split
        )

    def missing(self, root: Path) -> Iterator[str]:
        """Tables, and parts."""
        if self._npz(root) is None and self._table(root) is None:
            table_of = self.votes or self.pixels
            yield f"no {self.npz} and no {table_of}" if self.npz else f"no {table_of}"
            return
        if self._npz(root) is None and place(folder_of(root), *self._pixels) is None:
            yield f"no {self.pixels}: there are labels but no pictures"
        there = self.splits(root)
        yield from (f"no row of {split}" for split in self.usage.values() if split not in there)

    def rows(self, root: Path, split: str, found: Findings) -> Iterator[Item]:
        """One a face."""
        file = self._npz(root)
        if file is not None:
            yield from self._voted(self._arrays(file), file, split, found)
        elif self.votes is not None:
            file = place(folder_of(root), *self._pixels) or folder_of(root) / self.pixels
            yield from self._voted(self._counted(root, found), file, split, found)
        else:
            file = self._pixel_table(root)
            for row in table(file, found, [("emotion",), ("Usage",), ("pixels",)]):
                if self.usage.get(row.of(["Usage"])) == split:
                    id = _id(row.line)
                    yield Item(
                        id, Clip(id=id, image=file / id), self.gold(row.of(["emotion"]), found, row.where), split
                    )

    def unpack(self, root: Path, items: Iterable[Item], folder: Path) -> Iterator[Item]:
        """The items with their pictures as PNG; the table is read once."""
        wanted = list(items)
        lacking = {item.id for item in wanted if not picture_at(folder, item.id).exists()}
        for id, tile in self._tiles(root, lacking) if lacking else ():
            if id in lacking:
                written(picture_at(folder, id), lambda tile=tile: ferplus.enlarged(tile)[..., 0])  # type: ignore[misc]
                lacking.discard(id)
        if lacking:
            raise DataError(f"{root}: no pixels of {min(lacking)} and {len(lacking) - 1} more; is it another copy?")
        for item in wanted:
            yield item._replace(clip=item.clip.model_copy(update={"image": picture_at(folder, item.id)}))

    def _voted(self, rows: _Votes, file: Path, split: str, found: Findings) -> Iterator[Item]:
        """Items labelled by the majority protocol."""
        classes = self._classes()
        codes = ferplus.majorities(rows.votes, len(classes.labels))
        for place_, code in enumerate(codes.tolist()):
            if rows.splits[place_] != split:
                continue
            id = rows.ids[place_]
            gold = (classes.labels[code],) if code >= 0 else ()
            if code < 0:
                found.aside(f"images of {split} discarded: {self._reason(rows.votes[place_], len(classes.labels))}")
            yield Item(id, Clip(id=id, image=file / id), gold, split)

    def _reason(self, votes: NDArray[np.int64], classes: int) -> str:
        counts = ferplus.counted(votes)
        if not counts.sum():
            return "no two annotators agree"
        none = counts.argmax() >= classes and counts.max() * 2 > counts.sum()
        return "the majority sees no emotion or no face" if none else "no class has more than half of the votes"

    def _classes(self) -> Classes:
        return Classes(self.label_set or "ferplus")

    def _arrays(self, file: Path) -> _Votes:
        """Everything in an npz but the images; nothing is unpickled."""
        try:
            with np.load(file, allow_pickle=False) as arrays:
                columns, votes = [str(name) for name in arrays["columns"]], arrays["votes"]
                names = arrays["name"] if "name" in arrays else [_id(row + 2) for row in range(len(votes))]
                splits = arrays["split"]
        except (OSError, EOFError, KeyError, ValueError, AttributeError) as error:
            raise DataError(
                f"{file}: expected an npz with images, votes, columns and split: {one_line(str(error))}"
            ) from error
        if votes.ndim != 2 or votes.shape != (len(splits), len(columns)) or len(names) != len(votes):
            raise DataError(f"{file}: expected votes of shape {(len(splits), len(columns))}, got {votes.shape}")
        if votes.dtype.kind not in "iu":
            raise DataError(f"{file}: expected votes as whole numbers, got {votes.dtype}")
        order = self._classes().votes(columns, str(file))
        return _Votes(tuple(map(str, names)), tuple(map(str, splits)), order.sorted(votes))

    def _counted(self, root: Path, found: Findings) -> _Votes:
        """The csv of votes; rows without a name show no face and are not part of FER+."""
        file = self._votes_table(root)
        if file is None:
            raise DataError(f"{folder_of(root)}: no {self.votes}; expected FER+'s table of votes beside {self.pixels}")
        ids, splits, votes = [], [], []
        for row in table(file, found, [("Usage",), (_NAME,), *((name,) for name in _VOTES)]):
            counts = _counts(row.cells)
            if not row.cells[_NAME]:
                continue
            if counts is None:
                found.lack("votes that are not whole numbers, left out", row.where)
                continue
            ids.append(row.cells[_NAME])
            splits.append(self.usage.get(row.cells["Usage"], ""))
            votes.append(counts)
        given = np.array(votes, np.int64).reshape(-1, len(_VOTES))
        return _Votes(tuple(ids), tuple(splits), self._classes().votes(_VOTES, str(file)).sorted(given))

    def _tiles(self, root: Path, wanted: set[str]) -> Iterator[tuple[str, Pixels]]:
        """Id and (48, 48) grey of rows, those that are wanted among them."""
        file = self._npz(root)
        if file is not None:
            for raw in NpzReader(FaceSource(path=file, label_set=self.label_set or "ferplus"), self._classes()).rows():
                if raw.pixels is not None:
                    yield raw.id, raw.pixels
            return
        votes = self._votes_table(root)
        names = {} if votes is None else {row.line: row.of([_NAME]) for row in table(votes, Findings(), [(_NAME,)])}
        for row in table(self._pixel_table(root), Findings(), [("pixels",)]):
            if (id := names.get(row.line, "") if votes is not None else _id(row.line)) in wanted:
                yield id, _tile(row)

    @property
    def _pixels(self) -> tuple[str, str]:
        return self.pixels, f"*/{self.pixels}"

    def _npz(self, root: Path) -> Path | None:
        return place(root, self.npz) if self.npz else None

    def _table(self, root: Path) -> Path | None:
        """What says which rows there are."""
        return self._votes_table(root) if self.votes else place(root, *self._pixels)

    def _votes_table(self, root: Path) -> Path | None:
        return place(folder_of(root), self.votes, f"*/{self.votes}") if self.votes else None

    def _pixel_table(self, root: Path) -> Path:
        file = place(folder_of(root), *self._pixels)
        if file is None:
            raise DataError(f"{root}: no {self.pixels}; FER+'s table of votes has no pictures, fetch FER2013's table")
        return file


def _id(line: int) -> str:
    """Of a row of FER2013, whose table gives no names: its number from 0."""
    return f"row{line - 2:05d}.png"


def _counts(cells: Mapping[str, str]) -> list[int] | None:
    given = [cells[name] for name in _VOTES]
    return [int(cell) for cell in given] if all(cell.isdecimal() for cell in given) else None


def _tile(row: Row) -> Pixels:
    greys = row.cells["pixels"].split()
    side = int(len(greys) ** 0.5)
    if not greys or side * side != len(greys) or not all(grey.isdecimal() and int(grey) < 256 for grey in greys):
        raise DataError(f"{row.where}: expected greys of a square picture, 0 to 255, got {len(greys)} cells")
    return np.array(greys, np.uint8).reshape(side, side)
