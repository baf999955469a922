"""The server as a whole: the port, vLLM, the measuring processes and the front, begun and ended together."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from emollm.errors import ConfigError, one_line
from emollm.serve.callers import is_local
from emollm.serve.checkpoint import Checkpoint
from emollm.serve.engine import Engine, Listening
from emollm.serve.leftovers import PREFIX, sweep
from emollm.serve.settings import LimitSettings, ServeSettings

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from emollm.serve.measurers import Measurers

_GRACE = 10
"""Seconds that requests have to end when the server is stopped."""


def bound(host: str, port: int, kept: bool = False) -> socket.socket:
    """A socket that listens there.

    Args:
        host: Address.
        port: Port; 0 for any that is free.
        kept: It does not listen, but keeps the port for a process that will: one that reuses addresses, or shares ports, as vLLM does with one
            or several API servers.

    Raises:
        ConfigError: The port is in use, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    own = socket.socket(family)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        own.bind((host.strip("[]"), port))
        if kept:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        else:
            own.listen(2048)
    except OSError as error:
        own.close()
        told = one_line(str(error.strerror or error)).lower()
        raise ConfigError(f"{host}:{port}: cannot be listened on: {told}; give another --port or --host") from error
    except OverflowError as error:
        own.close()
        raise ConfigError(f"--port {port}: expected 0 to 65535") from error
    return own


def serve(
    served: Checkpoint,
    settings: ServeSettings,
    host: str,
    port: int,
    keys: Sequence[str],
    told: Callable[[str], None],
    raw: bool = False,
) -> None:
    """Serves until it is stopped by Ctrl-C or SIGTERM.

    Args:
        served: The model.
        settings: Limits and engine.
        host: Address to listen on.
        port: Port; 0 for any that is free.
        keys: One of them has to be given with each request; none for anybody.
        told: Told what happens, in one line each.
        raw: vLLM alone, without the front.

    Raises:
        ConfigError: The port is in use.
        ModelError: vLLM cannot serve the model.
    """
    own = bound(host, port, kept=raw)  # before anything is started
    address = f"http://{f'[{host}]' if ':' in host else host}:{own.getsockname()[1]}"
    if not is_local(host) and not keys:
        told(f"{address} can be asked by everybody who reaches this machine; --api-key keeps them out")
    sweep(PREFIX)
    if raw:
        listening = Listening(host, own.getsockname()[1], tuple(keys))
        with own:
            asyncio.run(_raw(served, settings, listening, address, told))
        return
    asyncio.run(_fronted(served, settings, own, address, keys, host, told))


async def _raw(
    served: Checkpoint, settings: ServeSettings, listening: Listening, address: str, told: Callable[[str], None]
) -> None:
    engine = Engine(served, settings.engine, listening)
    stop = _stopping()
    engine.begin()
    try:
        told(f"{served.name} is being loaded; vLLM will listen at {address}/v1")
        if await _first(engine.ready(), stop):
            told(f"vLLM answers at {address}/v1")
            await _first(engine.lasts(), stop)
    finally:
        await engine.end()


async def _fronted(
    served: Checkpoint,
    settings: ServeSettings,
    own: socket.socket,
    address: str,
    keys: Sequence[str],
    host: str,
    told: Callable[[str], None],
) -> None:
    from emollm.serve.front import Front, make_app
    from emollm.serve.measurers import Measurers

    engine = Engine(served, settings.engine)
    measurers = Measurers(settings.perception, settings.limits, settings.measurers)
    front = Front(engine, measurers, settings, keys, local=is_local(host))
    server = server_of(make_app(front), settings.limits)
    stop = _stopping()
    engine.begin()
    serving = asyncio.create_task(server.serve(sockets=[own]))
    try:
        told(f"{served.name} is being loaded; listening at {address}")
        if await _first(_begun(engine, measurers), stop):
            told(f"ready: {address}/v1 (paths at {address}/docs)")
            await _first(engine.lasts(), stop)
        told("stopping")
    finally:
        server.should_exit = True
        await serving
        await asyncio.gather(engine.end(), measurers.end())


def server_of(app: "FastAPI", limits: LimitSettings) -> "uvicorn.Server":
    """What speaks HTTP for an application; signals are left to us."""
    import uvicorn

    from emollm.serve.connections import limited

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return Server(
        uvicorn.Config(
            app,
            http=limited(limits),
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=_GRACE,
            h11_max_incomplete_event_size=2**16,
        )
    )


async def _begun(engine: Engine, measurers: "Measurers") -> None:
    await asyncio.gather(engine.ready(), measurers.begin(), asyncio.to_thread(warm))


def warm() -> None:
    """Reads the tables that answers are checked by, so that the first visitor does not wait for them."""
    from emollm.evidence import check_text
    from emollm.types import MediaInfo, Observation, Part

    check_text(
        "The lip corners are pulled up.", Part.OBSERVATIONS, Observation(id="warm", media=MediaInfo(kind="image")), None
    )


async def _first(begun: Awaitable[None], stop: asyncio.Event) -> bool:
    """Whether the beginning came before the stop; raises what it raised."""
    task = asyncio.ensure_future(begun)
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        return task.done()
    finally:
        task.cancel()
        stopped.cancel()
        await asyncio.wait({task, stopped})


def _stopping() -> asyncio.Event:
    """Set by Ctrl-C and SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    return stop
