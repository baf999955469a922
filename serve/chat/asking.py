"""One question of a visitor, from the clip to the message: what the page shows while it is answered, step by step."""

import logging
import secrets
import time
from collections.abc import Iterator
from typing import NamedTuple

from emollm.errors import EmollmError, one_line
from emollm.serve.chat import messages
from emollm.serve.chat.events import Answered, Explainer, Observed, Progress, Replied, Token
from emollm.serve.chat.evidence import measured
from emollm.serve.chat.pictures import heat_views, pictures_of
from emollm.serve.chat.readers import Reader
from emollm.serve.chat.sessions import Case, Session, shown
from emollm.serve.chat.templates import line
from emollm.types import Clip, Observation

LONGEST_WAIT = 60.0
"""Seconds that a question waits for the one before it, which may have been stopped and be ending."""
OFTEN = 0.08
"""Seconds between two steps that only show more of a reply."""
_LOG = logging.getLogger(__name__)


class Step(NamedTuple):
    """What has changed on the page."""

    draft: str = ""
    """What is being done, below the conversation; empty when nothing is."""
    talk: bool = False
    """Whether the conversation has a new message."""
    evidence: bool = False
    """Whether there is new evidence."""


class Asking:
    """Answers the questions of all visitors.

    Args:
        explainer: Who measures and answers.
    """

    def __init__(self, explainer: Explainer) -> None:
        self._explainer = explainer

    def __call__(self, session: Session, question: str, labels: str, reader: Reader) -> Iterator[Step]:
        """Explains the clip of a session if that is still to be done, then answers the question about it.

        Whatever goes wrong is said in the conversation, in one line.

        Args:
            session: Whose clip it is.
            question: Empty for the explanation alone.
            labels: Name of the label set.
            reader: Who is written for.
        """
        question = " ".join(question.split())
        held = session.answering.acquire(timeout=LONGEST_WAIT)
        try:
            if session.clip is None:
                session.talk.append(messages.notice(line("nothing"), bad=True))
            elif session.case is None or session.case.answer.label_set not in (labels, None):
                yield from self._explain(session, session.clip, question, labels, reader)
                if question and reader != "teacher" and session.case is not None:
                    yield from self._reply(session, session.case, question, reader)
            else:
                question = question or line("default_question")
                session.talk.append(messages.question(question))
                yield Step(messages.draft(line("replying")), talk=True)
                if reader == "teacher":
                    session.talk.append(messages.notice(line("teacher")))
                else:
                    yield from self._reply(session, session.case, question, reader)
        except EmollmError as error:
            session.talk.append(messages.notice(_of_clip(error, session.clip), bad=True))
        except Exception as error:
            _LOG.exception("a question could not be answered")
            session.talk.append(messages.notice(line("crashed", kind=type(error).__name__), bad=True))
        finally:
            if held:
                session.answering.release()
        yield Step(talk=True)

    def _explain(self, session: Session, clip: Clip, question: str, labels: str, reader: Reader) -> Iterator[Step]:
        first = question or line("default_question")
        session.talk.append(messages.question(first, clip.id, session.thumb))
        yield Step(messages.draft(line("opening", name=clip.id)), talk=True)
        session.case = session.track = None
        written = _Written(reader != "teacher")
        seen: Observation | None = None
        for event in self._explainer.explain(clip, labels):
            if session.clip is not clip:
                return  # another one was given meanwhile
            match event:
                case Progress(done, of):
                    share = min(done / of, 1.0) if of else None
                    status = line("measuring", done=f"{done:.0f}", of=f"{of:.0f}" if of else "")
                    yield from written.status(status, share)
                case Observed(observation):
                    seen = observation
                    yield Step(messages.draft(line("reasoning")))
                case Token(text):
                    yield from written.more(text, line("reasoning"))
                    if (
                        session.case is None and seen is not None
                    ):  # not before: the first words need not wait for pictures
                        self._seen(session, clip, seen)
                        yield Step(messages.draft(line("reasoning"), written.shown), evidence=True)
                case Answered(answer, observation):
                    yield Step(messages.draft(line("looking"), written.shown))
                    pictures = session.case.pictures if session.case is not None else pictures_of(clip, observation)
                    heat = heat_views(observation, pictures) if reader != "teacher" else {}
                    session.case = Case(clip, observation, answer, pictures, heat)
                    session.track = answer.track
                    session.version += 1
                    session.talk.append(messages.answer(session.case, answer.track, reader, _key()))
                    count = len(observation.tracks)
                    if count > 1 and reader != "teacher":
                        session.talk.append(messages.notice(line("people", count=count, person=answer.track)))
                    session.last = (first, answer.text)
                    yield Step(talk=True, evidence=True)

    def _seen(self, session: Session, clip: Clip, observation: Observation) -> None:
        """Shows what was measured while the answer is still being made."""
        observed = measured(observation)
        session.case = Case(clip, observation, observed, pictures_of(clip, observation), final=False)
        session.version += 1

    def _reply(self, session: Session, case: Case, question: str, reader: Reader) -> Iterator[Step]:
        answer = case.about(session.track)
        written = _Written(reader != "teacher")
        for event in self._explainer.ask(question, answer, case.observation):
            if session.case is not case:
                return
            match event:
                case Token(text):
                    yield from written.more(text, line("replying"))
                case Replied(follow_up):
                    session.case = case.asked(session.track, follow_up)
                    session.talk.append(messages.reply(session.case, session.track, follow_up, reader, _key()))
                    session.last = (question, follow_up.text)
                    yield Step(talk=True)


class _Written:
    """A reply as far as it is written, shown now and then.

    Args:
        visible: Whether it may be shown before it is checked.
    """

    def __init__(self, visible: bool) -> None:
        self._visible = visible
        self._text = ""
        self._last = 0.0

    @property
    def shown(self) -> str:
        """The text, as far as it may be seen."""
        return self._text.replace("**", "") if self._visible else ""

    def more(self, text: str, status: str) -> Iterator[Step]:
        self._text += text
        if text:
            yield from self.status(status)

    def status(self, status: str, share: float | None = None) -> Iterator[Step]:
        now = time.monotonic()
        if now - self._last >= OFTEN:
            self._last = now
            yield Step(messages.draft(status, self.shown, share))


def _of_clip(error: Exception, clip: Clip | None) -> str:
    """An error's line, in which the clip has the name that its owner gave it."""
    message = str(error)
    path = clip and (clip.image or clip.video or clip.audio)
    return one_line(shown(message, path, clip.id) if path and clip else message, 400)


def _key() -> str:
    """Begins the ids of one message."""
    return f"m{secrets.token_hex(4)}"
