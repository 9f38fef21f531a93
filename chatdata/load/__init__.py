"""Any source in, `Chats` out."""

from __future__ import annotations

from chatdata.load.combine import concat, names
from chatdata.load.read import scan

__all__ = ["concat", "names", "scan"]
