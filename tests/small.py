"""Calls for `killer.py` that work in small pieces, so that there is much to interrupt."""

from __future__ import annotations

from chatdata.migrate import backfill


def run_backfill(url):
    """
    A backfill in batches of a hundred messages, and transactions of twenty calls.
    """
    backfill.FIRST = backfill.LARGEST = 100
    backfill.PART = dict.fromkeys(backfill.PART, 20)
    backfill.run(url)
