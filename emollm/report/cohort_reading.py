"""Reads the folder of a cohort report: Observations and Answers as the commands on clips write them, one at a time.

Records stand a line each in ``.jsonl`` files (``--out``), in ``.json`` files (``--json``, or a reply of the server with both), or in
the pages of ``emollm explain --report``. Records are joined by the clip that their ids name
(:func:`located`). A folder of thousands of clips is never held in memory: first the Answers are read and of each Observation only its
place is kept, then the Observations are read one by one.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from emollm.clip_files import accepts, expand, for_json, is_table
from emollm.errors import DataError, one_line
from emollm.types import Answer, Observation, Record

LINES, PAGES = (".jsonl", ".json"), (".html", ".htm")
REJECTS = "rejects.jsonl"
"""The list of clips that a command could not read; it is counted, not read for records."""
MARK = "emollm_report"
"""A field of what ``emollm report --json`` prints, by which it is told from records."""

_LARGEST = 64_000_000
"""Bytes of one record beyond which it is not read: an hour of a full room with all mesh points has about 1 MB."""
_LONGEST = 86_400.0
"""Seconds of a clip beyond which its times are not believed: a day."""
_ELEMENT = b'<script type="application/json" id="emollm-data">'


class Reject(Record):
    """What could not be read, and why."""

    file: str
    """With the number of the line behind a colon, where it is one of several."""
    reason: str


class Place(NamedTuple):
    """Where the JSON of a record stands."""

    path: Path
    start: int
    length: int
    where: str
    """File and line, for messages."""


class Entry(NamedTuple):
    """All there is of one clip."""

    id: str
    """As given, behind the folder of its record where that lies deeper."""
    observation: Observation | None
    answer: Answer | None


class Contents:
    """What a folder holds for a report.

    Args:
        folder: The folder.

    Raises:
        DataError: It is no folder, cannot be listed, or holds nothing of a kind that is read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = for_json(folder.resolve().name or str(folder))
        self.rejects: list[Reject] = []
        self.unread: list[str] = []
        """Ids of clips that an earlier command could not read."""
        self.doubled = 0
        """Clips with several records of one kind that differ; the last one read counts."""
        files = _listed(folder)
        self.clips = [path for path in files if path.suffix.lower() not in (*LINES, *PAGES)]
        self.sources: list[Path] = []
        """The files that records were found in."""
        self._answers: dict[str, Answer] = {}
        self._places: dict[str, Place] = {}
        self._ids: dict[str, str] = {}
        """Of each clip by its path, what it is called."""
        self._taken: set[str] = set()
        self._failed: set[str] = set()
        """Paths of the clips in ``unread``."""
        for path in files:
            if path.suffix.lower() in (*LINES, *PAGES):
                self._read(path)
        if not (self.clips or self.has_records or self.rejects):
            raise _nothing(folder)

    @property
    def has_records(self) -> bool:
        """Whether any record could be read."""
        return bool(self._answers or self._places)

    @property
    def unmeasured(self) -> list[Path]:
        """Clips in the folder that no record speaks of.

        A record of a clip that is not where it was may be of the one that has its name, if only one has.
        """
        known = {*self._ids, *self._failed}
        moved = {os.path.basename(path) for path in known if not os.path.isfile(path)}
        moved -= {name for name, count in Counter(path.name for path in self.clips).items() if count > 1}
        return [path for path in self.clips if os.path.realpath(path) not in known and path.name not in moved]

    @property
    def count(self) -> int:
        """How many clips there are records of."""
        return len(self._ids)

    def entries(self) -> Iterator[Entry]:
        """Each clip once, in the order of ids. A record that cannot be read any more is added to the rejects."""
        for path, id in sorted(self._ids.items(), key=lambda item: (item[1], item[0])):
            place = self._places.get(path)
            observation = None
            if place is not None:
                try:
                    observation = _observation(_bytes(place), place.where).model_copy(update={"id": id})
                except DataError as error:
                    self._reject(place.where, str(error))
            answer = self._answers.get(path)
            if observation is not None or answer is not None:
                yield Entry(id, observation, answer)

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _reject(self, where: str, reason: str) -> None:
        self.rejects.append(Reject(file=for_json(where), reason=for_json(one_line(reason.removeprefix(f"{where}: ")))))

    def _read(self, path: Path) -> None:
        try:
            if path.suffix.lower() in PAGES:
                self._read_page(path)
            else:
                self._read_lines(path)
        except OSError as error:
            self._reject(str(path), f"cannot be read: {error.strerror or error}")

    def _read_lines(self, path: Path) -> None:
        """A line a record; a ``.json`` file may also be one object over several lines."""
        size = path.stat().st_size
        if not size:  # the shell makes the file of `--json > FILE` before anything is read
            return
        with path.open("rb") as file:
            if b"\0" in file.read(4096):
                self._reject(str(path), "a binary file; expected records of emollm as JSON")
                return
            file.seek(0)
            first = file.readline(_LARGEST + 1)
            whole = path.suffix.lower() == ".json" and _parsed(first) is None
            if whole:
                self._take_object(Place(path, 0, size, str(path)))
                return
            start, number, line = 0, 1, first
            while line:
                where = f"{path}:{number}"
                if len(line) > _LARGEST:
                    self._reject(where, f"a line of more than {_LARGEST // 10**6} MB; no record is that large")
                    return
                if line.strip():
                    self._take_line(Place(path, start, len(line), where), line)
                start, number = start + len(line), number + 1
                line = file.readline(_LARGEST + 1)

    def _take_line(self, place: Place, line: bytes) -> None:
        row = _parsed(line)
        if place.path.name == REJECTS and isinstance(row, dict) and isinstance(row.get("id"), str):
            self.unread.append(row["id"])
            self._failed.add(located(row["id"], place.path, self.folder)[0])
        elif isinstance(row, dict) and MARK in row:
            return
        else:
            self._take(place, line, row)

    def _take_object(self, place: Place) -> None:
        if place.length > _LARGEST:
            self._reject(place.where, f"more than {_LARGEST // 10**6} MB; no record is that large")
            return
        text = _bytes(place)
        row = _parsed(text)
        if not (isinstance(row, dict) and MARK in row):
            self._take(place, text, row)

    def _read_page(self, path: Path) -> None:
        """The records in a page of ``emollm explain --report``; other pages are none of ours and left alone."""
        if path.stat().st_size > 4 * _LARGEST:
            return
        page = path.read_bytes()
        start = page.rfind(_ELEMENT)
        if start < 0:
            return
        start += len(_ELEMENT)
        end = page.find(b"</script>", start)
        place = Place(path, start, (end if end >= 0 else len(page)) - start, str(path))
        self._take(place, page[start : start + place.length], _parsed(page[start : start + place.length]))

    def _take(self, place: Place, text: bytes, row: Any) -> None:
        """Keeps the Answer, and the place of the Observation, that a JSON text holds."""
        try:
            if not isinstance(row, dict):
                raise DataError(f"{place.where}: not a JSON object{' (cut off?)' if row is None else ''}")
            if isinstance(row.get("answer"), dict) and isinstance(row.get("observation"), dict):
                observation = _observation(text, place.where)
                answer = Answer.from_json(json.dumps(row["answer"]), place.where)
                self._keep(answer, observation, place)
            elif "media" in row:
                self._keep(None, _observation(text, place.where), place)
            elif "status" in row and "provenance" in row:
                self._keep(Answer.from_json(text, place.where), None, place)
            else:
                raise DataError(f"{place.where}: neither an Observation nor an Answer of emollm")
        except DataError as error:
            self._reject(place.where, str(error))

    def _keep(self, answer: Answer | None, observation: Observation | None, place: Place) -> None:
        if place.path not in self.sources[-1:]:
            self.sources.append(place.path)
        if observation is not None:
            path = self._named(observation.id, place)
            earlier = self._places.get(path)
            if earlier is not None and _differs(earlier, observation):
                self.doubled += 1
            self._places[path] = place
        if answer is not None:
            path = self._named(answer.id, place)
            slim = _slim(answer, self._ids[path])
            self.doubled += self._answers.get(path, slim) != slim
            self._answers[path] = slim

    def _named(self, id: str, place: Place) -> str:
        """The path of a record's clip, which is given a name the first time."""
        path, name = located(id, place.path, self.folder)
        if path not in self._ids:
            self._ids[path] = name if name not in self._taken else for_json(path)
            self._taken.add(self._ids[path])
        return path


def located(id: str, record: Path, folder: Path) -> tuple[str, str]:
    """The path of the clip that a record speaks of, and what the clip is called in the report of a folder.

    A relative id is looked for from the folder of its record upwards; a bare file name no farther up than the report's folder. If there
    is no such file the id belongs to the folder of its record, so that records of two folders are not taken for one clip.

    Args:
        id: A path as a command was given it, or any name.
        record: The file that the record stands in.
        folder: Of the report.
    """
    if os.path.isabs(id):
        path, name = os.path.normpath(id), os.path.normpath(id)
    else:
        top, home = Path(os.path.abspath(folder)), Path(os.path.abspath(record.parent))
        deep = os.path.dirname(os.path.normpath(id)) != ""
        bases = [base for base in (home, *home.parents) if deep or base.is_relative_to(top)]
        base = next((base for base in bases if os.path.isfile(base / id)), home)
        path = os.path.normpath(base / id)
        name = os.path.normpath(base.relative_to(top) / id if base.is_relative_to(top) else id)
    return os.path.realpath(path) if os.path.isfile(path) else path, for_json(name)


def _listed(folder: Path) -> list[Path]:
    if not os.path.lexists(folder):
        raise DataError(f"{folder}: no such folder")
    if not folder.is_dir():
        raise DataError(f"{folder}: a file; give the folder that it lies in")
    try:
        os.listdir(folder)
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    try:
        return expand([str(folder)], _is_read, _ignored)
    except DataError:
        raise _nothing(folder) from None


def _nothing(folder: Path) -> DataError:
    return DataError(
        f"{folder}: holds no records and no clips; `emollm observe CLIP… --out {folder}/observations.jsonl` measures clips"
    )


def _is_read(path: Path) -> bool:
    """Whether a file may hold records, or is a clip; a .csv is a clip only where it is a table of a known tool."""
    if path.suffix.lower() in (*LINES, *PAGES):
        return True
    if not is_table(path):
        return accepts(path)
    from emollm.perception.tables import sniff

    try:
        return sniff(path) is not None
    except (OSError, DataError):
        return False


def _ignored(_: str) -> None:
    """Nothing is told: there is one folder, and an empty one is an error."""


def _parsed(text: bytes) -> Any:
    """The JSON value; None for what is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _bytes(place: Place) -> bytes:
    try:
        with place.path.open("rb") as file:
            file.seek(place.start)
            return file.read(place.length)
    except OSError as error:
        raise DataError(f"{place.where}: cannot be read: {error.strerror or error}") from error


def _observation(text: bytes, where: str) -> Observation:
    """The Observation of a JSON text, which may stand beside an Answer.

    Raises:
        DataError: It is none, or its times cannot be true.
    """
    row = _parsed(text)
    if isinstance(row, dict) and "media" not in row and "observation" in row:
        text = json.dumps(row["observation"]).encode()
    found = Observation.from_json(text, where)
    series = (one.start + one.step * len(one.values) for one in found.series)
    latest = max((found.media.duration or 0.0, *(cue.end for cue in found.cues), *series), default=0.0)
    if latest > _LONGEST:
        raise DataError(f"{where}: times of more than a day; give clips of a day at most")
    return found


def _differs(earlier: Place, observation: Observation) -> bool:
    try:
        found = _observation(_bytes(earlier), earlier.where)
    except DataError:
        return True
    return found.model_copy(update={"id": observation.id}) != observation


def _slim(answer: Answer, id: str) -> Answer:
    """What a report shows of an Answer."""
    rest = {"id": id, "rationale": None, "claims": (), "missing": (), "labels": (), "follow_ups": (), "text": ""}
    return answer.model_copy(update={**rest, "people": tuple(_slim(person, id) for person in answer.people)})
