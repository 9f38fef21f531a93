"""`chatdata db`: schema changes, from the terminal. Every verb is a call of `chatdata.migrate`.

Exit codes: 0 done or nothing to do, 1 some failed, 2 usage, 3 refused or drift, 4 lock busy,
5 verification failed.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from chatdata.cli.db_backfill import backfill
from chatdata.cli.db_fleet import fleet
from chatdata.cli.db_options import (
    Verbs,
    as_json,
    confirm,
    direct_url,
    report,
    schema,
    tell,
    yes,
)
from chatdata.cli.progress import counting


@click.group(cls=Verbs)
def db() -> None:
    """Create and change chat databases, safely."""


db.add_command(backfill)
db.add_command(fleet)


@db.command()
@click.argument("url")
@click.option("--to", default="head", show_default=True, metavar="REV", help="Where to stop.")
@click.option("--no-backup", is_flag=True, help="SQLite: do not copy the file first.")
@click.option("--auto-restore", is_flag=True, help="SQLite: put the copy back after damage.")
@schema
@direct_url
@yes
@as_json
def upgrade(  # noqa: PLR0913 - one argument per option
    url: str,
    to: str,
    schema: str | None,
    direct_url: str | None,
    *,
    no_backup: bool,
    auto_restore: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Bring the database at URL to the newest revision; an empty one is created."""
    from chatdata import migrate

    target = direct_url or url
    pending = migrate.pending(target, to=to, schema=schema)
    if pending:
        confirm(f"{migrate.label(target)}: apply {', '.join(pending)}?", yes=yes)
    done = migrate.guard.upgrade(
        target, to=to, schema=schema, backup=not no_backup, auto_restore=auto_restore
    )
    tell(asdict(done.run) | {"backup": done.backup}, str(done), as_json=as_json)


@db.command()
@click.argument("url")
@click.argument("revision")
@click.option("--accept-data-loss", is_flag=True, help="Go on although rows are lost.")
@schema
@yes
@as_json
def downgrade(  # noqa: PLR0913 - one argument per option
    url: str, revision: str, schema: str | None, *, accept_data_loss: bool, yes: bool, as_json: bool
) -> None:
    """Undo revisions of the database at URL, down to REVISION."""
    from chatdata import migrate

    losses = migrate.lossy(url, revision, schema=schema)
    confirm(f"{migrate.label(url)}: lose {'; '.join(losses) or 'nothing'}?", yes=yes)
    run = migrate.downgrade(url, revision, accept_data_loss=accept_data_loss, schema=schema)
    tell(asdict(run), str(run), as_json=as_json)


@db.command()
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@schema
@as_json
def status(urls: tuple[str, ...], schema: str | None, *, as_json: bool) -> None:
    """Show revision, pending revisions, backfill and drift of databases; reads only.

    Exit code 1 means that none of them could be read.
    """
    from chatdata import migrate

    frame = migrate.status(urls, schema=schema)
    lines = [
        f"{row['source']}: {row['state']}"
        + (f", revision {row['revision']} of {row['head']}" if row["revision"] else "")
        + (f", backfill {row['backfill']}, {row['n_behind']} behind" if row["backfill"] else "")
        + (f", {row['n_drift']} objects drifted" if row["n_drift"] else "")
        + (f" ({row['error']})" if row["error"] else "")
        for row in frame.to_dicts()
    ]
    tell(frame.to_dicts(), "\n".join(lines), as_json=as_json)
    if set(frame["state"]) <= {"damaged", "unreadable"}:
        click.get_current_context().exit(1)


@db.command()
@click.argument("url")
@click.option("--apply", is_flag=True, help="Record the revision; without it only report.")
@schema
@yes
@as_json
def adopt(url: str, schema: str | None, *, apply: bool, yes: bool, as_json: bool) -> None:
    """Recognise an application's database by its structure, so that it can be upgraded."""
    from chatdata import migrate

    found = migrate.adopt(url, schema=schema)
    if apply and found.revision and not found.is_ours:
        confirm(f"{found.source}: record it as revision {found.revision}?", yes=yes)
        found = migrate.adopt(url, apply=True, schema=schema)
    tell(asdict(found), str(found), as_json=as_json)
    if found.hard:
        click.get_current_context().exit(3)


@db.command()
@click.argument("source")
@click.argument("url")
@click.option("--time-zone", default="UTC", show_default=True, help="Of times without a zone.")
@click.option(
    "--fill",
    multiple=True,
    metavar="COLUMN=FROM",
    help="What to take for a column that the source lacks, as users.name=email.",
)
@schema
@yes
@as_json
def copy(  # noqa: PLR0913 - one argument per option
    source: str,
    url: str,
    time_zone: str,
    fill: tuple[str, ...],
    schema: str | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Copy the chats of any application's database at SOURCE into one of ours at URL."""
    from chatdata import migrate

    filled = dict(pair.partition("=")[::2] for pair in fill)
    confirm(f"copy {migrate.label(source)} into {migrate.label(url)}?", yes=yes)
    with counting("Copying") as on_rows:
        done = migrate.copy(
            source, url, schema=schema, time_zone=time_zone, fill=filled, on_rows=on_rows
        )
    tell(asdict(done), str(done), as_json=as_json)


@db.command()
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@click.option("--to", default="head", show_default=True, metavar="REV", help="Where to stop.")
@click.option("-o", "output", type=click.Path(path_type=Path), help="Write the plan for `apply`.")
@schema
@as_json
def plan(
    urls: tuple[str, ...], to: str, output: Path | None, schema: str | None, *, as_json: bool
) -> None:
    """Show the SQL, the risks and the space that an upgrade needs; touches nothing."""
    from chatdata import migrate
    from chatdata.migrate.plans import dump

    made = [migrate.plan(url, to=to, schema=schema) for url in urls]
    if output is not None:
        output.write_text(dump(made), encoding="utf-8")
    lines = [
        f"{each.source}: {each.revision or 'base'} -> {each.to}: "
        + (", ".join(each.pending) or "nothing to do")
        + "".join(f"\n  {statement}" for statement in each.sql)
        + "".join(f"\n  risk: {finding}" for finding in each.findings)
        for each in made
    ]
    tell([asdict(each) for each in made], "\n".join(lines), as_json=as_json)


@db.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--no-backup", is_flag=True, help="SQLite: do not copy the files first.")
@yes
@as_json
def apply(file: Path, *, no_backup: bool, yes: bool, as_json: bool) -> None:
    """Carry out a plan; refused where a database has changed since it was made."""
    from chatdata import migrate
    from chatdata.migrate.plans import load

    plans = load(file.read_bytes())
    confirm(f"upgrade {len(plans)} databases as planned?", yes=yes)
    done = [migrate.apply(each, backup=not no_backup) for each in plans]
    tell([asdict(each) for each in done], "\n".join(map(str, done)), as_json=as_json)


@db.command()
@click.argument("url")
@schema
@as_json
def drift(url: str, schema: str | None, *, as_json: bool) -> None:
    """Compare a database with what its revision made: also CHECKs, triggers, views."""
    from chatdata import migrate

    found = migrate.drift(url, schema=schema)
    report(
        [asdict(each) for each in found],
        [*map(str, found)],
        clean=f"{migrate.label(url)}: no drift",
        then="undo these, or compare rows: chatdata db verify URL --against BACKUP",
        as_json=as_json,
    )


@db.command()
@as_json
def check(*, as_json: bool) -> None:
    """Compare models, revisions and snapshots with each other; for continuous integration."""
    from chatdata import migrate

    found = migrate.author.check()
    report(
        found,
        found,
        clean="models, revisions and snapshots agree",
        then="bring the chain to the models: chatdata db new -m MESSAGE",
        as_json=as_json,
    )


@db.command()
@click.argument("url")
@click.option("--against", required=True, metavar="BACKUP", type=click.Path(exists=True))
@as_json
def verify(url: str, against: str, *, as_json: bool) -> None:
    """Compare every row of a backup with the same columns of a database."""
    from chatdata import migrate

    found = migrate.verify(url, f"sqlite:///{Path(against).absolute()}")
    report(
        found,
        found,
        clean=f"{migrate.label(url)}: every row is there",
        then="to put the backup in its place, run: chatdata db restore URL BACKUP",
        as_json=as_json,
        code=5,
    )


@db.command()
@click.argument("url")
@click.argument("backup", type=click.Path(path_type=Path))
@yes
@as_json
def restore(url: str, backup: Path, *, yes: bool, as_json: bool) -> None:
    """Put a backup in the place of an SQLite file; what was there is kept beside it."""
    from chatdata import migrate

    confirm(f"{migrate.label(url)}: replace it by {backup.name}?", yes=yes)
    failed = migrate.restore(url, backup)
    tell({"failed": failed}, f"restored; what was there is {failed}", as_json=as_json)


@db.command()
@click.argument("paths", metavar="[PATH...]", nargs=-1, type=click.Path(exists=True))
@as_json
def lint(paths: tuple[str, ...], *, as_json: bool) -> None:
    """Check revisions for what costs rows or stops writers; by default our own."""
    from chatdata import migrate
    from chatdata.migrate.locate import scripts

    found = migrate.lint(*(paths or (scripts() / "versions",)))
    report(
        [asdict(each) for each in found],
        [*map(str, found)],
        clean="clean",
        then="repair them, or allow them in a comment, # chatdata: allow=RULE reason=WHY, and run: "
        "chatdata db lint",
        as_json=as_json,
    )


@db.command()
@click.option("-m", "message", required=True, help="What the revision does.")
@click.option("--phase", default="expand", show_default=True, help="expand, backfill or contract.")
@click.option("--tests", type=click.Path(exists=True, path_type=Path), help="Write a test there.")
@as_json
def new(message: str, phase: str, tests: Path | None, *, as_json: bool) -> None:
    """Write the next revision, its snapshot and a test, from the models."""
    from chatdata import migrate

    draft = migrate.author.new(message, phase=phase, tests=tests)
    lines = [f"wrote {draft.script}", *(f"  {finding}" for finding in draft.findings)]
    tell(asdict(draft), "\n".join(lines), as_json=as_json)
