"""Copied messages, continued conversations, calls and results: each thing once."""

from __future__ import annotations

from chatdata.identity.accounting import sum_or_null
from chatdata.identity.resolve import Resolved, resolve

__all__ = ["Resolved", "resolve", "sum_or_null"]
