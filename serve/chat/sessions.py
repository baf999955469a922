"""What the chat holds of each visitor while the page is open: the clip in a private folder, and what was said about it.

Nothing is shared between visitors. A session ends when its page is closed, when it has been idle for too long, or with the server;
its folder goes with it.
"""

import re
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from emollm.clip_files import is_table, open_clip
from emollm.errors import EmollmError, MediaError
from emollm.media.images import read_image
from emollm.prompts import prompt
from emollm.report.heatmap_view import HeatView
from emollm.serve.chat.pictures import Pictures, thumbnail
from emollm.serve.leftovers import new_folder, sweep
from emollm.types import Answer, Clip, FollowUp, Observation

IDLE = 3600.0
"""Seconds after which a session that does nothing is ended, should its page not say that it was closed."""
_PREFIX = "emollm-chat-"
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")


@dataclass(frozen=True)
class Case:
    """One clip of a visitor, with what was measured and said of it."""

    clip: Clip
    observation: Observation
    answer: Answer
    pictures: Pictures
    heat: dict[str, HeatView] = field(default_factory=dict)
    final: bool = True
    """False while the answer is still being made: only the measurements are to be shown."""

    def about(self, track: str | None) -> Answer:
        """The answer for one person; the main one where there is none for it."""
        everyone = (self.answer, *self.answer.people)
        return next((one for one in everyone if one.track == track), self.answer)

    def asked(self, track: str | None, follow_up: FollowUp) -> "Case":
        """The same with one more question in the answer for a person."""
        from dataclasses import replace

        def added(one: Answer) -> Answer:
            return one.model_copy(update={"follow_ups": (*one.follow_ups, follow_up)})

        chosen = self.about(track)
        people = tuple(added(one) if one is chosen else one for one in self.answer.people)
        main = added(self.answer) if chosen is self.answer else self.answer
        return replace(self, answer=main.model_copy(update={"people": people}))


@dataclass
class Session:
    """One visitor."""

    folder: Path
    used: float = 0.0
    """When something was last done, on the monotonic clock."""
    clip: Clip | None = None
    """What the next question is about."""
    thumb: str | None = None
    """A small picture of it, as a data URI."""
    case: Case | None = None
    """None until the clip is explained."""
    track: str | None = None
    """The person that questions are about."""
    talk: list[str] = field(default_factory=list)
    """The messages so far, as HTML."""
    last: tuple[str, str] | None = None
    """The last question and its answer, for an opinion on them."""
    key: str = ""
    """Under which the evidence of the clip is served; nobody else can guess it."""
    version: int = 0
    """How often the evidence has changed."""
    answering: threading.Lock = field(default_factory=threading.Lock)
    """Held while a question is answered: the questions of one visitor are answered one after the other."""

    def take(self, path: Path, name: str, most: int) -> Clip:
        """Takes a file over as the clip of the session; the one before is deleted.

        Args:
            path: It is moved away from there.
            name: What its owner calls it; only shown, never a path.
            most: Bytes that it may have at most.

        Raises:
            MediaError: Not a photo, video or sound, larger than is taken, or unreadable.
        """
        lines = prompt("chat/lines")
        suffix = Path(name).suffix
        place = self.folder / f"{secrets.token_hex(8)}{suffix if _SUFFIX.fullmatch(suffix) else ''}"
        shutil.move(path, place)
        with suppress(OSError):
            path.parent.rmdir()  # Gradio calls it by a hash of the file
        try:
            if place.stat().st_size > most:
                raise MediaError(lines.render("large", name=name, megabytes=f"{most / 1e6:.0f}"))
            if is_table(place):
                raise MediaError(lines.render("table", name=name))
            clip = open_clip(place)
            if clip.image is not None:  # told to be a photo by its name alone
                read_image(clip.image)
        except EmollmError as error:
            place.unlink(missing_ok=True)
            raise MediaError(shown(str(error), place, name)) from error
        self.forget()
        self.clip, self.key = clip.model_copy(update={"id": name}), secrets.token_urlsafe(24)
        self.thumb = thumbnail(self.clip)
        return self.clip

    def forget(self) -> None:
        """Deletes the clip and all that was said of it."""
        self.talk.clear()
        if self.clip is not None:
            for path in (self.clip.image, self.clip.video, self.clip.audio):
                if path is not None:
                    path.unlink(missing_ok=True)
        self.clip = self.thumb = self.case = self.track = self.last = None
        self.key = ""


def shown(message: str, place: Path, name: str) -> str:
    """An error message with a file's name in the place of where it lies."""
    return message.replace(str(place), name).replace(place.name, name)


class Sessions:
    """All visitors of one server, by the hash that Gradio gives each open page.

    Args:
        root: Where temporary folders are made; the system's place for them if not given.
        clock: Tells seconds.
    """

    def __init__(self, root: Path | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        place = Path(tempfile.gettempdir()) if root is None else root
        sweep(_PREFIX, place)
        self.folder = new_folder(_PREFIX, place)
        """Only its owner may look into it; deleted with the server."""
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, Session] = {}

    def get(self, visitor: str) -> Session:
        """The session of a visitor; a new one at the first call, or where it has ended."""
        with self._lock:
            session = self._open.get(visitor)
            if session is None:
                session = Session(Path(tempfile.mkdtemp(prefix="session-", dir=self.folder)))
                self._open[visitor] = session
            session.used = self._clock()
            return session

    def end_idle(self) -> None:
        """Ends the sessions in which nothing has been done for :data:`IDLE` seconds."""
        now = self._clock()
        with self._lock:
            idle = [one for one, session in self._open.items() if now - session.used > IDLE]
        for one in idle:
            self.end(one)

    def by_key(self, key: str) -> Session | None:
        """The session whose evidence has this key."""
        with self._lock:
            found = [one for one in self._open.values() if one.key and secrets.compare_digest(one.key, key)]
        return found[0] if found else None

    def end(self, visitor: str) -> None:
        """Deletes all that is held of a visitor."""
        with self._lock:
            session = self._open.pop(visitor, None)
        if session is not None:
            session.forget()
            shutil.rmtree(session.folder, ignore_errors=True)

    def close(self) -> None:
        """Ends all sessions and deletes their folder."""
        for visitor in [*self._open]:
            self.end(visitor)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __len__(self) -> int:
        return len(self._open)
