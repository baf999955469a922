"""How a command of ``python -m emollm…`` answers what it cannot work with."""

from typing import IO, Any

import click

from emollm.errors import one_line


class _Line(click.ClickException):
    """One line on standard error, which begins as those of the command line do."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Prints it."""
        click.echo(f"emollm: {one_line(self.format_message(), None)}", file=file, err=file is None)


class Refusal(_Line):
    """One line on standard error, exit code 2."""

    exit_code = 2


class Stop(_Line):
    """One line on standard error, the exit code of Ctrl-C."""

    exit_code = 130
