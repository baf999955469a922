"""``/v1/explain``, ``/v1/observe`` and ``/v1/ask``: answers with their evidence, by the code of ``emollm explain``."""

import asyncio
import json
import queue
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emollm.answering import answer_aloud
from emollm.ask import ask
from emollm.ask import readable as readable_question
from emollm.emotions import LabelSet, label_set, label_sets
from emollm.errors import DataError, one_line, unknown_name
from emollm.samples import MediaItem
from emollm.serve.checkpoint import Checkpoint
from emollm.serve.engine import Engine
from emollm.serve.events import from_thread
from emollm.serve.measured import Measured, Memory
from emollm.serve.measurers import Measurers, Progress, Shown
from emollm.serve.refusals import Refused
from emollm.serve.settings import ServeSettings
from emollm.serve.speaking import VllmSpeaker, Words
from emollm.serve.uploads import Upload, readable
from emollm.speaker import Asked
from emollm.types import Answer, FollowUp, Observation

Told = tuple[str, Any]
"""Name and data of an event; a text among the data is JSON."""


@dataclass
class Watch:
    """When the parts of a request were done, in seconds from its beginning."""

    began: float = field(default_factory=time.monotonic)
    marks: dict[str, float] = field(default_factory=dict)

    def mark(self, name: str) -> None:
        """This part is done now."""
        self.marks.setdefault(name, time.monotonic() - self.began)

    def timings(self) -> dict[str, float | None]:
        """``observe``, ``first_token`` (both since the beginning), ``generate`` (until the last token), ``check`` (behind it), ``total``."""
        observed, total = self.marks.get("observe", 0.0), time.monotonic() - self.began
        last = self.marks.get("last_token")
        found: dict[str, float | None] = {
            "observe": observed,
            "first_token": self.marks.get("first_token"),
            "generate": last - observed if last is not None else 0.0,
            "check": total - (last if last is not None else observed),
            "total": total,
        }
        return {name: None if value is None else round(value, 4) for name, value in found.items()}


class Explainer:
    """Answers requests about one clip.

    Args:
        engine: The served model.
        words: Its tokenizer.
        memory: Measures, or knows.
        measurers: Decode what is shown.
        settings: Label set, perception.
    """

    def __init__(
        self, engine: Engine, words: Words, memory: Memory, measurers: Measurers, settings: ServeSettings
    ) -> None:
        self._engine, self._words, self._memory = engine, words, memory
        self._measurers, self._labels = measurers, label_set(settings.labels)

    async def explain(self, upload: Upload, said: Mapping[str, Any], folder: Path) -> AsyncIterator[Told]:
        """What is measured, what the model says of it as it says it, and the Answer.

        Args:
            upload: The clip.
            said: ``labels``, ``track``, ``question``, ``model``.
            folder: Of the request.

        Raises:
            EmollmError: Whatever speaks against it.
        """
        watch = Watch()
        labels = self._known_labels(readable(said, "labels"))
        track, question = readable(said, "track"), readable(said, "question")
        question = readable_question(question) if question else None
        model = self._model(readable(said, "model"))
        client = self._engine.for_threads()  # a request that cannot be answered is not measured
        async for told in self._measured(upload):
            if isinstance(told, Measured):
                measured = told
            else:
                yield told
        watch.mark("observe")
        yield "observed", measured.observation.to_json()
        stop = threading.Event()
        speaker = VllmSpeaker(self._engine.served, self._words, model, client, self._shower(folder), stop)

        def said_aloud() -> Iterator[str | Answer]:
            for piece in answer_aloud(
                measured.clip, measured.observation, labels, speaker, track=track, constrain=True
            ):
                if isinstance(piece, str):
                    watch.mark("first_token")
                    watch.marks["last_token"] = time.monotonic() - watch.began
                    yield piece
                elif question:
                    reply = ask(question, piece, measured.observation, speaker)
                    yield piece.model_copy(update={"follow_ups": (reply,)})
                else:
                    yield piece

        async for piece in from_thread(said_aloud, stop):
            if isinstance(piece, str):
                yield "token", {"text": piece}
            else:
                yield (
                    "answer",
                    {
                        "answer": piece.model_dump(mode="json"),
                        "observation": measured.observation.model_dump(mode="json"),
                        "timings": watch.timings(),
                    },
                )

    async def observe(self, upload: Upload) -> AsyncIterator[Told]:
        """What is measured of a clip."""
        watch = Watch()
        async for told in self._measured(upload):
            if isinstance(told, Measured):
                watch.mark("observe")
                yield "observed", told.observation.to_json()
                observation = told.observation.model_dump(mode="json")
                yield "answer", {"observation": observation, "timings": watch.timings()}
            else:
                yield told

    async def ask(self, said: Mapping[str, Any]) -> AsyncIterator[Told]:
        """The reply to a question about an answer, as it is said, and as it is after its check.

        Args:
            said: ``observation``, ``answer``, ``question``, ``model``.
        """
        question = readable_question(str(readable(said, "question") or ""))
        observation = Observation.from_json(_object(said, "observation"), "observation")
        answer = Answer.from_json(_object(said, "answer"), "answer")
        known = [None, *(track.id for track in observation.tracks)]
        if answer.track not in known:
            raise DataError("the answer speaks of a person that the observation does not have")
        if answer.label_set is not None:
            self._known_labels(answer.label_set)
        stop = threading.Event()
        model = self._model(readable(said, "model"))
        speaker = _Aloud(self._engine.served, self._words, model, self._engine.for_threads(), lambda _: [], stop)
        async for piece in from_thread(lambda: speaker.replied(question, answer, observation), stop):
            yield ("token", {"text": piece}) if isinstance(piece, str) else ("answer", piece.to_json())

    def _known_labels(self, name: str | None) -> LabelSet:
        """A label set by its name, which is never a path; the server's own where none is wanted.

        Raises:
            DataError: There is no such set.
        """
        if name in (None, self._labels.id):
            return self._labels
        if name not in label_sets():
            raise DataError(unknown_name("label set", one_line(str(name), 80), label_sets()))
        return label_set(name)

    def _model(self, name: str | None) -> str:
        served: Checkpoint = self._engine.served
        names = (served.name, *(each for each, _ in served.adapters))
        if name is not None and name not in names:
            raise Refused(404, f"no model of that name; served: {', '.join(names)}", "model_not_found")
        return name or served.name

    async def _measured(self, upload: Upload) -> AsyncIterator[Told | Measured]:
        """Progress, and what was measured."""
        waiting: asyncio.Queue[Told] = asyncio.Queue()

        def progress(done: float, of: float | None) -> None:
            waiting.put_nowait(("progress", {"done": round(done, 3), "of": of}))

        told: Progress = progress
        work = asyncio.ensure_future(self._memory.measured(upload, told))
        try:
            while not work.done() or not waiting.empty():
                more = asyncio.ensure_future(waiting.get())
                await asyncio.wait({work, more}, return_when=asyncio.FIRST_COMPLETED)
                if more.done():
                    yield more.result()
                else:
                    more.cancel()
            yield work.result()
        finally:
            work.cancel()
            await asyncio.wait({work})

    def _shower(self, folder: Path) -> Any:
        """What decodes media for a speaker in a thread."""
        loop = asyncio.get_running_loop()

        def show(items: Sequence[MediaItem]) -> list[Shown]:
            work = self._measurers.show(list(items), folder, self._engine.served.whole)
            return asyncio.run_coroutine_threadsafe(work, loop).result()

        return show


class _Aloud(VllmSpeaker):
    """A speaker whose replies are heard while they are made."""

    def replied(self, question: str, answer: Answer, observation: Observation) -> Iterator[str | FollowUp]:
        """The pieces of the reply, and the reply after its check."""
        heard: queue.SimpleQueue[str | FollowUp | BaseException] = queue.SimpleQueue()
        self._heard = heard

        def work() -> None:
            try:
                heard.put(ask(question, answer, observation, self))
            except BaseException as error:  # raised again where it is waited for
                heard.put(error)

        threading.Thread(target=work, daemon=True).start()
        while isinstance(piece := heard.get(), str):
            yield piece
        if isinstance(piece, BaseException):
            raise piece
        yield piece

    def generate(self, messages: Any, **draw: Any) -> str:
        """See :meth:`emollm.generate.Generator.generate`."""
        text = ""
        for piece in self.speak_aloud(Asked(tuple(messages)), **draw):
            if isinstance(piece, str):
                text += piece
                self._heard.put(piece)
        return text


def _object(said: Mapping[str, Any], name: str) -> str:
    """A field that is an object, as JSON."""
    value = said.get(name)
    if not isinstance(value, dict):
        raise DataError(f"expected {name!r}, as /v1/explain gave it")
    return json.dumps(value)
