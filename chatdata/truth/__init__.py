"""The truth pack: made-up logs in every format that is read, each with its exact counts beside it.

Written from the formats' descriptions alone, by code that shares nothing with the readers, so that
counting these files is a real check, for us and for any other tool.
"""

from __future__ import annotations

from chatdata.truth.pack import cases, write_pack

__all__ = ["cases", "write_pack"]
