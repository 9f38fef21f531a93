"""`chatdata scan`: what is in a source, and what it was taken for."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

import click

from chatdata.cli.options import reads
from chatdata.cli.output import facts, plain, table
from chatdata.cli.progress import working

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import polars as pl

    from chatdata.chats import Chats

_LISTED = 20  # of the tools, say; `--json` has them all
_UNREAD = 5  # of what could not be read


def _suggests(verb: Callable[..., None]) -> Callable[..., None]:
    """Let a verb propose a mapping instead of reading."""

    @functools.wraps(verb)
    def suggest_first(*, suggest_map: bool, **asked: Any) -> None:  # noqa: ANN401 - the verb's own
        if suggest_map:
            _print_suggestions(asked["sources"], asked["schema"])
        else:
            verb(**asked)

    return click.option(
        "--suggest-map",
        is_flag=True,
        help="Propose --map options for a table of your own, instead of reading it.",
    )(suggest_first)


@click.command()
@_suggests
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


def _print_suggestions(sources: tuple[str, ...], schema: str | None) -> None:
    from chatdata.load import as_flags, as_toml, suggest_map

    for source in sources:
        with working("Looking"):
            found = suggest_map(source, schema=schema)
        click.echo(f"# {plain(source)}: {found.rows:,} rows looked at")
        for key, reason in found.reasons.items():
            click.echo(f"# {key}: {plain(found.mapping[key])}, {reason}")
        click.echo(as_flags(found.mapping))
        click.echo()
        click.echo("# The same as a file, for --map FILE.toml:")
        click.echo(as_toml(found.mapping))


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
    n_apart = found["conversations_with_other_tokens"]
    apart = f"not those of responses without a message, in {n_apart:,} conversations"
    n_more = len(found["not_read"]) - _UNREAD
    return [
        ("conversations", f"{found['conversations']:,} ({silent:,} without messages)"),
        ("users", f"{found['users']:,}"),
        ("messages", _by(f"{found['messages']:,}", found["messages_by_role"])),
        ("", reconciled(found["rows"])),
        ("tool calls", _by(f"{found['tool_calls']:,}", found["calls_by_tool"])),
        ("", _by(f"{found['tool_results']:,} with a result", found["calls_by_status"])),
        ("tokens", _listed(tokens) or "not recorded"),
        *([("", apart)] if n_apart else []),
        ("time", _span(found["first_message_at"], found["last_message_at"])),
        ("rejects", f"{found['rejects']:,}"),
        *(("not read", plain(what)) for what in found["not_read"][:_UNREAD]),
        *([("", f"{n_more:,} more, which --explain names")] if n_more > 0 else []),
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
