"""An application's own tables, read only: whatever their layout, typed frames come out."""

from __future__ import annotations

from chatdata.database.read import read

__all__ = ["read"]
