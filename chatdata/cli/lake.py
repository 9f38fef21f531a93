"""`chatdata import`, `compact` and `export-raw`: a lake filled, tidied, and its originals."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chatdata.cli.options import as_one, map_option, schema_option, zone
from chatdata.cli.output import n_bytes, plain
from chatdata.cli.progress import throughput, working
from chatdata.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chatdata.ingest import Imported
    from chatdata.ingest.archive import Original

_UNREAD = 5  # of what was not read; `--json` has it all
_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.command("import")
@click.argument("sources", metavar="[SOURCE]...", nargs=-1)
@click.option(
    "--into",
    "lake",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="LAKE",
    help="The lake's folder; it is made if need be.",
)
@click.option("--origin", metavar="NAME", help="What to call the one database or file in ids.")
@click.option("--format", "source_format", metavar="NAME", help="What the sources are.")
@map_option
@schema_option
@click.option(
    "--time-zone",
    type=zone,
    metavar="ZONE",
    help="The zone of times stored without one; UTC, where none was ever named.",
)
@click.option("--yes", is_flag=True, help="Without a SOURCE: do not ask.")
@_as_json
def import_(  # noqa: PLR0913 - one argument per option
    sources: tuple[str, ...],
    lake: Path,
    *,
    origin: str | None,
    source_format: str | None,
    mapping: tuple[dict[str, str], ...],
    schema: str | None,
    time_zone: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Import what is new of logs into a lake, and keep the files.

    Without a SOURCE it looks where known tools keep their logs, shows what is there, and asks.
    How a source is to be read is kept with the lake: say it once.
    """
    from chatdata.ingest import ingest

    wanted = sources or _known(yes=yes)
    with throughput("Importing") as progress:
        done = ingest(
            wanted,
            lake,
            origin=origin,
            format=source_format,
            mapping=as_one(mapping),
            schema=schema,
            time_zone=time_zone,
            progress=progress,
        )
    if as_json:
        click.echo(json.dumps(asdict(done), ensure_ascii=False))
        return
    click.echo(_told(done, lake))


def _told(done: Imported, lake: Path) -> str:
    """Say what an import did."""
    unknown = sum(finding.became == "nothing" for finding in done.findings)
    unread = [finding.subject for finding in done.findings if finding.became == "not read"]
    lines = [
        f"{lake}: read {done.n_read:,} ({n_bytes(done.n_bytes)}), {done.n_skipped:,} unchanged",
        *([f"{unknown:,} of them gave nothing; --json says why"] if unknown else []),
        *([f"{plain(one)}: not read; --json says why" for one in unread[:_UNREAD]]),
        *([f"{len(unread) - _UNREAD:,} more were not read"] if len(unread) > _UNREAD else []),
    ]
    return "\n".join(lines)


def _known(*, yes: bool) -> list[str]:
    """Find the places of known tools and ask whether to read them."""
    from chatdata.ingest import places

    found = places()
    if not found:
        raise SourceError("known tools have no logs on this machine; name a SOURCE")
    listed = [
        f"{each.tool} {each.path} ({each.n_files:,} files, {n_bytes(each.n_bytes)})"
        for each in found
    ]
    if not yes:
        if not sys.stdin.isatty():
            raise SourceError(
                f"found {', '.join(listed)}; nothing was read: there is no terminal to ask; "
                "name a SOURCE or add --yes"
            )
        click.echo("\n".join(listed), err=True)
        if not click.confirm("Read them?", err=True):
            raise SourceError("nothing was read")
    return [str(each.path) for each in found]


@click.command()
@click.argument("lake", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_as_json
def compact(lake: Path, *, as_json: bool) -> None:
    """Merge the small files of a lake, and clear away what no longer counts.

    No row changes. An import does this by itself where many small files have gathered.
    """
    from chatdata.ingest import compact

    with working("Compacting"):
        done = compact(lake)
    if as_json:
        click.echo(json.dumps(asdict(done)))
        return
    click.echo(
        f"{lake}: {done.n_files_before:,} files ({n_bytes(done.n_bytes_before)}) became "
        f"{done.n_files:,} ({n_bytes(done.n_bytes)})"
    )


@click.command("export-raw")
@click.argument("lake", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("sha256", required=False)
@click.option("--all", "everything", is_flag=True, help="Give every original back.")
@click.option(
    "-o",
    "--into",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where the files go, each below it under the path that it was imported from.",
)
@_as_json
def export_raw(
    lake: Path, sha256: str | None, folder: Path | None, *, everything: bool, as_json: bool
) -> None:
    """Give imported files back byte for byte; without SHA256 or --all, list them.

    The beginning of a SHA256 is enough.
    """
    from chatdata.ingest import give_back, originals

    kept = originals(lake)
    if sha256 is None and not everything:
        _list(((None, original) for original in kept), as_json=as_json)
        return
    if sha256 is not None and everything:
        raise click.UsageError("Name a SHA256 or --all, not both.")
    if folder is None:
        raise click.UsageError("Missing option '-o': where the files go.")
    wanted = kept if sha256 is None else _of(kept, sha256.lower(), lake)
    with working("Unpacking"):
        written = give_back(lake, wanted, folder)
    _list(written.items(), as_json=as_json)


def _of(kept: list[Original], sha256: str, lake: Path) -> list[Original]:
    """Find one content, which may have lain at several paths, by the beginning of its hash."""
    wanted = [original for original in kept if original.sha256.startswith(sha256)]
    n_contents = len({original.sha256 for original in wanted})
    if n_contents != 1:
        raise SourceError(
            f"{n_contents} originals have a hash that begins with {sha256!r}; "
            "`chatdata export-raw LAKE` lists them",
            source=str(lake),
        )
    return wanted


def _list(originals: Iterable[tuple[Path | None, Original]], *, as_json: bool) -> None:
    """Print originals, and where they were written."""
    if as_json:
        rows = [asdict(each) | ({"file": str(file)} if file else {}) for file, each in originals]
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    for file, each in originals:
        click.echo(f"{each.sha256}  {n_bytes(each.n_bytes):>9}  {plain(str(file or each.path))}")
