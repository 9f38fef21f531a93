"""Readers of log formats, one module each, and the registry that finds them."""

from __future__ import annotations

from chatdata.formats.base import Format, formats

__all__ = ["Format", "formats"]
