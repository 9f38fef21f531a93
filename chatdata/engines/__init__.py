"""Where frames live: Polars, DuckDB or Spark.

Everything that can be said in narwhals is said in it, once, for all three. Each module here is one
engine, and holds what narwhals cannot say: how frames come and go, and each engine's own SQL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

from chatdata.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    import narwhals as nw
    import polars as pl

    from chatdata import schema

Name = Literal["polars", "duckdb", "spark"]
NAMES: tuple[Name, ...] = ("polars", "duckdb", "spark")

# What is said in place of an engine's own words where these quote what it met in the data.
UNSAID = "a value does not fit the query; it is not shown, as it may be somebody's words"

_PACKAGES: dict[str, Name] = {"polars": "polars", "_duckdb": "duckdb", "pyspark": "spark"}


class Engine(Protocol):
    """What is asked of an engine; the modules of this package answer it."""

    NAME: Name

    def collect(self, frames: Mapping[str, Any]) -> dict[str, pl.DataFrame]:
        """Read frames of the contract into memory, in the types of the contract."""

    def query(self, frames: Mapping[str, Any], sql: str) -> pl.DataFrame:
        """Run a query in which frames of the contract are tables, by name.

        Raises:
            QueryError: the query is wrong, or a value does not fit it; no value is quoted.
        """

    def types(self, table: schema.Table) -> dict[str, pl.DataType]:
        """Give the types in which this engine holds the columns of a frame."""

    def with_microseconds(self, frame: Any, columns: Mapping[str, str]) -> Any:  # noqa: ANN401 - its own frame
        """Add integer microseconds since 1970, named by the keys, of the times that are values."""

    def with_bytes(self, frame: Any, columns: Mapping[str, str]) -> Any:  # noqa: ANN401 - its own frame
        """Add how many bytes of UTF-8, named by the keys, the texts that are values have."""

    def moment(self, at: datetime) -> nw.Expr:
        """Give a naive moment in UTC as a literal that compares with times of the contract."""

    def pseudonymised(self, frame: Any, namespaces: Mapping[str, str], key: bytes) -> Any:  # noqa: ANN401 - its own frame
        """Put keyed pseudonyms in place of ids: the keys are columns, the values namespaces."""

    def batches(self, frame: Any) -> Iterator[pl.DataFrame]:  # noqa: ANN401 - its own frame
        """Give the rows of any frame in batches, in no order, never all of them at once."""

    def check_joinable(self, frames: Iterable[Any]) -> None:
        """Raise an `EngineError` where frames of this engine cannot meet in one query."""


def engine_of(frame: object) -> Engine:
    """Give the engine on which a frame lives.

    Raises:
        EngineError: the frame is of none of the three.
    """
    package = type(frame).__module__.partition(".")[0]
    if package not in _PACKAGES:
        raise EngineError(f"found a frame of {package}, expected one of {', '.join(NAMES)}")
    return engine(_PACKAGES[package])


def engine(name: str) -> Engine:
    """Give an engine by name.

    Raises:
        EngineError: there is none of that name.
    """
    found: Engine
    match name:
        case "polars":
            from chatdata.engines import polars as found
        case "duckdb":
            from chatdata.engines import duckdb as found
        case "spark":
            from chatdata.engines.session import check_pyspark

            check_pyspark()
            from chatdata.engines import spark as found
        case _:
            raise EngineError(f"no engine is called {name!r}; there are {', '.join(NAMES)}")
    return found


def common(frames: Iterable[object]) -> Engine:
    """Give the one engine on which frames live.

    Raises:
        EngineError: they live on several.
    """
    found = list({each.NAME: each for each in map(engine_of, frames)}.values())
    if len(found) > 1:
        names = " and ".join(each.NAME for each in found)
        raise EngineError(f"frames of {names} cannot meet; move them with chats.to(engine) first")
    return found[0]
