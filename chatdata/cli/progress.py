"""A sign of life on stderr, for people, once something takes longer than a second."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING

from chatdata.cli.output import n_bytes, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PATIENCE_S = 1.0


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show what is going on while the block runs, unless it is quick or nobody watches."""
    with _status(what):
        yield


@contextmanager
def counting(what: str) -> Iterator[Callable[[str, int], None]]:
    """Do the same for tables, and say how many rows of which are done."""
    with _status(what) as show:
        yield lambda table, n_rows: show(f"{what} {table}: {n_rows:,} rows")


@contextmanager
def throughput(what: str) -> Iterator[Callable[[str, int], None]]:
    """Do the same for files, and say how many bytes of them went by, and how fast.

    The block calls what it gets with each file and its size before it is read.
    """
    begun, n_files, n_done, n_started = time.monotonic(), 0, 0, 0
    with _status(what) as show:

        def started(path: str, size: int) -> None:
            nonlocal n_files, n_done, n_started
            n_files, n_done, n_started = n_files + 1, n_started, n_started + size
            rate = n_done / max(time.monotonic() - begun, 0.001)
            done = f"{n_bytes(n_done)}, {n_bytes(rate)}/s"
            show(f"{what} file {n_files:,} ({n_bytes(size)}) after {done}: {Path(path).name}")

        yield started


@contextmanager
def tallying(what: str, n: int) -> Iterator[Callable[..., None]]:
    """Do the same for things done one by one, and say how many are, and how many have failed.

    The block calls what it gets after each, and says whether it `failed`.
    """
    n_done = n_failed = 0
    with _status(f"{what} of {n:,}") as show:

        def note(*, failed: bool) -> None:
            nonlocal n_done, n_failed
            n_done, n_failed = n_done + 1, n_failed + failed
            show(f"{what} of {n:,}: {n_done:,} done, {n_failed:,} of them failed")

        yield note


@contextmanager
def _status(what: str) -> Iterator[Callable[[str], None]]:
    """Give what changes the words that are shown."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.text import Text

    status = Console(stderr=True).status(f"{what} …")
    timer = Timer(_PATIENCE_S, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda words: status.update(Text(plain(words)))
    finally:
        timer.cancel()
        timer.join()
        status.stop()
