"""Every analysis over a lake of the sample world: all together, and each by itself."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from measure import Case, Group, Target, below
from world import FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from measure import Results

_MESSAGES_EACH = 10.63  # in a conversation of the sample world


def groups(n_messages: int) -> Iterator[Callable[[], Group]]:
    """Give the groups, each made (its data with it) only when it is asked for."""

    def analyses() -> Group:
        from chatdata import analysis

        lake = str(_lake(n_messages))
        names = ("together", *sorted(analysis.__all__))
        return Group(
            "analyses",
            "analyses",
            f"Every analysis over a lake of {n_messages:,} messages",
            tuple(Case(name, lake) for name in names),
            (
                Target(
                    "4",
                    "all together within 10 s of wall time",
                    below("wall", 10 * n_messages / 1e6),
                ),
                Target("4", "all together within 10 CPU s", below("cpu", 10 * n_messages / 1e6)),
                Target("4", "none over 1,000 MB", _largest),
            ),
            once=True,
        )

    yield from (analyses,)


def together(source: str) -> Callable[[], dict[str, Any]]:
    """Every analysis, one after the other, in one process."""
    import chatdata as cd
    from chatdata import analysis

    names, small, lake = sorted(analysis.__all__), cd.sample(20), cd.scan(source)
    for name in names:
        _ask(name, small)

    def work() -> dict[str, Any]:
        for name in names:
            _ask(name, lake)
        return {}

    return work


def __getattr__(name: str) -> Callable[[str], Callable[[], dict[str, Any]]]:
    """Give the case of one analysis by its name."""
    if name.startswith("_"):
        raise AttributeError(name)
    return partial(_case, name)


def _case(name: str, source: str) -> Callable[[], dict[str, Any]]:
    import chatdata as cd

    # Asking a small log loads what the analysis needs.
    _ask(name, cd.sample(20))
    lake = cd.scan(source)

    def work() -> dict[str, Any]:
        _ask(name, lake)
        return {}

    return work


def _ask(name: str, chats: Any) -> Any:  # noqa: ANN401 - whatever an analysis takes and gives
    import narwhals as nw
    import polars as pl

    from chatdata import analysis

    found = getattr(analysis, name)(chats)
    return found if isinstance(found, pl.DataFrame) else nw.from_native(found).collect("polars")


def _lake(n_messages: int) -> Path:
    """Make a lake of the sample world, once."""
    import chatdata as cd

    path = FOLDER / f"lake-sample-{n_messages}"
    if not path.exists():
        FOLDER.mkdir(exist_ok=True)
        part = path.with_suffix(".part")
        cd.write(cd.sample(round(n_messages / _MESSAGES_EACH)), part)
        part.rename(path)
    return path


def _largest(results: Results, _own: str) -> tuple[float, bool]:
    found = max(results.median(name, "rss") for name in results.rounds if name != "together")
    return found, found <= 1000  # noqa: PLR2004 - megabytes
