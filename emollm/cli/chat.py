"""``emollm chat``: the web page that shows its evidence."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread

import click

from emollm.cli import say
from emollm.errors import ConfigError, EmollmError

_DECODERS = 2
"""Processes that open the files of visitors: one that takes long does not keep the others waiting."""


@click.command("chat")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Port to listen on; default: 7860, 0 takes a free one.",
)
@click.option("--host", metavar="ADDRESS", help="Address to listen on; default: 127.0.0.1, this machine alone.")
@click.option(
    "--endpoint",
    metavar="URL",
    help="Measure and answer through the `emollm serve` at this address instead of in this process.",
)
@click.option(
    "--labels", metavar="SET", help="Label set that is chosen at first (docs/label-sets.md); default: basic8."
)
@click.option(
    "--reasoner",
    metavar="NAME",
    help="Who explains: emollm-135m, cues, or a folder with a trained model; default: as `emollm explain`.",
)
@click.option(
    "--model",
    metavar="NAME",
    help="Language model for further questions: an asset, a folder, a hub name, or http(s)://HOST/v1.",
)
@click.option(
    "--feedback",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where opinions are kept that visitors agree to leave.",
)
@click.option("--config", "config_file", type=click.Path(path_type=Path), metavar="FILE", help="Settings as YAML.")
@click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help="One setting, for example megabytes=20.")
def command(
    port: int | None,
    host: str | None,
    endpoint: str | None,
    labels: str | None,
    reasoner: str | None,
    model: str | None,
    feedback: Path | None,
    config_file: Path | None,
    overrides: tuple[str, ...],
) -> int:
    """Open a web page on this machine that explains photos, videos, sounds and the camera, and shows what each sentence rests on.

    What visitors give is deleted when they close the page, and nothing is sent elsewhere. Ctrl-C ends it.
    """
    from emollm.config import load
    from emollm.emotions import label_set
    from emollm.serve.chat.events import Explainer
    from emollm.serve.chat.local import Local
    from emollm.serve.chat.remote import Remote
    from emollm.serve.chat.server import LOCAL, serve
    from emollm.serve.chat.settings import ChatSettings
    from emollm.serve.measurers_apart import Apart

    settings = load(ChatSettings, config_file, overrides)
    given = {"port": port, "host": host, "endpoint": endpoint, "model": model, "feedback": feedback}
    settings = settings.model_copy(update={name: value for name, value in given.items() if value is not None})
    chosen = {name: value for name, value in (("labels", labels), ("by", reasoner)) if value is not None}
    settings = settings.model_copy(update={"explain": settings.explain.model_copy(update=chosen)})
    label_set(settings.explain.labels)  # an unknown set is refused before any work
    if settings.endpoint is not None and (model or reasoner):
        raise ConfigError(
            f"--{'model' if model else 'reasoner'}: the server at --endpoint chooses its own; leave it out"
        )
    explainer: Explainer
    decoder = Apart(None, settings.limits, _DECODERS)
    warm: list[Callable[[], None]] = [decoder.begin]
    if settings.endpoint is not None:
        explainer = Remote(settings.endpoint)
    else:
        explainer = local = Local(settings.explain, settings.model, settings.limits)
        warm.append(local.warm)
    Thread(target=_warm, args=(warm,), daemon=True).start()
    if settings.host not in LOCAL:
        say(f"--host {settings.host}: everybody who reaches this address can use the chat; there is no password")
    try:
        serve(explainer, settings, lambda address: say(f"open {address} in a browser; Ctrl-C ends the chat"), decoder)
    finally:
        decoder.close()
        if isinstance(explainer, Local):
            explainer.close()
    return 0


def _warm(parts: Sequence[Callable[[], None]]) -> None:
    """Starts what is needed while the page is being opened; what speaks against it is told with the first file or answer."""
    for begin in parts:
        with suppress(EmollmError):
            begin()
