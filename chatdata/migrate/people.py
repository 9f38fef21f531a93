"""The users of a database that is copied: found by name, in our columns, nothing invented."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl
import sqlalchemy as sa

from chatdata.errors import MigrationError
from chatdata.migrate import engine
from chatdata.migrate.engine import quoted
from chatdata.models import User

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chatdata.chats import Chats

TABLES = ("users", "user")
COLUMNS = tuple(column.name for column in User.__table__.columns)  # type: ignore[attr-defined]  # SQLModel's own
REQUIRED = ("email", "name", "created_at", "updated_at")
SCHEMA = pl.Schema(
    {name: pl.Datetime("us") if name.endswith("_at") else pl.String() for name in COLUMNS}
)


def people(source: str, chats: Chats[pl.LazyFrame], fill: Mapping[str, str]) -> pl.DataFrame:
    """Read the users that own conversations or messages.

    Args:
        source: the database's URL.
        chats: what was read from it.
        fill: for columns that the source lacks, what its owner says to take: another column of its
            user table, `id`, or `first_seen` and `last_seen`, from the times of conversations.

    Returns:
        `COLUMNS`, one row per user, sorted by id.

    Raises:
        MigrationError: a column that may not be null has no value (exit code 3, names it).
    """
    seen = (
        chats.conversations.group_by(id="user_id")
        .agg(
            first_seen=pl.min_horizontal(pl.col("created_at").min(), pl.col("updated_at").min()),
            last_seen=pl.max_horizontal(pl.col("created_at").max(), pl.col("updated_at").max()),
        )
        .filter(pl.col("id").is_not_null())
        .sort("id")
        .collect()
    )
    found = _stored(source)
    known = seen.join(found, on="id", how="left") if "id" in found.columns else seen
    filled = known.with_columns(
        **{name: _taken(known, name, fill.get(f"users.{name}", name)) for name in COLUMNS[1:]}
    ).select(SCHEMA.names())
    for name in REQUIRED:
        missing = filled[name].null_count()
        if missing:
            raise MigrationError(
                f"users.{name} may not be null and has no source for {missing} of {filled.height} "
                "users",
                state="nothing was copied",
                then=f"say what to take with --fill users.{name}=COLUMN, for example id, "
                "first_seen or last_seen",
                source=engine.label(source),
                exit_code=3,
            )
    return filled


def as_id(value: object) -> str | None:
    """Write an id as text, a uuid with dashes, as frames have it."""
    text = None if value is None else str(value)
    if text is not None and re.fullmatch(r"[0-9a-fA-F]{32}", text):
        return str(uuid.UUID(text))
    return text


def _taken(known: pl.DataFrame, name: str, column: str) -> pl.Expr:
    kind = SCHEMA[name]
    if column not in known.columns:
        return pl.lit(None, kind)
    return pl.col(column).cast(kind)


def _stored(source: str) -> pl.DataFrame:
    with engine.read(source) as connection:
        tables = sa.inspect(connection).get_table_names()
        table = next((name for name in TABLES if name in tables), None)
        if table is None:
            return pl.DataFrame()
        columns = {
            column["name"]: _snake(column["name"])
            for column in sa.inspect(connection).get_columns(table)
        }
        rows = connection.exec_driver_sql(
            f"SELECT {', '.join(map(quoted, columns))} FROM {quoted(table)}"
        ).all()
    values = dict(zip(columns.values(), zip(*rows, strict=True), strict=True)) if rows else {}
    return pl.DataFrame(
        {
            name: [_time(v) for v in found] if name.endswith("_at") else [as_id(v) for v in found]
            for name, found in values.items()
        },
        schema_overrides={name: kind for name, kind in SCHEMA.items() if name in values},
    )


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _time(value: object) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
