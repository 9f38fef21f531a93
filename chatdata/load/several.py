"""Several sources as one `Chats`: files together, whatever else under its own name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.load.combine import concat, names
from chatdata.load.read import has_schemas, recognised, refuse_schema, scan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatdata.chats import Chats

FILES = "files"


def scan_all(sources: Sequence[str], **questions: Any) -> Chats[Any]:  # noqa: ANN401 - as `scan` takes them
    """Read sources, each once, however many there are.

    Files and folders are one log, in which each thing counts once; databases, lakes and what lies
    behind a URL are put beside it under the names of their files or databases.

    Raises:
        ChatdataError: as `scan` and `concat`.
    """
    each = list(dict.fromkeys(sources))
    if len(each) == 1:
        return scan(each[0], **questions)
    files = [source for source in each if _is_file(source, questions)]
    if len(files) == len(each):
        return scan(files, **questions)
    others = [source for source in each if source not in files]
    refuse_schema(questions.get("schema"), others)
    without = {**questions, "schema": None}
    parts = {
        name: scan(one, **(questions if has_schemas(one) else without))
        for name, one in zip(names(others), others, strict=True)
    }
    return concat(**parts, **({FILES: scan(files, **without)} if files else {}))


def _is_file(source: str, questions: dict[str, Any]) -> bool:
    asked = questions.get("format"), questions.get("mapping")
    return "://" not in source and recognised(source, *asked).kind == "files"
