"""The command line: one module a command.

``emollm.cli.<name>`` has a click command called ``command``; the row in :data:`COMMANDS` makes it known. ``emollm --help``
reads only the table, and a command's module is imported when that command is used.
"""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

import click

from emollm import __version__

COMMANDS = {
    "observe": "Measure faces, voices and words, without an answer.",
    "explain": "Say which emotion, how strongly, and why.",
    "report": "Draw many clips on one page.",
    "embed": "Write face embeddings as Parquet.",
    "data": "Build, convert and report on training data.",
    "train": "Train encoders and models by a recipe.",
    "eval": "Measure models on labelled data.",
    "export": "Write a model as a stand-alone checkpoint.",
    "serve": "Serve a model over HTTP, with explanations.",
    "chat": "Open a web page that explains clips and shows its evidence.",
    "assets": "Fetch, list and check models and media.",
    "env": "Show versions, the machine and what is installed.",
}
"""Name of the command, which is also its module, and its line in ``emollm --help``."""

DONE, SOME_REJECTED, NOTHING_DONE, CRASHED, STOPPED = 0, 1, 2, 70, 130
"""Exit codes. A crash (70, EX_SOFTWARE of sysexits.h) is a fault of emollm's own and shows its traceback."""
_TERMINATED = 128 + signal.SIGTERM

_LONGEST = 480
"""Characters of a message: three sources that failed, each with its reason, and the remedy."""


class Stopped(KeyboardInterrupt):
    """Ctrl-C or SIGTERM; the text says what is done and how to go on."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, to be treated like Ctrl-C."""


@dataclass
class _Run:
    """What ``-v`` anywhere on the line sets."""

    verbose: bool = False


class _Commands(click.Group):
    """Commands by name, imported when used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"emollm.cli.{cmd_name}").command
        _add_verbose(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from emollm.errors import unknown_name

            if os.path.exists(args[0]):
                raise click.UsageError(f"{args[0]}: a file is no command; type `emollm explain` before it", ctx)
            raise click.UsageError(unknown_name("command", args[0], COMMANDS), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _set_verbose(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    run = ctx.find_object(_Run)
    if value and run is not None and not run.verbose:
        import logging

        run.verbose = True
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(name)s: %(message)s")


_verbose = click.Option(
    ["-v", "--verbose"],
    is_flag=True,
    expose_value=False,
    callback=_set_verbose,
    help="Show the log, and the traceback of an error.",
)


def _add_verbose(command: click.Command) -> None:
    """Lets ``-v`` stand after the command's name as well as before it."""
    if _verbose not in command.params:
        command.params.append(_verbose)
    if isinstance(command, click.Group):
        for child in command.commands.values():
            _add_verbose(child)


_group = _Commands(
    "emollm",
    help="Which emotion, how strongly, and why: each sentence backed by something measured.",
    epilog="emollm COMMAND --help says more about a command.",
    params=[_verbose],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
_group = click.version_option(__version__, message="%(prog)s %(version)s")(_group)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line and exits: 0 all done, 1 some inputs rejected, 2 nothing done, 130 stopped.

    Args:
        args: What follows the program's name; by default the process's own arguments.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)
    from emollm.cli.terminal import prepare

    prepare()
    try:
        code = _guarded(list(sys.argv[1:] if args is None else args))
    except KeyboardInterrupt:  # another one, while the first was being told
        code = STOPPED
    if code in (STOPPED, _TERMINATED):
        _leave(code)
    sys.exit(code)


def _leave(code: int) -> None:
    """Ends the process if threads still work: a normal exit waits for them, and whoever stopped the run has waited enough."""
    working = [thread for thread in threading.enumerate() if not thread.daemon]
    if working != [threading.main_thread()]:
        sys.stderr.flush()
        os._exit(code)


def say(message: str) -> None:
    """Prints ``emollm: <message>`` on standard error, as one line of bounded length whatever it holds."""
    print(told(message), file=sys.stderr, flush=True)


def told(message: str) -> str:
    """The line that :func:`say` prints; of a very long message the beginning, and the end, where the remedy stands."""
    from emollm.errors import one_line

    line = one_line(message, None)
    if len(line) > _LONGEST:
        line = f"{line[: _LONGEST * 2 // 3]} … {line[-(_LONGEST // 3) :]}"
    return f"emollm: {line}"


def _terminate(_: int, __: FrameType | None) -> None:
    raise Terminated


def _invoke(args: list[str], run: _Run) -> int:
    """What `_group.main` does, which prints an empty line at Ctrl-C and exits with 1 ("some rejected") at a broken pipe."""
    try:
        with _group.make_context("emollm", args, obj=run) as context:
            result: Any = _group.invoke(context)
    except click.exceptions.Exit as error:
        result = error.exit_code
    sys.stdout.flush()
    return result if isinstance(result, int) else DONE


def _guarded(args: list[str]) -> int:
    """Exit code of the command; every error a user can cause or mend becomes one line."""
    run = _Run()
    try:
        return _invoke(args, run)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return NOTHING_DONE
    except click.ClickException as error:
        place = getattr(error, "ctx", None)
        say(f"{error.format_message()} ({place.command_path if place else 'emollm'} --help says more)")
        return NOTHING_DONE
    except BrokenPipeError:
        # The reader (`| head`) has gone; without this the interpreter complains while it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (KeyboardInterrupt, click.Abort) as error:
        say(str(error) or "stopped")
        by_term = isinstance(error, Terminated) or isinstance(error.__cause__, Terminated)
        return _TERMINATED if by_term else STOPPED
    except _expected() as error:
        _traceback(run.verbose)
        say(_message(error))
        return NOTHING_DONE
    except Exception:  # the outermost edge: shown in full, with an exit code that promises no result
        _traceback(True)
        say("this is a fault of emollm, please report it with the lines above")
        return CRASHED


def _expected() -> tuple[type[BaseException], ...]:
    """Errors that are told in one line. Evaluated only when something was raised, so a good run imports none of it."""
    from emollm.errors import EmollmError
    from emollm.prompts import PromptError

    return (EmollmError, PromptError, MemoryError, OSError, ModuleNotFoundError)


def _message(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "not enough memory; close other programs, or give fewer or smaller files"
    if isinstance(error, ModuleNotFoundError) and str(error.name).partition(".")[0] == "emollm":
        return f"this installation of emollm has no {error.name}; install it again"
    if isinstance(error, ModuleNotFoundError):
        return f"the package {error.name!r} is not installed; `emollm env` says which extra brings it"
    if isinstance(error, OSError) and error.strerror:
        place = error.filename if error.filename is not None else "reading or writing failed"
        return f"{place}: {error.strerror.lower()}"
    return str(error)


def _traceback(shown: bool) -> None:
    if shown:
        import traceback

        traceback.print_exc()
