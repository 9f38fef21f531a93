"""chatdata: numbers you can trust, from any chat log, at any size.

```python
import chatdata as cd

chats = cd.scan("sqlite:///app.db")
chats.messages.collect()
cd.analysis.tool_usage(chats)
```

Names are resolved when they are first used, so that `import chatdata` loads neither Polars nor
DuckDB, SQLModel or Alembic.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chatdata import analysis
    from chatdata.chats import Chats
    from chatdata.errors import (
        AccessError,
        ChatdataError,
        EngineError,
        FormatError,
        LayoutError,
        MigrationError,
        QueryError,
        SchemaError,
        SourceError,
        UnknownFormatError,
    )
    from chatdata.formats import formats
    from chatdata.ingest import compact
    from chatdata.load import concat, scan
    from chatdata.sample import sample
    from chatdata.store.write import write

__version__ = "0.1.0"

__all__ = [
    "AccessError",
    "ChatdataError",
    "Chats",
    "EngineError",
    "FormatError",
    "LayoutError",
    "MigrationError",
    "QueryError",
    "SchemaError",
    "SourceError",
    "UnknownFormatError",
    "analysis",
    "compact",
    "concat",
    "formats",
    "sample",
    "scan",
    "write",
]

_HOMES = {
    "Chats": "chatdata.chats",
    "compact": "chatdata.ingest",
    "concat": "chatdata.load",
    "formats": "chatdata.formats",
    "sample": "chatdata.sample",
    "scan": "chatdata.load",
    "write": "chatdata.store",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the attribute's own type, seen by checkers above
    if name == "analysis":
        return import_module("chatdata.analysis")
    if name not in __all__:
        raise AttributeError(f"module 'chatdata' has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "chatdata.errors")), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


class _Package(ModuleType):
    """This module, in which `formats` and `sample` stay the functions.

    Importing a sub-package binds its name in its parent, whoever imports it and whenever.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name not in ("formats", "sample"):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
