"""``emollm assets list|pull|verify|path``: models and media by name."""

import json
import sys

import click

from emollm import assets
from emollm.cli import say
from emollm.errors import AssetError

_NAMES = click.argument("names", nargs=-1, metavar="[NAME]...")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")


@click.group("assets")
def command() -> None:
    """Fetch, list and check the models and media that emollm uses."""


@command.command("list")
@_JSON
def list_(as_json: bool) -> None:
    """Show every asset: size, licence, whether it is in the cache."""
    rows = [assets.asset(name) for name in assets.names()]
    if as_json:
        for row in rows:
            print(
                json.dumps(
                    {
                        "name": row.name,
                        "about": row.about,
                        "size": row.size,
                        "licence": row.licence,
                        "licence_url": row.licence_url,
                        "publisher": row.publisher,
                        "cached": assets.available(row.name),
                        "path": str(row.path),
                        "sources": [source.place for source in row.sources],
                    }
                )
            )
        return
    table = [("NAME", "SIZE", "CACHED", "LICENCE", "ABOUT")]
    for row in rows:
        cached = "yes" if assets.available(row.name) else "-"
        table.append((row.name, _readable(row.size), cached, row.licence.partition(" (")[0], row.about))
    widths = [max(len(line[column]) for line in table) for column in range(4)]
    for name, size, *middle, about in table:
        cells = [name.ljust(widths[0]), size.rjust(widths[1]), middle[0].ljust(widths[2]), middle[1].ljust(widths[3])]
        print("  ".join([*cells, about]))
    print(f"\ncache: {assets.cache_root()}", file=sys.stderr)


@command.command()
@_NAMES
@click.option("--all", "everything", is_flag=True, help="Every asset of the list.")
def pull(names: tuple[str, ...], everything: bool) -> None:
    """Fetch assets into the cache; what is already there is left alone."""
    if everything == bool(names):
        raise click.UsageError("give the names of assets, or --all; `emollm assets list` shows them")
    chosen = _known(names or assets.names())
    failed = 0
    for name in chosen:
        try:
            print(f"{name}  {assets.pull(name)}")
        except AssetError as error:
            failed += 1
            say(str(error))
    if failed:
        sys.exit(2 if failed == len(chosen) else 1)


@command.command()
@_NAMES
@click.option("--repair", is_flag=True, help="Fetch again what is damaged, and what is named and missing.")
@_JSON
def verify(names: tuple[str, ...], repair: bool, as_json: bool) -> None:
    """Read and hash the cached files again: those of the named assets, or all that are cached.

    Exits 1 if an asset is damaged, or named and missing.
    """
    bad = checked = 0
    for name in _known(names or assets.names()):
        row = assets.asset(name)
        faults = assets.faults(row, rehash=True)
        if not names and len(faults) == len(row.files) and set(faults.values()) == {assets.MISSING}:
            continue  # never fetched
        checked += 1
        said = "; ".join(f"{file}: {fault}" for file, fault in faults.items())
        state = "bad" if faults else "ok"
        if faults and repair:
            try:
                assets.pull(name)
                state = "repaired"
            except AssetError as error:
                say(str(error))
        bad += state == "bad"
        if as_json:
            print(json.dumps({"name": name, "state": state, "faults": faults, "path": str(row.path)}))
        else:
            print(f"{name}  {state}" + (f"  {said}" if said else ""))
    if not checked:
        say("nothing is cached yet; `emollm assets pull NAME` fetches")
    if bad:
        repairing = "" if repair else "; `emollm assets verify --repair` fetches them again"
        say(f"{bad} of {checked} assets are not as they should be{repairing}")
        sys.exit(1)


@command.command("path")
@click.argument("name")
def path_(name: str) -> None:
    """Print where an asset is, fetching it first if need be."""
    print(assets.path(name))


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names without repetition; refuses all if one is unknown, before anything is fetched."""
    return tuple(dict.fromkeys(assets.asset(name).name for name in names))


def _readable(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
