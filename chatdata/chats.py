"""`Chats`: five frames of the contract as one value.

Knows nothing about files, databases or formats. A frame is a Polars `LazyFrame` unless another
engine was asked for; methods never change which.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

import polars as pl

from chatdata import schema
from chatdata.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb
    from narwhals.typing import IntoLazyFrame

# A frame of any engine; narwhals itself loads only where an analysis is asked for.
Frame = TypeVar("Frame", bound="IntoLazyFrame")


@dataclass(frozen=True)
class Finding:
    """One thing that reading a source decided: what became what, and why."""

    origin: str
    subject: str
    became: str
    reason: str


@dataclass(frozen=True, repr=False)
class Chats(Generic[Frame]):
    """Conversations, messages, tool calls, rejects and an accounting of every record read.

    The frames follow `schema.py`. `findings` is what the source was taken for, in the order it was
    decided; `explain()` shows it as a frame.
    """

    conversations: Frame
    messages: Frame
    tool_calls: Frame
    rejects: Frame
    accounting: Frame
    findings: tuple[Finding, ...] = ()

    @property
    def frames(self) -> dict[str, Frame]:
        """The five frames by name, in the order of the contract."""
        return {table.name: getattr(self, table.name) for table in schema.TABLES}

    def with_frames(self, **frames: Frame) -> Chats[Frame]:
        """Replace frames by name and keep the rest."""
        return from_frames({**self.frames, **frames}, self.findings)

    def collect(self) -> Chats[pl.LazyFrame]:
        """Read everything once and hold it in memory, on Polars."""
        collected = _collect(self.frames)
        return from_frames({name: frame.lazy() for name, frame in collected.items()}, self.findings)

    @overload
    def to(self, engine: Literal["polars"]) -> Chats[pl.LazyFrame]: ...
    @overload
    def to(self, engine: Literal["duckdb"]) -> Chats[duckdb.DuckDBPyRelation]: ...
    def to(self, engine: Literal["polars", "duckdb"]) -> Chats[Any]:
        """Move the frames to another engine on this machine, through Arrow.

        With "duckdb" the five relations share one new connection, so they can be joined.
        """
        if engine == "polars":
            return self.collect()
        connection = _connect(_collect(self.frames))
        return from_frames({name: connection.table(name) for name in self.frames}, self.findings)

    def sql(self, query: str) -> pl.DataFrame:
        """Run a DuckDB query in which the five frames are tables.

        Rows come in the order the query asks for; without `order by` the order is unspecified.

        Raises:
            duckdb.Error: the query is wrong.
        """
        answer: pl.DataFrame = _connect(_collect(self.frames)).sql(query).pl()
        return answer

    def check(self) -> Chats[Frame]:
        """Return self if the frames follow the contract.

        Raises:
            SchemaError: with every violation found: columns, types, keys, nulls, values.
        """
        violations = tuple(
            violation
            for table in schema.TABLES
            for violation in _violations(table, _polars(getattr(self, table.name)))
        )
        if violations:
            raise SchemaError(violations)
        return self

    def without_text(self) -> Chats[pl.LazyFrame]:
        """Leave out every text of a person or model; sizes, names and statuses stay."""
        from chatdata import privacy

        polars = {name: _polars(frame) for name, frame in self.frames.items()}
        return from_frames(privacy.without_text(polars), self.findings)

    def pseudonymise(self, key: bytes) -> Chats[pl.LazyFrame]:
        """Leave out text and findings, and name nobody: ids, users and paths become pseudonyms.

        Under one key an id has one pseudonym, wherever it stands; without the key it cannot be
        found again. Names of tools, models and agents stay.

        Args:
            key: at least 16 bytes, kept apart from the data; it is stored nowhere.

        Raises:
            ValueError: the key is too short.
        """
        from chatdata import privacy

        polars = {name: _polars(frame) for name, frame in self.frames.items()}
        return from_frames(privacy.pseudonymised(polars, key))

    def audit(self) -> pl.DataFrame:
        """Set naive and certified counts side by side, cause by cause.

        Returns:
            One row per cause with records, most records first, then `naive` (everything the
            source holds, counted as it stands) and `certified` (each thing once): `cause` (str),
            `n_records`, `n_messages`, `n_tool_calls` (i64) and `output_tokens` (i64, null where no
            record has any).
        """
        counts = ("n_records", "n_messages", "n_tool_calls")
        causes = (
            _polars(self.accounting)
            .group_by("cause")
            .agg(
                *(pl.col(name).sum().cast(pl.Int64) for name in counts),
                _sum_or_null("output_tokens"),
            )
            .sort("n_records", "cause", descending=[True, False])
            .collect()
        )
        kept = causes.filter(pl.col("cause") == "kept")
        return pl.concat(
            [
                causes,
                *(_total(rows, name) for name, rows in (("naive", causes), ("certified", kept))),
            ]
        )

    def where(self, cause: str) -> pl.DataFrame:
        """Say where the records of one cause of the audit lie: places, never texts.

        Returns:
            One row per origin and path, most records first: `origin`, `path` (str, null where the
            source is no file), `n_records`, `n_messages`, `n_tool_calls` and `output_tokens`
            (i64). The numbers of records are known for rejects alone, in that frame.
        """
        counts = ("n_records", "n_messages", "n_tool_calls")
        return (
            _polars(self.accounting)
            .filter(pl.col("cause") == cause)
            .group_by("origin", "path")
            .agg(
                *(pl.col(name).sum().cast(pl.Int64) for name in counts),
                _sum_or_null("output_tokens"),
            )
            .sort("n_records", "origin", "path", descending=[True, False, False])
            .collect()
        )

    def explain(self) -> pl.DataFrame:
        """Say what was detected and mapped, and why.

        Returns:
            One row per decision, in the order they were taken: `origin`, `subject` (a table,
            column or file), `became`, `reason` (all str).
        """
        names = [field.name for field in fields(Finding)]
        return pl.DataFrame(
            {name: [getattr(finding, name) for finding in self.findings] for name in names},
            schema=dict.fromkeys(names, pl.String),
        )

    def __repr__(self) -> str:
        sources = ", ".join(dict.fromkeys(finding.origin for finding in self.findings))
        return f"Chats({sources})" if sources else "Chats()"

    def _repr_html_(self) -> str:
        """Show a notebook how many rows each frame has."""
        sizes = pl.collect_all([_polars(frame).select(pl.len()) for frame in self.frames.values()])
        cells = "".join(
            f"<tr><td>{name}</td><td style='text-align:right'>{size.item():,}</td></tr>"
            for name, size in zip(self.frames, sizes, strict=True)
        )
        return (
            "<table><thead><tr><th>frame</th><th>rows</th></tr></thead>"
            f"<tbody>{cells}</tbody></table>"
        )


def from_frames(frames: Mapping[str, Frame], findings: Iterable[Finding] = ()) -> Chats[Frame]:
    """Make a `Chats` of five frames by name."""
    return Chats(
        conversations=frames["conversations"],
        messages=frames["messages"],
        tool_calls=frames["tool_calls"],
        rejects=frames["rejects"],
        accounting=frames["accounting"],
        findings=tuple(findings),
    )


def empty() -> Chats[pl.LazyFrame]:
    """Make a `Chats` without rows."""
    return from_rows()


def from_rows(
    findings: Iterable[Finding] = (), **rows: Iterable[Mapping[str, object]]
) -> Chats[pl.LazyFrame]:
    """Make a `Chats` from rows as mappings; columns that a row leaves out are null."""
    frames = {
        table.name: pl.DataFrame(list(rows.get(table.name, ())), schema=table.schema).lazy()
        for table in schema.TABLES
    }
    return from_frames(frames, findings)


def _polars(frame: Any) -> pl.LazyFrame:  # noqa: ANN401 - a frame of any engine
    if isinstance(frame, pl.LazyFrame):
        return frame
    table: pl.DataFrame = frame.pl()
    return table.lazy()


def _collect(frames: Mapping[str, Any]) -> dict[str, pl.DataFrame]:
    collected = pl.collect_all([_polars(frame) for frame in frames.values()])
    return dict(zip(frames, collected, strict=True))


def _connect(frames: Mapping[str, pl.DataFrame]) -> duckdb.DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for name, frame in frames.items():
        connection.register(name, frame.to_arrow())
    return connection


def _sum_or_null(name: str) -> pl.Expr:
    return pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name)


def _total(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    return rows.select(
        pl.lit(name).alias("cause"),
        pl.col("n_records", "n_messages", "n_tool_calls").sum(),
        _sum_or_null("output_tokens"),
    )


def _violations(table: schema.Table, frame: pl.LazyFrame) -> list[str]:
    found, expected = frame.collect_schema(), table.schema
    if found != expected:
        wrong = [
            f"{table.name}.{name}: found {found.get(name, 'nothing')}, expected {dtype}"
            for name, dtype in expected.items()
            if found.get(name) != dtype
        ]
        wrong += [
            f"{table.name}.{name}: not in the contract" for name in found if name not in expected
        ]
        return wrong or [f"{table.name}: columns are not in the order of the contract"]
    checks = {
        f"{table.name}.{column.name}: %d nulls where none is allowed": pl.col(
            column.name
        ).null_count()
        for column in table.columns
        if not column.nullable
    } | {
        f"{table.name}.{column.name}: %d values other than {', '.join(column.values)}": (
            ~pl.col(column.name).is_in(column.values)
        ).sum()
        for column in table.columns
        if column.values
    }
    if table.key:
        checks[f"{table.name}.{table.key}: %d rows repeat a key"] = (
            pl.len() - pl.col(table.key).n_unique()
        )
    counts = frame.select(
        **{str(place): count for place, count in enumerate(checks.values())}
    ).collect()
    return [
        sentence % count for sentence, count in zip(checks, counts.row(0), strict=True) if count
    ]
