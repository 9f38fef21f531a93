"""What was done to a database: its revision, and who applied what, when, with which script.

`chatdata_version` holds the revision, `chatdata_history` one row per step. A host application's
`alembic_version` is never read.
"""

from __future__ import annotations

import getpass
import hashlib
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from chatdata import __version__
from chatdata.errors import MigrationError
from chatdata.migrate import engine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from alembic.script import ScriptDirectory

VERSION_TABLE = "chatdata_version"
OURS = ("tool_calls",)
STANDALONE = ("users", "tasks", "conversations", "messages")
OUR_INDEXES = {"index ix_messages_conversation_id_created_at": "0003"}
"""What we make of an application's own table, and in which revision."""

METADATA = sa.MetaData()
HISTORY = sa.Table(
    "chatdata_history",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("action", sa.String(20), nullable=False),
    sa.Column("revision", sa.String(32), nullable=False),
    sa.Column("script_sha256", sa.String(64)),
    sa.Column("snapshot_sha256", sa.String(64)),
    sa.Column("applied_at", sa.DateTime, nullable=False),
    sa.Column("applied_by", sa.String(255), nullable=False),
    sa.Column("duration_ms", sa.Integer, nullable=False),
    sa.Column("chatdata_version", sa.String(32), nullable=False),
)


def revision(connection: sa.Connection) -> str | None:
    """Read the database's revision; None where our chain has never run."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalars().all()
    return only(found, engine.label(connection.engine.url))


def only(found: Sequence[str], source: str) -> str | None:
    """The one revision that a database may hold.

    Raises:
        MigrationError: it holds several (exit code 3).
    """
    if len(found) > 1:
        raise MigrationError(
            f"holds {len(found)} revisions, expected one",
            then="put a backup back that was taken before: chatdata db restore URL BACKUP",
            source=source,
            exit_code=3,
        )
    return found[0] if found else None


def adopted(connection: sa.Connection) -> str | None:
    """The revision at which an application's database was adopted; None where we created it."""
    if not sa.inspect(connection).has_table(HISTORY.name):
        return None
    query = sa.select(HISTORY.c.revision).where(HISTORY.c.action == "adopt")
    found: str | None = connection.scalar(query.order_by(HISTORY.c.id.desc()).limit(1))
    return found


def owned(connection: sa.Connection) -> frozenset[str]:
    """The tables that we may propose to change in this database, besides our own records."""
    return frozenset(OURS if adopted(connection) else (*OURS, *STANDALONE))


def compared(adopted: str | None) -> frozenset[str] | None:
    """What is ours to compare: tables, and other objects as "kind name"; None means everything.

    Args:
        adopted: the revision at which the database was adopted, if it was.
    """
    if adopted is None:
        return None
    made = (key for key, revision in OUR_INDEXES.items() if revision > adopted)
    return frozenset((*OURS, *made))


def record(
    connection: sa.Connection,
    action: str,
    revision: str,
    script: Path | None = None,
    *,
    ms: int = 0,
) -> None:
    """Add one row, in the transaction of what it tells about."""
    HISTORY.create(connection, checkfirst=True)
    snapshot = script and script.parents[1] / "snapshots" / f"{revision}.json"
    connection.execute(
        HISTORY.insert().values(
            action=action,
            revision=revision,
            script_sha256=script and digest(script),
            snapshot_sha256=digest(snapshot) if snapshot and snapshot.is_file() else None,
            applied_at=datetime.now(UTC).replace(tzinfo=None),
            applied_by=f"{_user()}@{socket.gethostname()}"[:255],
            duration_ms=ms,
            chatdata_version=__version__,
        )
    )


def recorder(scripts: ScriptDirectory) -> Callable[..., None]:
    """Make the callback that records every step Alembic takes, and refuses to go too far down."""
    started = time.monotonic()

    def on_step(ctx: Any, step: Any, **_rest: object) -> None:  # noqa: ANN401 - Alembic's own types
        nonlocal started
        revision = step.up_revision_id
        action = "stamp" if step.is_stamp else "upgrade" if step.is_upgrade else "downgrade"
        floor = adopted(ctx.connection)
        if action == "downgrade" and floor is not None and revision <= floor:
            raise MigrationError(
                f"was adopted at {floor}; below it are the application's own tables",
                state="it is at its last complete revision",
                then="see where it stands: chatdata db status URL",
                source=engine.label(ctx.connection.engine.url),
                exit_code=3,
            )
        ms = round((time.monotonic() - started) * 1000)
        record(ctx.connection, action, revision, Path(scripts.get_revision(revision).path), ms=ms)
        started = time.monotonic()

    return on_step


def refuse(connection: sa.Connection, scripts: ScriptDirectory) -> None:
    """Refuse a chain with two heads, and a database that is not where its scripts say it is.

    Raises:
        MigrationError: with exit code 3, before anything was written.
    """
    heads = scripts.get_heads()
    source = engine.label(connection.engine.url)
    if len(heads) != 1:
        raise MigrationError(
            f"the chain has {len(heads)} heads ({', '.join(sorted(heads))}), expected one",
            then="give the newer revision the other one as its down_revision, and run the same "
            "command again",
            source=str(scripts.dir),
            exit_code=3,
        )
    current = revision(connection)
    if current is None:
        _refuse_strangers(connection, source)
        return
    known = {script.revision: script for script in scripts.walk_revisions()}
    if current not in known:
        raise MigrationError(
            f"is at revision {current}, which this chatdata {__version__} does not know; expected "
            f"{heads[0]} or older",
            then=f"install the chatdata that wrote it: pip install 'chatdata{_newest(connection)}'",
            source=source,
            exit_code=3,
        )
    applied = {script.revision for script in scripts.iterate_revisions(current, "base")}
    for name, sha in _recorded(connection):
        if name in applied and digest(Path(known[name].path)) != sha:
            raise MigrationError(
                f"revision {name} was applied here with another script than "
                f"{Path(known[name].path).name}, and released revisions are never edited",
                then="put the old script back and write what is new as a revision of its own: "
                "chatdata db new -m MESSAGE",
                source=source,
                exit_code=3,
            )


def digest(path: Path) -> str:
    """SHA-256 of a text file, the same whatever its line ends."""
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def _recorded(connection: sa.Connection) -> list[tuple[str, str]]:
    if not sa.inspect(connection).has_table(HISTORY.name):
        return []
    columns = HISTORY.c
    last = (
        sa.select(sa.func.max(columns.id))
        .where(columns.action == "upgrade")
        .group_by(columns.revision)
    )
    query = sa.select(columns.revision, columns.script_sha256).where(columns.id.in_(last))
    return [(name, sha) for name, sha in connection.execute(query) if sha]


def _newest(connection: sa.Connection) -> str:
    """The versions of chatdata that know this database, as pip writes them; "" if unrecorded."""
    if not sa.inspect(connection).has_table(HISTORY.name):
        return ""
    query = sa.select(HISTORY.c.chatdata_version).order_by(HISTORY.c.id.desc()).limit(1)
    found = connection.scalar(query)
    return f">={found}" if found else ""


def _refuse_strangers(connection: sa.Connection, source: str) -> None:
    tables = [
        name
        for name in sa.inspect(connection).get_table_names()
        if not name.startswith("chatdata_")
    ]
    if tables:
        raise MigrationError(
            f"already holds {len(tables)} tables of an application, {min(tables)} among them",
            then="to see whether it can be taken over, run: chatdata db adopt URL",
            source=source,
            exit_code=3,
        )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
