"""Any source in, `Chats` out."""

from __future__ import annotations

from chatdata.load.combine import concat, names
from chatdata.load.read import names_database, scan

__all__ = ["concat", "names", "names_database", "scan"]
