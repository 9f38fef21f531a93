"""Any source in, `Chats` out."""

from __future__ import annotations

from chatdata.load.combine import concat
from chatdata.load.read import scan

__all__ = ["concat", "scan"]
