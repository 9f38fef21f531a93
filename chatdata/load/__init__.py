"""Any source in, `Chats` out."""

from __future__ import annotations

from chatdata.load.combine import concat, names
from chatdata.load.maps import as_flags, as_toml, read_map
from chatdata.load.read import names_database, scan
from chatdata.load.several import scan_all
from chatdata.load.suggest import Suggestion, suggest_map

__all__ = [
    "Suggestion",
    "as_flags",
    "as_toml",
    "concat",
    "names",
    "names_database",
    "read_map",
    "scan",
    "scan_all",
    "suggest_map",
]
