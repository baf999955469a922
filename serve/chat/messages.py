"""The messages of a conversation as HTML: what was asked, what is being done, and answers whose sentences lead to their evidence."""

from typing import NamedTuple

from emollm.report.page import WORDS
from emollm.report.views import Page, PersonView
from emollm.serve.chat import readers
from emollm.serve.chat.case import Case
from emollm.serve.chat.readers import Reader, Said
from emollm.serve.chat.templates import line, render
from emollm.types import Answer, FollowUp


class _Linked(NamedTuple):
    """A sentence with the ids of the elements of the evidence that it rests on."""

    text: str
    targets: str


def question(text: str, file: str | None = None, thumb: str | None = None) -> str:
    """What the visitor asks.

    Args:
        text: The question.
        file: Name of the clip, with the first question about it.
        thumb: Its picture as a data URI.
    """
    return render("message.html", kind="question", question=text, file=file, thumb=thumb)


def notice(text: str, bad: bool = False) -> str:
    """One line that is neither question nor answer; ``bad`` where something could not be done."""
    return render("message.html", kind="notice", text=text, tone="bad" if bad else "calm")


def draft(status: str, text: str = "", share: float | None = None) -> str:
    """What is being done, and the reply as far as it is written.

    Args:
        status: What is done.
        text: Of the reply, not yet checked.
        share: How much is done, from 0 to 1, where that is known.
    """
    return render("message.html", kind="draft", status=status, text=text, share=share)


def answer(case: Case, track: str | None, reader: Reader, key: str) -> str:
    """The answer for one person, for a reader.

    Args:
        case: What was measured and said.
        track: The person.
        reader: Who reads it.
        key: Unique in the conversation.
    """
    page = Page(case.observation, case.answer)
    person = _person(page, track)
    found = person.answer or case.answer
    if reader == "teacher":
        return _message(case, person, key, before=_linked(readers.for_teacher(case.observation), page))
    plain = readers.plain(found, case.observation) if reader == "everyone" and person.answer else ()
    label = readers.verdict(found)
    told = (readers.weights(found) if reader == "researcher" else "", readers.caveat(found))
    after = [Said(text) for text in told if text]
    return _message(
        case,
        person,
        key,
        headline=_headline(found),
        word=WORDS[person.word] if found.label not in (None, "neutral") else "",
        before=_linked(plain or ((Said(label),) if label and not person.passages else ()), page),
        passages=person.passages,
        after=_linked(after, page),
        open=reader == "researcher",
        raw=found.text if found.status == "unparsed" else "",
        missing=person.missing if found.status == "abstained" or reader == "researcher" else (),
        tally=person.tally if sum(person.tally.values()) else {},
    )


def reply(case: Case, track: str | None, follow_up: FollowUp, reader: Reader, key: str) -> str:
    """The reply to a further question about one person.

    Args:
        case: What was measured and said.
        track: The person.
        follow_up: The question and its reply, whether or not the case holds them.
        reader: Who reads it.
        key: Unique in the conversation.
    """
    person = _person(Page(case.observation, case.answer), track)
    alone = case.answer.model_copy(
        update={"track": track, "status": "answered", "follow_ups": (follow_up,), "people": ()}
    )
    view = _person(Page(case.observation, alone), track).follow_ups[-1]
    return _message(case, person, key, passages=(view.reply,), open=reader == "researcher")


def _message(case: Case, person: PersonView, key: str, **values: object) -> str:
    empty = {
        "headline": "",
        "word": "",
        "before": (),
        "passages": (),
        "after": (),
        "open": False,
        "raw": "",
        "missing": (),
    }
    who = person.track if person.track and len(case.observation.tracks) > 1 else ""
    return render(
        "message.html", kind="answer", key=key, person=person.key, who=who, **({**empty, "tally": {}} | values)
    )


def _headline(found: Answer) -> str:
    if found.label is not None:
        return found.label[:1].upper() + found.label[1:]
    return line("unread") if found.status == "unparsed" else line("unclear")


def _person(page: Page, track: str | None) -> PersonView:
    people = page.people()
    return next((one for one in people if one.track == track), people[0])


def _linked(said: "tuple[Said, ...] | list[Said]", page: Page) -> list[_Linked]:
    keys = page.keys
    return [_Linked(one.text, " ".join(dict.fromkeys(keys[id] for id in one.cues if id in keys))) for one in said]
