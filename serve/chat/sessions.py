"""What the chat holds of each visitor while the page is open: the clip in a private folder, and what was said about it.

Nothing is shared between visitors. A session ends when its page is closed, when it has been idle for too long, or with the server;
its folder goes with it.
"""

import os
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

from emollm.clip_files import is_table
from emollm.errors import EmollmError, MediaError
from emollm.report.media import Player
from emollm.serve.chat.case import Case
from emollm.serve.chat.live import Running
from emollm.serve.chat.readers import Reader
from emollm.serve.chat.talk import Entry, Fixed, Judged
from emollm.serve.chat.templates import line
from emollm.serve.decoding import Decoder, Here, Opened
from emollm.serve.leftovers import new_folder, sweep
from emollm.types import Clip

IDLE = 3600.0
"""Seconds after which a session that does nothing is ended, should its page not say that it was closed."""
UNUSED = 540.0
"""Seconds after which an upload that became nobody's clip is deleted."""
_PREFIX = "emollm-chat-"
_DEPTH = 3
"""Names between the folder of the uploads and a file in it; copies that Gradio makes by itself lie one higher."""
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")


@dataclass
class Session:
    """One visitor.

    What is said of a clip is worked out beside the page's events, one of which may meanwhile give another clip, choose a person or
    end the work. Whoever changes fields holds ``lock``; work remembers the ``turn`` it began in and leaves alone what is no longer its own.
    """

    folder: Path
    reader: Reader = "everyone"
    """Who is written for."""
    decoder: Decoder = field(default_factory=Here)
    """Opens the files of the visitor."""
    used: float = 0.0
    """When something was last done, on the monotonic clock."""
    clip: Clip | None = None
    """What the next question is about."""
    thumb: str | None = None
    """A small picture of it, as a data URI."""
    played: Player | None = None
    """How a page plays it, once a page was drawn."""
    case: Case | None = None
    """None until the clip is explained."""
    track: str | None = None
    """The person that questions are about."""
    talk: list[Entry] = field(default_factory=list)
    """What stands in the conversation."""
    key: str = ""
    """Under which the evidence of the clip is served; nobody else can guess it."""
    version: int = 0
    """How often the evidence has changed."""
    turn: int = 0
    """Raised when the work that was begun is no longer wanted: by another clip, by Stop, by the end."""
    running: Running = field(default_factory=Running)
    """The last seconds of the camera."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    """Held for a moment, never while something is worked out."""
    answering: threading.Lock = field(default_factory=threading.Lock)
    """Held while a question is answered: the questions of one visitor are answered one after the other."""
    drawing: threading.Lock = field(default_factory=threading.Lock)
    """Held while the clip is prepared for its page."""

    @property
    def last(self) -> Judged | None:
        """What an opinion would be about: the last answer or reply that its reader was shown."""
        with self.lock:
            found = (entry.judged(self.reader) for entry in reversed(self.talk))
            return next((one for one in found if one is not None), None)

    def conversation(self) -> list[str]:
        """The messages as HTML, for the session's reader."""
        with self.lock:
            entries, reader = [*self.talk], self.reader
        return [html for entry in entries if (html := entry.html(reader))]

    def say(self, html: str, turn: int | None = None) -> bool:
        """Adds a message that is the same for everybody.

        Args:
            html: The message.
            turn: Of the work that says it; nothing is added if that is no longer wanted.

        Returns:
            Whether it was added.
        """
        with self.lock:
            if turn not in (None, self.turn):
                return False
            self.talk.append(Fixed(html))
            return True

    def stop(self) -> None:
        """What is being worked out is no longer wanted; what was measured for it goes with it."""
        with self.lock:
            self.turn += 1
            self.drop_unfinished(self.turn)

    def drop_unfinished(self, turn: int) -> None:
        """Forgets measurements whose answer never came.

        Args:
            turn: Of the work that began them; a later one's stay.
        """
        with self.lock:
            if self.turn == turn and self.case is not None and not self.case.final:
                self.case = None

    def take(self, path: Path, name: str, most: int) -> Clip:
        """Takes a file over as the clip of the session; the one before is deleted.

        Args:
            path: It is moved away from there.
            name: What its owner calls it; only shown, never a path.
            most: Bytes that it may have at most.

        Raises:
            MediaError: Not a photo, video or sound, larger than is taken, unreadable, or no longer there.
        """
        suffix = Path(name).suffix
        place = self.folder / f"{secrets.token_hex(8)}{suffix if _SUFFIX.fullmatch(suffix) else ''}"
        try:
            shutil.move(path, place)
            opened = self._checked(place, name, most)
            clip = opened.clip.model_copy(update={"id": name})
        except OSError as error:
            place.unlink(missing_ok=True)
            raise MediaError(line("gone", name=name)) from error
        except EmollmError as error:
            place.unlink(missing_ok=True)
            raise MediaError(shown(str(error), place, name)) from error
        except BaseException:  # a fault of ours: what was given does not stay
            place.unlink(missing_ok=True)
            raise
        with self.lock:
            self.forget()
            self.clip, self.thumb, self.key = clip, opened.thumb, secrets.token_urlsafe(24)
        return clip

    def forget(self) -> None:
        """Deletes the clip and all that was said of it."""
        with self.lock:
            self.turn += 1
            self.talk.clear()
            if self.clip is not None:
                for path in (self.clip.image, self.clip.video, self.clip.audio):
                    if path is not None:
                        path.unlink(missing_ok=True)
            self.clip = self.thumb = self.played = self.case = self.track = None
            self.key = ""

    def player(self, case: Case) -> Player | None:
        """How a page plays the clip of a case; a copy that browsers can play is made once.

        Raises:
            MediaError: It cannot be opened, or is no longer there.
        """
        with self.drawing:
            if self.clip is not case.clip:
                return self.decoder.player(case.clip)
            if self.played is None:
                found = self.decoder.player(case.clip)
                with self.lock:
                    if self.clip is case.clip:
                        self.played = found
                return found
            return self.played

    def _checked(self, place: Path, name: str, most: int) -> Opened:
        """The clip that a file is.

        Raises:
            MediaError: It is none that is taken here.
        """
        if place.stat().st_size > most:
            raise MediaError(line("large", name=name, megabytes=f"{most / 1e6:.0f}"))
        if is_table(place):
            raise MediaError(line("table", name=name))
        return self.decoder.opened(place)


def shown(message: str, place: Path, name: str) -> str:
    """An error message with a file's name in the place of where it lies."""
    return message.replace(str(place), name).replace(place.name, name)


class Sessions:
    """All visitors of one server, by the hash that Gradio gives each open page.

    Args:
        root: Where temporary folders are made; the system's place for them if not given.
        clock: Tells seconds.
        decoder: Opens the files of visitors; in this process if not given.
    """

    def __init__(
        self,
        root: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        decoder: Decoder | None = None,
    ) -> None:
        place = Path(tempfile.gettempdir()) if root is None else root
        sweep(_PREFIX, place)
        self._root = new_folder(_PREFIX, place)
        self.folder = self._root / "visitors"
        """Of their clips; only its owner may look into it. Deleted with the server."""
        self.uploads = self._root / "uploads"
        """Where files arrive, each in a folder whose name cannot be guessed. Gradio knows this folder alone, so no path that a visitor
        names leads to another one's clip."""
        for folder in (self.folder, self.uploads):
            folder.mkdir(mode=0o700)
        self._clock = clock
        self._decoder = decoder or Here()
        self._lock = threading.Lock()
        self._open: dict[str, Session] = {}

    def get(self, visitor: str, reader: Reader = "everyone") -> Session:
        """The session of a visitor; a new one at the first call, or where it has ended.

        Args:
            visitor: The hash of the page.
            reader: Whom a new session is written for.
        """
        with self._lock:
            session = self._open.get(visitor)
            if session is None:
                folder = Path(tempfile.mkdtemp(prefix="session-", dir=self.folder))
                session = Session(folder, reader, self._decoder)
                self._open[visitor] = session
            session.used = self._clock()
            return session

    def holds(self, path: str) -> bool:
        """Whether a path is one that only who uploaded a file there can know: ``<uploads>/<chance>/<hash>/<name>``."""
        found, place = Path(os.path.realpath(path)), Path(os.path.realpath(self.uploads))
        return found.is_relative_to(place) and len(found.relative_to(place).parts) == _DEPTH

    def upload(self) -> Path:
        """A folder for one upload; its name cannot be guessed, and two visitors who give the same file do not meet in it."""
        folder = self.uploads / secrets.token_hex(16)
        folder.mkdir(mode=0o700)
        return folder

    def clear(self, path: Path) -> None:
        """Removes an upload that was taken over or refused, and the folders it came in."""
        if self.holds(str(path)):
            path.unlink(missing_ok=True)
            with suppress(OSError):
                path.parent.rmdir()
                path.parent.parent.rmdir()

    def end_idle(self) -> None:
        """Ends the sessions in which nothing has been done for :data:`IDLE` seconds, and deletes uploads that nobody used."""
        for upload in self.uploads.iterdir():
            with suppress(OSError):
                if time.time() - max(path.stat().st_mtime for path in (upload, *upload.rglob("*"))) > UNUSED:
                    shutil.rmtree(upload)
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
        shutil.rmtree(self._root, ignore_errors=True)

    def __len__(self) -> int:
        return len(self._open)
