"""How a training command answers what it cannot work with."""

import click


class Refusal(click.ClickException):
    """One line on standard error, exit code 2."""

    exit_code = 2
