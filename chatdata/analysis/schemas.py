"""The JSON schema that the calls of each tool keep to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import narwhals as nw
import polars as pl

from chatdata.analysis.members import Shape, decoded, shape
from chatdata.analysis.rows import batches

if TYPE_CHECKING:
    from collections.abc import Mapping

    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["tool_schemas"]


def tool_schemas(chats: Chats[Frame]) -> pl.DataFrame:
    """Infer a JSON schema from the arguments of each tool's calls.

    It is the narrowest that all calls keep to, and holds names and types but no value: `required`
    is what every call has. A declared schema may allow more.

    Returns:
        One row per tool with arguments that are a JSON object, most such calls first: `name` (str),
        `n_tool_calls` (i64, with such arguments), `n_shapes` (i64, different sets of names and
        types among them), `schema` (str, a JSON schema, its keys sorted).
    """
    shapes = _shapes(chats)
    names = list(shapes)
    return pl.DataFrame(
        {
            "name": names,
            "n_tool_calls": [sum(shapes[name].values()) for name in names],
            "n_shapes": [len(shapes[name]) for name in names],
            "schema": [_schema(shapes[name]) for name in names],
        },
        schema={
            "name": pl.String(),
            "n_tool_calls": pl.Int64(),
            "n_shapes": pl.Int64(),
            "schema": pl.String(),
        },
    ).sort("n_tool_calls", "name", descending=[True, False], nulls_last=True)


@dataclass
class _Node:
    """What was met in one place of a tool's arguments."""

    n: int = 0
    types: set[str] = field(default_factory=set)
    items: _Node | None = None
    n_objects: int = 0
    members: dict[str, _Node] = field(default_factory=dict)

    def meet(self, found: Shape, n: int) -> None:
        """Take in a shape that was met so many times."""
        self.n += n
        kind, inner = (found, ()) if isinstance(found, str) else found
        self.types.add(kind)
        if kind == "object":
            self.n_objects += n
            for key, part in inner:
                self.members.setdefault(key, _Node()).meet(part, n)
        for part in inner if kind == "array" else ():
            self.items = self.items or _Node()
            self.items.meet(part, n)

    def schema(self) -> dict[str, Any]:
        """Say what was met, as a JSON schema."""
        types = self.types - {"integer"} if "number" in self.types else self.types
        found: dict[str, Any] = {"type": sorted(types) if len(types) > 1 else next(iter(types))}
        if self.members:
            found["properties"] = {key: node.schema() for key, node in self.members.items()}
        required = sorted(key for key, node in self.members.items() if node.n == self.n_objects)
        if required:
            found["required"] = required
        if self.items:
            found["items"] = self.items.schema()
        return found


def _shapes(chats: Chats[Frame]) -> Mapping[str | None, Counter[Shape]]:
    """Count the shapes of each tool's arguments, batch by batch."""
    calls = nw.from_native(chats.tool_calls).filter(~nw.col("arguments").is_null())
    found: dict[str | None, Counter[Shape]] = {}
    for batch in batches(calls.select("name", "arguments")):
        each = batch.group_by("name", "arguments").len()
        columns = (each[column].to_list() for column in each.columns)
        for name, text, n in zip(*columns, strict=True):
            found.setdefault(name, Counter())[shape(decoded(text))] += n
    return found


def _schema(shapes: Counter[Shape]) -> str:
    root = _Node()
    for each, n in shapes.items():
        root.meet(each, n)
    return msgspec.json.encode(root.schema(), order="sorted").decode()
