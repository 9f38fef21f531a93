"""A Polars frame as an Arrow data set: DuckDB asks it for the columns and rows that a query needs.

They come batch by batch, so that a query over a lake holds what it answers and not what it reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds

if TYPE_CHECKING:
    from collections.abc import Iterator

# pyarrow, which filters for DuckDB, compares no string views.
_LAYOUT = pl.CompatLevel.oldest()


class Scanned(ds.Dataset):
    """A frame that is read when it is scanned, each time anew."""

    def __init__(self, frame: pl.LazyFrame) -> None:
        """Nothing is read yet."""
        self._frame = frame

    @property
    def schema(self) -> pa.Schema:
        """The columns and their types."""
        return _schema(self._frame)

    def scanner(  # type: ignore[override]
        self,
        columns: list[str] | None = None,
        filter: ds.Expression | None = None,  # noqa: A002 - as DuckDB calls it
        **_reading: Any,  # noqa: ANN401 - of files, and this is none
    ) -> ds.Scanner:
        """Read some of the rows and columns, those that the filter needs among them."""
        frame = self._frame if columns is None else self._frame.select(columns)
        schema = _schema(frame)
        reader = pa.RecordBatchReader.from_batches(schema, _batches(frame, schema))
        return ds.Scanner.from_batches(reader, columns=columns, filter=filter)


def _schema(frame: pl.LazyFrame) -> pa.Schema:
    return pl.DataFrame(schema=frame.collect_schema()).to_arrow(compat_level=_LAYOUT).schema


def _batches(frame: pl.LazyFrame, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for part in frame.collect_batches(maintain_order=True):
        yield from part.to_arrow(compat_level=_LAYOUT).cast(schema).to_batches()
