"""`chatdata show`: one conversation, readable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from chatdata.cli.options import reads
from chatdata.cli.progress import working
from chatdata.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from chatdata.chats import Chats

_STYLES = {"user": "bold cyan", "assistant": "bold green", "tool": "magenta", "system": "yellow"}
_MOST_CHARS = 400  # of an argument or a result


@click.command()
@reads
@click.argument("conversation", metavar="ID")
def show(chats: Chats[pl.LazyFrame], conversation: str) -> None:
    """Print one conversation, with its tool calls."""
    import polars as pl
    from rich.console import Console

    from chatdata.cli.output import harmless

    of_this, texts = pl.col("conversation_id") == conversation, harmless(pl.col(pl.String))
    with working("Reading"):
        heads, messages, calls = pl.collect_all(
            [
                chats.conversations.filter(of_this).with_columns(texts),
                chats.messages.filter(of_this).sort("position").with_columns(texts),
                chats.tool_calls.filter(of_this).sort("position").with_columns(texts),
            ]
        )
    if heads.is_empty() and messages.is_empty() and calls.is_empty():
        raise SourceError(f"no conversation {conversation!r}; {_some_ids(chats)}")
    console = Console(highlight=False)
    lines = [
        *_head(conversation, heads.row(0, named=True) if heads.height else {}),
        *(
            line
            for message in messages.iter_rows(named=True)
            for line in _message(
                message, calls.filter(pl.col("message_id") == message["message_id"])
            )
        ),
        *_calls(
            calls.filter(~pl.col("message_id").is_in(messages["message_id"]).fill_null(value=False))
        ),
    ]
    for style, text in lines:
        console.print(text, style=style, markup=False)


def _some_ids(chats: Chats[pl.LazyFrame]) -> str:
    """Name a few conversations that do exist."""
    ids = chats.conversations.select("conversation_id").head(3).collect()["conversation_id"]
    return f"there are {', '.join(ids)}, …" if len(ids) else "there are none"


def _head(conversation: str, head: dict[str, Any]) -> Iterator[tuple[str, str]]:
    title = head.get("title")
    yield "bold", f"conversation {conversation}" + (f" · {title}" if title else "")
    named = {
        "user": head.get("user_id"),
        "model": head.get("model"),
        head.get("relation") or "from": head.get("parent_conversation_id"),
    }
    if any(named.values()):
        yield "dim", " · ".join(f"{name} {value}" for name, value in named.items() if value)


def _message(message: dict[str, Any], calls: pl.DataFrame) -> Iterator[tuple[str, str]]:
    marks = [
        message["created_at"].strftime("%Y-%m-%d %H:%M:%S") if message["created_at"] else "",
        message["kind"] if message["kind"] != "chat" else "",
        "" if message["is_main_path"] else "replaced",
    ]
    yield "", ""
    yield _STYLES[message["role"]], " · ".join(filter(None, [message["role"], *marks]))
    if message["content"] is not None:
        yield "", message["content"]
    elif message["n_chars"] is not None:
        yield "dim", f"({message['n_chars']:,} characters)"
    yield from _calls(calls)


def _calls(calls: pl.DataFrame) -> Iterator[tuple[str, str]]:
    for call in calls.iter_rows(named=True):
        arguments = _shortened(call["arguments_raw"] or "")
        yield "blue", f"  → {call['name'] or '(unnamed)'}({arguments})"
        result = _shortened(call["result"] or "")
        yield "blue", f"  ← {call['status']}" + (f": {result}" if result else "")


def _shortened(text: str) -> str:
    more = len(text) - _MOST_CHARS
    return text if more <= 0 else f"{text[:_MOST_CHARS]} … ({more:,} more characters)"
