"""Importing logs into a lake: once each, originals kept, safe to repeat and to interrupt."""

from __future__ import annotations

from chatdata.ingest.archive import give_back, originals, restore
from chatdata.ingest.compacting import Compacted, compact
from chatdata.ingest.places import places
from chatdata.ingest.run import Imported, ingest

__all__ = [
    "Compacted",
    "Imported",
    "compact",
    "give_back",
    "ingest",
    "originals",
    "places",
    "restore",
]
