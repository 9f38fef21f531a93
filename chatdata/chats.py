"""`Chats`: five frames of the contract as one value.

Knows nothing about files, databases or formats. A frame is a Polars `LazyFrame` unless another
engine was asked for; only `to` and `collect` change which.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

import narwhals as nw
import polars as pl

from chatdata import engines, schema
from chatdata.errors import EngineError, SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb
    from narwhals.typing import IntoLazyFrame
    from pyspark.sql import DataFrame as SparkFrame
    from pyspark.sql import SparkSession

# A frame of any engine.
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

    @property
    def engine(self) -> engines.Name:
        """The engine on which the frames live."""
        return engines.common(self.frames.values()).NAME

    def collect(self) -> Chats[pl.LazyFrame]:
        """Read everything once and hold it in memory, on Polars."""
        held = engines.common(self.frames.values()).collect(self.frames)
        return from_frames({name: frame.lazy() for name, frame in held.items()}, self.findings)

    @overload
    def to(self, engine: Literal["polars"]) -> Chats[pl.LazyFrame]: ...
    @overload
    def to(self, engine: Literal["duckdb"]) -> Chats[duckdb.DuckDBPyRelation]: ...
    @overload
    def to(
        self, engine: Literal["spark"], *, spark: SparkSession | None = None
    ) -> Chats[SparkFrame]: ...
    def to(self, engine: engines.Name, *, spark: SparkSession | None = None) -> Chats[Any]:
        """Move the frames to another engine, through this process's memory, as Arrow.

        Frames that are there already stay as they are.

        Args:
            engine: "polars", "duckdb" or "spark".
            spark: the session to use, instead of the active one or a new one.

        Raises:
            EngineError: there is no such engine, or Spark cannot be started.
        """
        if self.engine == engines.engine(engine).NAME:
            return self
        held = self.collect()
        if engine == "polars":
            return held
        frames = {name: frame.collect() for name, frame in held.frames.items()}
        if engine == "duckdb":
            from chatdata.engines import duckdb

            return from_frames(duckdb.hold(frames), self.findings)
        from chatdata.engines import spark as on_spark
        from chatdata.engines.session import session

        return from_frames(on_spark.hold(frames, session(spark)), self.findings)

    def sql(self, query: str) -> pl.DataFrame:
        """Run a query in which the five frames are tables.

        It is a DuckDB query, and one of Spark's SQL where the frames live on Spark. Rows come in
        the order the query asks for; without `order by` the order is unspecified.

        Raises:
            QueryError: the query is wrong, or a value of the log does not fit it.
        """
        return engines.common(self.frames.values()).query(self.frames, query)

    def check(self) -> Chats[Frame]:
        """Return self if the frames follow the contract.

        Raises:
            SchemaError: with every violation found: columns, types, keys, nulls, values.
        """
        from chatdata.contract import violations

        found = violations(self.frames)
        if found:
            raise SchemaError(found)
        return self

    def without_text(self) -> Chats[Frame]:
        """Leave out every text of a person or model; sizes, names and statuses stay."""
        from chatdata import privacy

        return from_frames(privacy.without_text(self.frames), self.findings)

    def pseudonymise(self, key: bytes) -> Chats[Frame]:
        """Leave out text and findings, and name nobody: ids, users and paths become pseudonyms.

        Under one key an id has one pseudonym, wherever it stands; without the key it cannot be
        found again. Names of tools, models and agents stay.

        Args:
            key: at least 16 bytes, kept apart from the data; it is stored nowhere.

        Raises:
            ValueError: the key is too short.
        """
        from chatdata import privacy

        return from_frames(privacy.pseudonymised(self.frames, key))

    def mask(self: Chats[pl.LazyFrame], *keys: str) -> Chats[pl.LazyFrame]:
        """Hide what stands under some keys of arguments, results and extras, however deep.

        `[masked]` takes the place of the value. A text that is no JSON and names a key is masked
        whole, as nobody can tell where its value ends. Texts that name no key stay as they are.

        Args:
            keys: names, in whatever case.

        Raises:
            EngineError: the frames are not on Polars.
            ValueError: no key is named.
        """
        from chatdata import masking

        if self.engine != "polars":
            raise EngineError("only Polars can mask; move the frames with chats.to('polars') first")
        return from_frames(masking.masked(self.frames, keys), self.findings)

    def audit(self) -> pl.DataFrame:
        """Set naive and certified counts side by side, cause by cause.

        Returns:
            One row per cause with records, most records first, then `naive` (everything the
            source holds, counted as it stands) and `certified` (each thing once): `cause` (str),
            `n_records`, `n_messages`, `n_tool_calls` (i64) and `output_tokens` (i64, null where no
            record has any).
        """
        causes = self._counted("cause").sort("n_records", "cause", descending=[True, False])
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
        return (
            self._counted("cause", "origin", "path")
            .filter(pl.col("cause") == cause)
            .drop("cause")
            .sort("n_records", "origin", "path", descending=[True, False, False])
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
        sizes = [
            nw.from_native(frame).select(nw.len()).collect("polars").item()
            for frame in self.frames.values()
        ]
        cells = "".join(
            f"<tr><td>{name}</td><td style='text-align:right'>{size:,}</td></tr>"
            for name, size in zip(self.frames, sizes, strict=True)
        )
        return (
            "<table><thead><tr><th>frame</th><th>rows</th></tr></thead>"
            f"<tbody>{cells}</tbody></table>"
        )

    def _counted(self, *by: str) -> pl.DataFrame:
        """Add up the accounting on its engine."""
        counts = ("n_records", "n_messages", "n_tool_calls")
        sums = (
            nw.from_native(self.accounting)
            .group_by(*by)
            .agg(
                *(nw.col(name).sum().cast(nw.Int64) for name in (*counts, "output_tokens")),
                n_known=nw.col("output_tokens").count(),
            )
            .collect("polars")
            .to_polars()
        )
        known = pl.when(pl.col("n_known") > 0).then("output_tokens").alias("output_tokens")
        return sums.select(*by, *counts, known)


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


def _sum_or_null(name: str) -> pl.Expr:
    return pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name)


def _total(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    return rows.select(
        pl.lit(name).alias("cause"),
        pl.col("n_records", "n_messages", "n_tool_calls").sum(),
        _sum_or_null("output_tokens"),
    )
