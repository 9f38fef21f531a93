"""The command line: one thin function per verb, each a library call with its answer printed."""

from __future__ import annotations

from chatdata.cli.main import main

__all__ = ["main"]
