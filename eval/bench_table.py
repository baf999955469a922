"""What the bench found, as numbers and as a page."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from emollm.errors import DataError
from emollm.eval.bench_rivals import Round, Timing
from emollm.files import replacing


class Spread(NamedTuple):
    """A figure over the rounds."""

    middle: float
    low: float
    high: float

    def text(self, digits: int = 1) -> str:
        """Median, with the lowest and the highest round in brackets."""
        return f"{self.middle:.{digits}f} ({self.low:.{digits}f}–{self.high:.{digits}f})"


class Row(NamedTuple):
    """One contestant."""

    name: str
    start: float
    """Seconds from the start of the process until it can take pictures."""
    rounds: tuple[Round, ...]

    @property
    def faces(self) -> int:
        """Faces found in all pictures."""
        return sum(item.faces for item in self.rounds[0].pictures)

    @property
    def side_by_side(self) -> bool:
        """Measured as a folder: decoding and measuring overlap, so that only their sum is known."""
        return not any(item.decoding for item in self.rounds[0].pictures)


def spread(values: Sequence[float]) -> Spread:
    """Median, least and greatest."""
    return Spread(median(values), min(values), max(values))


def from_file(item: Timing) -> float:
    """Seconds with decoding."""
    return item.decoding + item.measuring


def from_pixels(item: Timing) -> float:
    """Seconds without decoding."""
    return item.measuring


def images_a_second(row: Row, seconds: Callable[[Timing], float]) -> Spread:
    """Pictures a second, over the rounds."""
    return spread([len(run.pictures) / sum(map(seconds, run.pictures)) for run in row.rounds])


def ms_a_face(row: Row, seconds: Callable[[Timing], float]) -> Spread | None:
    """Milliseconds for each face found, over the rounds; None if none was found."""
    if not row.faces:
        return None
    return spread([1000 * sum(map(seconds, run.pictures)) / row.faces for run in row.rounds])


def times_as_fast(row: Row, rival: Row, seconds: Callable[[Timing], float], *, a_face: bool) -> Spread | None:
    """How many times as fast a contestant is as its rival, round by round; None where either found no face.

    Args:
        row: The contestant.
        rival: Who it is compared with; it ran the same pictures in the same rounds.
        seconds: What counts of a picture.
        a_face: Compare the time for each face found, each contestant by its own count; else the time for each picture.
    """
    if a_face and not (row.faces and rival.faces):
        return None
    worth = row.faces / rival.faces if a_face else 1.0
    pairs = zip(row.rounds, rival.rounds, strict=True)
    return spread([worth * sum(map(seconds, b.pictures)) / sum(map(seconds, a.pictures)) for a, b in pairs])


def where_equal(row: Row, rival: Row) -> tuple[Row, Row]:
    """Both, with only the pictures in which they found equally many faces, and at least one."""
    pairs = zip(row.rounds[0].pictures, rival.rounds[0].pictures, strict=True)
    kept = [k for k, (a, b) in enumerate(pairs) if a.faces == b.faces > 0]
    return _only(row, kept), _only(rival, kept)


def _only(row: Row, kept: list[int]) -> Row:
    return row._replace(rounds=tuple(run._replace(pictures=tuple(run.pictures[k] for k in kept)) for run in row.rounds))


# ---- as markdown ----------------------------------------------------------------------------------------------------


def speed_table(rows: Sequence[Row]) -> str:
    """Images a second and milliseconds a face."""
    lines = [
        "| | faces found | images/s, from files | images/s, from pixels | ms a face, from files | ms a face, from pixels |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        figures = [images_a_second(row, seconds).text() for seconds in (from_file, from_pixels)]
        faces = [ms_a_face(row, seconds) for seconds in (from_file, from_pixels)]
        figures += ["none found" if face is None else face.text(2) for face in faces]
        if row.side_by_side:
            figures[1] = figures[3] = "–"
        lines.append(f"| {row.name} | {row.faces} | {' | '.join(figures)} |")
    return "\n".join(lines)


def ratio_table(rows: Sequence[Row], rival: Row) -> str:
    """How many times as fast as the rival each of the others is."""
    lines = [
        f"| times as fast as {rival.name} | a face, from files | a face, from pixels | an image, from pixels | "
        "where both find equally many, from pixels |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        if row is rival:
            continue
        same, other = where_equal(row, rival)
        few = len(same.rounds[0].pictures)
        cells = [
            times_as_fast(row, rival, from_file, a_face=True),
            times_as_fast(row, rival, from_pixels, a_face=True),
            times_as_fast(row, rival, from_pixels, a_face=False),
            times_as_fast(same, other, from_pixels, a_face=True) if few else None,
        ]
        texts = ["no faces to compare" if cell is None else cell.text(2) for cell in cells]
        texts[3] += f" ({few} images)"
        if row.side_by_side:
            texts[1:] = ["–"] * 3
        lines.append(f"| {row.name} | {' | '.join(texts)} |")
    return "\n".join(lines)


def cost_table(rows: Sequence[Row]) -> str:
    """What each takes of the machine."""
    lines = ["| | ready after, s | processors busy | peak memory, MB |", "|---|---|---|---|"]
    for row in rows:
        cpu = spread([run.cpu for run in row.rounds]).text(2)
        lines.append(f"| {row.name} | {row.start:.2f} | {cpu} | {row.rounds[-1].peak * 1024 / 1e6:.0f} |")
    return "\n".join(lines)


def put(page: Path, section: str, text: str) -> None:
    """Replaces what stands between the markers of a section; a section the page does not have yet goes to its end.

    Raises:
        DataError: The page cannot be read, or a marker has no partner.
    """
    begin, end = f"<!-- bench: {section} -->", f"<!-- end of bench: {section} -->"
    try:
        old = page.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{page}: cannot be read: {error.strerror}; run the bench in the checkout") from error
    if (begin in old) != (end in old) or old.find(end) < old.find(begin):
        raise DataError(f"{page}: expected both {begin} and {end}, in this order")
    if begin not in old:
        old = f"{old.rstrip()}\n\n{begin}\n{end}\n"
    before, _, rest = old.partition(begin)
    after = rest.partition(end)[2]
    with replacing(page, "w") as file:
        file.write(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}")
