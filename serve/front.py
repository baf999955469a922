"""The front: OpenAI's protocol and our own on one port, everything behind one gate, every refusal in one form."""

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import cache
from typing import Any

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emollm import __version__
from emollm.errors import EmollmError
from emollm.serve.callers import stranger
from emollm.serve.conversations import parameters, request_of, turns_of
from emollm.serve.engine import Engine
from emollm.serve.events import event, unless_gone
from emollm.serve.explaining import Explainer, Told
from emollm.serve.limits import Gate, Room
from emollm.serve.measured import Memory
from emollm.serve.measurers import Measurers
from emollm.serve.metrics import Metrics
from emollm.serve.openapi import BODIES, page, taken
from emollm.serve.refusals import Refused, refusal_of, told_by
from emollm.serve.settings import ServeSettings
from emollm.serve.speaking import PATH, Words
from emollm.serve.uploads import fields_of, json_of, private_folder, readable, refuse_unknown, switched

log = logging.getLogger("emollm.serve")

HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
LATE = 5.0
"""Seconds that a stream has for its last words when its time is over."""
PATHS = ("/health", "/metrics", "/docs", "/openapi.json", "/v1/models", *BODIES)


class Front:
    """What the requests share.

    Args:
        engine: The served model.
        measurers: Decode and measure.
        settings: Limits and defaults.
        keys: One of them has to be given with each request; none for anybody.
        local: Whether this machine alone is served: without a key it has to be called by a name of its own then.
    """

    def __init__(
        self,
        engine: Engine,
        measurers: Measurers,
        settings: ServeSettings,
        keys: Sequence[str] = (),
        local: bool = False,
    ) -> None:
        self.engine, self.measurers, self.settings = engine, measurers, settings
        self.open, self.local = not keys, local
        self.words = Words(engine.served)
        self.memory = Memory(settings, measurers)
        self.explainer = Explainer(engine, self.words, self.memory, measurers, settings)
        self.gate, self.room, self.metrics = Gate(settings.limits, keys), Room(settings.limits), Metrics()
        self._since = int(time.time())

    @property
    def models(self) -> list[str]:
        """The model, and its adapters."""
        return [self.engine.served.name, *(name for name, _ in self.engine.served.adapters)]

    async def health(self) -> Response:
        """Whether requests are answered."""
        if self.engine.up.is_set():
            return JSONResponse({"status": "ok"})
        away = self.engine.away()
        return JSONResponse({"status": "starting"}, 503, headers=away.headers)

    async def list_models(self) -> Response:
        """What is served."""
        served, measures = self.engine.served, hashlib.sha256(self.settings.perception.model_dump_json().encode())
        own = {
            "object": "model",
            "created": self._since,
            "owned_by": "emollm",
            "version": served.version,
            "measures": measures.hexdigest()[:12],
        }
        rows = [{"id": name, **own} for name in self.models]
        return JSONResponse({"object": "list", "data": rows})

    async def numbers(self) -> Response:
        """Our counters, and vLLM's."""
        own = self.metrics
        own.inside.set(self.gate.inside)
        own.up.set(self.engine.up.is_set())
        own.starts.set(self.engine.starts)
        own.ended.set(self.measurers.ended)
        text = own.text()
        if self.engine.up.is_set():
            try:
                text += (await self.engine.client.get("/metrics", timeout=5)).text
            except httpx.HTTPError:
                log.info("vLLM gives no metrics at the moment")
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    # ---- conversations

    async def chat(self, request: Request, stack: AsyncExitStack) -> Response:
        """See :mod:`emollm.serve.conversations`."""
        limits = self.settings.limits
        folder = stack.enter_context(private_folder())
        with self.room.taken() as take:
            said = await json_of(request, limits, take)
            own = parameters(said, self.models, limits)
            track = readable(said, "track")
            turns = await asyncio.to_thread(turns_of, said, folder, limits)
        client = self.engine.require()
        end = time.monotonic() + limits.request_seconds

        async def sent() -> httpx.Response:
            body = await request_of(turns, track, folder, self.engine.served, self.words, self.memory, self.measurers)
            asked = client.build_request("POST", PATH, json={**body, **own})
            return await client.send(asked, stream=bool(own.get("stream")))

        response = await self._from_engine(unless_gone(request, sent(), limits.request_seconds))
        if not own.get("stream"):
            return JSONResponse(response.json())
        stack.push_async_callback(response.aclose)
        return Streamed(self._passed_on(response, end), stack, end + LATE)

    async def _from_engine(self, sending: Awaitable[httpx.Response]) -> httpx.Response:
        """The reply of vLLM, refusals as ours."""
        try:
            response = await sending
            if response.status_code == 200:
                return response
            text = await response.aread()
        except (httpx.HTTPError, RuntimeError) as error:
            raise self._fallen() from error
        try:
            said = json.loads(text)
        except ValueError:
            said = {}
        raise told_by(response.status_code, said if isinstance(said, dict) else {})

    async def _passed_on(self, response: httpx.Response, end: float) -> AsyncIterator[bytes]:
        try:
            async for piece in in_time(response.aiter_raw(), end):
                yield piece
        except (httpx.HTTPError, TimeoutError) as error:
            refused = self._late() if isinstance(error, TimeoutError) else self._fallen()
            yield f"data: {json.dumps(refused.body)}\n\n".encode()
            yield b"data: [DONE]\n\n"

    def _late(self) -> Refused:
        return Refused(504, f"not done within {self.settings.limits.request_seconds:.0f} s", "timeout")

    def _fallen(self) -> Refused:
        wait = self.engine.away().retry_after
        return Refused(503, "the engine went away in the middle of the work; ask again", "engine_away", wait)

    # ---- explanations

    async def explain(self, request: Request, stack: AsyncExitStack) -> Response:
        """See :meth:`emollm.serve.explaining.Explainer.explain`."""
        folder = stack.enter_context(private_folder())
        with self.room.taken() as take:
            upload, said = await fields_of(request, folder, self.settings.limits, take, taken("/v1/explain"))
        told = self.explainer.explain(upload, said, folder)
        return await self._told(request, told, said, stack)

    async def observe(self, request: Request, stack: AsyncExitStack) -> Response:
        """See :meth:`emollm.serve.explaining.Explainer.observe`."""
        folder = stack.enter_context(private_folder())
        with self.room.taken() as take:
            upload, said = await fields_of(request, folder, self.settings.limits, take, taken("/v1/observe"))
        return await self._told(request, self.explainer.observe(upload), said, stack)

    async def ask(self, request: Request, stack: AsyncExitStack) -> Response:
        """See :meth:`emollm.serve.explaining.Explainer.ask`."""
        with self.room.taken() as take:
            said = await json_of(request, self.settings.limits, take)
        refuse_unknown(said, taken("/v1/ask"))
        return await self._told(request, self.explainer.ask(said), said, stack)

    async def _told(
        self, request: Request, told: AsyncIterator[Told], said: Mapping[str, Any], stack: AsyncExitStack
    ) -> Response:
        """All events as they come, or the answer alone."""
        seconds = self.settings.limits.request_seconds
        end = time.monotonic() + seconds
        stack.push_async_callback(told.aclose)  # type: ignore[attr-defined]
        if switched(said, "stream"):
            first = await unless_gone(request, anext(told), seconds)  # an early refusal has its own status
            return Streamed(self._events(first, told, end), stack, end + LATE)
        data = await unless_gone(request, _answer(told), seconds)
        self._count_parts(data)
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        return Response(text, media_type="application/json")

    async def _events(self, first: Told, told: AsyncIterator[Told], end: float) -> AsyncIterator[bytes]:
        try:
            yield event(*first)
            async for name, data in in_time(told, end):
                self._count_parts(data)
                yield event(name, data)
        except (EmollmError, MemoryError, OSError) as error:
            refused = self._late() if isinstance(error, TimeoutError) else refusal_of(error)
            if refused.status >= 500:
                log.warning("a stream ended early: %r", error)
            yield event("error", refused.body)
        yield event("done", {})

    def _count_parts(self, data: Any) -> None:
        timings = data.get("timings", {}) if isinstance(data, dict) else {}
        for part, value in timings.items():
            if value is not None:
                self.metrics.parts.labels(part).observe(value)


async def _answer(told: AsyncIterator[Told]) -> Any:
    """The data of the event that is the reply."""
    return [data async for name, data in told if name == "answer"][-1]


async def in_time(items: AsyncIterator[Any], end: float) -> AsyncIterator[Any]:
    """The items of another iterator; the time in which they are used counts too.

    Args:
        items: To be waited for.
        end: Until when, by ``time.monotonic``.

    Raises:
        TimeoutError: It is later.
    """
    while True:
        try:
            item = await asyncio.wait_for(anext(items), end - time.monotonic())
        except StopAsyncIteration:
            return
        yield item


class Streamed(StreamingResponse):
    """Events; what the request holds is given back when the last one is sent, the client has gone, or the time is over.

    Args:
        content: The events.
        stack: What is given back.
        end: Until when all have to be sent, by ``time.monotonic``; a client that does not read them keeps no place for longer.
    """

    def __init__(self, content: AsyncIterator[bytes], stack: AsyncExitStack, end: float) -> None:
        super().__init__(content, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._content, self._stack, self._end = content, stack.pop_all(), end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the events."""
        try:
            async with asyncio.timeout(self._end - time.monotonic()):
                await super().__call__(scope, receive, send)
        except TimeoutError:
            log.info("a stream was not taken in time")
        finally:
            await self._content.aclose()  # type: ignore[attr-defined]
            await self._stack.aclose()


Handler = Callable[[Request, AsyncExitStack], Awaitable[Response]]


def make_app(front: Front) -> FastAPI:
    """The application with all its paths."""
    app = FastAPI(title="emollm", version=__version__, openapi_url=None)

    def posted(path: str, handler: Handler) -> None:
        async def endpoint(request: Request) -> Response:
            async with AsyncExitStack() as stack:
                stack.enter_context(front.gate.entered(request))
                return await handler(request, stack)

        endpoint.__doc__ = handler.__doc__
        app.post(path, response_class=JSONResponse, **BODIES[path])(endpoint)

    posted("/v1/chat/completions", front.chat)
    posted("/v1/explain", front.explain)
    posted("/v1/observe", front.observe)
    posted("/v1/ask", front.ask)

    @app.get("/health", summary="Whether requests are answered")
    async def health() -> Response:
        return await front.health()

    @app.get("/v1/models", summary="The model and its adapters")
    async def models(request: Request) -> Response:
        with front.gate.entered(request):
            return await front.list_models()

    @app.get("/metrics", summary="Counters for Prometheus", response_class=PlainTextResponse)
    async def metrics(request: Request) -> Response:
        with front.gate.entered(request):
            return await front.numbers()

    shown = cache(lambda: page(app.openapi()))

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        with front.gate.entered(request):
            return HTMLResponse(shown())

    @app.get("/openapi.json", include_in_schema=False)
    async def described(request: Request) -> Response:
        with front.gate.entered(request):
            return JSONResponse(app.openapi())

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        told = {404: "no such path; /docs lists them", 405: "not by this method; /docs lists the paths"}
        return _refusal(Refused(error.status_code, told.get(error.status_code, str(error.detail))))

    @app.exception_handler(EmollmError)
    async def refused(request: Request, error: EmollmError) -> Response:
        return _refusal(refusal_of(error))

    app.add_middleware(Around, front=front)
    return app


class Around:
    """What happens to every request: it is counted, its reply gets our headers, and no fault shows more than that it is one.

    Args:
        app: What answers.
        front: Whose numbers these are.
    """

    def __init__(self, app: ASGIApp, front: Front) -> None:
        self._app, self._front = app, front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 0

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        try:
            refused = stranger(Headers(scope=scope), self._front.local) if self._front.open else None
            if refused is not None:
                await _refusal(refused)(scope, receive, sent)
            else:
                await self._app(scope, receive, sent)
        except Exception as error:  # the outermost edge: in full in the log, without its words to the client
            log.exception("a request failed")
            if not status:
                await _refusal(refusal_of(error))(scope, receive, sent)
        finally:
            path = scope["path"] if scope["path"] in PATHS else "other"  # others would be counted without end
            self._front.metrics.requests.labels(path, str(status)).inc()
            self._front.metrics.seconds.labels(path).observe(time.monotonic() - began)


def _refusal(refused: Refused) -> Response:
    return JSONResponse(refused.body, refused.status, headers=refused.headers)
