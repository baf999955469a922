"""Pictures in a list: RAF-DB's ``list_patition_label.txt``, AffectNet's csv, ExpW's ``label.lst``, SFHQ's ``labels.csv``."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from pydantic import Field, field_validator

from emollm.errors import DataError
from emollm.eval.items import Item
from emollm.eval.readers.base import Layout
from emollm.eval.readers.cutting import picture_at, written
from emollm.eval.readers.findings import Findings
from emollm.eval.readers.media import clip_of
from emollm.eval.readers.tables import Row, Separator, checked_pattern, checked_template, folder_of, place, table

if TYPE_CHECKING:
    from emollm.eval.readers.cutting import Pixels

_NOT_GIVEN = -2.0
"""AffectNet's valence and arousal of pictures without a face."""


class _Box(NamedTuple):
    """Edges in pixels of the file."""

    left: int
    top: int
    right: int
    bottom: int


class ImageTable(Layout):
    """A line a picture, or a line a face where ``box`` names columns: ``unpack`` then cuts the face out."""

    files: dict[str, tuple[str, ...]]
    """Lists of each part, as patterns; the first that is there counts. Several parts may share a list that ``part`` takes apart."""
    part: str = ""
    """A regular expression with a group ``part``, found in the name of a picture that belongs to a part so called (RAF-DB)."""
    separator: Separator = ","
    """Between cells."""
    header: tuple[str, ...] = ()
    """Columns, where the list does not begin with their names."""
    image: str
    """Column of the picture."""
    paths: tuple[str, ...] = ("{path}",)
    """Where it lies, relative to the data set, with ``{path}`` as listed, ``{stem}`` and ``{suffix}``; the first that is there counts."""
    label: str
    """Column of the label."""
    face: str = ""
    """Column that numbers the faces of a picture."""
    box: tuple[str, ...] = ()
    """Columns of a face's left, top, right and bottom edge."""
    margin: float = 0.3
    """How much is cut around a box, as a share of its size, because faces are looked for with some room."""
    numbers: dict[str, str] = Field(default_factory=dict)
    """Columns of numbers by what they are, such as ``valence``; −2 is read as not given."""
    traits: dict[str, str] = Field(default_factory=dict)
    """Columns of groups by name."""

    @field_validator("part")
    @classmethod
    def _is_pattern(cls, value: str) -> str:
        return checked_pattern(value, "part") if value else value

    @field_validator("box")
    @classmethod
    def _has_four_edges(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value and len(value) != 4:
            raise ValueError("expected the columns of left, top, right and bottom")
        return value

    @field_validator("paths")
    @classmethod
    def _are_templates(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(checked_template(one, "path", "stem", "suffix") for one in value)

    def splits(self, root: Path) -> tuple[str, ...]:
        """Those whose list is there."""
        return tuple(split for split, files in self.files.items() if place(root, *files))

    def missing(self, root: Path) -> Iterator[str]:
        """Lists of parts."""
        there = self.splits(root)
        yield from (f"no {files[0]} ({split})" for split, files in self.files.items() if split not in there)

    def rows(self, root: Path, split: str, found: Findings) -> Iterator[Item]:
        """One a line."""
        for row in self._lines(root, split, found):
            item = self._item(root, row, split, found)
            if item is not None:
                yield item

    def unpack(self, root: Path, items: Iterable[Item], folder: Path) -> Iterator[Item]:
        """The items; those of a box with the face cut out, as PNG."""
        if not self.box:
            yield from items
            return
        boxes = self._boxes(root)
        for item in items:
            path = item.clip.image
            if item.id not in boxes or path is None:
                raise DataError(f"{root}: no box of {item.id} in the list")
            box = boxes[item.id]
            cut = written(picture_at(folder, item.id), lambda path=path, box=box: _cut(path, box, self.margin))  # type: ignore[misc]
            yield item._replace(clip=item.clip.model_copy(update={"image": cut}))

    def _lines(self, root: Path, split: str, found: Findings) -> Iterator[Row]:
        """Rows of the list that belong to the part."""
        file = place(root, *self.files[split])
        assert file is not None
        needs = [(name,) for name in (self.image, self.label, *self.box, *filter(None, [self.face]))]
        more = [(name,) for name in (*self.numbers.values(), *self.traits.values())]
        for row in table(file, found, needs + more, self.separator, self.header):
            if not self.part or ((match := re.search(self.part, row.cells[self.image])) and match["part"] == split):
                yield row

    def _item(self, root: Path, row: Row, split: str, found: Findings) -> Item | None:
        id = self._id(row)
        if not id:
            found.lack("a row without the name of a picture, left out", row.where)
            return None
        if self.box and _box_of(row, self.box) is None:
            found.lack("a row whose box is not left, top, right and bottom in pixels, left out", row.where)
            return None
        listed = PurePosixPath(row.cells[self.image].replace("\\", "/"))
        fields = {"path": str(listed), "stem": listed.stem, "suffix": listed.suffix}
        places = [folder_of(root) / one.format(**fields) for one in self.paths]
        path = next((one for one in places if one.exists()), places[0])
        clip = clip_of(id, path)
        assert clip is not None
        gold = self.gold(row.cells[self.label], found, row.where)
        numbers = {
            name: value for name, column in self.numbers.items() if (value := _number(row, column, found)) is not None
        }
        groups = {name: row.cells[column] for name, column in self.traits.items() if row.cells[column]}
        return Item(id, clip, gold, split, groups=groups, numbers=numbers)

    def _id(self, row: Row) -> str:
        name = row.cells[self.image]
        return f"{name}#{row.cells[self.face]}" if name and self.face else name

    def _boxes(self, root: Path) -> dict[str, _Box]:
        """Of all faces by id."""
        out: dict[str, _Box] = {}
        for split in self.splits(root):
            for row in self._lines(root, split, Findings()):
                if (box := _box_of(row, self.box)) is not None:
                    out[self._id(row)] = box
        return out


def _number(row: Row, column: str, found: Findings) -> float | None:
    value = row.number([column], found)
    return None if value == _NOT_GIVEN else value


def _box_of(row: Row, columns: tuple[str, ...]) -> _Box | None:
    cells = [row.cells[name] for name in columns]
    if not all(cell.removeprefix("-").isdecimal() for cell in cells):
        return None
    box = _Box(*map(int, cells))
    return box if box.right > box.left and box.bottom > box.top else None


def _cut(path: Path, box: _Box, margin: float) -> "Pixels":
    """The face and some room around it, as far as the picture goes, (H, W, 3)."""
    from emollm.media.images import read_image

    picture = read_image(path)
    more = margin * max(box.right - box.left, box.bottom - box.top)
    height, width = picture.pixels.shape[:2]
    left, right = (round((edge + side) * picture.scale) for edge, side in ((box.left, -more), (box.right, more)))
    top, bottom = (round((edge + side) * picture.scale) for edge, side in ((box.top, -more), (box.bottom, more)))
    cut = picture.pixels[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    if not cut.size:
        raise DataError(f"{path}: the box {tuple(box)} lies outside of its {width}x{height} pixels")
    return cut
