"""What stands in a conversation: each entry can be shown to any reader, also after another one was chosen."""

import secrets
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from emollm.serve.chat import messages
from emollm.serve.chat.case import Case
from emollm.serve.chat.readers import Reader, for_teacher
from emollm.serve.chat.templates import line
from emollm.types import Answer, FollowUp


class Judged(NamedTuple):
    """What an opinion is about: what was asked, what was shown, and the answer behind it."""

    question: str
    text: str
    answer: Answer


class Entry(Protocol):
    """One message of a conversation."""

    def html(self, reader: Reader) -> str:
        """As one reader sees it; empty where that one does not."""
        ...

    def judged(self, reader: Reader) -> Judged | None:
        """What that reader can have an opinion on; None where there is nothing."""
        ...


@dataclass(frozen=True)
class Fixed:
    """A message that is the same for everybody who sees it: a question, or a line."""

    shown: str
    teachers: bool = True
    """Whether teachers see it."""

    def html(self, reader: Reader) -> str:
        """See :meth:`Entry.html`."""
        return self.shown if self.teachers or reader != "teacher" else ""

    def judged(self, reader: Reader) -> Judged | None:
        """See :meth:`Entry.judged`."""
        return None


@dataclass(frozen=True)
class Explained:
    """The explanation of a clip for one person."""

    case: Case
    track: str | None
    question: str
    """Empty where another person was chosen and nothing asked."""
    key: str = field(default_factory=lambda: _key())
    _drawn: dict[Reader, str] = field(default_factory=dict, repr=False)

    def html(self, reader: Reader) -> str:
        """See :meth:`Entry.html`."""
        if reader not in self._drawn:
            self._drawn[reader] = messages.answer(self.case, self.track, reader, self.key)
        return self._drawn[reader]

    def judged(self, reader: Reader) -> Judged:
        """See :meth:`Entry.judged`; a teacher was shown no label."""
        found = self.case.about(self.track)
        if reader == "teacher":
            told = " ".join(one.text for one in for_teacher(self.case.observation))
            return Judged(self.question, told, found.model_copy(update={"label": None}))
        return Judged(self.question, found.text, found)


@dataclass(frozen=True)
class Told:
    """The reply to a further question, about one person."""

    case: Case
    track: str | None
    follow_up: FollowUp
    key: str = field(default_factory=lambda: _key())
    _drawn: dict[Reader, str] = field(default_factory=dict, repr=False)

    def html(self, reader: Reader) -> str:
        """See :meth:`Entry.html`."""
        if reader == "teacher":
            return messages.notice(line("teacher"))
        if reader not in self._drawn:
            self._drawn[reader] = messages.reply(self.case, self.track, self.follow_up, reader, self.key)
        return self._drawn[reader]

    def judged(self, reader: Reader) -> Judged | None:
        """See :meth:`Entry.judged`."""
        if reader == "teacher":
            return None
        return Judged(self.follow_up.question, self.follow_up.text, self.case.about(self.track))


def _key() -> str:
    """Begins the ids of one message."""
    return f"m{secrets.token_hex(4)}"
