"""The lake: frames at rest in Parquet, which any engine reads with or without chatdata."""

from __future__ import annotations

from chatdata.store.write import write

__all__ = ["write"]
