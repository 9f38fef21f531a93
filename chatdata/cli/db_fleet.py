"""`chatdata db fleet`: the same verb over many databases."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chatdata.cli.db_options import as_json, confirm, tell, yes
from chatdata.cli.progress import tallying

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatdata.migrate.fleet import Outcome, Target

_OPTIONS = (
    click.argument("places", metavar="PLACE...", nargs=-1, required=True),
    click.option(
        "--jobs", type=click.IntRange(1), metavar="N", help="How many at a time; default: cores."
    ),
    click.option(
        "--canary", type=click.IntRange(0), default=0, metavar="N", help="Try so many first."
    ),
    click.option(
        "--max-failures",
        type=click.IntRange(1),
        metavar="K",
        help="Start no more after K failures, and no more at a time than may still fail.",
    ),
    click.option("--schemas", metavar="PATTERN", help="PostgreSQL: each schema, as 'tenant_%'."),
    click.option("--shard", metavar="I/N", help="Only every N-th, from the I-th."),
    click.option(
        "--keep", type=click.IntRange(0), metavar="N", help="Delete all but N backups of each."
    ),
    click.option("--no-backup", is_flag=True, help="SQLite: do not copy the files first."),
    click.option(
        "--report", type=click.Path(path_type=Path), help="Append one JSON object per database."
    ),
    yes,
    as_json,
)


@click.group()
def fleet() -> None:
    """Work on many databases: a PLACE is a URL, a glob of SQLite files, or @FILE of these."""


def _verb(name: str, text: str) -> None:
    def command(places: tuple[str, ...], **options: Any) -> None:  # noqa: ANN401 - click's own
        _run(name, places, **options)

    decorated: Callable[..., Any] = command
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    fleet.command(name, help=text)(decorated)


for _name, _text in {
    "plan": "Say what an upgrade of each would do; writes nothing.",
    "upgrade": "Bring each to the newest revision.",
    "adopt": "Take over each application's database that is recognised.",
    "backfill": "Fill `tool_calls` of each.",
    "restore": "Put the newest backup of each in its place.",
}.items():
    _verb(_name, _text)


@fleet.command()
@click.argument("places", metavar="PLACE...", nargs=-1, required=True)
@click.option("--schemas", metavar="PATTERN", help="PostgreSQL: each schema, as 'tenant_%'.")
@click.option("--shard", metavar="I/N", help="Only every N-th, from the I-th.")
@as_json
def status(
    places: tuple[str, ...], schemas: str | None, shard: str | None, *, as_json: bool
) -> None:
    """Count the databases in each state, and name those that need a hand; reads only."""
    from chatdata import migrate

    found = migrate.fleet.targets(places, schemas=schemas, shard=shard)
    rows = migrate.status(found).to_dicts()
    counts = Counter((row["state"], row["revision"] or "") for row in rows)
    lines = [
        f"{state:>16}  {count:>8,}  {revision}"
        for (state, revision), count in sorted(counts.items())
    ]
    lines += [f"{row['source']}: {row['error']}" for row in rows if row["error"]]
    lines += [
        f"{row['source']}: {row['n_drift']:,} objects drifted; see: chatdata db drift URL"
        for row in rows
        if row["n_drift"]
    ]
    tell(rows, "\n".join(line.rstrip() for line in lines), as_json=as_json)


def _run(  # noqa: PLR0913 - one argument per option
    verb: str,
    places: tuple[str, ...],
    *,
    schemas: str | None,
    shard: str | None,
    no_backup: bool,
    yes: bool,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - passed on as they are
) -> None:
    from chatdata import migrate

    found: list[Target] = migrate.fleet.targets(places, schemas=schemas, shard=shard)
    if verb != "plan":
        confirm(f"{verb} {len(found):,} databases?", yes=yes)
    with tallying(verb, len(found)) as note:
        outcomes = migrate.fleet.run(
            verb,
            found,
            backup=not no_backup,
            on_outcome=lambda outcome: note(failed=outcome.outcome == "failed"),
            **options,
        )
    failed = [outcome for outcome in outcomes if outcome.outcome in ("failed", "not started")]
    tell([asdict(outcome) for outcome in outcomes], _table(outcomes, failed), as_json=as_json)
    if failed:
        click.get_current_context().exit(1)


def _table(outcomes: list[Outcome], failed: list[Outcome]) -> str:
    counts = Counter(outcome.outcome for outcome in outcomes)
    lines = [f"{outcome:>16}  {count:,}" for outcome, count in sorted(counts.items())]
    lines += [f"{outcome.name}: {outcome.detail}" for outcome in failed]
    if failed:
        lines.append("the others are done; run the same command again for these")
    return "\n".join(lines)
