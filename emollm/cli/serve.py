"""``emollm serve``: the model behind OpenAI's protocol, with explanations."""

import logging
import os
import sys
from pathlib import Path

import click

from emollm.cli import DONE, say

PORT = 8000
_KEY = "EMOLLM_SERVE_KEY"


@click.command("serve")
@click.argument("checkpoint", metavar="[CHECKPOINT]", default="emollm-135m")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on.")
@click.option("--port", type=int, default=PORT, show_default=True, help="Port to listen on; 0 takes any that is free.")
@click.option("--raw", is_flag=True, help="vLLM alone: no measuring, no explanations, no limits of ours.")
@click.option(
    "--lora",
    "adapters",
    multiple=True,
    metavar="NAME=PATH",
    help="An adapter of this model; may be given several times.",
)
@click.option(
    "--api-key", "keys", multiple=True, metavar="KEY",
    help="Ask for this key with each request; may be given several times. Better in EMOLLM_SERVE_KEY: command lines can be read by others.",
)  # fmt: skip
@click.option("--config", "config_file", type=click.Path(path_type=Path), metavar="FILE", help="Settings as YAML.")
@click.option(
    "--set", "overrides", multiple=True, metavar="NAME=VALUE", help="One setting, for example limits.upload_mb=20."
)
def command(
    checkpoint: str,
    host: str,
    port: int,
    raw: bool,
    adapters: tuple[str, ...],
    keys: tuple[str, ...],
    config_file: Path | None,
    overrides: tuple[str, ...],
) -> int:
    """Serve CHECKPOINT (emollm-135m if not given, or a folder that emollm export wrote) on one port.

    /v1/chat/completions takes conversations with pictures, sounds and videos in OpenAI's form; /v1/explain answers which emotion, how strongly
    and why; /v1/observe measures; /v1/ask replies to questions about an answer; /docs lists the paths. Stop it with Ctrl-C.
    """
    from emollm.config import load
    from emollm.emotions import label_set
    from emollm.errors import ConfigError
    from emollm.serve.checkpoint import find_checkpoint, refuse_without_packages
    from emollm.serve.settings import ServeSettings

    settings = load(ServeSettings, config_file, overrides)
    label_set(settings.labels)
    keys = _keys(keys)
    if raw and len(keys) > 1:
        raise ConfigError("--raw: vLLM takes one --api-key; give one, or leave --raw out")
    refuse_without_packages()
    served = find_checkpoint(checkpoint, adapters)
    from emollm.serve.server import serve

    if not logging.getLogger().handlers:
        logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="emollm: %(message)s")
    serve(served, settings, host, port, keys, say, raw)
    return DONE


def _keys(given: tuple[str, ...]) -> tuple[str, ...]:
    """The keys of the command line, else the one of the environment, which is taken whole.

    Raises:
        ConfigError: One is empty, or cannot stand in a header.
    """
    from emollm.errors import ConfigError

    name, named = ("--api-key", given) if given else (_KEY, (os.environ[_KEY],) if _KEY in os.environ else ())
    keys = tuple(key.strip() for key in named)
    if not all(keys):
        raise ConfigError(f"{name}: the key is empty; give one, or leave it out")
    if not all(key.isascii() and key.isprintable() for key in keys):
        raise ConfigError(f"{name}: a key may hold ASCII letters only, as other ones cannot stand in a header")
    return keys
