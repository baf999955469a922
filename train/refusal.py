"""How a training command answers what it cannot work with."""

import click


class Refusal(click.ClickException):
    """One line on standard error, exit code 2."""

    exit_code = 2


class Stop(click.ClickException):
    """One line on standard error, the exit code of Ctrl-C."""

    exit_code = 130
