"""`chatdata scan`: what is in a source, and what it was taken for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from chatdata.cli.options import reads
from chatdata.cli.output import facts, plain, table
from chatdata.cli.progress import working

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from chatdata.chats import Chats

_LISTED = 20  # of the tools, say; `--json` has them all


@click.command()
@reads
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--explain", is_flag=True, help="Say what became what, and why.")
def scan(chats: Chats[pl.LazyFrame], *, as_json: bool, explain: bool) -> None:
    """Read sources, and say what is in them."""
    from chatdata.cli.summary import summary

    if as_json:
        with working("Counting"):
            found = summary(chats)
        more = {"explain": chats.explain().to_dicts()} if explain else {}
        click.echo(json.dumps({**found, **more}, ensure_ascii=False, indent=2))
        return
    print_summary(chats)
    if explain:
        explained = chats.explain().partition_by("origin", as_dict=True, include_key=False)
        for (origin,), decisions in explained.items():
            title = f"What became what in {plain(str(origin))}"
            table(decisions, title=title, most_rows=decisions.height)


def print_summary(chats: Chats[pl.LazyFrame]) -> None:
    """Print what is in a `Chats`."""
    from chatdata.cli.summary import summary

    with working("Counting"):
        found = summary(chats)
    facts(_title(found), _lines(found))


def _title(found: dict[str, Any]) -> str:
    first, more = found["origins"][:3], found["origins"][3:]
    shown = ", ".join(first) + (f" and {len(more)} more" if more else "")
    return plain(f"{shown or 'nothing'} · {found['format'] or 'no format'}")


def _lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    from chatdata.cli.summary import reconciled

    tokens = {name: n for name, n in found["tokens"].items() if n is not None}
    silent = found["conversations_without_messages"]
    return [
        ("conversations", f"{found['conversations']:,} ({silent:,} without messages)"),
        ("users", f"{found['users']:,}"),
        ("messages", _by(f"{found['messages']:,}", found["messages_by_role"])),
        ("", reconciled(found["rows"])),
        ("tool calls", _by(f"{found['tool_calls']:,}", found["calls_by_tool"])),
        ("", _by(f"{found['tool_results']:,} with a result", found["calls_by_status"])),
        ("tokens", _listed(tokens) or "not recorded"),
        ("time", _span(found["first_message_at"], found["last_message_at"])),
        ("rejects", f"{found['rejects']:,}"),
    ]


def _by(total: str, parts: Mapping[str | None, int]) -> str:
    return f"{total}: {_listed(parts)}" if parts else total


def _listed(parts: Mapping[str | None, int]) -> str:
    named = [f"{n:,} {plain(name) if name else '(unnamed)'}" for name, n in parts.items()]
    more = [f"{len(named) - _LISTED:,} more"] if len(named) > _LISTED else []
    return ", ".join(named[:_LISTED] + more)


def _span(first: str | None, last: str | None) -> str:
    if first is None or last is None:
        return "not recorded"
    return " to ".join(f"{moment[:10]} {moment[11:16]}" for moment in (first, last))
