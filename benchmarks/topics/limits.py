"""Every analysis under a limit of memory, and how cost grows with the log."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import world
from measure import Case, Group, Results, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LIMIT = "1GB"
_LIMIT_MB = 1000
_TEN = 10
_GROWTH = 1.2
_SHOWN = ("conversation_length", "tool_usage", "quality_checks")


def groups(n_messages: int) -> Iterator[Callable[[], Group]]:
    """Give the groups, each made (its data with it) only when it is asked for."""

    def limited() -> Group:
        from chatdata import analysis

        sizes = (n_messages * _TEN, n_messages)
        names = sorted(analysis.__all__)
        return Group(
            "limits",
            "limited",
            f"Every analysis on DuckDB within {_LIMIT}, {sizes[0]:,} and {sizes[1]:,} messages",
            tuple(
                Case(f"{name}@{size}", str(world.lake(size))) for name in names for size in sizes
            ),
            (
                Target("7", f"no process over {_LIMIT_MB:,} MB", _largest),
                Target("7", f"cost of a message ≤ {_GROWTH} x that at a tenth, CPU", _grown),
            ),
            once=True,
        )

    def growth() -> Group:
        sizes = (n_messages // _TEN, n_messages, n_messages * _TEN)
        return Group(
            "limits",
            "growth",
            "Growth on Polars: a tenth, one and ten times as many messages",
            tuple(
                Case(f"{name}@{size}:polars", str(world.lake(size)))
                for name in _SHOWN
                for size in sizes
            ),
            tuple(
                Target(
                    "7",
                    f"{name}: cost of a message ≤ {_GROWTH} x that at a tenth, CPU",
                    partial(_grown, name=name),
                )
                for name in _SHOWN
            ),
        )

    yield from (limited, growth)


def __getattr__(name: str) -> Callable[[str], Callable[[], dict[str, Any]]]:
    """Give the case of one analysis by its name, with its size and its engine."""
    analysis, found, rest = name.partition("@")
    if not found:
        raise AttributeError(name)
    return partial(_case, analysis, rest.partition(":")[2] or "duckdb")


def _case(name: str, engine: Any, source: str) -> Callable[[], dict[str, Any]]:  # noqa: ANN401 - an engine's name
    import polars as pl

    import chatdata as cd
    from chatdata import analysis, engines

    limit = {"memory_limit": _LIMIT} if engine == "duckdb" else {}
    ask = getattr(analysis, name)

    def count(chats: Any) -> int:  # noqa: ANN401 - of any engine
        found = ask(chats)
        if isinstance(found, pl.DataFrame):
            return found.height
        # A row per conversation or message is taken as it comes, and not held.
        return sum(batch.height for batch in engines.engine(engine).batches(found))

    count(cd.sample(20).to(engine))

    def work() -> dict[str, Any]:
        return {name + source: count(cd.scan(source, engine=engine, **limit))}

    return work


def _largest(results: Results, _own: str) -> tuple[float, bool]:
    found = max(results.median(name, "rss") for name in results.rounds)
    return found, found <= _LIMIT_MB


def _grown(results: Results, _own: str, name: str = "") -> tuple[float, bool]:
    """Compare the cost of a message in the largest lake and in one a tenth of it."""
    spent: dict[int, float] = {}
    for case in results.rounds:
        analysis, _, rest = case.partition("@")
        size = int(rest.partition(":")[0])
        if name in ("", analysis):
            spent[size] = spent.get(size, 0) + results.median(case, "cpu")
    largest = max(spent)
    found = spent[largest] / largest / (spent[largest // _TEN] / (largest // _TEN))
    return found, found <= _GROWTH
