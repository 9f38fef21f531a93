"""A large table of Postgres, read in ranges of its pages by two readers that see one snapshot.

A second connection joins the first one's snapshot, so that both see the very same rows, whatever
is written meanwhile. The ranges follow each other as the pages lie, and so do the rows.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from queue import SimpleQueue
from typing import TYPE_CHECKING

from chatdata.database.connect import open_snapshot
from chatdata.database.sql import literal, quoted
from chatdata.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    import polars as pl

    from chatdata.database.connect import Snapshot, Target

PAGES = 4096
"""The pages of a range, 32 MB of the usual size; a table of less than two is read whole."""

# Only heaps of Postgres 14 and later find a range of pages without reading all the others.
_PAGES_OF = """
SELECT (pg_relation_size(c.oid) / current_setting('block_size')::int8)::int8 AS pages
FROM pg_class c JOIN pg_am a ON a.oid = c.relam
WHERE c.oid = to_regclass({table}) AND c.relkind = 'r' AND a.amname = 'heap'
AND current_setting('server_version_num')::int4 >= 140000
"""


def conditions(snapshot: Snapshot, table: str) -> tuple[str, ...]:
    """Give the conditions that part a table into ranges; an empty one where it is read whole."""
    if snapshot.dialect != "postgresql":
        return ("",)
    found = snapshot.rows(_PAGES_OF.format(table=literal(quoted(table))))
    n_pages = found[0]["pages"] if found else 0
    starts = range(PAGES, n_pages - PAGES + 1, PAGES)
    if not starts:
        return ("",)
    bounds = [f"'({start},0)'::tid" for start in starts]
    between = (f" WHERE ctid >= {low} AND ctid < {high}" for low, high in pairwise(bounds))
    return (f" WHERE ctid < {bounds[0]}", *between, f" WHERE ctid >= {bounds[-1]}")


@contextmanager
def readers(
    where: Target, schema: str | None, first: Snapshot, n_queries: int
) -> Iterator[list[Snapshot]]:
    """Give the readers of so many queries: for several a second one, of the first one's snapshot.

    A server that has no connection left for us is read by one.
    """
    with ExitStack() as opened:
        found = [first]
        if n_queries > 1:
            name = first.rows("SELECT pg_export_snapshot()::text AS name")[0]["name"]
            with suppress(SourceError):
                second = open_snapshot(where, schema, exported=name)
                found.append(opened.enter_context(second))
        yield found


def side_by_side(
    snapshots: Sequence[Snapshot],
    queries: Iterable[str],
    read: Callable[[Snapshot, str], Iterable[pl.DataFrame]],
) -> Iterator[pl.DataFrame]:
    """Run queries on whichever reader is free, and give their answers in the queries' order."""
    free: SimpleQueue[Snapshot] = SimpleQueue()
    for snapshot in snapshots:
        free.put(snapshot)

    def answer(sql: str) -> list[pl.DataFrame]:
        snapshot = free.get()
        try:
            return list(read(snapshot, sql))
        finally:
            free.put(snapshot)

    with ThreadPoolExecutor(len(snapshots), "chatdata-range") as pool:
        # One more than is read at a time, so that answers do not pile up.
        asked: deque[Future[list[pl.DataFrame]]] = deque()
        for sql in queries:
            asked.append(pool.submit(answer, sql))
            if len(asked) > len(snapshots):
                yield from asked.popleft().result()
        while asked:
            yield from asked.popleft().result()
