"""The kernel alone: calls out of stored text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from measure import Case, Group, Target, below

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def groups(n_messages: int) -> Iterator[Callable[[], Group]]:
    """Give the groups, each made (its data with it) only when it is asked for."""

    def kernel() -> Group:
        n_calls = n_messages * 14 // 100
        return Group(
            "kernel",
            "kernel",
            f"The kernel: {n_calls:,} calls of six shapes in {n_messages:,} messages",
            (Case("kernel", f"{n_messages}/{n_calls}"),),
            (Target("3", "≤ 1.5 CPU s", below("cpu", 1.5 * n_messages / 1e6)),),
        )

    yield from (kernel,)


def kernel(source: str) -> Callable[[], dict[str, Any]]:
    """Tool calls out of stored text of six shapes, batch by batch."""
    import pyarrow as pa
    from world import mixed_calls

    from chatdata.tool_calls import extract_tool_calls

    n_messages, n_calls = (int(part) for part in source.split("/"))
    texts = mixed_calls(n_messages, n_calls)
    ids = [str(number) for number in range(n_messages)]
    table = pa.table({"message_id": ids, "text": pa.array(texts, pa.string())})
    batches = table.to_batches(65_536)
    extract_tool_calls(batches[0].slice(0, 100))

    def work() -> dict[str, Any]:
        found = pa.Table.from_batches([extract_tool_calls(batch) for batch in batches])
        named = sum(name == "add_task" for name in found.column("name").to_pylist())
        return {"tool_calls": named, "rows": found.num_rows}

    return work
