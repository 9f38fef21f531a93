"""Taking over the database of an application, as it is.

A database is recognised by its structure, because revision ids prove nothing: `001` is the id of
many different revisions. What is written is our version and one row of history; the application's
tables, its rows and its own `alembic_version` are not touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alembic.runtime.migration import MigrationContext

from chatdata.errors import MigrationError
from chatdata.migrate import engine, history, lock, runner, snapshot

if TYPE_CHECKING:
    import sqlalchemy as sa

    from chatdata.migrate.snapshot import Structure

_COPY = "to bring its chats into a database of ours, run: chatdata db copy SOURCE URL"
CHAT = ("conversations", "messages", "tool_calls")


@dataclass(frozen=True)
class Adoption:
    """What a database was recognised as.

    `revision` is the newest revision it matches, None where `hard` says why it matches none;
    `soft` are differences that are reported and left alone; `applied` whether it was recorded now,
    `is_ours` whether a revision was recorded before, so that there is nothing to do.
    """

    source: str
    revision: str | None
    hard: tuple[str, ...]
    soft: tuple[str, ...]
    applied: bool
    is_ours: bool = False

    def __str__(self) -> str:
        if self.is_ours:
            return f"{self.source}: is ours already, at {self.revision}, nothing to do"
        if self.revision is None:
            reasons = "; ".join(self.hard)
            return f"{self.source}: cannot be adopted: {reasons}; nothing was changed; {_COPY}"
        done = "adopted at" if self.applied else "can be adopted at"
        noted = "".join(f"\n  note: {sentence}" for sentence in self.soft)
        return f"{self.source}: {done} {self.revision}{noted}"


def adopt(url: str | sa.URL, *, apply: bool = False, schema: str | None = None) -> Adoption:
    """Recognise an application's database and, with `apply`, record its revision.

    Raises:
        MigrationError: with `apply`, where a difference is hard; or it is at a revision that is
            none of ours (exit code 3).
    """
    source = engine.label(url)
    file = engine.file_of(url)
    if file is not None and not file.is_file():
        raise MigrationError(
            "there is no such file",
            then="run the same command with the path of the database",
            source=source,
            exit_code=2,
        )
    with engine.read(url, schema=schema) as connection:
        found = _recognise(connection, source)
    if not apply or found.is_ours:
        return found
    if found.revision is None:
        raise MigrationError(
            f"cannot be adopted: {'; '.join(found.hard)}",
            then=_COPY,
            source=source,
            exit_code=3,
        )
    with lock.exclusive(url, schema=schema) as connection:
        again = _recognise(connection, source)
        if again.is_ours:
            return again
        if again.revision is None:
            raise MigrationError(
                "changed while it was read", then="run the same command again", source=source
            )
        _stamp(connection, again.revision)
        if connection.dialect.name != "sqlite":
            connection.commit()
    return Adoption(source, again.revision, (), again.soft, applied=True)


def _stamp(connection: sa.Connection, revision: str) -> None:
    options = {"version_table": history.VERSION_TABLE}
    MigrationContext.configure(connection, opts=options).stamp(runner.chain(), revision)
    history.record(connection, "adopt", revision)


def _recognise(connection: sa.Connection, source: str) -> Adoption:
    current = history.revision(connection)
    if current is not None:
        history.refuse(connection, runner.chain())
        return Adoption(source, current, (), (), applied=False, is_ours=True)
    found = snapshot.structure(connection)
    if not set(found) & {*CHAT, *history.STANDALONE}:
        return Adoption(source, None, (_nothing(found),), (), applied=False)
    steps = [step.revision for step in runner.chain().walk_revisions()]
    reasons: dict[str, tuple[str, ...]] = {}
    for newer, older in zip(steps, [*steps[1:], None], strict=True):
        expected = snapshot.load(newer)["structure"]
        before = snapshot.load(older)["structure"] if older else {}
        hard = (*_hard(found, expected), *_missing_additions(found, expected, before))
        if not hard:
            return Adoption(source, newer, (), _soft(found, expected), applied=False)
        reasons[newer] = hard
    # The shortest list of reasons is that of the revision it comes closest to.
    return Adoption(source, None, min(reasons.values(), key=len), (), applied=False)


def _nothing(found: Structure) -> str:
    tables = ", ".join(sorted(found)[:5]) or "no tables"
    return f"found {tables}, expected conversations and messages, or users and tasks"


def _hard(found: Structure, expected: Structure) -> tuple[str, ...]:
    later = [f"the table {name} of a later revision" for name in _later(found, expected)]
    return (
        *later,
        *(
            reason
            for name in CHAT
            if name in expected
            for reason in _hard_of(name, found.get(name), expected[name])
        ),
    )


def _later(found: Structure, expected: Structure) -> list[str]:
    return [name for name in CHAT if name in found and name not in expected]


def _hard_of(name: str, found: Structure | None, expected: Structure) -> list[str]:
    if found is None:
        return [f"the table {name} is missing"]
    columns, wanted = found["columns"], expected["columns"]
    reasons = [
        f"the column {name}.{column} is missing" for column in wanted if column not in columns
    ]
    reasons += [
        f"{name}.{column} holds {columns[column]['type']}, expected {wanted[column]['type']}"
        for column in wanted
        if column in columns and columns[column]["type"] != wanted[column]["type"]
    ]
    reasons += [
        f"{name}.{column} is an extra column that is NOT NULL"
        for column in columns
        if column not in wanted and not columns[column]["nullable"]
    ]
    if found["primary_key"] != expected["primary_key"]:
        reasons.append(
            f"the primary key of {name} is ({', '.join(found['primary_key'])}), expected "
            f"({', '.join(expected['primary_key'])})"
        )
    return reasons


def _missing_additions(found: Structure, expected: Structure, before: Structure) -> list[str]:
    """A revision that only adds indexes has run only where these are there."""
    if set(expected) != set(before):
        return []
    return [
        f"the index on {name} ({', '.join(columns)}) is missing"
        for name, table in expected.items()
        for columns in table["indexes"]
        if columns not in before[name]["indexes"]
        and (name in found and columns not in found[name]["indexes"])
    ]


def _soft(found: Structure, expected: Structure) -> tuple[str, ...]:
    notes: list[str] = []
    for name, table in expected.items():
        if name not in found:
            notes.append(f"the table {name} is not in this database")
            continue
        notes += _soft_of(name, found[name], table)
    return tuple(notes)


def _soft_of(name: str, found: Structure, expected: Structure) -> list[str]:
    columns, wanted = found["columns"], expected["columns"]
    notes = [f"{name}.{column} is an extra column" for column in columns if column not in wanted]
    notes += [f"{name}.{column} is missing" for column in wanted if column not in columns]
    notes += [
        f"{name}.{column} is {'nullable' if columns[column]['nullable'] else 'NOT NULL'}"
        for column in wanted
        if column in columns and columns[column]["nullable"] != wanted[column]["nullable"]
    ]
    for kind in ("indexes", "unique", "foreign_keys"):
        word = {"indexes": "index", "unique": "unique constraint", "foreign_keys": "foreign key"}
        for item in expected[kind]:
            if item not in found[kind]:
                of = item[0] if kind == "foreign_keys" else item
                notes.append(f"no {word[kind]} on {name} ({', '.join(of)})")
    return notes
