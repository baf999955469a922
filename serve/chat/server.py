"""The chat as a server of its own: Gradio's page, the evidence beside it, and nothing that leads elsewhere."""

import asyncio
import os
import re
import shutil
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from emollm.errors import ConfigError, EmollmError, MissingDependency
from emollm.serve.chat.evidence import panel, report
from emollm.serve.chat.sessions import Sessions
from emollm.serve.chat.settings import ChatSettings
from emollm.serve.chat.templates import text_of
from emollm.serve.decoding import Decoder

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

    from emollm.serve.chat.events import Explainer

_SWEEP = 60.0
"""Seconds between two looks for sessions that are idle."""
LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
_POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "connect-src 'self' data: blob:; frame-ancestors 'self'; base-uri 'self'; form-action 'self'; object-src 'none'"
)
"""Gradio's page needs scripts in the page and evaluates its templates; nothing is loaded from elsewhere."""
_ASKED = re.compile(
    r"/gradio_api/(upload|queue/(join|data)|cancel|reset/?|heartbeat/\w+|stream/\w+(/close)?|startup-events|info/?|app_id/?|theme\.css)"
)
"""What the page asks Gradio for. Its other routes run functions without a session, write files, fetch from elsewhere or tell of others."""
_LONGEST = 16_000_000
"""Bytes of a request that is no upload: a frame of the camera is the largest."""
_HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
}


def application(explainer: "Explainer", sessions: Sessions, settings: ChatSettings) -> "FastAPI":
    """The whole application.

    Args:
        explainer: Who measures and answers.
        sessions: Of its visitors; Gradio is given its folder of uploads alone.
        settings: Of the chat.

    Raises:
        MissingDependency: Gradio is not installed.
    """
    os.environ["GRADIO_TEMP_DIR"] = str(sessions.uploads)  # read when Gradio is imported and when a page is built
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    try:
        import gradio as gr
        from fastapi import FastAPI, HTTPException, Request, Response
        from gradio.route_utils import MultiPartException, upload_fn
    except ModuleNotFoundError as error:
        raise MissingDependency(f"the chat needs the package {error.name!r}; pip install 'emollm[chat]'") from error
    from emollm.serve.chat.app import Chat
    from emollm.serve.chat.components import theme

    most = int(settings.megabytes * 1e6)
    app = FastAPI(title="emollm chat", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/evidence/{key}")
    def evidence(key: str, download: bool = False, unlabelled: bool = False) -> Response:
        session = sessions.by_key(key)
        case = session.case if session is not None else None
        if session is None or case is None:
            raise HTTPException(404, "the session has ended")
        try:
            player = session.player(case)
        except EmollmError:  # its measurements are shown all the same
            player = None
        page = report(case, player) if download else panel(case, labels=not unlabelled, player=player)
        headers = {"Cache-Control": "no-store"}
        if download:
            headers["Content-Disposition"] = 'attachment; filename="emollm-report.html"'
        return Response(page, media_type="text/html; charset=utf-8", headers=headers)

    @app.post("/gradio_api/upload")
    async def upload(request: Request) -> list[str]:
        """Takes a file in before Gradio would, who would give one name to all files of the same content."""
        folder = sessions.upload()
        try:
            files, _, _ = await upload_fn(request, folder, most, None)
        except MultiPartException as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise HTTPException(413 if "maximum allowed size" in error.message else 400, error.message) from error
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return [str(file) for file in files]

    @app.middleware("http")
    async def kept_here(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        """Refuses what the page itself does not ask for, and lets pages load nothing from elsewhere."""
        refused = _refusal(request, sessions, settings.host)
        if refused is not None:
            return Response(refused.reason, refused.status)
        response = await call_next(request)
        response.headers.update(_HEADERS)
        if not request.url.path.startswith("/evidence/"):
            response.headers["Content-Security-Policy"] = _POLICY
        return response

    return gr.mount_gradio_app(
        app,
        Chat(explainer, sessions, settings).build(),
        path="/",
        server_name=settings.host,
        server_port=settings.port,
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=f"{most}b",
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=theme(),
        css=text_of("chat.css"),
        js=text_of("chat.js"),
    )


def serve(
    explainer: "Explainer", settings: ChatSettings, started: Callable[[str], None], decoder: Decoder | None = None
) -> None:
    """Runs the chat until it is interrupted; what it holds of its visitors is then deleted.

    Args:
        explainer: Who measures and answers.
        settings: Of the chat.
        started: Told the address of the page once it can be opened.
        decoder: Opens the files of visitors; in this process if not given.

    Raises:
        ConfigError: The address cannot be listened on.
        MissingDependency: Gradio is not installed.
    """
    import uvicorn

    listening = _listening(settings.host, settings.port)
    host, port = listening.getsockname()[:2]
    sessions = Sessions(decoder=decoder)
    try:
        app = application(explainer, sessions, settings.model_copy(update={"port": port}))
        shown = f"[{host}]" if ":" in host else host
        config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
        server = uvicorn.Server(config)

        async def run() -> None:
            async def tell() -> None:
                while not server.started:
                    await asyncio.sleep(0.02)
                started(f"http://{shown}:{port}/")

            async def sweep() -> None:
                while True:
                    await asyncio.sleep(_SWEEP)
                    await asyncio.to_thread(sessions.end_idle)

            beside = [asyncio.create_task(each()) for each in (tell, sweep)]
            await server.serve(sockets=[listening])
            for task in beside:
                task.cancel()

        asyncio.run(run())
    finally:
        listening.close()
        sessions.close()


class _Refusal(NamedTuple):
    """Why a request is not answered."""

    status: int
    reason: str


def _refusal(request: "Request", sessions: Sessions, host: str) -> _Refusal | None:
    """Why a request is refused; None if it is not."""
    headers, path = request.headers, request.scope["path"]
    named = headers.get("host", "")
    if host in LOCAL and not _is_local(named):
        return _Refusal(421, "this chat is asked for by the name of its own machine only")
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.casefold() not in {
        named.casefold(),
        headers.get("x-forwarded-host", named).casefold(),
    }:
        return _Refusal(403, "this chat is asked by its own page only")
    if "gradio_api" in path:
        _, _, file = path.partition("/gradio_api/file=")
        if not (sessions.holds(file) if file else _ASKED.fullmatch(path)):
            return _Refusal(404, "not found")
    if request.method == "POST" and path != "/gradio_api/upload":
        length = headers.get("content-length", "")
        if not length.isdecimal() or int(length) > _LONGEST:
            return _Refusal(413, f"expected at most {_LONGEST} bytes")
    return None


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        ConfigError: It is taken, may not be taken, or is no address of this machine.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        found = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigError(f"--host {host}: no address of this machine: {error.strerror or error}") from error
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(128)
    except OSError as error:
        found.close()
        raise ConfigError(f"{host}:{port} cannot be listened on: {error.strerror}; give another --port") from error
    return found


def _is_local(host: str) -> bool:
    """Whether a Host header names this machine itself: other names that lead here are a trick of other pages."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return name.strip("[]").casefold() in LOCAL
